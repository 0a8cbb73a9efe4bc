package relational

import (
	"context"
	"encoding/json"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/consult"
)

// Consults keeps conversations; it is the consult.Book in the database.
type Consults struct{ db *DB }

// Consults returns the book of conversations.
func (db *DB) Consults() *Consults { return &Consults{db} }

var _ consult.Book = (*Consults)(nil)

// Put implements consult.Book.
func (b *Consults) Put(ctx context.Context, c consult.Consult, m *consult.Message) error {
	c.Messages, c.Joined = nil, nil
	body, err := json.Marshal(c)
	if err != nil {
		return err
	}
	var line []byte
	if m != nil {
		if line, err = json.Marshal(m); err != nil {
			return err
		}
	}
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO consult (id, patient, closed, opened, body) VALUES (?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET closed = excluded.closed, body = excluded.body`,
			c.ID, string(c.Patient), c.State == consult.Closed, c.Opened.UnixNano(), body)
		if err != nil || m == nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO consult_message (id, consult, body) VALUES (?,?,?)`, m.ID, c.ID, line)
		return err
	})
}

// Get implements consult.Book.
func (b *Consults) Get(ctx context.Context, id string) (consult.Consult, error) {
	return b.one(ctx, `SELECT body FROM consult WHERE id = ?`, id)
}

// OpenOf implements consult.Book.
func (b *Consults) OpenOf(ctx context.Context, patient vigil.Subject) (consult.Consult, error) {
	return b.one(ctx, `SELECT body FROM consult WHERE patient = ? AND closed = 0`, string(patient))
}

func (b *Consults) one(ctx context.Context, query string, args ...any) (consult.Consult, error) {
	list, err := b.list(ctx, query, args...)
	if err != nil {
		return consult.Consult{}, err
	}
	if len(list) == 0 {
		return consult.Consult{}, vigil.Errorf(vigil.NotFound, "consult.get", "no such consult")
	}
	return list[0], nil
}

// List implements consult.Book.
func (b *Consults) List(ctx context.Context, patient vigil.Subject, limit int) ([]consult.Consult, error) {
	return b.list(ctx, `SELECT body FROM consult WHERE patient = ? ORDER BY opened DESC, id LIMIT ?`, string(patient), limit)
}

func (b *Consults) list(ctx context.Context, query string, args ...any) ([]consult.Consult, error) {
	rows, err := b.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	list, err := documents[consult.Consult](rows)
	if err != nil {
		return nil, err
	}
	for i := range list {
		rows, err := b.db.Read().QueryContext(ctx, `SELECT body FROM consult_message WHERE consult = ? ORDER BY num`, list[i].ID)
		if err != nil {
			return nil, err
		}
		if list[i].Messages, err = documents[consult.Message](rows); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Unrecorded implements consult.Book.
func (b *Consults) Unrecorded(ctx context.Context, limit int) ([]consult.Message, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT body FROM consult_message WHERE recorded = 0 ORDER BY num LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	return documents[consult.Message](rows)
}

// Recorded implements consult.Book.
func (b *Consults) Recorded(ctx context.Context, message string) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE consult_message SET recorded = 1 WHERE id = ?`, message)
		return err
	})
}
