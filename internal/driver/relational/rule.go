package relational

import (
	"context"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// Limits keeps personal limits; it is the rule.Keeper in the database.
type Limits struct{ db *DB }

// Limits returns the keeper of personal limits.
func (db *DB) Limits() *Limits { return &Limits{db} }

var _ rule.Keeper = (*Limits)(nil)

// PutLimits implements rule.Keeper.
func (l *Limits) PutLimits(ctx context.Context, s vigil.Subject, limits map[vigil.Metric]vigil.Limit) error {
	return l.db.Write(ctx, func(tx *Tx) error {
		for m, lim := range limits {
			query, args := `INSERT INTO personal_limit (subject, metric, low, high) VALUES (?,?,?,?)
				ON CONFLICT (subject, metric) DO UPDATE SET low = excluded.low, high = excluded.high`, []any{string(s), string(m), lim.Low, lim.High}
			if lim.Low == nil && lim.High == nil {
				query, args = `DELETE FROM personal_limit WHERE subject = ? AND metric = ?`, args[:2]
			}
			if _, err := tx.Exec(query, args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// GetLimits returns the personal limits of a subject, an empty map when there are none.
func (l *Limits) GetLimits(ctx context.Context, s vigil.Subject) (map[vigil.Metric]vigil.Limit, error) {
	rows, err := l.db.Read().QueryContext(ctx, `SELECT metric, low, high FROM personal_limit WHERE subject = ?`, string(s))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[vigil.Metric]vigil.Limit{}
	for rows.Next() {
		var m string
		var lim vigil.Limit
		if err := rows.Scan(&m, &lim.Low, &lim.High); err != nil {
			return nil, err
		}
		out[vigil.Metric(m)] = lim
	}
	return out, rows.Err()
}
