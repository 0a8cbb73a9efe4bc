package relational

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
)

// Positions keeps up to where outlets have sent the telemetry log.
type Positions struct{ db *DB }

// Positions returns the positions of outlets in this file.
func (db *DB) Positions() *Positions { return &Positions{db} }

// LoadPosition returns the offset kept under the name, 0 when there is none.
func (p *Positions) LoadPosition(ctx context.Context, name string) (uint64, error) {
	var value []byte
	err := p.db.Read().QueryRowContext(ctx, `SELECT value FROM state WHERE room = 'outlet' AND key = ?`, name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err == nil && len(value) != 8 {
		err = errors.New("it has a strange length")
	}
	if err != nil {
		return 0, fmt.Errorf("read the position of outlet %s: %w", name, err)
	}
	return binary.BigEndian.Uint64(value), nil
}

// SavePosition keeps the offset under the name, durably.
func (p *Positions) SavePosition(ctx context.Context, name string, offset uint64) error {
	return p.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO state (room, key, value) VALUES ('outlet', ?, ?) ON CONFLICT (room, key) DO UPDATE SET value = excluded.value`, name, binary.BigEndian.AppendUint64(nil, offset))
		return err
	})
}
