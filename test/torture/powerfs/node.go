package powerfs

import (
	"context"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a file or, with names, a directory.
type node struct {
	fs.Inode
	disk *Disk

	live, durable []byte
	dirty         map[int]bool // sectors of live that durable does not have

	names, kept map[string]*node
	pending     []change // of names, since the directory was synced
}

// change is one step of a directory: a name gets a node, or goes; a rename within a directory is one step of two.
type change struct {
	gone, name string
	node       *node
}

func (c change) apply(names map[string]*node) {
	if c.gone != "" {
		delete(names, c.gone)
	}
	if c.name != "" {
		names[c.name] = c.node
	}
}

var (
	_ fs.NodeLookuper  = (*node)(nil)
	_ fs.NodeReaddirer = (*node)(nil)
	_ fs.NodeCreater   = (*node)(nil)
	_ fs.NodeMkdirer   = (*node)(nil)
	_ fs.NodeUnlinker  = (*node)(nil)
	_ fs.NodeRmdirer   = (*node)(nil)
	_ fs.NodeRenamer   = (*node)(nil)
	_ fs.NodeGetattrer = (*node)(nil)
	_ fs.NodeSetattrer = (*node)(nil)
	_ fs.NodeOpener    = (*node)(nil)
	_ fs.NodeReader    = (*node)(nil)
	_ fs.NodeWriter    = (*node)(nil)
	_ fs.NodeFsyncer   = (*node)(nil)
	_ fs.NodeStatfser  = (*node)(nil)
)

func (n *node) mode() uint32 {
	if n.names != nil {
		return syscall.S_IFDIR | 0o755
	}
	return syscall.S_IFREG | 0o644
}

func (n *node) attr(out *fuse.Attr) {
	out.Mode, out.Size, out.Blksize = n.mode(), uint64(len(n.live)), 4096
	out.Blocks = (out.Size + sector - 1) / sector
}

// inode returns the kernel's handle of a child.
func (n *node) inode(ctx context.Context, child *node) *fs.Inode {
	if child.EmbeddedInode().StableAttr().Ino != 0 {
		return child.EmbeddedInode()
	}
	return n.NewPersistentInode(ctx, child, fs.StableAttr{Mode: child.mode()})
}

func (n *node) change(c change) {
	c.apply(n.names)
	n.pending = append(n.pending, c)
}

// Lookup implements fs.NodeLookuper.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if e := n.disk.enter(); e != 0 {
		return nil, e
	}
	defer n.disk.mu.Unlock()
	child := n.names[name]
	if child == nil {
		return nil, syscall.ENOENT
	}
	child.attr(&out.Attr)
	return n.inode(ctx, child), 0
}

// Readdir implements fs.NodeReaddirer.
func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	if e := n.disk.enter(); e != 0 {
		return nil, e
	}
	defer n.disk.mu.Unlock()
	var list []fuse.DirEntry
	for name, child := range n.names {
		list = append(list, fuse.DirEntry{Name: name, Mode: child.mode()})
	}
	return fs.NewListDirStream(list), 0
}

func (n *node) make(ctx context.Context, name string, child *node, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if e := n.disk.enter(); e != 0 {
		return nil, e
	}
	defer n.disk.mu.Unlock()
	if n.names[name] != nil {
		return nil, syscall.EEXIST
	}
	n.change(change{name: name, node: child})
	child.attr(&out.Attr)
	return n.inode(ctx, child), 0
}

// Create implements fs.NodeCreater.
func (n *node) Create(ctx context.Context, name string, _, _ uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	inode, e := n.make(ctx, name, &node{disk: n.disk, dirty: map[int]bool{}}, out)
	return inode, nil, 0, e
}

// Mkdir implements fs.NodeMkdirer.
func (n *node) Mkdir(ctx context.Context, name string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.make(ctx, name, &node{disk: n.disk, names: map[string]*node{}, kept: map[string]*node{}}, out)
}

// Unlink implements fs.NodeUnlinker. The space is free at once, although somebody may have the file open.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	if e := n.disk.enter(); e != 0 {
		return e
	}
	defer n.disk.mu.Unlock()
	child := n.names[name]
	if child == nil {
		return syscall.ENOENT
	}
	n.disk.used -= int64(len(child.live))
	n.change(change{gone: name})
	return 0
}

// Rmdir implements fs.NodeRmdirer.
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	if e := n.disk.enter(); e != 0 {
		return e
	}
	defer n.disk.mu.Unlock()
	if child := n.names[name]; child == nil || len(child.names) > 0 {
		return syscall.ENOTEMPTY
	}
	n.change(change{gone: name})
	return 0
}

// Rename implements fs.NodeRenamer.
func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	if e := n.disk.enter(); e != 0 {
		return e
	}
	defer n.disk.mu.Unlock()
	child, target := n.names[name], to.(*node)
	switch {
	case child == nil:
		return syscall.ENOENT
	case flags != 0:
		return syscall.EINVAL
	}
	if old := target.names[newName]; old != nil {
		n.disk.used -= int64(len(old.live))
	}
	if target == n {
		n.change(change{gone: name, name: newName, node: child})
		return 0
	}
	target.change(change{name: newName, node: child})
	n.change(change{gone: name})
	return 0
}

// Getattr implements fs.NodeGetattrer.
func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	if e := n.disk.enter(); e != 0 {
		return e
	}
	defer n.disk.mu.Unlock()
	n.attr(&out.Attr)
	return 0
}

// Setattr implements fs.NodeSetattrer; only the size means something here.
func (n *node) Setattr(_ context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if e := n.disk.enter(); e != 0 {
		return e
	}
	defer n.disk.mu.Unlock()
	if size, ok := in.GetSize(); ok && n.names == nil {
		if e := n.resize(int(size)); e != 0 {
			return e
		}
	}
	n.attr(&out.Attr)
	return 0
}

func (n *node) resize(size int) syscall.Errno {
	if size <= len(n.live) {
		n.disk.used -= int64(len(n.live) - size)
		n.live = n.live[:size]
		if size%sector != 0 {
			n.dirty[size/sector] = true
		}
		return 0
	}
	if e := n.grow(size); e != 0 {
		return e
	}
	return 0
}

// grow fills with zeros up to the size.
func (n *node) grow(size int) syscall.Errno {
	more := size - len(n.live)
	if full := n.disk.Full.Load(); full > 0 && n.disk.used+int64(more) > full {
		return syscall.ENOSPC
	}
	n.disk.used += int64(more)
	for i := len(n.live) / sector; i*sector < size; i++ {
		n.dirty[i] = true
	}
	n.live = append(n.live, make([]byte, more)...)
	return 0
}

// Open implements fs.NodeOpener.
func (n *node) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	if e := n.disk.enter(); e != 0 {
		return nil, 0, e
	}
	defer n.disk.mu.Unlock()
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

// Read implements fs.NodeReader.
func (n *node) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if e := n.disk.enter(); e != 0 {
		return nil, e
	}
	defer n.disk.mu.Unlock()
	if off >= int64(len(n.live)) {
		return fuse.ReadResultData(nil), 0
	}
	return fuse.ReadResultData(dest[:copy(dest, n.live[off:])]), 0
}

// Write implements fs.NodeWriter.
func (n *node) Write(_ context.Context, _ fs.FileHandle, data []byte, off int64) (uint32, syscall.Errno) {
	if e := n.disk.enter(); e != 0 {
		return 0, e
	}
	defer n.disk.mu.Unlock()
	end := int(off) + len(data)
	if end > len(n.live) {
		if e := n.grow(end); e != 0 {
			return 0, e
		}
	}
	copy(n.live[off:], data)
	for i := int(off) / sector; i*sector < end; i++ {
		n.dirty[i] = true
	}
	return uint32(len(data)), 0
}

// Fsync implements fs.NodeFsyncer for files and directories. It takes its time outside the lock: other files go on.
func (n *node) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno {
	n.disk.Syncs.Add(1)
	if delay := n.disk.SyncDelay.Load(); delay > 0 {
		time.Sleep(time.Duration(delay))
	}
	if e := n.disk.enter(); e != 0 {
		return e
	}
	defer n.disk.mu.Unlock()
	if n.disk.FailSync.Load() {
		clear(n.dirty) // as Linux does: the pages count as clean, and a second sync that succeeds does not write them
		return syscall.EIO
	}
	if n.disk.LieSync.Load() {
		return 0
	}
	if n.names != nil {
		for _, c := range n.pending {
			c.apply(n.kept)
		}
		n.pending = nil
		return 0
	}
	if size := len(n.live); size <= len(n.durable) {
		n.durable = n.durable[:size]
	} else {
		n.durable = append(n.durable, make([]byte, size-len(n.durable))...)
	}
	for i := range n.dirty {
		if from := i * sector; from < len(n.live) {
			to := min(from+sector, len(n.live))
			copy(n.durable[from:to], n.live[from:to])
		}
	}
	clear(n.dirty)
	return 0
}

// Statfs implements fs.NodeStatfser.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	full := n.disk.Full.Load()
	if full == 0 {
		full = 1 << 40
	}
	n.disk.mu.Lock()
	defer n.disk.mu.Unlock()
	out.Bsize, out.Frsize, out.NameLen = 4096, 4096, 255
	out.Blocks = uint64(full) / 4096
	out.Bfree = uint64(max(0, full-n.disk.used)) / 4096
	out.Bavail = out.Bfree
	return 0
}
