package relational_test

import (
	"path/filepath"
	"testing"

	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/alarm/alarmtest"
)

// reopener closes and opens one database file each time it is called, as a restart does.
func reopener(t *testing.T) func() *relational.DB {
	path := filepath.Join(t.TempDir(), "vigil.db")
	var db *relational.DB
	t.Cleanup(func() { db.Close() })
	return func() *relational.DB {
		if db != nil {
			db.Close()
		}
		var err error
		if db, err = relational.OpenSQLite(path); err != nil {
			t.Fatal(err)
		}
		return db
	}
}

func TestAlarmBook(t *testing.T) {
	alarmtest.Run(t, func(t *testing.T) func() alarm.Book {
		reopen := reopener(t)
		return func() alarm.Book { return reopen().Alarms() }
	})
}
