package relational_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

// TestSnapshot copies a database while it is written: what was acknowledged before is in the copy, whose pages are sealed.
func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	db, err := relational.OpenSQLite(filepath.Join(dir, "records.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	note := func(i int) error {
		return db.Audit().Append(t.Context(), []audit.Record{{Entry: audit.Entry{Action: "test", What: fmt.Sprint(i), Detail: strings.Repeat("x", 900)}}})
	}
	for i := range 300 {
		if err := note(i); err != nil {
			t.Fatal(err)
		}
	}
	stop, writers := make(chan struct{}), sync.WaitGroup{}
	writers.Go(func() {
		for i := 300; ; i++ {
			select {
			case <-stop:
				return
			default:
				if err := note(i); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	copied := filepath.Join(dir, "copy.db")
	err = db.Snapshot(t.Context(), copied)
	close(stop)
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	first, err := relational.Inspect(t.Context(), copied)
	if err != nil {
		t.Fatal(err)
	}
	if first.Audit.Entries < 300 {
		t.Errorf("%d entries in the copy, 300 were acknowledged", first.Audit.Entries)
	}
	again := filepath.Join(dir, "again.db")
	open, err := relational.OpenSQLite(copied)
	if err != nil {
		t.Fatal(err)
	}
	if err := open.Snapshot(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if err := open.Close(); err != nil {
		t.Fatal(err)
	}
	second, err := relational.Inspect(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(first, second); d != "" {
		t.Errorf("a copy of the copy holds something else (-first +second):\n%s", d)
	}
	b, err := os.ReadFile(again)
	if err != nil {
		t.Fatal(err)
	}
	b[3*4096+100] ^= 1
	if err := os.WriteFile(again, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := relational.Inspect(t.Context(), again); vigil.KindOf(err) != vigil.Internal || !strings.Contains(err.Error(), "page 4") {
		t.Errorf("a flipped bit in page 4: %v", err)
	}
}
