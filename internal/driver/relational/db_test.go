package relational_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
)

func put(key string) func(tx *relational.Tx) error {
	return func(tx *relational.Tx) error {
		_, err := tx.Exec(`INSERT INTO state (room, key, value) VALUES ('test', ?, 'x')`, key)
		return err
	}
}

func count(t *testing.T, db *relational.DB) (n int) {
	t.Helper()
	if err := db.Read().QueryRowContext(t.Context(), `SELECT count(*) FROM state`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWriteGroupsConcurrentWritersAndKeepsErrorsApart(t *testing.T) {
	each(t, examineWriteGroupsConcurrentWritersAndKeepsErrorsApart)
}

func examineWriteGroupsConcurrentWritersAndKeepsErrorsApart(t *testing.T, h *house) {
	db := h.open(t)
	boom := errors.New("boom")
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			key := string(rune('A'+i%26)) + string(rune('a'+i/26))
			err := db.Write(t.Context(), func(tx *relational.Tx) error {
				if err := put(key)(tx); err != nil {
					return err
				}
				if i%10 == 0 {
					return boom
				}
				return nil
			})
			if i%10 == 0 && !errors.Is(err, boom) || i%10 != 0 && err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := count(t, db); n != 180 {
		t.Errorf("%d rows, want 180: a failed write must leave nothing and take nobody with it", n)
	}
}

func TestWriteAfterClose(t *testing.T) { each(t, examineWriteAfterClose) }

func examineWriteAfterClose(t *testing.T, h *house) {
	db := h.open(t)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), put("late")); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("write after close: %v", err)
	}
}

func TestReopenKeepsRowsAndRunsNoMigrationTwice(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		for _, key := range []string{"one", "two"} {
			if err := h.open(t).Write(t.Context(), put(key)); err != nil {
				t.Fatal(err)
			}
		}
		if n := count(t, h.open(t)); n != 2 {
			t.Errorf("%d rows, want 2", n)
		}
	})
}
