// Package sqlite keeps records, accounts, alarms, devices and the audit trail in one SQLite file.
//
// WAL, synchronous=FULL, one writer with group commit: what Write returns without error is on disk. Telemetry is not
// kept here (driver/pebble). Start at DB; each engine's port is implemented in the file named after it.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"sync"

	"github.com/vigil-health/vigil"
	_ "modernc.org/sqlite" // registers the driver "sqlite"
)

// groupLimit bounds how many writes share one transaction, so that one slow group delays nobody for long.
const groupLimit = 256

// DB is one open database file. Its methods are safe for concurrent use.
type DB struct {
	read  *sql.DB
	write *sql.DB
	queue chan *job
	wg    sync.WaitGroup
	mu    sync.RWMutex // guards shut against a send on the closed queue
	shut  bool
}

type job struct {
	ctx  context.Context
	fn   func(tx *sql.Tx) error
	err  error
	done chan struct{}
}

// Open opens or creates the database file and brings its schema up to date.
func Open(path string) (*DB, error) {
	write, err := sql.Open("sqlite", dsn(path, false))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	write.SetMaxOpenConns(1)
	if err := migrate(write); err != nil {
		write.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	read, err := sql.Open("sqlite", dsn(path, true))
	if err != nil {
		write.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	read.SetMaxOpenConns(8)
	db := &DB{read: read, write: write, queue: make(chan *job, 4*groupLimit)}
	db.wg.Add(1)
	go db.writer()
	return db, nil
}

func dsn(path string, readOnly bool) string {
	q := url.Values{}
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

// Close waits for queued writes and closes the file.
func (db *DB) Close() error {
	db.mu.Lock()
	if db.shut {
		db.mu.Unlock()
		return nil
	}
	db.shut = true
	close(db.queue)
	db.mu.Unlock()
	db.wg.Wait()
	rerr := db.read.Close()
	if err := db.write.Close(); err != nil {
		return err
	}
	return rerr
}

// Read returns the pool of read-only connections; each query sees every write that returned before it began.
func (db *DB) Read() *sql.DB { return db.read }

// Write runs fn in a transaction and returns once it is on disk. Concurrent writes share one commit; fn runs alone
// under a savepoint, so its error undoes fn only. It returns Unavailable when the database is closed.
func (db *DB) Write(ctx context.Context, fn func(tx *sql.Tx) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := db.enqueue(j); err != nil {
		return err
	}
	<-j.done // the writer answers every queued job, also while closing
	return j.err
}

// enqueue holds the lock for reading, so that Close cannot slip between the check and the send.
func (db *DB) enqueue(j *job) error {
	db.mu.RLock()
	defer db.mu.RUnlock()
	if db.shut {
		return vigil.Errorf(vigil.Unavailable, "sqlite.write", "the record store is closed")
	}
	select {
	case db.queue <- j:
		return nil
	case <-j.ctx.Done():
		return j.ctx.Err()
	}
}

// writer owns the write connection: it takes what waits, runs it in one transaction and answers after the commit.
func (db *DB) writer() {
	defer db.wg.Done()
	for j := range db.queue {
		db.commit(db.gather(j))
	}
}

func (db *DB) gather(first *job) []*job {
	group := []*job{first}
	for len(group) < groupLimit {
		select {
		case j, ok := <-db.queue:
			if !ok {
				return group
			}
			group = append(group, j)
		default:
			return group
		}
	}
	return group
}

func (db *DB) commit(group []*job) {
	err := db.runGroup(group)
	for _, j := range group {
		if j.err == nil && err != nil {
			j.err = fmt.Errorf("commit: %w", err)
		}
		close(j.done)
	}
}

func (db *DB) runGroup(group []*job) error {
	tx, err := db.write.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit
	for _, j := range group {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if _, err := tx.Exec("SAVEPOINT job"); err != nil {
			return err
		}
		if j.err = j.fn(tx); j.err != nil {
			if _, err := tx.Exec("ROLLBACK TO job"); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("RELEASE job"); err != nil {
			return err
		}
	}
	return tx.Commit()
}
