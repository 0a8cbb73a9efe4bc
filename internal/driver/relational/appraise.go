package relational

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/appraise"
)

// Appraisals keeps where models stand and what they said; it is the appraise.Book in the database.
type Appraisals struct{ db *DB }

// Appraisals returns the book of models.
func (db *DB) Appraisals() *Appraisals { return &Appraisals{db} }

var _ appraise.Book = (*Appraisals)(nil)

// Standings implements appraise.Book.
func (b *Appraisals) Standings(ctx context.Context) (out []appraise.Standing, err error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT body FROM model_standing ORDER BY model`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var body []byte
		var s appraise.Standing
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body, &s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

// PutStanding implements appraise.Book.
func (b *Appraisals) PutStanding(ctx context.Context, s appraise.Standing) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO model_standing (model, body) VALUES (?,?) ON CONFLICT (model) DO UPDATE SET body = excluded.body`, s.Key, body)
		return err
	})
}

// AddVerdict implements appraise.Book.
func (b *Appraisals) AddVerdict(ctx context.Context, v appraise.Verdict) error {
	v.Truth = nil // kept in a column of its own
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO model_verdict (model, id, version, at, body) VALUES (?,?,?,?,?) ON CONFLICT (model, id) DO NOTHING`,
			v.Model, v.ID, v.Version, v.At.UnixNano(), body)
		return err
	})
}

// SetTruth implements appraise.Book.
func (b *Appraisals) SetTruth(ctx context.Context, model, id string, truth bool) error {
	was := 0
	if truth {
		was = 1
	}
	return b.db.Write(ctx, func(tx *Tx) error {
		res, err := tx.Exec(`UPDATE model_verdict SET truth = ? WHERE model = ? AND id = ?`, was, model, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n > 0 {
			return err
		}
		return vigil.Errorf(vigil.NotFound, "appraise.truth", "model %s has not judged %s", model, id)
	})
}

// AddOutcome implements appraise.Book.
func (b *Appraisals) AddOutcome(ctx context.Context, o appraise.Outcome) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO model_outcome (subject, at, person) VALUES (?,?,?) ON CONFLICT (subject, at) DO NOTHING`, string(o.Subject), o.At.UnixNano(), o.By)
		return err
	})
}

// Verdicts implements appraise.Book.
func (b *Appraisals) Verdicts(ctx context.Context, model, version string, since time.Time, limit int) (out []appraise.Verdict, err error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT truth, body FROM model_verdict WHERE model = ? AND version = ? AND at >= ? ORDER BY at LIMIT ?`,
		model, version, since.UnixNano(), limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var truth sql.NullInt64
		var body []byte
		var v appraise.Verdict
		if err := rows.Scan(&truth, &body); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return nil, err
		}
		if truth.Valid {
			was := truth.Int64 != 0
			v.Truth = &was
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// Outcomes implements appraise.Book.
func (b *Appraisals) Outcomes(ctx context.Context, since time.Time) (out []appraise.Outcome, err error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT subject, at, person FROM model_outcome WHERE at >= ? ORDER BY at`, since.UnixNano())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var at int64
		var o appraise.Outcome
		if err := rows.Scan(&o.Subject, &at, &o.By); err != nil {
			return nil, err
		}
		o.At = time.Unix(0, at).UTC()
		out = append(out, o)
	}
	return out, rows.Err()
}
