package relational_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/driver/relational/pgtest"
)

var postgres *pgtest.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Run(m, func(s *pgtest.Server) { postgres = s }))
}

// house is a database that opens on the same rows again and again.
type house struct {
	name string
	path string // of the file, "" on PostgreSQL
	url  string // of the database, "" in SQLite
	db   *relational.DB
}

// databases are the two, each with how a fresh one is made.
func databases() map[string]func(t testing.TB) *house {
	return map[string]func(t testing.TB) *house{"SQLite": sqlite, "PostgreSQL": onPostgres}
}

// each runs a test on both databases.
func each(t *testing.T, test func(t *testing.T, h *house)) {
	for name, fresh := range databases() {
		t.Run(name, func(t *testing.T) { test(t, fresh(t)) })
	}
}

func sqlite(t testing.TB) *house {
	h := &house{name: "SQLite", path: filepath.Join(t.TempDir(), "vigil.db")}
	t.Cleanup(func() { h.close(t) })
	return h
}

func onPostgres(t testing.TB) *house {
	h := &house{name: "PostgreSQL", url: postgres.Database(t)}
	t.Cleanup(func() { h.close(t) })
	return h
}

func (h *house) close(t testing.TB) {
	if h.db == nil {
		return
	}
	if err := h.db.Close(); err != nil {
		t.Error(err)
	}
}

// open closes the database, when it is open, and opens it, as a restart does.
func (h *house) open(t testing.TB) *relational.DB {
	t.Helper()
	h.close(t)
	var err error
	if h.path != "" {
		h.db, err = relational.OpenSQLite(h.path)
	} else {
		h.db, err = relational.OpenPostgres(t.Context(), h.url)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h.db
}

func (h *house) reopen(t testing.TB) func() *relational.DB {
	return func() *relational.DB { return h.open(t) }
}

func open(t testing.TB) *relational.DB { return sqlite(t).open(t) }
