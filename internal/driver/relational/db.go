// Package relational keeps records, accounts, alarms, devices and the audit trail in one SQLite file.
//
// WAL, synchronous=FULL, one writer with group commit: what Write returns without error is on disk. Telemetry is not
// kept here (driver/pebble). Start at DB; each engine's port is implemented in the file named after it.
package relational

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	driver "modernc.org/sqlite" // registers the driver "sqlite" too
	lib "modernc.org/sqlite/lib"

	"github.com/vigil-health/vigil"
)

// groupLimit bounds how many writes share one transaction, so that one slow group delays nobody for long.
const groupLimit = 256

// DB is one open database file. Its methods are safe for concurrent use.
type DB struct {
	read  *sql.DB
	write *sql.DB
	pool  *Reader
	tx    *Tx // of the writer, begun and ended for each group
	queue chan *job
	wg    sync.WaitGroup
	mu    sync.RWMutex // guards shut against a send on the closed queue
	shut  bool
	layer *layer
	path  string
	// journal is what of the journal was left out when the file was opened, "" when nothing was.
	journal string
}

// Health says what damage the store has met since it was opened.
type Health struct {
	Damaged int64  // reads that met a damaged page
	Reason  string // in plain words, "" while there is none
}

// Health returns how the file is. It does not touch the disk.
func (db *DB) Health() Health {
	h := Health{Damaged: atomic.LoadInt64(&db.layer.m.damaged), Reason: db.journal}
	if h.Damaged > 0 {
		h.Reason = strings.TrimPrefix(fmt.Sprintf("%s; page %d of records.db is damaged: what lies on it is refused, everything else is served. "+
			"Restore records.db from a backup", h.Reason, atomic.LoadInt64(&db.layer.m.page)), "; ")
	}
	return h
}

type job struct {
	ctx  context.Context
	fn   func(tx *Tx) error
	err  error
	done chan struct{}
}

// OpenSQLite opens or creates the database file and brings its schema up to date.
func OpenSQLite(path string) (*DB, error) {
	db := &DB{queue: make(chan *job, 4*groupLimit), path: path}
	if err := db.open(path); err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, about(err, "its schema")), db.closeFiles())
	}
	db.wg.Add(1)
	go db.writer()
	return db, nil
}

func (db *DB) open(path string) (err error) {
	if err := prepareFile(path); err != nil {
		return err
	}
	if db.journal, err = readJournal(path + "-wal"); err != nil {
		return err
	}
	if db.layer, err = newLayer(); err != nil {
		return err
	}
	if db.write, err = sql.Open("sqlite", dsn(path, db.layer.name, false)); err != nil {
		return err
	}
	db.write.SetMaxOpenConns(1)
	if err := migrate(db.write); err != nil {
		return err
	}
	if db.read, err = sql.Open("sqlite", dsn(path, db.layer.name, true)); err != nil {
		return err
	}
	db.read.SetMaxOpenConns(8)
	db.pool = &Reader{db: db.read}
	conn, err := db.write.Conn(context.Background())
	if err != nil {
		return err
	}
	db.tx = &Tx{conn: conn}
	return nil
}

// closeFiles closes what open got, readers first, so that the writer moves the journal into the file.
func (db *DB) closeFiles() (err error) {
	if db.pool != nil {
		db.pool.forget()
	}
	if db.read != nil {
		err = db.read.Close()
	}
	if db.tx != nil {
		db.tx.forget()
		err = errors.Join(err, db.tx.conn.Close())
	}
	if db.write != nil {
		err = errors.Join(err, db.write.Close())
	}
	if db.layer != nil && err == nil {
		db.layer.close()
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
	return db.closeFiles()
}

// Read returns the pool of read-only connections; each query sees every write that returned before it began.
func (db *DB) Read() *Reader { return db.pool }

// Write runs fn in a transaction and returns once it is on disk. Concurrent writes share one commit; fn runs alone
// under a savepoint, so its error undoes fn only. fn may run twice: the second time alone, when another of its group met a
// damaged page. It returns Unavailable when the database is closed.
func (db *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
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
		return vigil.Errorf(vigil.Unavailable, "relational.write", "the record store is closed")
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
	if err != nil && len(group) > 1 && slices.ContainsFunc(group, func(j *job) bool { return damaged(j.err) }) {
		for _, j := range group { // SQLite undid all of them; only who needs the damaged page shall suffer
			db.commit([]*job{j})
		}
		return
	}
	for _, j := range group {
		if j.err == nil && err != nil {
			j.err = fmt.Errorf("commit: %w", err)
		}
		close(j.done)
	}
}

func (db *DB) runGroup(group []*job) (err error) {
	if _, err := db.tx.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = db.tx.Exec("ROLLBACK") // SQLite may have done it already
		}
	}()
	for _, j := range group {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if _, err := db.tx.Exec("SAVEPOINT job"); err != nil {
			return err
		}
		if j.err = j.fn(db.tx); j.err != nil {
			if _, err := db.tx.Exec("ROLLBACK TO job"); err != nil {
				return err
			}
		}
		if _, err := db.tx.Exec("RELEASE job"); err != nil {
			return err
		}
	}
	_, err = db.tx.Exec("COMMIT")
	return err
}
