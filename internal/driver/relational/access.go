package relational

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Accounts returns the backend of accounts and sessions in this file.
func (db *DB) Accounts() access.Backend { return accounts{db} }

type accounts struct{ db *DB }

const setupKey = `room = 'access' AND key = 'setup'`

// PutAccount writes an account; an empty password keeps the old one.
func (a accounts) PutAccount(ctx context.Context, acc access.Account, password string) error {
	doc, err := json.Marshal(acc)
	if err != nil {
		return fmt.Errorf("write account %s: %w", acc.ID, err)
	}
	return a.db.Write(ctx, func(tx *Tx) error {
		var other string
		err := tx.QueryRow(`SELECT id FROM account WHERE login = ?`, acc.Login).Scan(&other)
		if err == nil && other != acc.ID {
			return vigil.Errorf(vigil.Conflict, "relational.account", "the login %q is taken", acc.Login)
		}
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("write account %s: %w", acc.ID, err)
		}
		_, err = tx.Exec(`INSERT INTO account (id, login, json, password, created) VALUES (?,?,?,?,?)
			ON CONFLICT (id) DO UPDATE SET login = excluded.login, json = excluded.json, password = CASE WHEN excluded.password = '' THEN account.password ELSE excluded.password END`,
			acc.ID, acc.Login, doc, password, acc.Created.UnixMicro())
		if err != nil {
			return fmt.Errorf("write account %s: %w", acc.ID, err)
		}
		_, err = tx.Exec(`DELETE FROM state WHERE ` + setupKey)
		return err
	})
}

func scanAccount(row scanner, more ...any) (access.Account, error) {
	var doc []byte
	var acc access.Account
	if err := row.Scan(append([]any{&doc}, more...)...); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return acc, vigil.Errorf(vigil.NotFound, "relational.account", "there is no such account")
		}
		return acc, fmt.Errorf("read an account: %w", err)
	}
	if err := json.Unmarshal(doc, &acc); err != nil {
		return acc, fmt.Errorf("read an account: %w", err)
	}
	return acc, nil
}

// AccountByLogin returns an account and its password hash.
func (a accounts) AccountByLogin(ctx context.Context, login string) (access.Account, string, error) {
	var password string
	acc, err := scanAccount(a.db.Read().QueryRowContext(ctx, `SELECT json, password FROM account WHERE login = ?`, login), &password)
	return acc, password, err
}

// Account returns an account by id.
func (a accounts) Account(ctx context.Context, id string) (access.Account, error) {
	return scanAccount(a.db.Read().QueryRowContext(ctx, `SELECT json FROM account WHERE id = ?`, id))
}

// Accounts returns all accounts by login.
func (a accounts) Accounts(ctx context.Context) ([]access.Account, error) {
	rows, err := a.db.Read().QueryContext(ctx, `SELECT json FROM account ORDER BY login`)
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	defer rows.Close()
	var out []access.Account
	for rows.Next() {
		acc, err := scanAccount(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, acc)
	}
	return out, rows.Err()
}

// Setup reads the hash of the setup token and whether any account exists, after writing a new hash.
func (a accounts) Setup(ctx context.Context, hash []byte) (stored []byte, exists bool, err error) {
	if hash != nil {
		err := a.db.Write(ctx, func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO state (room, key, value) VALUES ('access', 'setup', ?) ON CONFLICT (room, key) DO UPDATE SET value = excluded.value`, hash)
			return err
		})
		if err != nil {
			return nil, false, fmt.Errorf("write the setup token: %w", err)
		}
	}
	err = a.db.Read().QueryRowContext(ctx, `SELECT (SELECT value FROM state WHERE `+setupKey+`), EXISTS (SELECT 1 FROM account)`).Scan(&stored, &exists)
	if err != nil {
		return nil, false, fmt.Errorf("read the setup token: %w", err)
	}
	return stored, exists, nil
}

// PutSession writes a session.
func (a accounts) PutSession(ctx context.Context, s access.Session) error {
	return a.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO session (hash, account, created, used) VALUES (?,?,?,?)
			ON CONFLICT (hash) DO UPDATE SET account = excluded.account, created = excluded.created, used = excluded.used`, s.Hash[:], s.Account, s.Created.UnixMicro(), s.Used.UnixMicro())
		return err
	})
}

// Session returns a session and its account.
func (a accounts) Session(ctx context.Context, hash [32]byte) (access.Session, access.Account, error) {
	s := access.Session{Hash: hash}
	var created, used int64
	acc, err := scanAccount(a.db.Read().QueryRowContext(ctx, `SELECT a.json, s.account, s.created, s.used FROM session s JOIN account a ON a.id = s.account WHERE s.hash = ?`, hash[:]),
		&s.Account, &created, &used)
	s.Created, s.Used = time.UnixMicro(created).UTC(), time.UnixMicro(used).UTC()
	return s, acc, err
}

// EndSessions removes the sessions that e selects.
func (a accounts) EndSessions(ctx context.Context, e access.End) error {
	return a.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`DELETE FROM session WHERE hash = ? OR account = ? OR used < ? OR created < ?`, e.Hash[:], e.Account, micro(e.Before), micro(e.Made))
		return err
	})
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return -1 << 62
	}
	return t.UnixMicro()
}
