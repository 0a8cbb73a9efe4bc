package relational

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil/internal/engine/audit"
)

// Audit returns the audit trail's backend in this file.
func (db *DB) Audit() audit.Backend { return auditTable{db} }

type auditTable struct{ db *DB }

const auditColumns = `seq, at, who, role, action, what, outcome, detail, subjects, hash`

// Append seals and writes the records in one transaction.
func (a auditTable) Append(ctx context.Context, recs []audit.Record) error {
	return a.db.Write(ctx, func(tx *Tx) error { return appendAudit(tx, recs) })
}

// appendAudit seals the records after the last one within a transaction of the caller.
func appendAudit(tx *Tx, recs []audit.Record) error {
	if len(recs) == 0 {
		return nil
	}
	var prev audit.Record
	var hash []byte
	err := tx.QueryRow(`SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1`).Scan(&prev.Seq, &hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read the audit trail: %w", err)
	}
	copy(prev.Hash[:], hash)
	for _, r := range recs {
		prev = audit.Seal(prev, kept(r)) // what is sealed is what a database gives back
		err := tx.Later(`INSERT INTO audit (`+auditColumns+`) VALUES (?,?,?,?,?,?,?,?,?,?)`, prev.Seq, prev.At.UnixMicro(), prev.Who,
			prev.Role, prev.Action, prev.What, prev.Outcome, prev.Detail, strings.Join(prev.Subjects, " "), prev.Hash[:])
		if err != nil {
			return fmt.Errorf("write the audit trail: %w", err)
		}
		for _, s := range prev.Subjects {
			if err := tx.Later(`INSERT INTO audit_subject (subject, seq) VALUES (?, ?) ON CONFLICT DO NOTHING`, s, prev.Seq); err != nil {
				return fmt.Errorf("write the audit trail: %w", err)
			}
		}
	}
	return nil
}

// kept returns a record with texts as every database keeps them.
func kept(r audit.Record) audit.Record {
	for _, text := range []*string{&r.Who, &r.Role, &r.Action, &r.What, &r.Outcome, &r.Detail} {
		*text = keepable(*text)
	}
	for i, s := range r.Subjects {
		if k := keepable(s); k != s {
			r.Subjects = slices.Clone(r.Subjects)
			r.Subjects[i] = k
		}
	}
	return r
}

// List reads entries as the filter says.
func (a auditTable) List(ctx context.Context, f audit.Filter) ([]audit.Record, error) {
	where, args := []string{"1 = 1"}, []any{}
	add := func(use bool, cond string, arg any) {
		if use {
			where, args = append(where, cond), append(args, arg)
		}
	}
	add(f.After > 0, "seq > ?", f.After)
	add(f.Before > 0, "seq < ?", f.Before)
	add(f.Who != "", "who = ?", f.Who)
	add(f.What != "", "what = ?", f.What)
	add(f.Subject != "", "seq IN (SELECT seq FROM audit_subject WHERE subject = ?)", f.Subject)
	add(!f.From.IsZero(), "at >= ?", f.From.UnixMicro())
	add(!f.To.IsZero(), "at < ?", f.To.UnixMicro())
	order := "DESC"
	if f.Oldest {
		order = "ASC"
	}
	rows, err := a.db.Read().QueryContext(ctx, `SELECT `+auditColumns+` FROM audit WHERE `+strings.Join(where, " AND ")+` ORDER BY seq `+order+` LIMIT ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, fmt.Errorf("list the audit trail: %w", err)
	}
	defer rows.Close()
	var out []audit.Record
	for rows.Next() {
		var r audit.Record
		var at int64
		var subjects string
		var hash []byte
		if err := rows.Scan(&r.Seq, &at, &r.Who, &r.Role, &r.Action, &r.What, &r.Outcome, &r.Detail, &subjects, &hash); err != nil {
			return nil, fmt.Errorf("list the audit trail: %w", err)
		}
		r.At = time.UnixMicro(at).UTC()
		r.Subjects = strings.Fields(subjects)
		copy(r.Hash[:], hash)
		out = append(out, r)
	}
	return out, rows.Err()
}
