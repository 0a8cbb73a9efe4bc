package relational

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// find builds one SELECT:
//
//	FROM   the rows of a reference, a token or a chart when one selects, alias d; else resource r
//	WHERE  each clause as EXISTS on the rows of the resource (one probe), or res IN (rows of a range)
//	ORDER  by the sort keys, then res; only what is behind the cursor; LIMIT
//	JOIN   resource and its current version for the rows of the page alone
//
// Rows of a parameter exist for current, undeleted resources of its type only, so that d needs no look at resource.
type find struct {
	where
	source
	broad  []record.Clause // tested on the search rows of each resource, see record_broad.go
	budget int             // resources to test before the search is answered in another way
}

// source is what a search selects from: the parts of FROM and WHERE.
type source struct {
	table  string // to select from, with its alias
	res    string // the column there that names the resource: an index gives its order
	conds  []cond
	chart  bool // d is a chart, in the order of clinical time
	byDate bool // d is the dates of a type, see record_walk.go
}

func (s *source) add(c cond) { s.conds = append(s.conds, c) }

// sql returns the conditions and their arguments.
func (s *source) sql() (string, []any) {
	all := and(s.conds)
	return all.sql, all.args
}

// Find answers a search.
func (r *records) Find(ctx context.Context, q record.Query) (record.Found, error) {
	f := &find{where: where{ctx: ctx, r: r}, budget: broadBudget}
	scope := record.Scope{Type: q.Type, Patient: q.Patient, Where: q.Where}
	if w := f.walk(&q); w != nil {
		f.source, f.broad, f.budget = f.newest(q.Type, w), w.tested, w.budget
	} else {
		narrow := scope
		narrow.Where, f.broad = f.split(q.Where)
		f.source = f.from(narrow, timeSorted(&q))
	}
	if f.err != nil {
		return record.Found{}, f.err
	}
	found := record.Found{Total: -1}
	if q.Limit > 0 {
		done, err := f.tested(q, &found)
		if err != nil {
			return found, err
		}
		if !done {
			f.source, f.broad = f.from(scope, timeSorted(&q)), nil
			if err := f.page(&q, &found); err != nil {
				return found, err
			}
		}
	}
	if q.After == nil && q.Limit > 0 && found.Cursor == nil {
		found.Total = len(found.Records)
		return found, nil
	}
	if q.Total == 0 && q.Limit > 0 {
		return found, nil
	}
	if len(f.broad) > 0 || f.byDate {
		f.source = f.from(scope, false)
	}
	return found, f.count(&q, &found)
}

// timeSorted reports whether a search wants the newest first by clinical time, which is the order of a chart.
func timeSorted(q *record.Query) bool {
	return len(q.Sort) == 1 && q.Sort[0].Desc && q.Sort[0].Param == q.Type+".date"
}

// from picks the rows to begin with: those that are likely to be few, or a patient's chart when its order is asked for.
func (w *where) from(s record.Scope, byTime bool) source {
	typ := w.symbol(s.Type)
	clauses := w.resolved(s)
	owner := s.Patient
	if owner == "" && byTime {
		owner = ownerOf(s.Type, clauses)
	}
	best, rank := -1, 0
	for i := range clauses {
		if n := selectivity(&clauses[i]); n > rank {
			best, rank = i, n
		}
	}
	if owner == "" && rank < rankIdentifier {
		if few := w.fewInRange(clauses); few >= 0 && (best < 0 || w.large(&clauses[best])) {
			best = few
		}
	}
	var src source
	switch {
	case rank >= rankIdentifier || best >= 0 && owner == "":
		src = w.begin(&clauses[best], typ)
		clauses = slices.Delete(clauses, best, best+1)
	case owner != "":
		src = source{table: "chart d", res: "d.res", chart: true}
		src.add(cond{"d.comp = ? AND d.owner = ? AND d.type = ?", []any{w.symbol("Patient"), owner, typ}})
	default:
		src = source{table: "resource r", res: "r.res"}
		src.add(cond{"r.type = ? AND r.deleted = 0", []any{typ}})
	}
	if s.Patient != "" && !src.chart {
		src.add(cond{"EXISTS (SELECT 1 FROM chart c WHERE c.comp = ? AND c.owner = ? AND c.type = ? AND c.res = " + src.res + ")", []any{w.symbol("Patient"), s.Patient, typ}})
	}
	for i := range clauses {
		if src.chart {
			src.before(s.Type, &clauses[i])
		}
		src.add(w.clause(&clauses[i], src.res))
	}
	return src
}

// before lets a chart begin where a clause on its time allows, which is told again, and exactly, by the clause.
func (s *source) before(typ string, c *record.Clause) {
	date, ok := fhir.SearchParam(typ, "date")
	if !ok || c.Param != date.Key() || !date.Single() || !plain(c) || len(c.Any) != 1 {
		return
	}
	switch m := &c.Any[0]; m.Op {
	case record.OpLt, record.OpEb:
		s.add(cond{"d.at < ?", []any{m.Low}})
	case record.OpLe, record.OpEq, record.OpAp:
		s.add(cond{"d.at < ?", []any{m.High}})
	}
}

// fewInRange returns a clause on a range that few resources satisfy, -1 when there is none.
func (w *where) fewInRange(clauses []record.Clause) int {
	return slices.IndexFunc(clauses, func(c record.Clause) bool {
		ranged := c.Kind == fhir.ParamDate || c.Kind == fhir.ParamQuantity || c.Kind == fhir.ParamNumber
		return ranged && plain(&c) && c.Param != record.ParamLastUpdated && !w.large(&c)
	})
}

// ownerOf returns the one patient whose chart holds all that a search can find, "" when there is none.
func ownerOf(typ string, clauses []record.Clause) string {
	for i := range clauses {
		c := &clauses[i]
		name, ok := strings.CutPrefix(c.Param, typ+".")
		if ok && c.Kind == fhir.ParamReference && single(c) && c.Any[0].Type == "Patient" && bringsIn(typ, name) {
			return c.Any[0].ID
		}
	}
	return ""
}

// bringsIn reports whether the patient whom a parameter names has the resource in his chart. "patient" is "subject" where
// that is a patient.
func bringsIn(typ, name string) bool {
	in := fhir.CompartmentParams(typ)
	return slices.Contains(in, name) || name == "patient" && slices.Contains(in, "subject")
}

// begin makes the rows of a clause the source of a search.
func (w *where) begin(c *record.Clause, typ int64) source {
	if c.Param == record.ParamID {
		src := source{table: "resource r", res: "r.res"}
		src.add(cond{"r.type = ? AND r.deleted = 0", []any{typ}})
		src.add(w.clause(c, "r.res"))
		return src
	}
	rows := w.rows(c, "x")
	src := source{table: rows.table + " d", res: "d.res"}
	if single(c) {
		src.add(cond{strings.ReplaceAll(rows.sql, "x.", "d."), rows.args})
	} else {
		src.table = "(SELECT DISTINCT x.res FROM " + rows.table + " x WHERE " + rows.sql + ") d"
		src.add(cond{"1 = 1", rows.args}) // FROM comes before WHERE: its arguments are the first
	}
	if strings.HasPrefix(c.Param, "Resource.") { // such a parameter has rows of every type
		src.add(cond{"EXISTS (SELECT 1 FROM resource r WHERE r.res = d.res AND r.type = ?)", []any{typ}})
	}
	return src
}

// The ranks of clauses by how few resources they are likely to leave.
const (
	rankFew        = 4
	rankIdentifier = 6
	rankID         = 7
)

// selectivity ranks how few resources a clause is likely to leave; 0 when it cannot be begun with.
func selectivity(c *record.Clause) int {
	switch {
	case c.Not, c.Missing != nil, c.Param == record.ParamLastUpdated, c.Param == record.ParamContent, c.Has != nil, c.All != nil, c.Or != nil:
		return 0
	case c.Param == record.ParamID:
		return rankID
	case c.Kind == fhir.ParamToken && strings.HasSuffix(c.Param, ".identifier"), c.Kind == fhir.ParamToken && strings.Contains(c.Param, ":"):
		return rankIdentifier
	case c.Kind == fhir.ParamReference && c.Chain == nil:
		return 5
	case c.Kind == fhir.ParamString && (c.Any[0].Op == record.OpStarts || c.Any[0].Op == record.OpExact):
		return 4
	case c.Kind == fhir.ParamComposite, c.Kind == fhir.ParamSpecial, c.Kind == fhir.ParamURI:
		return 3
	case c.Kind == fhir.ParamToken && !strings.HasSuffix(c.Param, ".status"):
		return 2
	case c.Chain != nil:
		return 1
	}
	return 0
}

// single reports whether a clause finds a resource once at most, in the order of the index.
func single(c *record.Clause) bool {
	if len(c.Any) != 1 || c.Any[0].Op != record.OpEq || c.Not {
		return false
	}
	m := &c.Any[0]
	return c.Kind == fhir.ParamToken && m.HasSystem || c.Kind == fhir.ParamReference && m.Type != ""
}

// sortKey returns the expression that orders by one key, missing values last.
func (f *find) sortKey(s record.Sort) cond {
	column := func(name string) cond {
		if f.res == "r.res" {
			return cond{"r." + name, nil}
		}
		return cond{"(SELECT r." + name + " FROM resource r WHERE r.res = " + f.res + ")", nil}
	}
	switch {
	case s.Param == record.ParamID:
		return column("id")
	case s.Param == record.ParamLastUpdated:
		return column("updated")
	case f.chart && s.Kind == fhir.ParamDate && s.Desc:
		return cond{"d.at", nil}
	case f.byDate && s.Kind == fhir.ParamDate:
		return cond{"d.low", nil}
	}
	value := map[fhir.ParamKind]string{fhir.ParamToken: "code", fhir.ParamString: "norm", fhir.ParamURI: "uri", fhir.ParamReference: "id"}[s.Kind]
	var last any = "\U0010FFFF"
	switch {
	case value == "" && s.Kind == fhir.ParamDate:
		value, last = "low", int64(fhir.MaxTime)
	case value == "":
		value, last = "low", 1e308
	}
	agg := "min(x." + value + ")"
	if s.Desc {
		agg = "max(x." + value + ")"
		switch last.(type) {
		case string:
			last = ""
		case int64:
			last = int64(undated)
		default:
			last = -1e308
		}
	}
	param := f.symbol(s.Param)
	if s.Kind == fhir.ParamDate {
		return cond{"coalesce((SELECT " + agg + " FROM sx_date x WHERE x.res = " + f.res + " AND x.param = ?), ?)", []any{param, last}}
	}
	return cond{"coalesce((SELECT v FROM (SELECT x.res AS res, " + agg + " AS v FROM " + tableOf(s.Kind) + " x WHERE x.param = ? GROUP BY x.res) g WHERE g.res = " + f.res + "), ?)", []any{param, last}}
}

// page reads one page in keyset order: rows after the cursor, so that inserts between two pages repeat nothing.
func (f *find) page(q *record.Query, found *record.Found) error {
	var last []any
	_, err := f.scan(q, q.Limit+1, func(rec record.Record, cursor []any, _ []byte) bool {
		if len(found.Records) == q.Limit {
			found.Cursor = last
			return false
		}
		found.Records, last = append(found.Records, rec), cursor
		return true
	})
	return err
}

// scan reads up to limit rows behind the cursor of a query until fn has enough, and returns how many it read. The search
// rows come along when there are clauses to test on them; they are valid during the call only.
func (f *find) scan(q *record.Query, limit int, fn func(rec record.Record, cursor []any, idx []byte) bool) (n int, err error) {
	keys, order, keyArgs := []string{}, []string{}, []any{}
	for i, s := range q.Sort {
		key := f.sortKey(s)
		keys, keyArgs = append(keys, fmt.Sprintf("%s AS k%d", key.sql, i)), append(keyArgs, key.args...)
		dir := ""
		if s.Desc {
			dir = " DESC"
		}
		order = append(order, fmt.Sprintf("k%d%s", i, dir))
	}
	if f.err != nil {
		return 0, f.err
	}
	idx := "NULL"
	if len(f.broad) > 0 {
		idx = "r.idx"
	}
	where, args := f.sql()
	inner := strings.Join(append([]string{"SELECT " + f.res + " AS res"}, keys...), ", ") + " FROM " + f.table + " WHERE " + where
	behind := after(q)
	query := "SELECT " + versionColumns + ", " + idx + ", p.res" + columns(len(q.Sort)) + " FROM (SELECT * FROM (" + inner + ") i WHERE " + behind.sql + " ORDER BY " + strings.Join(append(order, "res"), ", ") +
		" LIMIT ?) p CROSS JOIN resource r ON r.res = p.res CROSS JOIN resource_version v ON v.seq = r.seq ORDER BY " + strings.Join(append(order, "p.res"), ", ")
	args = append(append(append(keyArgs, args...), behind.args...), limit)
	rows, err := f.r.db.Read().QueryContext(f.ctx, query, args...)
	if err != nil {
		return 0, fmt.Errorf("search %s: %w", q.Type, err)
	}
	defer rows.Close()
	for rows.Next() {
		cursor := make([]any, len(q.Sort)+1)
		var idx []byte
		dest := make([]any, 1+len(cursor))
		dest[0] = &idx
		for i := range cursor {
			dest[1+(i+1)%len(cursor)] = &cursor[i] // p.res comes first, and last in the cursor
		}
		rec, err := scanRecord(rows, q.Type, dest...)
		if err != nil {
			return n, fmt.Errorf("search %s: %w", q.Type, about(err, "what the search finds"))
		}
		if n++; !fn(rec, cursor, idx) {
			return n, nil
		}
	}
	return n, about(rows.Err(), "what the search finds")
}

func columns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", p.k%d", i)
	}
	return b.String()
}

// after returns the condition for rows behind the cursor: k0 > ? OR k0 = ? AND (k1 > ? OR …).
func after(q *record.Query) cond {
	if q.After == nil {
		return cond{"1 = 1", nil}
	}
	n := len(q.Sort)
	c := cond{"res > ?", []any{q.After[n]}}
	for i := n - 1; i >= 0; i-- {
		op := ">"
		if q.Sort[i].Desc {
			op = "<"
		}
		c.sql = fmt.Sprintf("(k%d %s ? OR k%d = ? AND (%s))", i, op, i, c.sql)
		c.args = append([]any{q.After[i], q.After[i]}, c.args...)
		if i == 0 { // lets an index begin there
			c.sql = fmt.Sprintf("(k0 %s= ? AND %s)", op, c.sql)
			c.args = append([]any{q.After[0]}, c.args...)
		}
	}
	return c
}

func (f *find) count(q *record.Query, found *record.Found) error {
	limit := int64(q.Total)
	if q.Total <= 0 {
		limit = 1<<62 - 1
	}
	where, args := f.sql()
	query := "SELECT count(*) FROM (SELECT 1 FROM " + f.table + " WHERE " + where + " LIMIT ?) n"
	var n int64
	if err := f.r.db.Read().QueryRowContext(f.ctx, query, append(args, limit+1)...).Scan(&n); err != nil {
		return fmt.Errorf("count %s: %w", q.Type, err)
	}
	if n <= limit {
		found.Total = int(n)
	}
	return nil
}
