package pebble_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/vigil-health/vigil/internal/driver/pebble"
)

// TestDamagedLastRecordIsALoss flips bits of the newest acknowledged record, which Pebble takes for a torn write.
func TestDamagedLastRecordIsALoss(t *testing.T) {
	const records = 20
	mem := vfs.NewCrashableMem()
	log, err := pebble.OpenLog("log", pebble.Options{FS: mem})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	for i := range records {
		if _, err := log.Append(t.Context(), int64(i), bytes.Repeat([]byte{byte('a' + i)}, 200)); err != nil {
			t.Fatal(err)
		}
	}
	killed := func() *vfs.MemFS {
		return mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
	}
	open := func(fs vfs.FS) (next, lost uint64) {
		again, err := pebble.OpenLog("log", pebble.Options{FS: fs})
		if err != nil {
			return 0, records // refused: not silent
		}
		s := again.Stats()
		if err := again.Close(); err != nil {
			t.Error(err)
		}
		return s.Next, s.Lost
	}
	if next, lost := open(killed()); next != records+1 || lost != 0 {
		t.Fatalf("whole: next %d, lost %d", next, lost)
	}
	text, name := writeAheadLog(t, killed())
	last := bytes.Index(text, bytes.Repeat([]byte{'a' + records - 1}, 200))
	if last < 0 {
		t.Fatal("the last record is not in the write-ahead log")
	}
	for _, at := range []int{last - 40, last - 30, last - 22, last - 10, last - 1, last, last + 100, last + 199} { // header, key, value
		bad := killed()
		text, _ := writeAheadLog(t, bad)
		text[at] ^= 4
		rewrite(t, bad, name, text)
		next, lost := open(bad)
		if lost == 0 {
			t.Errorf("byte %d of the last record damaged: nothing is told", at-last)
		}
		if next != 0 && next != records+1 {
			t.Errorf("byte %d of the last record damaged: its offset %d would be used again", at-last, next)
		}
	}
	// A record that was never acknowledged and is torn off is no loss.
	torn := killed()
	if err := torn.Remove(filepath.Join("log", "ACKNOWLEDGED")); err != nil {
		t.Fatal(err)
	}
	rewrite(t, torn, name, text[:last+50])
	if _, lost := open(torn); lost != 0 {
		t.Errorf("a torn write counts as %d lost", lost)
	}
}

func writeAheadLog(t *testing.T, fs *vfs.MemFS) (text []byte, name string) {
	t.Helper()
	names, err := fs.List("log")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if !strings.HasSuffix(n, ".log") {
			continue
		}
		name = filepath.Join("log", n)
		f, err := fs.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(f)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		if len(b) > len(text) {
			text = b
		}
	}
	if name == "" {
		t.Fatal(fmt.Sprint("no write-ahead log among ", names))
	}
	return text, name
}

func rewrite(t *testing.T, fs *vfs.MemFS, name string, text []byte) {
	t.Helper()
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
