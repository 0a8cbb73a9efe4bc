// Package relational keeps records, accounts, alarms, devices and the audit trail in a relational database: one SQLite file, or
// a database on a PostgreSQL server, with the same tables.
//
// One writer with group commit: what Write returns without error is on disk. The SQL of this package is what both databases
// understand, with "?" for a parameter; the few differences are in dialect.go. Telemetry is not kept here (driver/pebble).
// Start at DB; each engine's port is implemented in the file named after it, both databases in sqlite.go and postgres.go.
package relational

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
)

// groupLimit bounds how many writes share one transaction, so that one slow group delays nobody for long.
const groupLimit = 256

// DB is one open database. Its methods are safe for concurrent use.
type DB struct {
	store store
	read  *sql.DB
	pool  *Reader
	tx    *Tx // of the writer, begun and ended for each group; nil while there is no connection
	queue chan *job
	wg    sync.WaitGroup
	mu    sync.RWMutex // guards shut against a send on the closed queue
	shut  bool
}

// Health says what the store has met since it was opened.
type Health struct {
	Damaged int64  // reads that met a damaged page
	Reason  string // in plain words, "" while all is well
	Down    bool   // nothing can be written now
}

// Health returns how the store is. It does not touch the disk.
func (db *DB) Health() Health { return db.store.health() }

// Examine looks closer than Health: it reads every page of a file, and asks a server how it is set. It says what it found in
// plain words, with its mend.
func (db *DB) Examine(ctx context.Context) (ok bool, text string) { return db.store.examine(ctx, db) }

// Unused reports whether nobody has kept anything in the database yet.
func (db *DB) Unused(ctx context.Context) (unused bool, err error) {
	err = db.Read().QueryRowContext(ctx, `SELECT NOT EXISTS (SELECT 1 FROM audit) AND NOT EXISTS (SELECT 1 FROM resource_version) AND NOT EXISTS (SELECT 1 FROM account)`).Scan(&unused)
	return unused, err
}

type job struct {
	ctx  context.Context
	fn   func(tx *Tx) error
	err  error
	done chan struct{}
}

// start opens the store, brings its schema up to date and starts the writer.
func start(ctx context.Context, s store) (*DB, error) {
	db := &DB{store: s, queue: make(chan *job, 4*groupLimit)}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(s.fault(err), db.closeStore())
	}
	db.wg.Add(1)
	go db.writer()
	return db, nil
}

func (db *DB) open(ctx context.Context) (err error) {
	if err := db.connect(ctx); err != nil {
		return err
	}
	if err := migrate(ctx, db.tx.conn, db.store); err != nil {
		return err
	}
	if db.read, err = db.store.readers(); err != nil {
		return err
	}
	db.pool = &Reader{db: db.read, dialect: db.store}
	return nil
}

// connect gives the writer its connection.
func (db *DB) connect(ctx context.Context) error {
	conn, err := db.store.connect(ctx)
	if err == nil {
		db.tx = &Tx{conn: conn, dialect: db.store}
	}
	return err
}

// disconnect lets the writer's connection go.
func (db *DB) disconnect() error {
	if db.tx == nil {
		return nil
	}
	db.tx.forget()
	err := db.tx.conn.Close()
	db.tx = nil
	return err
}

// closeStore closes what open got, readers first, so that SQLite's writer moves the journal into the file.
func (db *DB) closeStore() (err error) {
	if db.read != nil {
		db.pool.forget()
		err = db.read.Close()
	}
	return errors.Join(err, db.disconnect(), db.store.close())
}

// Close waits for queued writes and closes the database.
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
	return db.closeStore()
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

// writer owns the write connection: it takes what waits, runs it in one transaction and answers after the commit. While
// nothing waits it looks after the connection.
func (db *DB) writer() {
	defer db.wg.Done()
	var pulse <-chan time.Time // never, where a connection cannot break
	if every := db.store.pulse(); every > 0 {
		tick := time.NewTicker(every)
		defer tick.Stop()
		pulse = tick.C
	}
	for {
		select {
		case j, ok := <-db.queue:
			if !ok {
				return
			}
			db.commit(db.gather(j))
		case <-pulse:
			if db.tx != nil && db.store.ping(db.tx.conn) == nil {
				continue
			}
		}
		_ = db.connected() // Health says why not
	}
}

// connected gives the writer a connection when it has none, or one that is broken.
func (db *DB) connected() error {
	if db.tx != nil && db.store.lost(db.tx.conn) {
		_ = db.disconnect() // it is gone already
	}
	if db.tx != nil {
		return nil
	}
	return db.connect(context.Background())
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
		j.err = db.store.fault(j.err)
		close(j.done)
	}
}

// runGroup runs the jobs in one transaction. A group of one needs no savepoint: its error undoes the transaction.
func (db *DB) runGroup(group []*job) (err error) {
	if err := db.begin(); err != nil {
		return err
	}
	defer func() {
		if err != nil && db.tx != nil {
			_, _ = db.tx.Exec("ROLLBACK") // the database may have done it already
		}
	}()
	if len(group) == 1 {
		if err := db.runOne(group[0]); err != nil {
			return err
		}
	} else if err := db.runMany(group); err != nil {
		return err
	}
	if _, err := db.tx.Exec("COMMIT"); err != nil {
		return db.settle(err)
	}
	return nil
}

// begin begins a transaction, on a new connection when the one there is has broken unnoticed.
func (db *DB) begin() error {
	if err := db.connected(); err != nil {
		return err
	}
	err := db.store.begin(db.tx)
	if err == nil || !db.store.lost(db.tx.conn) {
		return err
	}
	if err := db.connected(); err != nil {
		return err
	}
	return db.store.begin(db.tx)
}

func (db *DB) runOne(j *job) error {
	if j.err = j.ctx.Err(); j.err == nil {
		j.err = db.runJob(j)
	}
	return j.err
}

// runJob returns once all its statements have run; those that a failed one left waiting are forgotten.
func (db *DB) runJob(j *job) error {
	err := j.fn(db.tx)
	if err == nil {
		return db.store.flush(db.tx)
	}
	db.tx.waiting = nil
	return err
}

func (db *DB) runMany(group []*job) error {
	for _, j := range group {
		if j.err = j.ctx.Err(); j.err != nil {
			continue
		}
		if _, err := db.tx.Exec("SAVEPOINT job"); err != nil {
			return err
		}
		if j.err = db.runJob(j); j.err != nil {
			if _, err := db.tx.Exec("ROLLBACK TO job"); err != nil {
				return err
			}
		}
		if _, err := db.tx.Exec("RELEASE job"); err != nil {
			return err
		}
	}
	return nil
}

// settle finds out what became of a commit that was not answered because the connection broke: nil when it is on disk.
func (db *DB) settle(err error) error {
	if !db.store.lost(db.tx.conn) {
		return err
	}
	ticket := db.tx.ticket
	_ = db.disconnect() // it is gone already
	if again := db.connect(context.Background()); again != nil {
		return errors.Join(err, again)
	}
	done, again := db.store.committed(db.tx, ticket)
	if done {
		return nil
	}
	return errors.Join(err, again)
}
