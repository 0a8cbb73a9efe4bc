package relational

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Tokens returns the backend of API tokens in this file.
func (db *DB) Tokens() access.TokenBackend { return tokens{db} }

type tokens struct{ db *DB }

// PutToken writes a token under its hash.
func (b tokens) PutToken(ctx context.Context, hash [32]byte, t access.Token) error {
	doc, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write token %s: %w", t.ID, err)
	}
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO token (hash, id, json, created) VALUES (?,?,?,?)`, hash[:], t.ID, doc, t.Created.UnixMicro())
		return err
	})
}

// Token returns the token with the hash.
func (b tokens) Token(ctx context.Context, hash [32]byte) (access.Token, error) {
	return scanToken(b.db.Read().QueryRowContext(ctx, `SELECT json FROM token WHERE hash = ?`, hash[:]))
}

func scanToken(row scanner) (t access.Token, err error) {
	var doc []byte
	if err := row.Scan(&doc); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return t, vigil.Errorf(vigil.NotFound, "relational.token", "there is no such token")
		}
		return t, fmt.Errorf("read a token: %w", err)
	}
	if err := json.Unmarshal(doc, &t); err != nil {
		return t, fmt.Errorf("read a token: %w", err)
	}
	return t, nil
}

// Tokens returns all tokens, oldest first.
func (b tokens) Tokens(ctx context.Context) ([]access.Token, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT json FROM token ORDER BY created, id`)
	if err != nil {
		return nil, fmt.Errorf("list tokens: %w", err)
	}
	defer rows.Close()
	var out []access.Token
	for rows.Next() {
		t, err := scanToken(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, rows.Err()
}

// DropToken removes the token with the id.
func (b tokens) DropToken(ctx context.Context, id string) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		res, err := tx.Exec(`DELETE FROM token WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, vigil.Errorf(vigil.NotFound, "relational.token", "there is no token %q", id))
		}
		return nil
	})
}
