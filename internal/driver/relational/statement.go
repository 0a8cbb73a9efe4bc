package relational

import (
	"context"
	"database/sql"
	"sync"

	"github.com/jackc/pgx/v5"
)

// statementLimit bounds the prepared statements that a reader or the writer keeps: reading a statement costs SQLite as
// much as a small query, and searches come in many shapes. When it is reached all are let go.
const statementLimit = 512

// Reader is the pool of read-only connections with its prepared statements. Safe for concurrent use.
type Reader struct {
	db      *sql.DB
	dialect dialect
	mu      sync.RWMutex
	kept    map[string]*sql.Stmt
}

// Rows are the rows of a query, to be closed.
type Rows struct {
	*sql.Rows
	dialect dialect
}

// Err returns what ended the rows early: Unavailable when the database does not answer.
func (r *Rows) Err() error { return r.dialect.fault(r.Rows.Err()) }

// Row is the row of a query.
type Row struct {
	row     *sql.Row
	err     error // when there was no asking
	dialect dialect
}

// Scan returns sql.ErrNoRows when there is none, Unavailable when the database does not answer.
func (r Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.dialect.fault(r.err)
	}
	return r.dialect.fault(r.row.Scan(dest...))
}

func (r *Reader) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.RLock()
	st := r.kept[query]
	r.mu.RUnlock()
	if st != nil {
		return st, nil
	}
	st, err := r.db.PrepareContext(ctx, r.dialect.text(query))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if other := r.kept[query]; other != nil {
		st.Close() //nolint:errcheck // another reader was quicker
		return other, nil
	}
	if r.kept == nil || len(r.kept) >= statementLimit {
		closeAll(r.kept) // those in use end with their rows
		r.kept = map[string]*sql.Stmt{}
	}
	r.kept[query] = st
	return st, nil
}

// QueryContext runs a query.
func (r *Reader) QueryContext(ctx context.Context, query string, args ...any) (*Rows, error) {
	st, err := r.statement(ctx, query)
	if err != nil {
		return nil, r.dialect.fault(err)
	}
	rows, err := st.QueryContext(ctx, r.dialect.args(args)...)
	if err != nil {
		return nil, r.dialect.fault(err)
	}
	return &Rows{rows, r.dialect}, nil
}

// QueryRowContext runs a query of one row.
func (r *Reader) QueryRowContext(ctx context.Context, query string, args ...any) Row {
	args = r.dialect.args(args)
	st, err := r.statement(ctx, query)
	if err != nil {
		return Row{row: r.db.QueryRowContext(ctx, r.dialect.text(query), args...), dialect: r.dialect} // says the same again, in the form of a row
	}
	return Row{row: st.QueryRowContext(ctx, args...), dialect: r.dialect}
}

func (r *Reader) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	closeAll(r.kept)
	r.kept = nil
}

func closeAll(kept map[string]*sql.Stmt) {
	for _, st := range kept {
		st.Close() //nolint:errcheck // nothing is lost
	}
}

// Tx is the writer's transaction, with its prepared statements. It is for the function that Write calls, during the call.
type Tx struct {
	conn    *sql.Conn
	dialect dialect
	ticket  string     // of the transaction, where the store wants one
	waiting *pgx.Batch // statements that nobody has waited for yet, see Later
	kept    map[string]*sql.Stmt
	said    map[string]string // query → the words of the database
}

func (t *Tx) statement(query string) (*sql.Stmt, error) {
	if st := t.kept[query]; st != nil {
		return st, nil
	}
	st, err := t.conn.PrepareContext(context.Background(), t.dialect.text(query))
	if err != nil {
		return nil, err
	}
	if t.kept == nil || len(t.kept) >= statementLimit {
		t.forget()
		t.kept = map[string]*sql.Stmt{}
	}
	t.kept[query] = st
	return st, nil
}

// words returns a query in the words of the database, which it remembers.
func (t *Tx) words(query string) string {
	if text, ok := t.said[query]; ok {
		return text
	}
	if t.said == nil || len(t.said) >= statementLimit {
		t.said = map[string]string{}
	}
	t.said[query] = t.dialect.text(query)
	return t.said[query]
}

func (t *Tx) forget() {
	closeAll(t.kept)
	t.kept = nil
}

// Later runs a statement of which only the error is of interest. Before a server across a network it goes out with those
// behind it, at the latest before the transaction ends; its error is then that of the statement which sent it.
func (t *Tx) Later(query string, args ...any) error { return t.dialect.later(t, query, args) }

// Exec runs a statement that returns no rows.
func (t *Tx) Exec(query string, args ...any) (sql.Result, error) {
	if err := t.dialect.flush(t); err != nil {
		return nil, err
	}
	st, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	return st.Exec(t.dialect.args(args)...)
}

// Query runs a query; its rows must be closed before the next statement.
func (t *Tx) Query(query string, args ...any) (*Rows, error) {
	if err := t.dialect.flush(t); err != nil {
		return nil, err
	}
	st, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	rows, err := st.Query(t.dialect.args(args)...)
	if err != nil {
		return nil, err
	}
	return &Rows{rows, t.dialect}, nil
}

// QueryRow runs a query of one row.
func (t *Tx) QueryRow(query string, args ...any) Row {
	if err := t.dialect.flush(t); err != nil {
		return Row{err: err, dialect: t.dialect}
	}
	args = t.dialect.args(args)
	st, err := t.statement(query)
	if err != nil {
		return Row{row: t.conn.QueryRowContext(context.Background(), t.dialect.text(query), args...), dialect: t.dialect}
	}
	return Row{row: st.QueryRow(args...), dialect: t.dialect}
}
