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
	db   *sql.DB
	mu   sync.RWMutex
	kept map[string]*sql.Stmt
}

func (r *Reader) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.RLock()
	st := r.kept[query]
	r.mu.RUnlock()
	if st != nil {
		return st, nil
	}
	st, err := r.db.PrepareContext(ctx, query)
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
func (r *Reader) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	st, err := r.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	return st.QueryContext(ctx, args...)
}

// QueryRowContext runs a query of one row.
func (r *Reader) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	st, err := r.statement(ctx, query)
	if err != nil {
		return r.db.QueryRowContext(ctx, query, args...) // says the same again, in the form of a row
	}
	return st.QueryRowContext(ctx, args...)
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
	conn *sql.Conn
	kept map[string]*sql.Stmt
}

func (t *Tx) statement(query string) (*sql.Stmt, error) {
	if st := t.kept[query]; st != nil {
		return st, nil
	}
	st, err := t.conn.PrepareContext(context.Background(), query)
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
	return st.Exec(args...)
}

// Query runs a query; its rows must be closed before the next statement.
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	st, err := t.statement(query)
	if err != nil {
		return nil, err
	}
	return st.Query(args...)
}

// QueryRow runs a query of one row.
func (t *Tx) QueryRow(query string, args ...any) *sql.Row {
	st, err := t.statement(query)
	if err != nil {
		return t.conn.QueryRowContext(context.Background(), query, args...)
	}
	return st.QueryRow(args...)
}
