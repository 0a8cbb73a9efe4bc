package relational

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"sort"
	"strconv"
	"strings"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrate applies every migration that the database has not seen, each in a transaction of its own, in the order of
// their numbers. Migrations are never edited after a release.
func migrate(ctx context.Context, conn *sql.Conn, d dialect) error {
	head := `CREATE TABLE IF NOT EXISTS migration (num INTEGER PRIMARY KEY, name TEXT NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)`
	if _, err := conn.ExecContext(ctx, d.schema(head)); err != nil {
		return err
	}
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return err
	}
	sort.Strings(names)
	for _, name := range names {
		base := strings.TrimPrefix(name, "migrations/")
		num, err := strconv.Atoi(base[:3])
		if err != nil {
			return fmt.Errorf("migration %s: a name begins with three digits", base)
		}
		if err := apply(ctx, conn, d, num, name); err != nil {
			return fmt.Errorf("migration %s: %w", base, err)
		}
	}
	return nil
}

func apply(ctx context.Context, conn *sql.Conn, d dialect, num int, name string) error {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit
	var seen int
	if err := tx.QueryRowContext(ctx, d.text(`SELECT count(*) FROM migration WHERE num = ?`), num).Scan(&seen); err != nil || seen > 0 {
		return err
	}
	text, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, d.schema(string(text))); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, d.text(`INSERT INTO migration (num, name) VALUES (?, ?)`), num, name); err != nil {
		return err
	}
	return tx.Commit()
}
