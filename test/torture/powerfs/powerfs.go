// Package powerfs is a file system in memory that loses what was not synced when its power is cut, and whose disk can be
// full, failing or slow. Tests mount it with FUSE and run real stores and the real program on it.
//
// It is for tests only and keeps nothing anywhere. It is strict: a new name is durable once its directory was synced, and
// not before, whatever was done to the file. Start at Mount.
package powerfs

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// sector is the unit in which a disk writes or does not.
const sector = 512

// Image is what a disk holds without power: a tree of files and directories.
type Image struct {
	data []byte
	dir  map[string]*Image // nil for a file
}

// NewImage returns an empty disk.
func NewImage() *Image { return &Image{dir: map[string]*Image{}} }

// WriteTo copies the image into a directory of another file system.
func (i *Image) WriteTo(path string) error {
	if i.dir == nil {
		return os.WriteFile(path, i.data, 0o600)
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	for name, child := range i.dir {
		if err := child.WriteTo(filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// Disk is a mounted image with its knobs. The knobs may be turned at any time.
type Disk struct {
	server *fuse.Server
	path   string
	root   *node

	mu   sync.Mutex // guards the tree
	used int64
	dead bool

	// Full is the number of bytes at which the disk refuses to grow with ENOSPC; 0 for never.
	Full atomic.Int64
	// FailSync makes every sync fail with EIO. What it should have written is lost at the cut, also after a later sync.
	FailSync atomic.Bool
	// LieSync makes every sync succeed and do nothing, as a broken disk does.
	LieSync atomic.Bool
	// SyncDelay is how long a sync takes, in nanoseconds.
	SyncDelay atomic.Int64
	// Syncs counts them.
	Syncs atomic.Int64
}

// Mount mounts a copy of the image on the directory. It needs /dev/fuse and the right to mount, or fusermount3.
func Mount(path string, from *Image) (*Disk, error) {
	d := &Disk{path: path}
	d.root = d.load(from)
	server, err := fs.Mount(path, d.root, &fs.Options{MountOptions: fuse.MountOptions{FsName: "powerfs", Name: "powerfs", DirectMount: true, DisableXAttrs: true}})
	if err != nil {
		return nil, err
	}
	d.server = server
	return d, nil
}

// load makes nodes of an image; everything in it is durable.
func (d *Disk) load(from *Image) *node {
	n := &node{disk: d}
	if from.dir == nil {
		n.live, n.durable = append([]byte(nil), from.data...), append([]byte(nil), from.data...)
		n.dirty = map[int]bool{}
		d.used += int64(len(n.live))
		return n
	}
	n.names, n.kept = map[string]*node{}, map[string]*node{}
	for name, child := range from.dir {
		c := d.load(child)
		n.names[name], n.kept[name] = c, c
	}
	return n
}

// Cut takes the power away: every call from now on fails, and what was not synced is gone. With a random source some of
// it is not gone: any of the unsynced blocks of 512 or 4,096 bytes, and the first few of each directory's changes.
func (d *Disk) Cut(rnd *rand.Rand) *Image {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dead = true
	if rnd == nil {
		return d.root.image(nil, survival{})
	}
	return d.root.image(rnd, survival{block: []int{sector, 4096}[rnd.IntN(2)], keep: rnd.Float64()})
}

// Live returns what the disk seems to hold to who has it mounted.
func (d *Disk) Live() *Image {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.root.seen()
}

// Unmount ends the disk; who still has files open on it sees errors.
func (d *Disk) Unmount() error {
	for range 50 {
		if d.server.Unmount() == nil {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return syscall.Unmount(d.path, syscall.MNT_DETACH)
}

// enter locks the tree, unless the power is gone.
func (d *Disk) enter() syscall.Errno {
	d.mu.Lock()
	if d.dead {
		d.mu.Unlock()
		return syscall.EIO
	}
	return 0
}

// survival says what of the unsynced outlives a cut.
type survival struct {
	block int
	keep  float64 // the probability of each block
}

func (n *node) seen() *Image {
	if n.names == nil {
		return &Image{data: append([]byte(nil), n.live...)}
	}
	out := NewImage()
	for name, child := range n.names {
		out.dir[name] = child.seen()
	}
	return out
}

func (n *node) image(rnd *rand.Rand, s survival) *Image {
	if n.names == nil {
		return &Image{data: n.torn(rnd, s)}
	}
	names := make(map[string]*node, len(n.kept))
	for name, child := range n.kept {
		names[name] = child
	}
	if rnd != nil && len(n.pending) > 0 {
		for _, c := range n.pending[:rnd.IntN(len(n.pending)+1)] {
			c.apply(names)
		}
	}
	out := NewImage()
	for name, child := range names {
		out.dir[name] = child.image(rnd, s)
	}
	return out
}

// torn returns the durable content with some of the unsynced blocks in it.
func (n *node) torn(rnd *rand.Rand, s survival) []byte {
	out := append([]byte(nil), n.durable...)
	if rnd == nil {
		return out
	}
	if len(n.live) < len(out) && rnd.Float64() < s.keep {
		out = out[:len(n.live)]
	}
	for from := 0; from < len(n.live); from += s.block {
		to := min(from+s.block, len(n.live))
		dirty := false
		for i := from / sector; i*sector < to; i++ {
			dirty = dirty || n.dirty[i]
		}
		if !dirty || rnd.Float64() >= s.keep {
			continue
		}
		if to > len(out) {
			out = append(out, make([]byte, to-len(out))...)
		}
		copy(out[from:to], n.live[from:to])
	}
	return out
}
