package relational

import (
	"context"
	"database/sql"
	"sync"
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
	dialect dialect
}

// Scan returns sql.ErrNoRows when there is none, Unavailable when the database does not answer.
func (r Row) Scan(dest ...any) error { return r.dialect.fault(r.row.Scan(dest...)) }

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
		return Row{r.db.QueryRowContext(ctx, r.dialect.text(query), args...), r.dialect} // says the same again, in the form of a row
	}
	return Row{st.QueryRowContext(ctx, args...), r.dialect}
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
	ticket  string // of the transaction, where the store wants one
	kept    map[string]*sql.Stmt
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

func (t *Tx) forget() {
	closeAll(t.kept)
	t.kept = nil
}

// Exec runs a statement that returns no rows.
func (t *Tx) Exec(query string, args ...any) (sql.Result, error) {
	st, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	return st.Exec(t.dialect.args(args)...)
}

// Query runs a query; its rows must be closed before the next statement.
func (t *Tx) Query(query string, args ...any) (*Rows, error) {
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
	args = t.dialect.args(args)
	st, err := t.statement(query)
	if err != nil {
		return Row{t.conn.QueryRowContext(context.Background(), t.dialect.text(query), args...), t.dialect}
	}
	return Row{st.QueryRow(args...), t.dialect}
}
