package relational

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

func (postgresDialect) freeze() string { return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" }

func (postgresDialect) catalogue() string {
	return `SELECT t.relname::text, c.attname::text,
			CASE format_type(c.atttypid, NULL) WHEN 'bigint' THEN 'INTEGER' WHEN 'double precision' THEN 'REAL' WHEN 'bytea' THEN 'BLOB' WHEN 'text' THEN 'TEXT' ELSE format_type(c.atttypid, NULL) END,
			coalesce(array_position(k.conkey, c.attnum), 0), coalesce((SELECT p.relname::text FROM pg_constraint f JOIN pg_class p ON p.oid = f.confrelid
				WHERE f.conrelid = t.oid AND f.contype = 'f' AND f.conkey[1] = c.attnum LIMIT 1), '')
		FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0 AND NOT c.attisdropped
		LEFT JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'p'
		WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace ORDER BY t.relname, c.attname`
}

func (postgresDialect) marks() string {
	return `SELECT t.relname::text, coalesce(pg_sequence_last_value(s.oid), 0)
		FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.deptype = 'i' AND d.classid = 'pg_class'::regclass JOIN pg_class t ON t.oid = d.refobjid
		WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace`
}

// load streams the rows of a table by COPY.
func (postgresDialect) load(ctx context.Context, tx *Tx, t *table, next func() ([]any, error)) error {
	return tx.conn.Raw(func(c any) error {
		var broken error // of the source, which PostgreSQL would wrap into its own words
		rows := pgx.CopyFromFunc(func() ([]any, error) {
			var values []any
			if values, broken = next(); broken != nil || values == nil {
				return nil, broken
			}
			return slices.Clone(values), nil
		})
		_, err := c.(*stdlib.Conn).Conn().CopyFrom(ctx, pgx.Identifier{t.name}, t.names(), rows)
		if broken != nil {
			return broken
		}
		return err
	})
}

// mark has a table count on from where the source was, or from its last row.
func (postgresDialect) mark(tx *Tx, t *table, at int64) error {
	number := t.number()
	if number == "" {
		return nil
	}
	var now int64
	if err := tx.QueryRow(`SELECT coalesce(max("` + number + `"), 0) FROM "` + t.name + `"`).Scan(&now); err != nil {
		return err
	}
	if now = max(now, at); now == 0 {
		return nil
	}
	var set int64
	err := tx.QueryRow(`SELECT setval(pg_get_serial_sequence(?, ?), ?)`, `"`+t.name+`"`, number, now).Scan(&set)
	if err == nil && set != now {
		err = errors.New("its numbers do not go on where they were")
	}
	return err
}

// snapshot copies what the database holds at one moment into a new SQLite file.
func (*service) snapshot(ctx context.Context, db *DB, path string) (err error) {
	to, err := OpenSQLite(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	_, err = Copy(ctx, db, to, nil)
	return err
}
