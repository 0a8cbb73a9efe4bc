package relational

import (
	"context"
	"database/sql"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/registry"
)

// Registry returns the port of the device registry.
func (db *DB) Registry() registry.Backend { return registryBackend{db} }

type registryBackend struct{ db *DB }

func (b registryBackend) LoadDevices(ctx context.Context) ([]registry.Device, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT id, name, profile, serial, created_ns, disabled, token_hash FROM device ORDER BY id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []registry.Device
	for rows.Next() {
		var d registry.Device
		var created int64
		if err := rows.Scan(&d.ID, &d.Name, &d.Profile, &d.Serial, &created, &d.Disabled, &d.TokenHash); err != nil {
			return nil, err
		}
		d.Created = time.Unix(0, created)
		out = append(out, d)
	}
	return out, rows.Err()
}

func (b registryBackend) LoadBindings(ctx context.Context) ([]vigil.Binding, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT device, subject, from_ns, to_ns, by FROM binding ORDER BY device, from_ns`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []vigil.Binding
	for rows.Next() {
		var v vigil.Binding
		var from int64
		var to sql.NullInt64
		if err := rows.Scan(&v.Device, &v.Subject, &from, &to, &v.By); err != nil {
			return nil, err
		}
		v.From = time.Unix(0, from)
		if to.Valid {
			v.To = time.Unix(0, to.Int64)
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

func (b registryBackend) PutDevice(ctx context.Context, d registry.Device) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO device (id, name, profile, serial, created_ns, disabled, token_hash) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (id) DO UPDATE SET name = excluded.name, profile = excluded.profile, serial = excluded.serial, disabled = excluded.disabled, token_hash = excluded.token_hash`,
			string(d.ID), d.Name, d.Profile, d.Serial, d.Created.UnixNano(), d.Disabled, d.TokenHash)
		return err
	})
}

func (b registryBackend) PutBindings(ctx context.Context, bindings []vigil.Binding) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		for _, v := range bindings {
			to := sql.NullInt64{Int64: v.To.UnixNano(), Valid: !v.To.IsZero()}
			_, err := tx.Exec(`INSERT INTO binding (device, from_ns, to_ns, subject, by) VALUES (?, ?, ?, ?, ?)
				ON CONFLICT (device, from_ns) DO UPDATE SET to_ns = excluded.to_ns, subject = excluded.subject, by = excluded.by`,
				string(v.Device), v.From.UnixNano(), to, string(v.Subject), v.By)
			if err != nil {
				return err
			}
		}
		return nil
	})
}
