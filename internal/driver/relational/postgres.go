package relational

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/vigil-health/vigil"
)

// service is the store in a database on a PostgreSQL server. The writer's connection holds an advisory lock: a second Vigil
// on the same database is refused, and what one writes that lost its connection, and its lock with it, goes nowhere.
type service struct {
	postgresDialect
	cfg     *pgx.ConnConfig
	write   *sql.DB
	trouble atomic.Pointer[string] // why the writer has no connection, nil while it has one
}

const (
	lockKey      = 0x766967696c // "vigil": the advisory lock of the one process that writes
	lockPatience = 2 * time.Second
	dialPatience = 5 * time.Second // where the URL names no connect_timeout
	pulse        = 2 * time.Second
	oldest       = 130000 // server_version_num of PostgreSQL 13, the first with pg_current_xact_id
)

// OpenPostgres opens a database on a PostgreSQL server, named by a URL such as postgres://vigil@db.example/vigil, and brings
// its schema up to date. The database has to exist and to be encoded in UTF8; Vigil makes its tables. It returns Invalid for a
// URL that is none, Unavailable when the server does not answer, Conflict when another process holds the database.
func OpenPostgres(ctx context.Context, url string) (*DB, error) {
	cfg, err := postgresConfig(url)
	if err != nil {
		return nil, err
	}
	s := &service{cfg: cfg}
	s.write = stdlib.OpenDB(*cfg)
	s.write.SetMaxOpenConns(1)
	db, err := start(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("open the record store on PostgreSQL: %w", err)
	}
	return db, nil
}

// IsPostgres reports whether a place of records is the URL of a PostgreSQL database.
func IsPostgres(place string) bool {
	return strings.HasPrefix(place, "postgres://") || strings.HasPrefix(place, "postgresql://")
}

func postgresConfig(url string) (*pgx.ConnConfig, error) {
	const op = "relational.postgres"
	if !IsPostgres(url) {
		return nil, vigil.Errorf(vigil.Invalid, op, "the records' place is no URL of PostgreSQL: write postgres://user@host:5432/database")
	}
	cfg, err := pgx.ParseConfig(url)
	if err != nil { // names the URL without its password
		return nil, vigil.Errorf(vigil.Invalid, op, "the URL of the records' database cannot be read: %w", err)
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = dialPatience
	}
	for name, value := range map[string]string{
		"application_name": "vigil", "synchronous_commit": "on", "jit": "off", "timezone": "UTC", "default_transaction_isolation": "read committed",
		// A server that lost its client keeps the lock until it notices.
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
	} {
		cfg.RuntimeParams[name] = value
	}
	return cfg, nil
}

func (s *service) connect(ctx context.Context) (conn *sql.Conn, err error) {
	defer func() { s.note(err) }()
	if conn, err = s.write.Conn(ctx); err != nil {
		return nil, s.fault(err)
	}
	if err = errors.Join(s.suits(ctx, conn), s.alone(ctx, conn)); err != nil {
		return nil, errors.Join(err, s.drop(conn))
	}
	return conn, nil
}

// drop closes a connection for good: one that went back to its pool would keep its lock.
func (s *service) drop(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) {
		return nil
	}
	return err
}

// note remembers for Health whether the writer has a connection.
func (s *service) note(err error) {
	s.trouble.Store(nil)
	if err != nil {
		text := fmt.Sprintf("nothing can be written since %s: %s", time.Now().UTC().Format(time.RFC3339), vigil.Message(err))
		s.trouble.Store(&text)
	}
}

// suits refuses a server on which this package would fail later, or worse, seem to work.
func (s *service) suits(ctx context.Context, conn *sql.Conn) error {
	const op = "relational.postgres"
	var version int
	var encoding string
	var standby bool
	err := conn.QueryRowContext(ctx, `SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), pg_is_in_recovery()`).Scan(&version, &encoding, &standby)
	switch {
	case err != nil:
		return s.fault(err)
	case version < oldest:
		return vigil.Errorf(vigil.Invalid, op, "this PostgreSQL is too old (%d); Vigil needs version %d or newer", version/10000, oldest/10000)
	case encoding != "UTF8":
		return vigil.Errorf(vigil.Invalid, op, "the database is encoded in %s; make it with: createdb --encoding=UTF8 --template=template0", encoding)
	case standby:
		return vigil.Errorf(vigil.Unavailable, op, "this PostgreSQL is a standby, which cannot be written; name the primary")
	}
	return nil
}

// alone takes the lock, which a process that is just ending may hold for a moment longer.
func (s *service) alone(ctx context.Context, conn *sql.Conn) error {
	wait := 2 * time.Millisecond
	for until := time.Now().Add(lockPatience); ; wait = min(2*wait, 100*time.Millisecond) {
		var got bool
		if err := conn.QueryRowContext(ctx, `SELECT pg_try_advisory_lock($1)`, int64(lockKey)).Scan(&got); err != nil {
			return s.fault(err)
		}
		if got {
			return nil
		}
		if time.Now().After(until) {
			return vigil.Errorf(vigil.Conflict, "relational.postgres", "another Vigil has this database open; stop it, or give this one a database of its own")
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *service) readers() (*sql.DB, error) {
	cfg := s.cfg.Copy()
	cfg.RuntimeParams["default_transaction_read_only"] = "on"
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	return db, nil
}

func (s *service) lost(conn *sql.Conn) bool {
	gone := true
	err := conn.Raw(func(c any) error {
		gone = c.(*stdlib.Conn).Conn().IsClosed()
		return nil
	})
	return gone || err != nil
}

func (s *service) pulse() time.Duration { return pulse }

func (s *service) ping(conn *sql.Conn) error {
	ctx, cancel := context.WithTimeout(context.Background(), dialPatience)
	defer cancel()
	return conn.PingContext(ctx)
}

// begin asks for the number of the transaction along with it, so that its fate can be asked for later.
func (s *service) begin(tx *Tx) error {
	return tx.conn.Raw(func(c any) error {
		results, err := c.(*stdlib.Conn).Conn().PgConn().Exec(context.Background(), "BEGIN; SELECT pg_current_xact_id()").ReadAll()
		if err != nil {
			return err
		}
		tx.ticket = string(results[1].Rows[0][0])
		return nil
	})
}

func (s *service) committed(tx *Tx, ticket string) (bool, error) {
	var fate sql.NullString
	err := tx.conn.QueryRowContext(context.Background(), `SELECT pg_xact_status($1::text::xid8)`, ticket).Scan(&fate)
	return fate.String == "committed", err
}

func (s *service) health() (h Health) {
	if text := s.trouble.Load(); text != nil {
		h.Reason, h.Down = *text, true
	}
	return h
}

// examine asks the server whether it is set so that what it acknowledges outlives a loss of power. It reads no table: pages
// are the server's to check.
func (s *service) examine(ctx context.Context, db *DB) (ok bool, text string) {
	var version, fsync, fullPages, sums, size string
	err := db.Read().QueryRowContext(ctx, `SELECT current_setting('server_version'), current_setting('fsync'), current_setting('full_page_writes'), current_setting('data_checksums'), pg_size_pretty(pg_database_size(current_database()))`).
		Scan(&version, &fsync, &fullPages, &sums, &size)
	if err != nil {
		return false, "PostgreSQL cannot be asked: " + vigil.Message(err)
	}
	where := fmt.Sprintf("PostgreSQL %s answers, database %s holds %s", version, s.cfg.Database, size)
	for name, value := range map[string]string{"fsync": fsync, "full_page_writes": fullPages} {
		if value != "on" {
			return false, fmt.Sprintf("%s, but its %s is %s: a loss of power would take records that were acknowledged, or damage all of them. Set %s = on in postgresql.conf", where, name, value, name)
		}
	}
	if sums != "on" {
		return true, where + "; it keeps no checksums of its pages, so that it would not notice a flipped bit (stop it and run pg_checksums --enable)"
	}
	return true, where + ", with checksums of its pages"
}

func (s *service) close() error { return s.write.Close() }

// postgresDialect is how PostgreSQL wants things.
type postgresDialect struct{}

// laterLimit bounds what waits: the answers to a batch have to fit into the buffers of the connection while it is sent.
const laterLimit = 256

// later keeps a statement for the next flush: a resource with twenty search tables is then one way there and back.
func (d postgresDialect) later(tx *Tx, query string, args []any) error {
	if tx.waiting == nil {
		tx.waiting = &pgx.Batch{}
	}
	kept := slices.Clone(d.args(args))
	for i, arg := range kept {
		if b, ok := arg.([]byte); ok {
			kept[i] = bytes.Clone(b) // the caller may go on with it
		}
	}
	tx.waiting.Queue(tx.words(query), kept...)
	if tx.waiting.Len() < laterLimit {
		return nil
	}
	return d.flush(tx)
}

func (postgresDialect) flush(tx *Tx) error {
	batch := tx.waiting
	if tx.waiting = nil; batch == nil {
		return nil
	}
	return tx.conn.Raw(func(c any) error {
		return c.(*stdlib.Conn).Conn().SendBatch(context.Background(), batch).Close()
	})
}

// fault tells an absent server from one that says no. What was written is undone in both cases.
func (postgresDialect) fault(err error) error {
	if err == nil || errors.Is(err, sql.ErrNoRows) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if _, ok := errors.AsType[*vigil.Error](err); ok {
		return err
	}
	const op = "relational.postgres"
	if said, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case said.Code == "40001", said.Code == "40P01", said.Code == "25006", strings.HasPrefix(said.Code, "08"), strings.HasPrefix(said.Code, "57P"):
			return &unavailable{vigil.Errorf(vigil.Unavailable, op, "the record store does not answer now; try again"), err}
		case strings.HasPrefix(said.Code, "53"):
			return &unavailable{vigil.Errorf(vigil.Unavailable, op, "the record store has run out of disk, memory or connections"), err}
		case strings.HasPrefix(said.Code, "28"), said.Code == "3D000":
			return &unavailable{vigil.Errorf(vigil.Unavailable, op, "the record store's PostgreSQL refuses the user or the database (%s)", said.Message), err}
		}
		return err
	}
	_, dial := errors.AsType[*pgconn.ConnectError](err)
	_, network := errors.AsType[net.Error](err)
	if dial || network || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		strings.HasSuffix(err.Error(), "conn closed") {
		return &unavailable{vigil.Errorf(vigil.Unavailable, op, "the record store's PostgreSQL cannot be reached"), err}
	}
	return err
}

// unavailable is what a stranger may read of a fault, with all of it for the operator.
type unavailable struct {
	said  *vigil.Error
	cause error
}

func (u *unavailable) Error() string { return u.said.Error() + ": " + u.cause.Error() }

func (u *unavailable) Unwrap() []error { return []error{u.said, u.cause} }
