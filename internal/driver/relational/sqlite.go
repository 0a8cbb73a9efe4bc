package relational

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	driver "modernc.org/sqlite" // registers the driver "sqlite" too
	lib "modernc.org/sqlite/lib"

	"github.com/vigil-health/vigil"
)

// file is the store in one SQLite file: WAL, synchronous=FULL, a seal on every page.
type file struct {
	sqliteDialect
	path  string
	layer *layer
	write *sql.DB
	// journal is what of the journal was left out when the file was opened, "" when nothing was.
	journal string
}

// OpenSQLite opens or creates the database file and brings its schema up to date.
func OpenSQLite(path string) (*DB, error) {
	f := &file{path: path}
	db, err := f.open()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, about(err, "its schema"))
	}
	return db, nil
}

func (f *file) open() (*DB, error) {
	if err := prepareFile(f.path); err != nil {
		return nil, err
	}
	var err error
	if f.journal, err = readJournal(f.path + "-wal"); err != nil {
		return nil, err
	}
	if f.layer, err = newLayer(); err != nil {
		return nil, err
	}
	if f.write, err = sql.Open("sqlite", dsn(f.path, f.layer.name, false)); err != nil {
		return nil, err
	}
	f.write.SetMaxOpenConns(1)
	return start(context.Background(), f)
}

func (f *file) connect(ctx context.Context) (*sql.Conn, error) { return f.write.Conn(ctx) }

func (f *file) readers() (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(f.path, f.layer.name, true))
	if err == nil {
		db.SetMaxOpenConns(8)
	}
	return db, err
}

func (f *file) lost(*sql.Conn) bool { return false }

func (f *file) pulse() time.Duration { return 0 }

func (f *file) ping(*sql.Conn) error { return nil }

func (f *file) begin(tx *Tx) error {
	_, err := tx.Exec("BEGIN IMMEDIATE")
	return err
}

func (f *file) committed(*Tx, string) (bool, error) { return false, nil }

func (f *file) health() Health {
	h := Health{Damaged: atomic.LoadInt64(&f.layer.m.damaged), Reason: f.journal}
	if h.Damaged > 0 {
		h.Reason = strings.TrimPrefix(fmt.Sprintf("%s; page %d of records.db is damaged: what lies on it is refused, everything else is served. "+
			"Restore records.db from a backup", h.Reason, atomic.LoadInt64(&f.layer.m.page)), "; ")
	}
	return h
}

// examine reads every page: SQLite checks its trees, the layer the seals.
func (f *file) examine(ctx context.Context, db *DB) (ok bool, text string) {
	var answer string
	err := db.Read().QueryRowContext(ctx, "PRAGMA quick_check").Scan(&answer)
	if reason := db.Health().Reason; reason != "" {
		return false, reason
	}
	if err != nil {
		return false, fmt.Sprintf("the record store cannot be read: %v", err)
	}
	return answer == "ok", fmt.Sprintf("every page of the record store is as it was written; quick check says %q", answer)
}

// close closes the file; the layer stays when SQLite may still call it.
func (f *file) close() error {
	err := f.write.Close()
	if err == nil {
		f.layer.close()
	}
	return err
}

// about says in the words of this package that an error of SQLite is a broken seal; what names what was read.
func about(err error, what string) error {
	if damaged(err) {
		return vigil.Errorf(vigil.Internal, "relational.read", "%s lies on a damaged page of records.db and is refused; restore it from a backup: %w", what, err)
	}
	return err
}

func damaged(err error) bool {
	var serr *driver.Error
	return errors.As(err, &serr) && serr.Code() == lib.SQLITE_IOERR_DATA
}

func dsn(path, layer string, readOnly bool) string {
	q := url.Values{"vfs": {layer}}
	for _, p := range []string{"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "busy_timeout(10000)", "cache_size(-32000)"} {
		q.Add("_pragma", p)
	}
	q.Set("_time_format", "sqlite")
	if readOnly {
		q.Add("_pragma", "query_only(ON)")
	} else {
		q.Set("_txlock", "immediate")
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}
