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

// Clients returns the backend of programs that prove themselves with a key.
func (db *DB) Clients() access.ClientBackend { return clients{db} }

type clients struct{ db *DB }

// PutClient writes a client, replacing one with the same id.
func (b clients) PutClient(ctx context.Context, c access.Client) error {
	doc, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write client %s: %w", c.ID, err)
	}
	return b.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`INSERT INTO client (id, json) VALUES (?,?) ON CONFLICT (id) DO UPDATE SET json = excluded.json`, c.ID, doc)
		return err
	})
}

// Client returns a client.
func (b clients) Client(ctx context.Context, id string) (access.Client, error) {
	return scanClient(b.db.Read().QueryRowContext(ctx, `SELECT json FROM client WHERE id = ?`, id))
}

func scanClient(row scanner) (c access.Client, err error) {
	var doc []byte
	if err := row.Scan(&doc); err != nil {
		if errors.Is(err, sql.ErrNoRows) {
			return c, vigil.Errorf(vigil.NotFound, "relational.client", "there is no such client")
		}
		return c, fmt.Errorf("read a client: %w", err)
	}
	if err := json.Unmarshal(doc, &c); err != nil {
		return c, fmt.Errorf("read a client: %w", err)
	}
	return c, nil
}

// Clients returns all clients by id.
func (b clients) Clients(ctx context.Context) ([]access.Client, error) {
	rows, err := b.db.Read().QueryContext(ctx, `SELECT json FROM client ORDER BY id`)
	if err != nil {
		return nil, fmt.Errorf("list clients: %w", err)
	}
	defer rows.Close()
	var out []access.Client
	for rows.Next() {
		c, err := scanClient(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, rows.Err()
}

// DropClient removes a client and its grants. What it signed stays spent.
func (b clients) DropClient(ctx context.Context, id string) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		if _, err := tx.Exec(`DELETE FROM client_grant WHERE client = ?`, id); err != nil {
			return err
		}
		res, err := tx.Exec(`DELETE FROM client WHERE id = ?`, id)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, vigil.Errorf(vigil.NotFound, "relational.client", "there is no client %q", id))
		}
		return nil
	})
}

// Grant keeps a grant and spends the assertion's jti, in one transaction.
func (b clients) Grant(ctx context.Context, hash [32]byte, g access.Grant, spend access.Assertion) error {
	return b.db.Write(ctx, func(tx *Tx) error {
		now := spend.Now.UnixMicro()
		for _, old := range []string{`DELETE FROM client_assertion WHERE expires < ?`, `DELETE FROM client_grant WHERE expires < ?`} {
			if _, err := tx.Exec(old, now); err != nil {
				return err
			}
		}
		res, err := tx.Exec(`INSERT INTO client_assertion (client, jti, expires) VALUES (?,?,?) ON CONFLICT (client, jti) DO NOTHING`, g.Client, spend.JTI, spend.Until.UnixMicro())
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, vigil.Errorf(vigil.Conflict, "relational.client", "the assertion was used before"))
		}
		_, err = tx.Exec(`INSERT INTO client_grant (hash, client, scopes, expires) VALUES (?,?,?,?)`, hash[:], g.Client, access.JoinScopes(g.Scopes), g.Expires.UnixMicro())
		return err
	})
}

// Granted returns the grant with the hash.
func (b clients) Granted(ctx context.Context, hash [32]byte) (g access.Grant, err error) {
	var scopes string
	var expires int64
	err = b.db.Read().QueryRowContext(ctx, `SELECT client, scopes, expires FROM client_grant WHERE hash = ?`, hash[:]).Scan(&g.Client, &scopes, &expires)
	if errors.Is(err, sql.ErrNoRows) {
		return g, vigil.Errorf(vigil.NotFound, "relational.client", "there is no such grant")
	}
	g.Scopes, _ = access.ParseScopes(scopes)
	g.Expires = time.UnixMicro(expires).UTC()
	return g, err
}
