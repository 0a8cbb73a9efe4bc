package powerfs_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/vigil-health/vigil/test/torture/powerfs"
)

func mount(t *testing.T, from *powerfs.Image) (string, *powerfs.Disk) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("no /dev/fuse on this machine: the file system cannot be mounted")
	}
	dir := t.TempDir()
	d, err := powerfs.Mount(dir, from)
	if err != nil {
		t.Skipf("FUSE cannot mount here (root or the Debian package fuse3 is needed): %v", err)
	}
	t.Cleanup(func() { d.Unmount() }) //nolint:errcheck // the test is over
	return dir, d
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func syncDir(t *testing.T, dir string) {
	t.Helper()
	f, err := os.Open(dir)
	check(t, err)
	check(t, errors.Join(f.Sync(), f.Close()))
}

// after returns the content of a file on the image, nil when it is not there.
func after(t *testing.T, i *powerfs.Image, name string) []byte {
	t.Helper()
	dir := t.TempDir()
	check(t, i.WriteTo(dir))
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return b
}

// TestCut holds what is lost and what is not, step by step of a careful writer.
func TestCut(t *testing.T) {
	step := func(name string, write func(dir string), want map[string]string) {
		t.Run(name, func(t *testing.T) {
			dir, d := mount(t, powerfs.NewImage())
			write(dir)
			img := d.Cut(nil)
			for name, text := range want {
				if got := string(after(t, img, name)); got != text {
					t.Errorf("%s holds %q, want %q", name, got, text)
				}
			}
			if _, err := os.ReadFile(filepath.Join(dir, "x")); err == nil {
				t.Error("the disk answers without power")
			}
		})
	}
	put := func(t *testing.T, path, text string, sync bool) {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
		check(t, err)
		_, err = f.WriteString(text)
		check(t, err)
		if sync {
			check(t, f.Sync())
		}
		check(t, f.Close())
	}
	step("NameNotSynced", func(dir string) { put(t, dir+"/a", "x", true) }, map[string]string{"a": ""})
	step("ContentNotSynced", func(dir string) { put(t, dir+"/a", "x", false); syncDir(t, dir) }, map[string]string{"a": ""})
	step("Synced", func(dir string) { put(t, dir+"/a", "x", true); syncDir(t, dir) }, map[string]string{"a": "x"})
	step("OverwriteNotSynced", func(dir string) {
		put(t, dir+"/a", "old", true)
		syncDir(t, dir)
		put(t, dir+"/a", "new", false)
	}, map[string]string{"a": "old"})
	step("RenameNotSynced", func(dir string) {
		put(t, dir+"/a", "old", true)
		put(t, dir+"/b", "new", true)
		syncDir(t, dir)
		check(t, os.Rename(dir+"/b", dir+"/a"))
	}, map[string]string{"a": "old", "b": "new"})
	step("RenameSynced", func(dir string) {
		put(t, dir+"/a", "old", true)
		put(t, dir+"/b", "new", true)
		check(t, os.Rename(dir+"/b", dir+"/a"))
		syncDir(t, dir)
	}, map[string]string{"a": "new", "b": ""})
	step("UnlinkNotSynced", func(dir string) {
		put(t, dir+"/a", "x", true)
		syncDir(t, dir)
		check(t, os.Remove(dir+"/a"))
	}, map[string]string{"a": "x"})
	step("Subdirectory", func(dir string) {
		check(t, os.Mkdir(dir+"/s", 0o700))
		put(t, dir+"/s/a", "x", true)
		syncDir(t, dir+"/s")
		syncDir(t, dir)
	}, map[string]string{"s/a": "x"})
}

// TestTorn holds that a random cut keeps whole blocks of the old or of the new and nothing else.
func TestTorn(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	mixed := false
	for range 10 {
		dir, d := mount(t, powerfs.NewImage())
		f, err := os.Create(dir + "/a")
		check(t, err)
		_, err = f.Write(bytes.Repeat([]byte{'o'}, 40_000))
		check(t, errors.Join(err, f.Sync()))
		syncDir(t, dir)
		_, err = f.WriteAt(bytes.Repeat([]byte{'n'}, 40_000), 0)
		check(t, errors.Join(err, f.Close()))
		got := after(t, d.Cut(rnd), "a")
		if len(got) != 40_000 {
			t.Fatalf("%d bytes", len(got))
		}
		for from := 0; from < len(got); from += 512 {
			block := got[from:min(from+512, len(got))]
			if n := bytes.Count(block, []byte{'n'}); n != 0 && n != len(block) {
				t.Errorf("a sector is torn in itself: %d of %d", n, len(block))
			}
		}
		mixed = mixed || bytes.ContainsRune(got, 'o') && bytes.ContainsRune(got, 'n')
	}
	if !mixed {
		t.Error("no cut tore a write")
	}
}

func TestFaults(t *testing.T) {
	dir, d := mount(t, powerfs.NewImage())
	f, err := os.Create(dir + "/a")
	check(t, err)
	defer f.Close()
	d.Full.Store(100_000)
	if _, err := f.Write(make([]byte, 200_000)); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a full disk says %v", err)
	}
	d.Full.Store(0)
	if _, err := f.Write(make([]byte, 200_000)); err != nil {
		t.Errorf("a disk with room says %v", err)
	}
	d.FailSync.Store(true)
	if err := f.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("a failing sync says %v", err)
	}
}
