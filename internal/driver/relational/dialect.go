package relational

import (
	"context"
	"database/sql"
	"time"
)

// dialect is how a database wants what this package says. Query texts are in the words that both understand, but for
//
//	?, ?1            parameters; PostgreSQL has $1
//	instr(a, b)      strpos
//	CAST(v.json AS TEXT)  convert_from(v.json, 'UTF8')
//	CROSS JOIN … ON  an order of joins that SQLite keeps to; PostgreSQL finds its own
//
// Whoever writes a new store takes "ON CONFLICT … DO" instead of "INSERT OR …", CASE instead of iif and of max with two
// arguments, names a column of an existing row by its table in DO UPDATE, and leaves hex, json and PRAGMA alone.
type dialect interface {
	// text returns a query in the words of the database.
	text(query string) string
	// args returns values in the types that the database takes.
	args(args []any) []any
	// schema returns a migration in the words of the database.
	schema(migration string) string
	// later runs a statement now or with those behind it, flush what waits.
	later(tx *Tx, query string, args []any) error
	flush(tx *Tx) error
	// fault returns an error of the database in the words of this package: Unavailable when it does not answer.
	fault(err error) error
}

// copier is how a database is read and written as a whole.
type copier interface {
	// freeze begins a transaction that sees one moment.
	freeze() string
	// catalogue lists the columns by table and name: table, column, type in the words of SQLite, place in the primary key or
	// 0, table that the column refers to or "".
	catalogue() string
	// marks lists up to where tables have counted: table, number.
	marks() string
	// load writes the rows of a table until next returns nil.
	load(ctx context.Context, tx *Tx, t *table, next func() ([]any, error)) error
	// mark has a table count on behind a number.
	mark(tx *Tx, t *table, at int64) error
}

// session is how connections are had, and what becomes of them.
type session interface {
	// connect returns the connection of the writer; no other process has one meanwhile.
	connect(ctx context.Context) (*sql.Conn, error)
	// readers returns the pool of connections that read.
	readers() (*sql.DB, error)
	// lost reports whether the writer needs a new connection.
	lost(conn *sql.Conn) bool
	// pulse is how often ping asks whether the writer's connection stands; 0 is never.
	pulse() time.Duration
	ping(conn *sql.Conn) error
	// begin begins the writer's transaction.
	begin(tx *Tx) error
	// committed reports whether the transaction with the ticket is on disk.
	committed(tx *Tx, ticket string) (bool, error)
}

// store is one of the two databases.
type store interface {
	dialect
	copier
	session
	health() Health
	// snapshot writes what the database holds into a new SQLite file.
	snapshot(ctx context.Context, db *DB, path string) error
	// examine looks at all that can be looked at, and says in plain words what it found.
	examine(ctx context.Context, db *DB) (ok bool, text string)
	close() error
}

// sqliteDialect is the one in which this package is written.
type sqliteDialect struct{}

func (sqliteDialect) text(query string) string { return query }

func (sqliteDialect) args(args []any) []any { return args }

func (sqliteDialect) schema(migration string) string { return migration }

func (sqliteDialect) later(tx *Tx, query string, args []any) error {
	_, err := tx.Exec(query, args...)
	return err
}

func (sqliteDialect) flush(*Tx) error { return nil }

func (sqliteDialect) fault(err error) error { return err }
