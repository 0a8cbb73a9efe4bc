package relational

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/backup"
)

// Snapshot writes the database as it is at one moment after the call began into a new file, sealed and without a journal.
// Every page that is in use is read and its seal checked: a damaged database gives no snapshot but Internal. Writers
// go on meanwhile.
func (db *DB) Snapshot(ctx context.Context, path string) error {
	db.mu.RLock() // the database stays open until the copy is made
	defer db.mu.RUnlock()
	if db.shut {
		return vigil.Errorf(vigil.Unavailable, "relational.snapshot", "the record store is closed")
	}
	if err := db.store.snapshot(ctx, db, path); err != nil {
		return fmt.Errorf("copy the record store: %w", db.store.fault(err))
	}
	if err := sealsIn(ctx, path); err != nil {
		return fmt.Errorf("copy the record store: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func (f *file) snapshot(ctx context.Context, _ *DB, path string) error {
	own, err := sql.Open("sqlite", dsn(f.path, f.layer.name, false))
	if err != nil {
		return err
	}
	_, err = own.ExecContext(ctx, `VACUUM INTO ?`, path)
	return about(errors.Join(err, own.Close()), "something")
}

// sealsIn checks the seal of every page of a file that nobody writes, and has the file on disk.
func sealsIn(ctx context.Context, path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	page := make([]byte, pageSize)
	for number := int64(1); ctx.Err() == nil; number++ {
		n, err := io.ReadFull(f, page)
		if n == 0 && errors.Is(err, io.EOF) {
			return f.Sync()
		}
		if err != nil {
			return fmt.Errorf("page %d: %w", number, err)
		}
		if !sealed(page, number) {
			return vigil.Errorf(vigil.Internal, "relational.seals", "page %d of %s is damaged", number, filepath.Base(path))
		}
	}
	return ctx.Err()
}

// derived are the tables that follow from the versions of resources, and the versions themselves, which are counted apart.
func derived(table string) bool {
	return strings.HasPrefix(table, "sx_") || slices.Contains([]string{"chart", "resource_version", "audit", "audit_subject", "migration"}, table)
}

// Inspect reads a database that nobody has open, a snapshot for example, without changing its schema: every seal, the
// chain of the audit trail, and everything that was written. It may fold a journal into the file: give it a copy. It returns
// Internal for a damaged page and Conflict for a broken chain.
func Inspect(ctx context.Context, path string) (out backup.Records, err error) {
	out.Tables = map[string]backup.Table{}
	if err := sealsIn(ctx, path); err != nil {
		return out, err
	}
	layer, err := newLayer()
	if err != nil {
		return out, err
	}
	defer layer.close()
	db, err := sql.Open("sqlite", dsn(path, layer.name, true))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1)
	var answer string
	if err := db.QueryRowContext(ctx, `PRAGMA quick_check`).Scan(&answer); err != nil {
		return out, fmt.Errorf("check the record store: %w", about(err, "something"))
	}
	if answer != "ok" {
		return out, vigil.Errorf(vigil.Internal, "relational.inspect", "the record store is damaged: %s", answer)
	}
	if err := inspectResources(ctx, db, &out); err != nil {
		return out, err
	}
	if out.Audit, err = inspectAudit(ctx, db); err != nil {
		return out, err
	}
	names, err := tables(ctx, db)
	if err != nil {
		return out, err
	}
	for _, name := range names {
		if out.Tables[name], err = inspectTable(ctx, db, name); err != nil {
			return out, fmt.Errorf("read table %s: %w", name, about(err, "a row of "+name))
		}
	}
	return out, nil
}

func tables(ctx context.Context, db *sql.DB) (out []string, err error) {
	rows, err := db.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		if !derived(name) {
			out = append(out, name)
		}
	}
	return out, rows.Err()
}

func inspectResources(ctx context.Context, db *sql.DB, out *backup.Records) error {
	if err := db.QueryRowContext(ctx, `SELECT count(*) FROM resource WHERE deleted = 0`).Scan(&out.Resources); err != nil {
		return err
	}
	rows, err := db.QueryContext(ctx, `SELECT t.text, r.id, v.version, v.deleted, v.json FROM resource_version v
		JOIN resource r ON r.res = v.res JOIN symbol t ON t.num = r.type ORDER BY v.seq`)
	if err != nil {
		return err
	}
	defer rows.Close()
	h := sha256.New()
	for rows.Next() {
		var kind, id string
		var version, deleted int64
		var json []byte
		if err := rows.Scan(&kind, &id, &version, &deleted, &json); err != nil {
			return err
		}
		out.Versions++
		for _, v := range []any{kind, id, version, deleted, json} {
			take(h, v)
		}
	}
	out.SHA256 = hex.EncodeToString(h.Sum(nil))
	return rows.Err()
}

// inspectAudit follows the chain from the first entry.
func inspectAudit(ctx context.Context, db *sql.DB) (out backup.Audit, err error) {
	trail := auditTable{&DB{pool: &Reader{db: db, dialect: sqliteDialect{}}}}
	defer trail.db.pool.forget()
	var prev audit.Record
	for {
		page, err := trail.List(ctx, audit.Filter{After: prev.Seq, Limit: 1000, Oldest: true})
		if err != nil {
			return out, err
		}
		for _, r := range page {
			if want := audit.Seal(prev, r); r.Seq != want.Seq || r.Hash != want.Hash {
				return out, vigil.Errorf(vigil.Conflict, "relational.inspect", "audit entry %d does not follow from entry %d: the trail was changed", r.Seq, prev.Seq)
			}
			prev = r
		}
		if len(page) == 0 {
			return backup.Audit{Entries: prev.Seq, Head: hex.EncodeToString(prev.Hash[:])}, nil
		}
	}
}

// inspectTable reads the rows in the order of their key.
func inspectTable(ctx context.Context, db *sql.DB, name string) (out backup.Table, err error) {
	rows, err := db.QueryContext(ctx, `SELECT * FROM "`+name+`"`)
	if err != nil {
		return out, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return out, err
	}
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		places[i] = &values[i]
	}
	h := sha256.New()
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return out, err
		}
		out.Rows++
		for _, v := range values {
			take(h, v)
		}
	}
	out.SHA256 = hex.EncodeToString(h.Sum(nil))
	return out, rows.Err()
}

// take adds a value of SQLite with its type and length.
func take(h hash.Hash, v any) {
	var kind byte
	var b []byte
	switch x := v.(type) {
	case nil:
	case int64:
		kind, b = 'i', binary.BigEndian.AppendUint64(nil, uint64(x))
	case float64:
		kind, b = 'f', binary.BigEndian.AppendUint64(nil, math.Float64bits(x))
	case string:
		kind, b = 't', []byte(x)
	case []byte:
		kind, b = 'b', x
	case bool:
		kind, b = 'i', fmt.Append(nil, x)
	case time.Time:
		kind, b = 't', []byte(x.Format(time.RFC3339Nano))
	}
	h.Write(binary.AppendUvarint([]byte{kind}, uint64(len(b)))) //nolint:errcheck // never fails
	h.Write(b)                                                  //nolint:errcheck // never fails
}
