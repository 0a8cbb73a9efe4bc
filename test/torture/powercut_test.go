package torture_test

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/vigil-health/vigil/test/torture/powerfs"
)

var cuts = flag.Int("torture.cuts", 12, "power cuts under the script")

const (
	cutsPerDisk = 8   // a disk is used again after the cut, then there is another
	cutScript   = 400 // numbers that one life of the script may write: more than it comes to
)

// mountDisk mounts the image, or skips where FUSE cannot be had.
func mountDisk(t *testing.T, from *powerfs.Image) (string, *powerfs.Disk) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no /dev/fuse on this machine: the disk cannot be simulated")
	}
	dir, err := os.MkdirTemp("", "vigil-disk-")
	if err != nil {
		t.Fatal(err)
	}
	d, err := powerfs.Mount(dir, from)
	if err != nil {
		t.Skipf("FUSE cannot mount here (root or the Debian package fuse3 is needed): %v", err)
	}
	return dir, d
}

func unmount(t *testing.T, dir string, d *powerfs.Disk) {
	t.Helper()
	if err := d.Unmount(); err != nil {
		t.Errorf("unmount: %v", err)
	}
	os.Remove(dir) //nolint:errcheck // an empty directory
}

// TestPowerCut cuts the power under the script again and again: in half of the cuts nothing unsynced survives, in the
// other half any of the unsynced blocks does.
func TestPowerCut(t *testing.T) {
	rnd := random(t)
	c := cutCounts{}
	for c.cuts < *cuts && !t.Failed() {
		img, l := powerfs.NewImage(), newLedger()
		for range min(cutsPerDisk, *cuts-c.cuts) {
			if img = c.cut(t, rnd, img, l); img == nil {
				break
			}
		}
	}
	publish(t, "Power cut under a script, on a file system that forgets what was not synced", c.rows())
}

type cutCounts struct{ cuts, torn, checked, lost, invented, told int }

func (c *cutCounts) rows() []row {
	return []row{
		{"power cuts", c.cuts},
		{"  of them with some unsynced blocks written (not a loss)", c.torn},
		{"acknowledged writes looked up", c.checked},
		{"  lost", c.lost},
		{"  stored and never written, or written otherwise", c.invented},
		{"cuts after which an unfinished write was spoken of", c.told},
	}
}

// cut is one life of the script on the disk, its end and the look at what is left;
// it returns nil when the stores do not open any more.
func (c *cutCounts) cut(t *testing.T, rnd *rand.Rand, img *powerfs.Image, l *ledger) *powerfs.Image {
	t.Helper()
	dir, disk := mountDisk(t, img)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d", scriptEnv, dir, l.next, cutScript))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.next += cutScript
	time.Sleep(5*time.Millisecond + rand32(rnd, 500*time.Millisecond))
	var left *powerfs.Image
	if rnd.IntN(2) == 0 {
		left = disk.Cut(nil)
	} else {
		left = disk.Cut(rnd)
		c.torn++
	}
	cmd.Process.Kill() //nolint:errcheck // it may be gone
	cmd.Wait()         //nolint:errcheck // killed
	unmount(t, dir, disk)
	l.take(stdout.Bytes())
	c.cuts++
	return c.look(t, l, left)
}

// look compares what is left with what was acknowledged.
func (c *cutCounts) look(t *testing.T, l *ledger, left *powerfs.Image) *powerfs.Image {
	t.Helper()
	copied := t.TempDir()
	defer os.RemoveAll(copied) //nolint:errcheck // the test's own directory goes anyway
	if err := left.WriteTo(copied); err != nil {
		t.Fatal(err)
	}
	f, err := examine(copied, l.next)
	if err != nil {
		t.Errorf("cut %d: the stores do not open: %v", c.cuts, err)
		return nil
	}
	v := judge(l, f)
	c.checked, c.lost, c.invented = c.checked+v.checked, c.lost+v.lost, c.invented+v.invented
	if len(f.told) > 0 {
		c.told++
		t.Logf("cut %d: %v", c.cuts, f.told)
	}
	for _, s := range v.text {
		t.Errorf("cut %d: %s", c.cuts, s)
	}
	return left
}

// TestPowerCutCatchesALyingDisk holds the checker against a disk that acknowledges a sync and does not do it.
func TestPowerCutCatchesALyingDisk(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	caught := 0
	for range 5 {
		l := newLedger()
		dir, disk := mountDisk(t, powerfs.NewImage())
		disk.LieSync.Store(true)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s 0 %d", scriptEnv, dir, 50))
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		left := disk.Cut(rnd)
		unmount(t, dir, disk)
		l.next = 50
		l.take(out)
		copied := t.TempDir()
		if err := left.WriteTo(copied); err != nil {
			t.Fatal(err)
		}
		f, err := examine(copied, l.next)
		if err != nil || judge(l, f).lost > 0 {
			caught++
		}
	}
	if caught == 0 {
		t.Error("a disk that lies about fsync went unnoticed")
	}
}
