package relational_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

// nasty are values at the edges of their types. A key's row is told by its number.
func nasty(typ string, row int) any {
	switch typ {
	case "INTEGER":
		return []int64{0, 1, -1, math.MaxInt64, math.MinInt64, 1 << 62}[row%6]
	case "REAL":
		return []float64{0, math.Copysign(0, -1), -1.5, math.MaxFloat64, math.SmallestNonzeroFloat64, math.Inf(1), 0.1}[row%7]
	case "TEXT":
		return []string{"", "Ünïcode \U0001F600", "quote ' \" \\ ; --", "\ttab\nline", "zebra", "Ähre", "\x01 one"}[row%7]
	}
	return [][]byte{{}, {0}, []byte(`{"a":1}`), {0xff, 0, 0xfe, '\\', 'x'}}[row%4]
}

// fill writes rows of such values into every table, through a connection of its own: whatever is added to the schema is examined too.
func fill(t *testing.T, h *house, rows int) {
	t.Helper()
	raw, err := sql.Open("sqlite", h.path+"?_pragma=foreign_keys(OFF)")
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	list, err := raw.Query(`SELECT t.name, c.name, c.type, c.pk, EXISTS (SELECT 1 FROM pragma_foreign_key_list(t.name) f WHERE f."from" = c.name) FROM sqlite_schema t JOIN pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'migration' ORDER BY t.name, c.cid`)
	if err != nil {
		t.Fatal(err)
	}
	type column struct {
		name, typ string
		key       int
		refers    bool
	}
	tables := map[string][]column{}
	for list.Next() {
		var table string
		var c column
		if err := list.Scan(&table, &c.name, &c.typ, &c.key, &c.refers); err != nil {
			t.Fatal(err)
		}
		tables[table] = append(tables[table], c)
	}
	if err := errors.Join(list.Err(), list.Close()); err != nil || len(tables) < 25 {
		t.Fatal(len(tables), err)
	}
	tx, err := raw.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback() //nolint:errcheck // a no-op after Commit
	for table, columns := range tables {
		for row := range rows {
			var names []string
			var args []any
			for i, c := range columns {
				v := nasty(c.typ, row+i)
				switch {
				case c.refers || c.key > 0 && c.typ == "TEXT":
					v = fmt.Sprintf("k%d é", row)
				case c.key > 0 && c.typ == "INTEGER":
					v = int64(row + 1)
				case c.key > 0 && c.typ == "BLOB":
					v = []byte{0, byte(row >> 8), byte(row), 0xff}
				case c.typ == "TEXT" && (c.name == "login" || c.name == "id" || c.name == "text" || c.name == "patient"): // unique
					v = fmt.Sprintf("u%d %v", row, v)
				case c.typ == "INTEGER" && (c.name == "res" || c.name == "version"):
					v = int64(row)
				}
				names, args = append(names, c.name), append(args, v)
			}
			query := `INSERT INTO "` + table + `" ("` + strings.Join(names, `","`) + `") VALUES (` + strings.TrimSuffix(strings.Repeat("?,", len(args)), ",") + `)`
			if _, err := tx.Exec(query, args...); err != nil {
				t.Fatalf("%s: %v", table, err)
			}
		}
	}
	if _, err := tx.Exec(`UPDATE sqlite_sequence SET seq = 5000 WHERE name = 'quarantine'`); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}

func mustCopy(t *testing.T, from, to *relational.DB) []relational.Copied {
	t.Helper()
	out, err := relational.Copy(t.Context(), from, to, func(string, int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestCopyThereAndBack copies every table to PostgreSQL, to another database there, and back: the sums stay the same.
func TestCopyThereAndBack(t *testing.T) {
	const rows = 230
	source := sqlite(t)
	source.open(t)
	fill(t, source, rows)
	there := &house{url: postgres.Fresh(t)}
	t.Cleanup(func() { there.close(t) })
	moved, back := onPostgres(t), sqlite(t)
	first := mustCopy(t, source.db, there.open(t))
	if len(first) < 25 || first[0].Rows != rows {
		t.Errorf("%d tables, %+v", len(first), first[0])
	}
	for _, step := range [][2]*house{{there, moved}, {moved, back}} {
		if diff := cmp.Diff(first, mustCopy(t, step[0].db, step[1].open(t))); diff != "" {
			t.Errorf("a further copy (-first +this):\n%s", diff)
		}
	}
	for _, h := range []*house{there, moved, back} {
		var id int64
		err := h.db.Write(t.Context(), func(tx *relational.Tx) error {
			return tx.QueryRow(`INSERT INTO quarantine (at_ns, device, protocol, reason, detail, payload) VALUES (1, 'd', 'p', 'r', '', ?) RETURNING id`, []byte{}).Scan(&id)
		})
		if err != nil || id != 5001 {
			t.Errorf("the quarantine counts on with %d, %v", id, err)
		}
		err = h.db.Write(t.Context(), func(tx *relational.Tx) error {
			return tx.QueryRow(`INSERT INTO symbol (text) VALUES ('new') RETURNING num`).Scan(&id)
		})
		if err != nil || id != rows+1 {
			t.Errorf("symbols count on with %d, %v", id, err)
		}
	}
}

func TestCopyRefuses(t *testing.T) {
	source, target := sqlite(t), onPostgres(t)
	db := source.open(t)
	if err := db.Write(t.Context(), put("one")); err != nil {
		t.Fatal(err)
	}
	t.Run("TargetWithRows", func(t *testing.T) {
		if err := target.open(t).Write(t.Context(), put("other")); err != nil {
			t.Fatal(err)
		}
		_, err := relational.Copy(t.Context(), db, target.db, nil)
		if vigil.KindOf(err) != vigil.Conflict || !strings.Contains(err.Error(), "table state") || count(t, target.db) != 1 {
			t.Errorf("copied over rows: %v", err)
		}
	})
	t.Run("Interrupted", func(t *testing.T) {
		into := sqlite(t).open(t)
		ctx, cancel := context.WithCancel(t.Context())
		_, err := relational.Copy(ctx, db, into, func(table string, rows, of int64) {
			if table == "state" && rows == of {
				cancel()
			}
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("interrupted: %v", err)
		}
		if n := count(t, into); n != 0 {
			t.Errorf("%d rows were left", n)
		}
		mustCopy(t, db, into)
		if n := count(t, into); n != 1 {
			t.Errorf("%d rows at the second try", n)
		}
	})
	t.Run("WrongType", func(t *testing.T) {
		h := sqlite(t)
		err := h.open(t).Write(t.Context(), func(tx *relational.Tx) error {
			_, err := tx.Exec(`INSERT INTO chart (comp, owner, type, at, res) VALUES (1, 'p', 1, 'noon', 1)`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = relational.Copy(t.Context(), h.db, sqlite(t).open(t), nil)
		if vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), "table chart") || !strings.Contains(err.Error(), "column at") {
			t.Errorf("a text among times: %v", err)
		}
	})
}

// TestSnapshotOfPostgres makes the SQLite file that goes into a backup.
func TestSnapshotOfPostgres(t *testing.T) {
	h := onPostgres(t)
	db := h.open(t)
	if err := db.Audit().Append(t.Context(), []audit.Record{{Entry: audit.Entry{Action: "test", What: "cut \xc3 and \x00"}}}); err != nil {
		t.Fatal(err)
	}
	if err := db.Write(t.Context(), put("one")); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "records.db")
	if err := db.Snapshot(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	found, err := relational.Inspect(t.Context(), path)
	if err != nil || found.Audit.Entries != 1 || found.Tables["state"].Rows != 1 {
		t.Errorf("%+v, %v", found, err)
	}
}
