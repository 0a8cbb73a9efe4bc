package torture_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// image is the content of a data directory: path → bytes.
type image map[string][]byte

func readImage(t *testing.T, dir string) image {
	t.Helper()
	img := image{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		img[rel], err = os.ReadFile(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// write puts the image into a fresh directory, with another content for one of its files.
func (img image) write(t *testing.T, changed string, content []byte) (dir string, remove func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "vigil-image-")
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range img {
		if name == changed {
			b = content
		}
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, func() { os.RemoveAll(dir) } //nolint:errcheck // a directory of the test
}

// writeAll writes the numbers in [from, to) of every kind, one after the other, and fails the test when one is refused.
func (s *stores) writeAll(t *testing.T, l *ledger, from, to int) {
	t.Helper()
	s.telemetry.Start(context.Background())
	var told bytes.Buffer
	s.script(from, to-from, &told)
	l.next = max(l.next, to)
	was := l.size()
	l.take(told.Bytes())
	if l.size() == was {
		t.Fatal("nothing was acknowledged")
	}
}

// killedImage is a data directory as a kill leaves it: older numbers in tables and in the database file, newer ones in the
// write-ahead logs only. Early is the image of a moment before the last numbers were written, with its own ledger.
func killedImage(t *testing.T) (early, late image, earlyLedger, lateLedger *ledger) {
	t.Helper()
	dir := t.TempDir()
	earlyLedger, lateLedger = newLedger(), newLedger()
	for life, upto := range []int{0, 100, 150} {
		s, err := openStores(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		if life == 2 {
			s.writeAll(t, earlyLedger, 100, 145)
			early = readImage(t, dir)
			lateLedger.join(earlyLedger)
			s.writeAll(t, lateLedger, 145, upto)
			late = readImage(t, dir)
		} else if life == 1 {
			s.writeAll(t, earlyLedger, 0, upto)
		}
		if err := s.close(); err != nil {
			t.Fatal(err)
		}
	}
	return early, late, earlyLedger, lateLedger
}

func (l *ledger) join(o *ledger) {
	l.next = max(l.next, o.next)
	for kind, m := range o.acked {
		for n := range m {
			l.acked[kind][n] = true
		}
	}
}
