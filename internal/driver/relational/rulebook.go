package relational

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// Rulebook keeps the site's rules; it is the rule.Book and the rule.ReplayBook in the database.
type Rulebook struct{ db *DB }

// Rulebook returns the book of the site's rules.
func (db *DB) Rulebook() *Rulebook { return &Rulebook{db} }

var (
	_ rule.Book       = (*Rulebook)(nil)
	_ rule.ReplayBook = (*Rulebook)(nil)
)

// Versions implements rule.Book.
func (b *Rulebook) Versions(ctx context.Context, key string) ([]rule.Version, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT rule, number, state, off, text, note, author, author_name, at, approver, approver_name, approved_at
		FROM rule_version WHERE ? = '' OR rule = ? ORDER BY rule, number`, key, key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []rule.Version{}
	for rows.Next() {
		var v rule.Version
		var at, approved int64
		if err := rows.Scan(&v.Key, &v.Number, &v.State, &v.Off, &v.Text, &v.Note, &v.Author, &v.AuthorName, &at, &v.Approver, &v.ApproverName, &approved); err != nil {
			return nil, err
		}
		v.At, v.ApprovedAt = instant(at), instant(approved)
		out = append(out, v)
	}
	return out, rows.Err()
}

// instant reads Unix nanoseconds; 0 is the zero time.
func instant(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

func nanosOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// Write implements rule.Book.
func (b *Rulebook) Write(ctx context.Context, v rule.Version) (rule.Version, error) {
	err := b.db.Write(ctx, func(tx *Tx) error {
		if err := tx.QueryRow(`SELECT COALESCE(MAX(number), 0) + 1 FROM rule_version WHERE rule = ?`, v.Key).Scan(&v.Number); err != nil {
			return err
		}
		off := 0
		if v.Off {
			off = 1
		}
		if _, err := tx.Exec(`INSERT INTO rule_version (rule, number, state, off, text, note, author, author_name, at) VALUES (?,?,?,?,?,?,?,?,?)`,
			v.Key, v.Number, string(v.State), off, v.Text, v.Note, v.Author, v.AuthorName, v.At.UnixNano()); err != nil {
			return err
		}
		return writeStep(tx, rule.Transition{Key: v.Key, Number: v.Number, To: v.State, By: v.Author, Name: v.AuthorName, At: v.At, Note: v.Note})
	})
	return v, err
}

func writeStep(tx *Tx, t rule.Transition) error {
	_, err := tx.Exec(`INSERT INTO rule_step (rule, number, source, target, person, name, at, note) VALUES (?,?,?,?,?,?,?,?)`,
		t.Key, t.Number, string(t.From), string(t.To), t.By, t.Name, t.At.UnixNano(), t.Note)
	return err
}

// Move implements rule.Book.
func (b *Rulebook) Move(ctx context.Context, steps []rule.Transition) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		for _, t := range steps {
			res, err := tx.Exec(`UPDATE rule_version SET state = ? WHERE rule = ? AND number = ? AND state = ?`, string(t.To), t.Key, t.Number, string(t.From))
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n != 1 {
				return errors.Join(err, vigil.Errorf(vigil.Conflict, "rule.move", "version %d of %s is no longer %s", t.Number, t.Key, t.From))
			}
			if t.To == rule.Approved {
				if _, err := tx.Exec(`UPDATE rule_version SET approver = ?, approver_name = ?, approved_at = ? WHERE rule = ? AND number = ?`, t.By, t.Name, t.At.UnixNano(), t.Key, t.Number); err != nil {
					return err
				}
			}
			if err := writeStep(tx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// Transitions implements rule.Book.
func (b *Rulebook) Transitions(ctx context.Context, key string) ([]rule.Transition, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT rule, number, source, target, person, name, at, note FROM rule_step WHERE ? = '' OR rule = ? ORDER BY seq`, key, key)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []rule.Transition{}
	for rows.Next() {
		var t rule.Transition
		var at int64
		if err := rows.Scan(&t.Key, &t.Number, &t.From, &t.To, &t.By, &t.Name, &at, &t.Note); err != nil {
			return nil, err
		}
		t.At = instant(at)
		out = append(out, t)
	}
	return out, rows.Err()
}

// BeginShadow implements rule.Shadows.
func (b *Rulebook) BeginShadow(ctx context.Context, s rule.Shadow) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO rule_shadow (id, rule, version, subject, unit, priority, metric, value, peak, onset, at) VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`,
			s.ID, s.Rule, s.Version, string(s.Subject), s.Unit, int(s.Priority), string(s.Metric), s.Value, s.Peak, s.Start.UnixNano(), s.At.UnixNano())
		return err
	})
}

// EndShadow implements rule.Shadows.
func (b *Rulebook) EndShadow(ctx context.Context, id string, at time.Time, peak float64) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE rule_shadow SET ended = ?, peak = ? WHERE id = ? AND ended = 0`, at.UnixNano(), peak, id)
		return err
	})
}

// ListShadows implements rule.Book.
func (b *Rulebook) ListShadows(ctx context.Context, q rule.ShadowQuery) ([]rule.Shadow, error) {
	open := 0
	if q.Open {
		open = 1
	}
	if q.Limit <= 0 {
		q.Limit = 200
	}
	rows, err := b.db.Read().QueryContext(ctx, `SELECT id, rule, version, subject, unit, priority, metric, value, peak, onset, at, ended FROM rule_shadow
		WHERE (? = '' OR rule = ?) AND (? = '' OR version = ?) AND (? = 0 OR ended = 0) ORDER BY at DESC LIMIT ?`, q.Rule, q.Rule, q.Version, q.Version, open, q.Limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []rule.Shadow{}
	for rows.Next() {
		var s rule.Shadow
		var onset, at, ended int64
		if err := rows.Scan(&s.ID, &s.Rule, &s.Version, &s.Subject, &s.Unit, &s.Priority, &s.Metric, &s.Value, &s.Peak, &onset, &at, &ended); err != nil {
			return nil, err
		}
		s.Start, s.At, s.End = instant(onset), instant(at), instant(ended)
		out = append(out, s)
	}
	return out, rows.Err()
}

// CountShadows implements rule.Book.
func (b *Rulebook) CountShadows(ctx context.Context) ([]rule.ShadowCount, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT rule, version, COUNT(*), SUM(CASE WHEN ended = 0 THEN 1 ELSE 0 END), MIN(at), MAX(at) FROM rule_shadow GROUP BY rule, version ORDER BY rule, version`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []rule.ShadowCount{}
	for rows.Next() {
		var c rule.ShadowCount
		var first, last int64
		if err := rows.Scan(&c.Rule, &c.Version, &c.Alarms, &c.Open, &first, &last); err != nil {
			return nil, err
		}
		c.First, c.Last = instant(first), instant(last)
		out = append(out, c)
	}
	return out, rows.Err()
}

// PutReplay implements rule.ReplayBook.
func (b *Rulebook) PutReplay(ctx context.Context, r rule.Replay) error {
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO rule_replay (id, at, body) VALUES (?,?,?) ON CONFLICT (id) DO UPDATE SET body = excluded.body`, r.ID, nanosOf(r.At), body)
		return err
	})
}

// GetReplay implements rule.ReplayBook.
func (b *Rulebook) GetReplay(ctx context.Context, id string) (r rule.Replay, err error) {
	var body []byte
	err = b.db.Read().QueryRowContext(ctx, `SELECT body FROM rule_replay WHERE id = ?`, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return r, vigil.Errorf(vigil.NotFound, "rule.replay", "no replay %q", id)
	}
	if err == nil {
		err = json.Unmarshal(body, &r)
	}
	return r, err
}

// ListReplays implements rule.ReplayBook.
func (b *Rulebook) ListReplays(ctx context.Context, limit int) ([]rule.Replay, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT body FROM rule_replay ORDER BY at DESC LIMIT ?`, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []rule.Replay{}
	for rows.Next() {
		var body []byte
		var r rule.Replay
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body, &r); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, rows.Err()
}
