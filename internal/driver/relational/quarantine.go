package relational

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/ingest"
)

// Quarantine returns the port of the ingest quarantine.
func (db *DB) Quarantine() ingest.Quarantine { return quarantine{db} }

type quarantine struct{ db *DB }

const quarantineColumns = `id, at_ns, device, protocol, reason, detail, payload`

func (q quarantine) Put(ctx context.Context, items []ingest.Quarantined) error {
	return q.db.Write(ctx, func(tx *Tx) error {
		for _, it := range items {
			payload := it.Payload
			if payload == nil {
				payload = []byte{}
			}
			if _, err := tx.Exec(`INSERT INTO quarantine (at_ns, device, protocol, reason, detail, payload) VALUES (?, ?, ?, ?, ?, ?)`, it.At.UnixNano(), string(it.Device), it.Protocol, string(it.Reason), it.Detail, payload); err != nil {
				return err
			}
		}
		return nil
	})
}

func (q quarantine) Get(ctx context.Context, id int64) (ingest.Quarantined, error) {
	it, err := scanQuarantined(q.db.Read().QueryRowContext(ctx, `SELECT `+quarantineColumns+` FROM quarantine WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return it, vigil.Errorf(vigil.NotFound, "quarantine.get", "no message %d waits in the quarantine", id)
	}
	return it, err
}

func scanQuarantined(row interface{ Scan(...any) error }) (it ingest.Quarantined, err error) {
	var at int64
	err = row.Scan(&it.ID, &at, &it.Device, &it.Protocol, &it.Reason, &it.Detail, &it.Payload)
	it.At = time.Unix(0, at)
	return it, err
}

func (q quarantine) List(ctx context.Context, f ingest.QuarantineFilter) ([]ingest.Quarantined, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	rows, err := q.db.Read().QueryContext(ctx, `SELECT `+quarantineColumns+` FROM quarantine
		WHERE (?1 = '' OR device = ?1) AND (?2 = '' OR reason = ?2) ORDER BY id DESC LIMIT ?3`, string(f.Device), string(f.Reason), f.Limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ingest.Quarantined
	for rows.Next() {
		it, err := scanQuarantined(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, it)
	}
	return out, rows.Err()
}

func (q quarantine) Counts(ctx context.Context, device vigil.DeviceID) ([]ingest.ReasonCount, error) {
	rows, err := q.db.Read().QueryContext(ctx, `SELECT reason, count(*) FROM quarantine WHERE ?1 = '' OR device = ?1 GROUP BY reason ORDER BY 2 DESC, 1`, string(device))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []ingest.ReasonCount
	for rows.Next() {
		var c ingest.ReasonCount
		if err := rows.Scan(&c.Reason, &c.Count); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

func (q quarantine) Remove(ctx context.Context, id int64) error {
	return q.db.Write(ctx, func(tx *Tx) error {
		res, err := tx.Exec(`DELETE FROM quarantine WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return vigil.Errorf(vigil.NotFound, "quarantine.remove", "no message %d waits in the quarantine", id)
		}
		return nil
	})
}
