package relational

import (
	"context"
	"encoding/json"
	"time"

	"github.com/vigil-health/vigil/internal/engine/rota"
)

// Rota keeps who is on duty; it is the rota.Book in the database.
type Rota struct{ db *DB }

// Rota returns the plan of who is on duty.
func (db *DB) Rota() *Rota { return &Rota{db} }

var _ rota.Book = (*Rota)(nil)

// Shifts implements rota.Book.
func (r *Rota) Shifts(ctx context.Context) ([]rota.Shift, error) {
	return rotaItems[rota.Shift](ctx, r.db, `SELECT body FROM rota_item WHERE kind = 'shift' AND until >= ? ORDER BY id`, time.Time{})
}

// Substitutes implements rota.Book.
func (r *Rota) Substitutes(ctx context.Context, after time.Time) ([]rota.Substitute, error) {
	return rotaItems[rota.Substitute](ctx, r.db, `SELECT body FROM rota_item WHERE kind = 'substitute' AND until > ? ORDER BY until, id`, after)
}

// Handovers implements rota.Book.
func (r *Rota) Handovers(ctx context.Context, after time.Time) ([]rota.Handover, error) {
	return rotaItems[rota.Handover](ctx, r.db, `SELECT body FROM rota_item WHERE kind = 'handover' AND until > ? ORDER BY until DESC, id LIMIT 200`, after)
}

func rotaItems[T any](ctx context.Context, db *DB, query string, after time.Time) ([]T, error) {
	rows, err := db.Read().QueryContext(ctx, query, nanosOf(after))
	if err != nil {
		return nil, err
	}
	return documents[T](rows)
}

// PutShift implements rota.Book.
func (r *Rota) PutShift(ctx context.Context, s rota.Shift) error {
	return r.put(ctx, s.ID, "shift", time.Time{}, s)
}

// PutSubstitute implements rota.Book.
func (r *Rota) PutSubstitute(ctx context.Context, s rota.Substitute) error {
	return r.put(ctx, s.ID, "substitute", s.To, s)
}

// PutHandover implements rota.Book.
func (r *Rota) PutHandover(ctx context.Context, h rota.Handover) error {
	return r.put(ctx, h.ID, "handover", h.At, h)
}

func (r *Rota) put(ctx context.Context, id, kind string, until time.Time, item any) error {
	body, err := json.Marshal(item)
	if err != nil {
		return err
	}
	return r.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO rota_item (id, kind, until, body) VALUES (?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET until = excluded.until, body = excluded.body WHERE rota_item.kind = excluded.kind`, id, kind, nanosOf(until), body)
		return err
	})
}

// Drop implements rota.Book.
func (r *Rota) Drop(ctx context.Context, id string) (found bool, err error) {
	err = r.db.Write(ctx, func(tx *Tx) error {
		res, err := tx.Exec(`DELETE FROM rota_item WHERE id = ? AND kind <> 'handover'`, id)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		found = n > 0
		return err
	})
	return found, err
}
