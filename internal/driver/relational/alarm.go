package relational

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Alarms is the alarm.Book in the database.
type Alarms struct{ db *DB }

// Alarms returns the book of alarms.
func (db *DB) Alarms() *Alarms { return &Alarms{db} }

var _ alarm.Book = (*Alarms)(nil)

const alarmList = 1000 // rows of a List that names no limit

// Put implements alarm.Book.
func (b *Alarms) Put(ctx context.Context, c alarm.Change) error {
	a := c.Alarm
	evidence, err := json.Marshal(a.Evidence)
	if err != nil {
		return err
	}
	if a.Evidence == nil {
		evidence = nil
	}
	a.Evidence = nil
	body, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO alarm (id, subject, unit, kind, rule, priority, open, raised, body, evidence) VALUES (?,?,?,?,?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET unit = excluded.unit, priority = excluded.priority, open = excluded.open, body = excluded.body,
			evidence = coalesce(excluded.evidence, alarm.evidence)`,
			a.ID, string(a.Subject), a.Unit, string(a.Kind), a.Rule, int(a.Priority), a.Open(), a.Raised.UnixNano(), body, evidence)
		if err != nil {
			return err
		}
		for _, p := range c.Pages {
			to, err := json.Marshal(p.To)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO alarm_page (id, alarm, step, person, at) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING`, p.ID, p.Alarm, p.Step, to, p.At.UnixNano()); err != nil {
				return err
			}
		}
		if c.Sent == "" {
			return nil
		}
		_, err = tx.Exec(`UPDATE alarm_page SET sent = ? WHERE id = ?`, c.SentAt.UnixNano(), c.Sent)
		return err
	})
}

// Get implements alarm.Book.
func (b *Alarms) Get(ctx context.Context, id string) (vigil.Alarm, error) {
	var body, evidence []byte
	err := b.db.Read().QueryRowContext(ctx, `SELECT body, evidence FROM alarm WHERE id = ?`, id).Scan(&body, &evidence)
	if errors.Is(err, sql.ErrNoRows) {
		return vigil.Alarm{}, vigil.Errorf(vigil.NotFound, "alarm.get", "no alarm with this id")
	}
	if err != nil {
		return vigil.Alarm{}, about(err, "alarm "+id)
	}
	return decodeAlarm(body, evidence)
}

func decodeAlarm(body, evidence []byte) (a vigil.Alarm, err error) {
	if err := json.Unmarshal(body, &a); err != nil {
		return a, err
	}
	if evidence != nil {
		err = json.Unmarshal(evidence, &a.Evidence)
	}
	return a, err
}

// Open implements alarm.Book.
func (b *Alarms) Open(ctx context.Context) ([]vigil.Alarm, error) {
	return b.rows(ctx, `SELECT body, evidence FROM alarm WHERE open = 1 ORDER BY raised, id`)
}

// List implements alarm.Book.
func (b *Alarms) List(ctx context.Context, q alarm.Query) ([]vigil.Alarm, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(cond string, arg any) { where, args = append(where, cond), append(args, arg) }
	if !q.From.IsZero() {
		add("raised >= ?", q.From.UnixNano())
	}
	if !q.To.IsZero() {
		add("raised < ?", q.To.UnixNano())
	}
	if q.Subject != "" {
		add("subject = ?", string(q.Subject))
	}
	if q.Unit != "" {
		add("unit = ?", q.Unit)
	}
	if q.Open {
		where = append(where, "open = 1")
	}
	limit := q.Limit
	if limit <= 0 {
		limit = alarmList
	}
	args = append(args, limit)
	return b.rows(ctx, `SELECT body, NULL FROM alarm WHERE `+strings.Join(where, " AND ")+` ORDER BY raised DESC, id LIMIT ?`, args...)
}

func (b *Alarms) rows(ctx context.Context, query string, args ...any) ([]vigil.Alarm, error) {
	rows, err := b.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []vigil.Alarm{}
	for rows.Next() {
		var body, evidence []byte
		if err := rows.Scan(&body, &evidence); err != nil {
			return nil, err
		}
		a, err := decodeAlarm(body, evidence)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, about(rows.Err(), "the list of alarms")
}

// Unsent implements alarm.Book.
func (b *Alarms) Unsent(ctx context.Context) ([]alarm.Page, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT id, alarm, step, person, at FROM alarm_page WHERE sent IS NULL ORDER BY at, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []alarm.Page
	for rows.Next() {
		var p alarm.Page
		var to []byte
		var at int64
		if err := rows.Scan(&p.ID, &p.Alarm, &p.Step, &to, &at); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(to, &p.To); err != nil {
			return nil, err
		}
		p.At = time.Unix(0, at).UTC()
		out = append(out, p)
	}
	return out, rows.Err()
}

// Sent implements alarm.Book.
func (b *Alarms) Sent(ctx context.Context, page string, at time.Time) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE alarm_page SET sent = ? WHERE id = ?`, at.UnixNano(), page)
		return err
	})
}
