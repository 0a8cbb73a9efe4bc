package relational

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// Outbox keeps messages to people; it is the notify.Outbox in the database.
type Outbox struct{ db *DB }

// Outbox returns the outbox of messages.
func (db *DB) Outbox() *Outbox { return &Outbox{db} }

var _ notify.Outbox = (*Outbox)(nil)

// Add implements notify.Outbox.
func (o *Outbox) Add(ctx context.Context, m notify.Message) (fresh bool, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return false, err
	}
	err = o.db.Write(ctx, func(tx *Tx) error {
		res, err := tx.Exec(`INSERT INTO message (id, alarm, state, created, body) VALUES (?,?,?,?,?) ON CONFLICT DO NOTHING`, m.ID, m.Alarm, string(m.State), m.Created.UnixNano(), body)
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		fresh = n > 0
		return err
	})
	return fresh && err == nil, err
}

// Save implements notify.Outbox.
func (o *Outbox) Save(ctx context.Context, m notify.Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return o.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`UPDATE message SET state = ?, created = ?, body = ? WHERE id = ?`, string(m.State), m.Created.UnixNano(), body, m.ID)
		return err
	})
}

// Get implements notify.Outbox.
func (o *Outbox) Get(ctx context.Context, id string) (m notify.Message, err error) {
	var body []byte
	err = o.db.Read().QueryRowContext(ctx, `SELECT body FROM message WHERE id = ?`, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return m, vigil.Errorf(vigil.NotFound, "notify.get", "no message with this id")
	}
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(body, &m)
}

// List implements notify.Outbox; a limit of 0 is none.
func (o *Outbox) List(ctx context.Context, state notify.State, alarm string, limit int) ([]notify.Message, error) {
	where, args := []string{"1 = 1"}, []any{}
	if state != "" {
		where, args = append(where, "state = ?"), append(args, string(state))
	}
	if alarm != "" {
		where, args = append(where, "alarm = ?"), append(args, alarm)
	}
	if limit <= 0 {
		limit = math.MaxInt32
	}
	rows, err := o.db.Read().QueryContext(ctx, `SELECT body FROM message WHERE `+strings.Join(where, " AND ")+` ORDER BY created DESC, id LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, err
	}
	return documents[notify.Message](rows)
}

// documents decodes the single JSON column of every row and closes rows.
func documents[T any](rows *Rows) ([]T, error) {
	defer rows.Close()
	out := []T{}
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		var v T
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// NotifySettings keeps how people want to be reached; it is the notify.SettingsBook in the database.
type NotifySettings struct{ db *DB }

// NotifySettings returns the book of settings.
func (db *DB) NotifySettings() *NotifySettings { return &NotifySettings{db} }

var _ notify.SettingsBook = (*NotifySettings)(nil)

// Settings implements notify.SettingsBook.
func (n *NotifySettings) Settings(ctx context.Context, key string) (notify.Settings, error) {
	s := notify.Settings{Key: key, Order: []string{}, Devices: []notify.Device{}, Quiet: []notify.Quiet{}}
	var body []byte
	err := n.db.Read().QueryRowContext(ctx, `SELECT body FROM notify_settings WHERE key = ?`, key).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	return s, json.Unmarshal(body, &s)
}

// PutSettings implements notify.SettingsBook.
func (n *NotifySettings) PutSettings(ctx context.Context, s notify.Settings) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return n.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO notify_settings (key, body) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET body = excluded.body`, s.Key, body)
		return err
	})
}

// AllSettings implements notify.SettingsBook.
func (n *NotifySettings) AllSettings(ctx context.Context) ([]notify.Settings, error) {
	rows, err := n.db.Read().QueryContext(ctx, `SELECT body FROM notify_settings ORDER BY key`)
	if err != nil {
		return nil, err
	}
	return documents[notify.Settings](rows)
}
