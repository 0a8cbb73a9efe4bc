package relational

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
)

// Copied is one table that was copied: how many rows, and what they sum up to on both sides.
type Copied struct {
	Table  string `json:"table"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
}

// Copy copies every table of a database into another one that has no rows, be they SQLite or PostgreSQL.
//
//	catalogue of both ─► they agree, and the target is empty ─► each table: read at one moment, summed up, written
//	                  ─► each table read again from the target and summed up ─► the sums agree ─► commit
//
// It is one transaction of the target: an interruption, or a difference, leaves it empty. The source is read as it is at one
// moment and not changed. A table's sum is the sum of the SHA-256 of its rows, modulo 2²⁵⁶: it knows no order. told hears how
// many rows of a table are through. Copy returns Conflict when the target holds rows, Internal when the sums differ, Invalid
// when the source holds what the target cannot.
func Copy(ctx context.Context, from, to *DB, told func(table string, rows, of int64)) (out []Copied, err error) {
	source, err := from.freeze(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the source: %w", from.store.fault(err))
	}
	defer source.thaw()
	err = to.Write(ctx, func(tx *Tx) error {
		out, err = source.copyTo(ctx, tx, to.store, told)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("copy the records: %w", err)
	}
	return out, nil
}

// Digest returns the one sum over what was copied, in hexadecimal: SHA-256 over name, rows and sum of each table, by name.
func Digest(tables []Copied) string {
	h := sha256.New()
	for _, t := range slices.SortedFunc(slices.Values(tables), func(a, b Copied) int { return strings.Compare(a.Table, b.Table) }) {
		fmt.Fprintf(h, "%s %d %s\n", t.Table, t.Rows, t.SHA256)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// table is one table of the schema.
type table struct {
	name    string
	columns []column
	refers  []string // tables whose rows must be there first
}

type column struct {
	Name, Type string // INTEGER, REAL, TEXT or BLOB
	Key        int    // place in the primary key, from 1; 0 for none
}

func (t *table) names() []string {
	out := make([]string, len(t.columns))
	for i, c := range t.columns {
		out[i] = c.Name
	}
	return out
}

// number returns the column that the database counts up by itself, "" when there is none.
func (t *table) number() string {
	name, keys := "", 0
	for _, c := range t.columns {
		if c.Key > 0 {
			name, keys = c.Name, keys+1
			if c.Type != "INTEGER" {
				return ""
			}
		}
	}
	if keys != 1 {
		return ""
	}
	return name
}

// frozen is a database as it is at one moment.
type frozen struct {
	conn  *sql.Conn
	store store
}

func (db *DB) freeze(ctx context.Context) (*frozen, error) {
	conn, err := db.read.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, db.store.freeze()); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &frozen{conn, db.store}, nil
}

func (f *frozen) thaw() {
	_, _ = f.conn.ExecContext(context.Background(), "ROLLBACK") // it only read
	_ = f.conn.Close()
}

// query is what reads a source, and what reads the target again.
type query func(text string) (*sql.Rows, error)

func (f *frozen) copyTo(ctx context.Context, tx *Tx, s store, told func(table string, rows, of int64)) ([]Copied, error) {
	read := func(text string) (*sql.Rows, error) { return f.conn.QueryContext(ctx, text) }
	again := func(text string) (*sql.Rows, error) { return tx.conn.QueryContext(ctx, text) }
	tables, err := agree(read, again, f.store, s)
	if err != nil {
		return nil, err
	}
	marks, err := marksOf(read, f.store)
	if err != nil {
		return nil, err
	}
	var out []Copied
	for i := range tables {
		t := &tables[i]
		rows := &reading{table: t, told: told}
		if err := rows.begin(read); err != nil {
			return nil, fmt.Errorf("read table %s: %w", t.name, f.store.fault(err))
		}
		err := s.load(ctx, tx, t, rows.next)
		if err = errors.Join(err, rows.end()); err != nil {
			return nil, fmt.Errorf("copy table %s: %w", t.name, err)
		}
		if err := s.mark(tx, t, marks[t.name]); err != nil {
			return nil, fmt.Errorf("copy table %s: %w", t.name, err)
		}
		if err := sameAgain(t, again, &rows.sum); err != nil {
			return nil, err
		}
		out = append(out, Copied{Table: t.name, Rows: rows.sum.rows, SHA256: rows.sum.hex()})
	}
	return out, nil
}

// sameAgain reads a table that was written and compares its sum.
func sameAgain(t *table, again query, want *sum) error {
	rows := &reading{table: t}
	if err := rows.begin(again); err != nil {
		return fmt.Errorf("read table %s again: %w", t.name, err)
	}
	for {
		values, err := rows.next()
		if err != nil {
			return errors.Join(fmt.Errorf("read table %s again: %w", t.name, err), rows.end())
		}
		if values == nil {
			break
		}
	}
	if err := rows.end(); err != nil {
		return fmt.Errorf("read table %s again: %w", t.name, err)
	}
	if rows.sum != *want {
		return vigil.Errorf(vigil.Internal, "relational.copy", "table %s was not copied whole: %d rows with the sum %s were read, %d with %s were written",
			t.name, want.rows, want.hex(), rows.sum.rows, rows.sum.hex())
	}
	return nil
}

// agree returns the tables, in an order in which they can be written, when both sides have the same and the target has no rows.
func agree(read, again query, from, to store) ([]table, error) {
	here, err := tablesOf(read, from)
	if err != nil {
		return nil, fmt.Errorf("read the source's tables: %w", from.fault(err))
	}
	there, err := tablesOf(again, to)
	if err != nil {
		return nil, fmt.Errorf("read the target's tables: %w", err)
	}
	if !slices.EqualFunc(here, there, func(a, b table) bool { return a.name == b.name && slices.Equal(a.columns, b.columns) }) {
		return nil, vigil.Errorf(vigil.Conflict, "relational.copy", "source and target do not have the same tables: there is something in one of them that is not Vigil's")
	}
	for _, t := range there {
		rows, err := again(`SELECT 1 FROM "` + t.name + `" LIMIT 1`)
		if err != nil {
			return nil, err
		}
		full := rows.Next()
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return nil, err
		}
		if full {
			return nil, vigil.Errorf(vigil.Conflict, "relational.copy", "the target is not empty (table %s has rows): name a database that no Vigil has used yet", t.name)
		}
	}
	return parentsFirst(here), nil
}

// tablesOf reads the catalogue of a database.
func tablesOf(read query, s store) (out []table, err error) {
	rows, err := read(s.catalogue())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var name, refers string
		var c column
		if err := rows.Scan(&name, &c.Name, &c.Type, &c.Key, &refers); err != nil {
			return nil, err
		}
		if name == "migration" {
			continue // each database has its own
		}
		if len(out) == 0 || out[len(out)-1].name != name {
			out = append(out, table{name: name})
		}
		t := &out[len(out)-1]
		t.columns = append(t.columns, c)
		if refers != "" {
			t.refers = append(t.refers, refers)
		}
	}
	return out, rows.Err()
}

// parentsFirst puts the tables that others refer to before these. They refer in no circle.
func parentsFirst(tables []table) (out []table) {
	done := map[string]bool{}
	for len(out) < len(tables) {
		for _, t := range tables {
			waits := slices.ContainsFunc(t.refers, func(p string) bool { return !done[p] && p != t.name })
			if !done[t.name] && !waits {
				done[t.name] = true
				out = append(out, t)
			}
		}
	}
	return out
}

// marksOf reads up to where the tables have counted, which may be beyond the rows that are left.
func marksOf(read query, s store) (map[string]int64, error) {
	rows, err := read(s.marks())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var name string
		var n int64
		if err := rows.Scan(&name, &n); err != nil {
			return nil, err
		}
		out[name] = n
	}
	return out, rows.Err()
}

// toldEvery is after how many rows progress is told.
const toldEvery = 10_000

// reading goes through the rows of a table and sums them up.
type reading struct {
	table  *table
	told   func(table string, rows, of int64)
	rows   *sql.Rows
	values []any
	places []any
	of     int64
	sum    sum
}

func (r *reading) begin(read query) (err error) {
	if r.told != nil {
		count, err := read(`SELECT count(*) FROM "` + r.table.name + `"`)
		if err != nil {
			return err
		}
		if count.Next() {
			err = count.Scan(&r.of)
		}
		if err = errors.Join(err, count.Err(), count.Close()); err != nil {
			return err
		}
		r.told(r.table.name, 0, r.of)
	}
	r.values, r.places = make([]any, len(r.table.columns)), make([]any, len(r.table.columns))
	for i := range r.values {
		r.places[i] = &r.values[i]
	}
	r.rows, err = read(`SELECT "` + strings.Join(r.table.names(), `", "`) + `" FROM "` + r.table.name + `"`)
	return err
}

// next returns the values of the next row, nil behind the last one. They are valid until the next call.
func (r *reading) next() ([]any, error) {
	if !r.rows.Next() {
		return nil, r.rows.Err()
	}
	if err := r.rows.Scan(r.places...); err != nil {
		return nil, err
	}
	for i, c := range r.table.columns {
		v, err := logical(r.values[i], c.Type)
		if text, ok := r.values[i].(string); err == nil && ok && r.table.name == "audit" && c.Type == "TEXT" && text != v {
			err = errors.New("an entry of the audit trail holds a character that PostgreSQL does not keep; to change it would break the chain")
		}
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "relational.copy", "row %d, column %s: %w", r.sum.rows+1, c.Name, err)
		}
		r.values[i] = v
	}
	r.sum.add(r.values)
	if r.told != nil && (r.sum.rows%toldEvery == 0 || r.sum.rows == r.of) {
		r.told(r.table.name, r.sum.rows, r.of)
	}
	return r.values, nil
}

func (r *reading) end() error { return r.rows.Close() }

// logical returns a value as its column means it: SQLite keeps what it is given, be it a text as bytes or bytes as a text.
func logical(v any, typ string) (any, error) {
	switch x := v.(type) {
	case nil:
		return nil, nil
	case int64:
		switch typ {
		case "INTEGER":
			return x, nil
		case "REAL":
			return float64(x), nil
		}
	case float64:
		if typ == "REAL" {
			return x + 0, nil // SQLite knows no -0
		}
	case string:
		switch typ {
		case "TEXT":
			return keepable(x), nil
		case "BLOB":
			return []byte(x), nil
		}
	case []byte:
		switch typ {
		case "TEXT":
			return keepable(string(x)), nil
		case "BLOB":
			return append([]byte{}, x...), nil // none is not NULL
		}
	}
	return nil, fmt.Errorf("it holds %T where %s belongs", v, typ)
}

// sum is the sum of the SHA-256 of rows, as a number of 256 bits.
type sum struct {
	rows  int64
	words [4]uint64 // the lowest first
}

func (s *sum) add(values []any) {
	h := sha256.New()
	for _, v := range values {
		take(h, v)
	}
	var b [sha256.Size]byte
	h.Sum(b[:0])
	var carry uint64
	for i := range s.words {
		x, y := s.words[i], binary.BigEndian.Uint64(b[24-8*i:])
		s.words[i] = x + y + carry
		carry = (x&y | (x|y)&^s.words[i]) >> 63
	}
	s.rows++
}

func (s *sum) hex() string {
	var b []byte
	for i := range s.words {
		b = binary.BigEndian.AppendUint64(b, s.words[len(s.words)-1-i])
	}
	return hex.EncodeToString(b)
}

// batch gathers rows for one statement of SQLite, which takes 32,766 parameters.
func batch(width int) int { return min(200, math.MaxInt16/width) }
