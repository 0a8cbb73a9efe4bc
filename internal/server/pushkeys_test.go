package server

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// TestPushKeysAreWholeOrNew holds that the keys stay over starts, and that a damaged file is put aside instead of keeping
// the house from starting.
func TestPushKeysAreWholeOrNew(t *testing.T) {
	e := &Engines{logger: slog.New(slog.DiscardHandler)}
	path := filepath.Join(t.TempDir(), "push.json")
	first, err := e.pushKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := e.pushKeys(path); err != nil || again != first {
		t.Errorf("%+v, %v", again, err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil { // as a torn write leaves it
		t.Fatal(err)
	}
	anew, err := e.pushKeys(path)
	if err != nil || anew == first || anew.Public == "" {
		t.Errorf("%+v, %v", anew, err)
	}
	if _, err := os.Stat(path + ".damaged"); err != nil {
		t.Error(err)
	}
}
