package relational

import (
	"context"
	"strings"
)

func (sqliteDialect) freeze() string { return "BEGIN" }

func (sqliteDialect) catalogue() string {
	return `SELECT t.name, c.name, c.type, c.pk, coalesce((SELECT f."table" FROM pragma_foreign_key_list(t.name) f WHERE f."from" = c.name), '')
		FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name, c.name`
}

func (sqliteDialect) marks() string { return `SELECT name, seq FROM sqlite_sequence` }

// load writes the rows of a table, many in a statement.
func (sqliteDialect) load(ctx context.Context, tx *Tx, t *table, next func() ([]any, error)) error {
	width, limit := len(t.columns), batch(len(t.columns))
	head := `INSERT INTO "` + t.name + `" ("` + strings.Join(t.names(), `", "`) + `") VALUES `
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", width), ",") + ")"
	args := make([]any, 0, limit*width)
	flush := func() error {
		if len(args) == 0 {
			return nil
		}
		_, err := tx.Exec(head+strings.TrimSuffix(strings.Repeat(one+",", len(args)/width), ","), args...)
		args = args[:0]
		return err
	}
	for {
		values, err := next()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if values == nil {
			return flush()
		}
		if args = append(args, values...); len(args) == limit*width {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}

// mark has a table count on from where the source was; only tables with AUTOINCREMENT remember more than their rows say.
func (sqliteDialect) mark(tx *Tx, t *table, at int64) error {
	var remembers bool
	err := tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ? AND sql LIKE '%AUTOINCREMENT%')`, t.name).Scan(&remembers)
	if err != nil || !remembers || at == 0 {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM sqlite_sequence WHERE name = ?`, t.name); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO sqlite_sequence (name, seq) VALUES (?1, max(?2, (SELECT coalesce(max("`+t.number()+`"), 0) FROM "`+t.name+`")))`, t.name, at)
	return err
}
