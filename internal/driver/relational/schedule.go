package relational

import (
	"context"
	"database/sql"
	"time"

	"github.com/vigil-health/vigil/internal/engine/schedule"
)

// Deadlines keeps things to do; it is the schedule.Book in the database.
type Deadlines struct{ db *DB }

// Deadlines returns the book of things to do.
func (db *DB) Deadlines() *Deadlines { return &Deadlines{db} }

var _ schedule.Book = (*Deadlines)(nil)

// Put implements schedule.Book.
func (b *Deadlines) Put(ctx context.Context, d schedule.Deadline) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO deadline (key, at, payload) VALUES (?,?,?) ON CONFLICT (key) DO UPDATE SET at = excluded.at, payload = excluded.payload`, d.Key, d.At.UnixNano(), d.Payload)
		return err
	})
}

// Delete implements schedule.Book.
func (b *Deadlines) Delete(ctx context.Context, key string, at time.Time) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		query, args := `DELETE FROM deadline WHERE key = ?`, []any{key}
		if !at.IsZero() {
			query, args = query+` AND at = ?`, append(args, at.UnixNano())
		}
		_, err := tx.Exec(query, args...)
		return err
	})
}

// Due implements schedule.Book.
func (b *Deadlines) Due(ctx context.Context, t time.Time, limit int) ([]schedule.Deadline, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT key, at, payload FROM deadline WHERE at <= ? ORDER BY at, key LIMIT ?`, t.UnixNano(), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []schedule.Deadline
	for rows.Next() {
		var d schedule.Deadline
		var at int64
		if err := rows.Scan(&d.Key, &at, &d.Payload); err != nil {
			return nil, err
		}
		d.At = time.Unix(0, at).UTC()
		out = append(out, d)
	}
	return out, rows.Err()
}

// Next implements schedule.Book.
func (b *Deadlines) Next(ctx context.Context) (time.Time, error) {
	var at sql.NullInt64
	if err := b.db.Read().QueryRowContext(ctx, `SELECT min(at) FROM deadline`).Scan(&at); err != nil || !at.Valid {
		return time.Time{}, err
	}
	return time.Unix(0, at.Int64).UTC(), nil
}
