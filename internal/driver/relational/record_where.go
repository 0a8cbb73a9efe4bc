package relational

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// cond is a condition with its arguments.
type cond struct {
	sql  string
	args []any
}

func and(list []cond) cond { return joined(list, " AND ") }

func joined(list []cond, with string) cond {
	texts := make([]string, len(list))
	var args []any
	for i, c := range list {
		texts[i], args = c.sql, append(args, c.args...)
	}
	if len(list) == 0 {
		return cond{"1 = 1", nil}
	}
	return cond{strings.Join(texts, with), args}
}

// where writes clauses as conditions.
type where struct {
	ctx context.Context
	r   *records
	err error
	nth int // reverse chains so far: each has an alias of its own
}

func (w *where) symbol(text string) int64 {
	n, err := w.r.symbol(w.ctx, text)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n
}

// clause returns the condition that a resource, named by the column res, satisfies a clause.
func (w *where) clause(c *record.Clause, res string) cond {
	switch {
	case c.All != nil:
		all := w.each(c.All, res, " AND ")
		return cond{"(" + all.sql + ")", all.args}
	case c.Or != nil:
		one := w.each(c.Or, res, " OR ")
		if one.sql = "(" + one.sql + ")"; c.Not {
			one.sql = "NOT " + one.sql
		}
		return one
	case c.Has != nil:
		return w.referred(c.Has, res)
	case c.Param == record.ParamID || c.Param == record.ParamLastUpdated:
		return w.column(c, res)
	case c.Param == record.ParamContent:
		return cond{"EXISTS (SELECT 1 FROM resource_version v JOIN resource y ON y.seq = v.seq WHERE y.res = " + res + " AND instr(lower(CAST(v.json AS TEXT)), ?) > 0)", []any{c.Any[0].Text}}
	case c.Missing != nil:
		return w.missing(c, res)
	}
	rows := w.rows(c, "x")
	test := cond{res + " IN (SELECT x.res FROM " + rows.table + " x WHERE " + rows.sql + ")", rows.args}
	if probes(c) {
		test.sql = "EXISTS (SELECT 1 FROM " + rows.table + " x WHERE " + rows.sql + " AND x.res = " + res + ")"
	}
	if c.Not {
		test.sql = "NOT " + test.sql
	}
	return test
}

func (w *where) each(list []record.Clause, res, with string) cond {
	conds := make([]cond, len(list))
	for i := range list {
		conds[i] = w.clause(&list[i], res)
	}
	return joined(conds, with)
}

func (w *where) missing(c *record.Clause, res string) cond {
	not := "NOT "
	if !*c.Missing {
		not = ""
	}
	return cond{res + " " + not + "IN (SELECT x.res FROM " + tableOf(c.Kind) + " x WHERE x.param = ?)", []any{w.symbol(c.Param)}}
}

// column tests what is a column of the resource itself.
func (w *where) column(c *record.Clause, res string) cond {
	var test cond
	switch {
	case c.Missing != nil && *c.Missing:
		return cond{"1 = 0", nil}
	case c.Missing != nil:
		return cond{"1 = 1", nil}
	case c.Param == record.ParamID:
		not := ""
		if c.Not {
			not = "NOT "
		}
		args := make([]any, len(c.Any))
		for i := range c.Any {
			args[i] = c.Any[i].Code
		}
		test = cond{"r.id " + not + "IN (" + strings.TrimSuffix(strings.Repeat("?,", len(args)), ",") + ")", args}
		if len(args) == 0 {
			return cond{"1 = 0", nil}
		}
	default:
		var list []cond
		for i := range c.Any {
			m := &c.Any[i]
			list = append(list, cond{"(" + compare(m.Op, "r.updated", "r.updated + 1", "?", "?") + ")", rangeArgs(m.Op, m.Low, m.High)})
		}
		test = joined(list, " OR ")
		test.sql = "(" + test.sql + ")"
	}
	if res != "r.res" {
		test.sql = "EXISTS (SELECT 1 FROM resource r WHERE r.res = " + res + " AND " + test.sql + ")"
	}
	return test
}

// probes reports whether a clause is one probe of an index for each resource; a range is cheaper as a set.
func probes(c *record.Clause) bool {
	switch {
	case c.Chain != nil:
		return false
	case c.Kind == fhir.ParamDate:
		return true
	case c.Kind == fhir.ParamToken, c.Kind == fhir.ParamReference, c.Kind == fhir.ParamURI:
		for _, m := range c.Any {
			if m.Op != record.OpEq {
				return false
			}
		}
		return true
	}
	return false
}

func tableOf(k fhir.ParamKind) string {
	if k == fhir.ParamSpecial {
		k = fhir.ParamComposite
	}
	return "sx_" + string(k)
}

// rowsOf is the table of a clause's rows and the condition on them.
type rowsOf struct {
	table string
	cond
}

// rows returns the rows of a clause under an alias.
func (w *where) rows(c *record.Clause, alias string) rowsOf {
	out := rowsOf{table: tableOf(c.Kind), cond: cond{alias + ".param = ?", []any{w.symbol(c.Param)}}}
	var list []cond
	if c.Chain != nil {
		for _, scope := range c.Chain {
			list = append(list, w.led(&scope, alias))
		}
	}
	columns := columnsOf(alias, c.Kind)
	columns.in = fmt.Sprintf("%s.param = %d AND ", alias, w.symbol(c.Param))
	columns.also = strings.Replace(columns.in, " AND", " + 0 AND", 1)
	for i := range c.Any {
		list = append(list, w.match(&c.Any[i], columns))
	}
	any := joined(list, " OR ")
	if len(list) == 0 {
		any = cond{"1 = 0", nil}
	}
	if !slices.ContainsFunc(list, func(one cond) bool { return !strings.Contains(one.sql, columns.in) }) {
		out.sql = "+" + out.sql // not by itself: the whole parameter would be gone through
	}
	return rowsOf{out.table, cond{out.sql + " AND (" + any.sql + ")", append(out.args, any.args...)}}
}

// led returns the condition that a reference leads into a scope.
func (w *where) led(s *record.Scope, alias string) cond {
	src := w.from(*s, false)
	inner, args := src.sql()
	return cond{alias + ".type = ? AND " + alias + ".id IN (SELECT q.id FROM (SELECT " + src.res + " AS res FROM " + src.table + " WHERE " + inner + ") i CROSS JOIN resource q ON q.res = i.res AND q.deleted = 0)",
		append([]any{w.symbol(s.Type)}, args...)}
}

// maxReferred bounds how many resources of a reverse chain are looked at one by one.
const maxReferred = 5000

// resolved replaces reverse chains that few resources satisfy by the ids that these refer to, unless another clause leaves
// few resources to ask.
func (w *where) resolved(s record.Scope) []record.Clause {
	few := slices.ContainsFunc(s.Where, func(c record.Clause) bool { return selectivity(&c) >= rankFew })
	out := make([]record.Clause, 0, len(s.Where))
	for _, c := range s.Where {
		if c.Has != nil && !few && w.err == nil {
			ids, ok, err := w.targets(c.Has, s.Type)
			if err != nil {
				w.err = err
			}
			if ok {
				c = record.Clause{Param: record.ParamID, Kind: fhir.ParamToken, Any: ids}
			}
		}
		out = append(out, c)
	}
	return out
}

// targets reads the ids of the type that the resources of a reverse chain refer to; false when there are too many.
func (w *where) targets(h *record.Has, typ string) (ids []record.Match, ok bool, err error) {
	src := w.from(h.Scope, false)
	inner, args := src.sql()
	rows, err := w.r.db.Read().QueryContext(w.ctx, "SELECT q.idx FROM (SELECT "+src.res+" AS res FROM "+src.table+" WHERE "+inner+fmt.Sprintf(" LIMIT %d", maxReferred+1)+") i CROSS JOIN resource q ON q.res = i.res", args...)
	if err != nil {
		return nil, false, fmt.Errorf("search what refers: %w", err)
	}
	defer rows.Close()
	param, target := w.symbol(h.Param), w.symbol(typ)
	seen := map[string]bool{}
	ids = []record.Match{}
	n := 0
	for ; rows.Next(); n++ {
		var idx []byte
		if err := rows.Scan(&idx); err != nil {
			return nil, false, fmt.Errorf("search what refers: %w", err)
		}
		for _, r := range decodeRows(idx) {
			if r.table == tableReference && r.param == param && r.sym == target && !seen[r.text] {
				seen[r.text] = true
				ids = append(ids, record.Match{Op: record.OpEq, Value: fhir.Value{Kind: fhir.ParamToken, Code: r.text}})
			}
		}
	}
	return ids, n <= maxReferred, rows.Err()
}

// referred returns the condition that some resource of a reverse chain refers to this one: what refers is looked at one
// by one, which is cheap where few resources are asked.
func (w *where) referred(h *record.Has, res string) cond {
	w.nth++
	o, x := fmt.Sprintf("o%d", w.nth), fmt.Sprintf("h%d", w.nth)
	inner := w.each(h.Where, x+".res", " AND ")
	test := cond{"EXISTS (SELECT 1 FROM resource " + o + " JOIN sx_reference " + x + " ON " + x + ".id = " + o + ".id AND " + x + ".type = " + o + ".type WHERE " + o + ".res = " + res +
		" AND " + x + ".param = ? AND " + inner.sql, append([]any{w.symbol(h.Param)}, inner.args...)}
	if h.Patient != "" {
		test.sql += " AND EXISTS (SELECT 1 FROM chart c WHERE c.comp = ? AND c.owner = ? AND c.type = ? AND c.res = " + x + ".res)"
		test.args = append(test.args, w.symbol("Patient"), h.Patient, w.symbol(h.Type))
	}
	test.sql += ")"
	return test
}
