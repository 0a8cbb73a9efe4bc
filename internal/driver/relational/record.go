package relational

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/record"
)

// Records returns the record store's backend in this file.
func (db *DB) Records() record.Backend {
	return &records{db: db, symbols: map[string]int64{}}
}

// symbolLimit bounds the symbols kept in memory: strangers may name any number of code systems.
const symbolLimit = 50_000

type records struct {
	db      *DB
	mu      sync.RWMutex
	symbols map[string]int64 // committed ones
}

// symbol returns the number of a text, -1 when nothing is stored under it.
func (r *records) symbol(ctx context.Context, text string) (int64, error) {
	if n, ok := r.cached(text); ok {
		return n, nil
	}
	var n int64
	err := r.db.Read().QueryRowContext(ctx, `SELECT num FROM symbol WHERE text = ?`, text).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		return -1, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look up a symbol: %w", err)
	}
	r.publish(map[string]int64{text: n})
	return n, nil
}

func (r *records) cached(text string) (int64, bool) {
	if text == "" {
		return 0, true
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	n, ok := r.symbols[text]
	return n, ok
}

func (r *records) publish(fresh map[string]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for text, n := range fresh {
		if len(r.symbols) < symbolLimit {
			r.symbols[text] = n
		}
	}
}

// naming gives symbols within a write transaction; fresh ones are published after the commit.
type naming struct {
	r     *records
	tx    *Tx
	fresh map[string]int64
}

func (n *naming) symbol(text string) (int64, error) {
	if num, ok := n.r.cached(text); ok {
		return num, nil
	}
	if num, ok := n.fresh[text]; ok {
		return num, nil
	}
	var num int64
	err := n.tx.QueryRow(`SELECT num FROM symbol WHERE text = ?`, text).Scan(&num)
	if errors.Is(err, sql.ErrNoRows) {
		err = n.tx.QueryRow(`INSERT INTO symbol (text) VALUES (?) RETURNING num`, text).Scan(&num)
	}
	if err != nil {
		return 0, fmt.Errorf("name a symbol: %w", err)
	}
	n.fresh[text] = num
	return num, nil
}

// Apply writes all changes and audit records in one transaction.
func (r *records) Apply(ctx context.Context, changes []record.Change, trail []audit.Record) error {
	n := &naming{r: r}
	err := r.db.Write(ctx, func(tx *Tx) error {
		n.tx, n.fresh = tx, map[string]int64{}
		for i := range changes {
			if err := r.apply(n, &changes[i]); err != nil {
				return err
			}
		}
		return appendAudit(tx, trail)
	})
	if err == nil {
		r.publish(n.fresh)
	}
	return err
}

func (r *records) apply(n *naming, c *record.Change) error {
	rec := &c.Record
	typ, err := n.symbol(rec.Type)
	if err != nil {
		return err
	}
	var res, version int64
	var old []byte
	{
		err = n.tx.QueryRow(`SELECT res, version, idx FROM resource WHERE type = ? AND id = ?`, typ, rec.ID).Scan(&res, &version, &old)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("read %s: %w", rec.Ref(), err)
		}
	}
	if version != c.Was {
		return vigil.Errorf(vigil.Conflict, "relational.record", "%s is at version %d, not %d", rec.Ref(), version, c.Was)
	}
	rows, err := n.rows(c)
	if err != nil {
		return err
	}
	idx := encodeRows(rows)
	args := []any{typ, rec.ID, rec.Version, rec.Updated.UnixMicro(), rec.Deleted, idx}
	if res == 0 {
		err = n.tx.QueryRow(`INSERT INTO resource (type, id, version, seq, updated, deleted, idx) VALUES (?,?,?,0,?,?,?) RETURNING res`, args...).Scan(&res)
	} else {
		_, err = n.tx.Exec(`UPDATE resource SET type=?, id=?, version=?, updated=?, deleted=?, idx=? WHERE res=?`, append(args, res)...)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", rec.Ref(), err)
	}
	author, err := n.symbol(rec.Author)
	if err != nil {
		return err
	}
	err = n.tx.QueryRow(`INSERT INTO resource_version (res, type, version, updated, deleted, patients, json, author) VALUES (?,?,?,?,?,?,?,?) RETURNING seq`,
		res, typ, rec.Version, rec.Updated.UnixMicro(), rec.Deleted, strings.Join(rec.Patients, " "), rec.JSON, author).Scan(&rec.Seq)
	if err != nil {
		return fmt.Errorf("write %s: %w", rec.Ref(), err)
	}
	if err := n.tx.Later(`UPDATE resource SET seq = ? WHERE res = ?`, rec.Seq, res); err != nil {
		return fmt.Errorf("write %s: %w", rec.Ref(), err)
	}
	return writeRows(n.tx, res, decodeRows(old), rows)
}

// Last returns the highest sequence number.
func (r *records) Last(ctx context.Context) (seq int64, err error) {
	err = r.db.Read().QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) FROM resource_version`).Scan(&seq)
	return seq, err
}

const versionColumns = `r.id, v.version, v.updated, v.deleted, v.json, v.patients, v.seq`

type scanner interface{ Scan(dest ...any) error }

func scanRecord(row scanner, typ string, more ...any) (record.Record, error) {
	rec := record.Record{Type: typ}
	var updated int64
	var patients string
	dest := append([]any{&rec.ID, &rec.Version, &updated, &rec.Deleted, &rec.JSON, &patients, &rec.Seq}, more...)
	if err := row.Scan(dest...); err != nil {
		return rec, err
	}
	rec.Updated = time.UnixMicro(updated).UTC()
	rec.Patients = strings.Fields(patients)
	return rec, nil
}

// Current returns the newest version.
func (r *records) Current(ctx context.Context, typ, id string) (record.Record, error) {
	return r.one(ctx, typ, id, `SELECT `+versionColumns+` FROM resource r JOIN resource_version v ON v.seq = r.seq WHERE r.type = ? AND r.id = ?`)
}

// Version returns one version.
func (r *records) Version(ctx context.Context, typ, id string, version int64) (record.Record, error) {
	return r.one(ctx, typ, id, `SELECT `+versionColumns+` FROM resource r JOIN resource_version v ON v.res = r.res WHERE r.type = ? AND r.id = ? AND v.version = ?`, version)
}

func (r *records) one(ctx context.Context, typ, id, query string, args ...any) (record.Record, error) {
	num, err := r.symbol(ctx, typ)
	if err != nil {
		return record.Record{}, err
	}
	rec, err := scanRecord(r.db.Read().QueryRowContext(ctx, query, append([]any{num, id}, args...)...), typ)
	if errors.Is(err, sql.ErrNoRows) {
		return rec, vigil.Errorf(vigil.NotFound, "relational.record", "there is no %s/%s", typ, id)
	}
	if err != nil {
		return rec, fmt.Errorf("read %s/%s: %w", typ, id, about(err, typ+"/"+id))
	}
	return rec, nil
}

// History returns versions, newest first.
func (r *records) History(ctx context.Context, q record.HistoryQuery) ([]record.Record, error) {
	query := `SELECT ` + versionColumns + `, s.text, coalesce(a.text, '') FROM resource_version v JOIN resource r ON r.res = v.res JOIN symbol s ON s.num = v.type LEFT JOIN symbol a ON a.num = v.author WHERE 1 = 1`
	var args []any
	add := func(cond string, values ...any) {
		query, args = query+" AND "+cond, append(args, values...)
	}
	if q.Type != "" {
		num, err := r.symbol(ctx, q.Type)
		if err != nil {
			return nil, err
		}
		if q.ID != "" {
			add(`v.res = (SELECT res FROM resource WHERE type = ? AND id = ?)`, num, q.ID)
		} else {
			add(`v.type = ?`, num)
		}
	}
	if q.Patient != "" {
		add(`instr(' ' || v.patients || ' ', ?) > 0`, " "+q.Patient+" ")
	}
	if !q.Since.IsZero() {
		add(`v.updated >= ?`, q.Since.UnixMicro())
	}
	if !q.To.IsZero() {
		add(`v.updated < ?`, q.To.UnixMicro())
		add(`NOT EXISTS (SELECT 1 FROM resource_version n WHERE n.res = v.res AND n.version > v.version AND n.updated <= ?)`, q.From.UnixMicro())
	}
	if q.After > 0 {
		add(`v.seq < ?`, q.After)
	}
	query += ` ORDER BY v.seq DESC`
	if q.Limit > 0 {
		query += ` LIMIT ` + strconv.Itoa(q.Limit)
	}
	rows, err := r.db.Read().QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read the history: %w", err)
	}
	defer rows.Close()
	var out []record.Record
	for rows.Next() {
		var typ, author string
		rec, err := scanRecord(rows, "", &typ, &author)
		if err != nil {
			return nil, fmt.Errorf("read the history: %w", about(err, "the history"))
		}
		rec.Type, rec.Author = typ, author
		out = append(out, rec)
	}
	return out, about(rows.Err(), "the history")
}
