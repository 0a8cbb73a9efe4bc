package relational

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Offs keeps which alarms are turned off; it is the alarm.Offs in the database.
type Offs struct{ db *DB }

// Offs returns what is turned off.
func (db *DB) Offs() *Offs { return &Offs{db} }

var _ alarm.Offs = (*Offs)(nil)

// Put implements alarm.Offs.
func (o *Offs) Put(ctx context.Context, off alarm.Off) error {
	body, err := json.Marshal(off)
	if err != nil {
		return err
	}
	standing := 0
	if off.Ended.IsZero() {
		standing = 1
	}
	return o.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO alarm_off (id, standing, began, body) VALUES (?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET standing = excluded.standing, body = excluded.body`, off.ID, standing, off.From.UnixNano(), body)
		return err
	})
}

// Get implements alarm.Offs.
func (o *Offs) Get(ctx context.Context, id string) (off alarm.Off, err error) {
	var body []byte
	err = o.db.Read().QueryRowContext(ctx, `SELECT body FROM alarm_off WHERE id = ?`, id).Scan(&body)
	if errors.Is(err, sql.ErrNoRows) {
		return off, vigil.Errorf(vigil.NotFound, "alarm.off", "nothing was turned off with this id")
	}
	if err != nil {
		return off, err
	}
	return off, json.Unmarshal(body, &off)
}

// List implements alarm.Offs.
func (o *Offs) List(ctx context.Context, standing bool) ([]alarm.Off, error) {
	query := `SELECT body FROM alarm_off ORDER BY began DESC, id LIMIT 500`
	if standing {
		query = `SELECT body FROM alarm_off WHERE standing = 1 ORDER BY began DESC, id`
	}
	rows, err := o.db.Read().QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	return documents[alarm.Off](rows)
}
