package relational

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"time"

	"github.com/vigil-health/vigil/internal/engine/subscription"
)

// Subscriptions keeps what Subscriptions were told; it is the subscription.Book in the database.
type Subscriptions struct{ db *DB }

// Subscriptions returns the book of Subscriptions.
func (db *DB) Subscriptions() *Subscriptions { return &Subscriptions{db} }

var _ subscription.Book = (*Subscriptions)(nil)

// keptEvents is how many delivered events of a Subscription stay for $events.
const keptEvents = 10_000

// States implements subscription.Book.
func (s *Subscriptions) States(ctx context.Context) (out []subscription.State, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT id, owner, events, delivered, fails, since, error, errors FROM subscription_state ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var st subscription.State
		var since int64
		if err := rows.Scan(&st.ID, &st.Owner, &st.Events, &st.Delivered, &st.Fails, &since, &st.Error, &st.Errors); err != nil {
			return nil, err
		}
		if since != 0 {
			st.Since = time.Unix(0, since)
		}
		out = append(out, st)
	}
	return out, rows.Err()
}

// Save implements subscription.Book.
func (s *Subscriptions) Save(ctx context.Context, st subscription.State) error {
	since := int64(0)
	if !st.Since.IsZero() {
		since = st.Since.UnixNano()
	}
	return s.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO subscription_state (id, owner, delivered, fails, since, error, errors) VALUES (?,?,?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET owner = excluded.owner, fails = excluded.fails, since = excluded.since, error = excluded.error, errors = excluded.errors,
			delivered = CASE WHEN excluded.delivered > subscription_state.delivered THEN excluded.delivered ELSE subscription_state.delivered END`,
			st.ID, st.Owner, st.Delivered, st.Fails, since, st.Error, st.Errors)
		if err == nil && st.Delivered > keptEvents {
			_, err = tx.Exec(`DELETE FROM subscription_event WHERE id = ? AND number <= ?`, st.ID, st.Delivered-keptEvents)
		}
		return err
	})
}

// Append implements subscription.Book.
func (s *Subscriptions) Append(ctx context.Context, events []subscription.Event, position string, at uint64) error {
	return s.db.Write(ctx, func(tx *Tx) error {
		for _, e := range events {
			var number int64
			err := tx.QueryRow(`UPDATE subscription_state SET events = events + 1 WHERE id = ? RETURNING events`, e.Subscription).Scan(&number)
			if errors.Is(err, sql.ErrNoRows) {
				continue // nobody's any more
			}
			if err != nil {
				return err
			}
			if _, err := tx.Exec(`INSERT INTO subscription_event (id, number, at, focus, json, deleted) VALUES (?,?,?,?,?,?)`, e.Subscription, number, e.At.UnixNano(), e.Focus, e.JSON, e.Deleted); err != nil {
				return err
			}
		}
		_, err := tx.Exec(`INSERT INTO state (room, key, value) VALUES ('subscription', ?, ?) ON CONFLICT (room, key) DO UPDATE SET value = excluded.value`, position, binary.BigEndian.AppendUint64(nil, at))
		return err
	})
}

// Events implements subscription.Book.
func (s *Subscriptions) Events(ctx context.Context, id string, after int64, limit int) (out []subscription.Event, err error) {
	rows, err := s.db.Read().QueryContext(ctx, `SELECT number, at, focus, json, deleted FROM subscription_event WHERE id = ? AND number > ? ORDER BY number LIMIT ?`, id, after, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		e := subscription.Event{Subscription: id}
		var at int64
		if err := rows.Scan(&e.Number, &at, &e.Focus, &e.JSON, &e.Deleted); err != nil {
			return nil, err
		}
		e.At = time.Unix(0, at)
		out = append(out, e)
	}
	return out, rows.Err()
}

// Position implements subscription.Book.
func (s *Subscriptions) Position(ctx context.Context, name string) (uint64, error) {
	var value []byte
	err := s.db.Read().QueryRowContext(ctx, `SELECT value FROM state WHERE room = 'subscription' AND key = ?`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(value) != 8 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(value), nil
}
