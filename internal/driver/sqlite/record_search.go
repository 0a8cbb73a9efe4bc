package sqlite

import (
	"context"
	"fmt"
	"strings"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// find builds one SELECT:
//
//	FROM resource r                      or, when a reference, a token or a compartment selects: its rows first
//	WHERE each clause as EXISTS on the rows of r (one probe), or r.res IN (rows of a range)
//	ORDER BY the sort keys, r.res        rows after the cursor only
type find struct {
	ctx   context.Context
	r     *records
	where []string
	args  []any
	res   string // the column that names the resource, so that an index gives its order
	err   error
}

// Find answers a search.
func (r *records) Find(ctx context.Context, q record.Query) (record.Found, error) {
	f := &find{ctx: ctx, r: r, res: "r.res"}
	from := f.from(&q)
	typ := f.symbol(q.Type)
	f.add("r.type = ? AND r.deleted = 0", typ)
	if q.Patient != "" {
		f.add("EXISTS (SELECT 1 FROM compartment c WHERE c.comp = ? AND c.owner = ? AND c.type = ? AND c.res = r.res)", f.symbol("Patient"), q.Patient, typ)
	}
	for i := range q.Where {
		f.clause(&q.Where[i])
	}
	if f.err != nil {
		return record.Found{}, f.err
	}
	found := record.Found{Total: -1}
	if q.Limit > 0 {
		if err := f.page(&q, from, &found); err != nil {
			return found, err
		}
	}
	if q.After == nil && q.Limit > 0 && found.Cursor == nil {
		found.Total = len(found.Records)
		return found, nil
	}
	if q.Total == 0 && q.Limit > 0 {
		return found, nil
	}
	return found, f.count(&q, from, &found)
}

func (f *find) add(cond string, args ...any) {
	f.where, f.args = append(f.where, cond), append(f.args, args...)
}

func (f *find) symbol(text string) int64 {
	n, err := f.r.symbol(f.ctx, text)
	if err != nil && f.err == nil {
		f.err = err
	}
	return n
}

// from picks the rows to begin with: those that are likely to be few.
func (f *find) from(q *record.Query) string {
	best, rank := -1, 0
	for i := range q.Where {
		c := &q.Where[i]
		if c.Not || c.Missing != nil {
			continue
		}
		n := 0
		switch {
		case c.Param == record.ParamID, c.Param == record.ParamLastUpdated:
		case c.Kind == fhir.ParamReference:
			n = 4
		case c.Kind == fhir.ParamToken && strings.HasSuffix(c.Param, ".identifier"):
			n = 5
		case c.Kind == fhir.ParamString && c.Any[0].Op != record.OpContains:
			n = 3
		case c.Kind == fhir.ParamToken && !strings.HasSuffix(c.Param, ".status"):
			n = 2
		}
		if n > rank {
			best, rank = i, n
		}
	}
	if best >= 0 && (q.Patient == "" || rank == 5) {
		c := q.Where[best]
		sub := &find{ctx: f.ctx, r: f.r}
		table, cond := sub.rows(&c)
		if f.err = sub.err; len(c.Any) > 0 {
			f.args = append(f.args, sub.args...)
			q.Where = append(append([]record.Clause(nil), q.Where[:best]...), q.Where[best+1:]...)
			if single(&c) {
				f.res = "d.res"
				return table + " d CROSS JOIN resource r ON r.res = d.res AND " + strings.ReplaceAll(cond, "x.", "d.")
			}
			return "(SELECT DISTINCT x.res FROM " + table + " x WHERE " + cond + ") d CROSS JOIN resource r ON r.res = d.res"
		}
	}
	if q.Patient != "" {
		f.args = append(f.args, f.symbol("Patient"), q.Patient, f.symbol(q.Type))
		q.Patient = ""
		f.res = "d.res"
		return "compartment d CROSS JOIN resource r ON r.res = d.res AND d.comp = ? AND d.owner = ? AND d.type = ?"
	}
	return "resource r"
}

// single reports whether a clause finds a resource once at most, in the order of the index.
func single(c *record.Clause) bool {
	if len(c.Any) != 1 || c.Any[0].Op != record.OpEq {
		return false
	}
	m := &c.Any[0]
	return c.Kind == fhir.ParamToken && m.HasSystem || c.Kind == fhir.ParamReference && m.Type != ""
}

func (f *find) clause(c *record.Clause) {
	switch {
	case c.Param == record.ParamID:
		f.ids(c)
		return
	case c.Param == record.ParamLastUpdated:
		f.updated(c)
		return
	}
	sub := &find{ctx: f.ctx, r: f.r}
	if c.Missing != nil {
		not := "NOT "
		if !*c.Missing {
			not = ""
		}
		f.add("r.res "+not+"IN (SELECT x.res FROM "+tableOf(c.Kind)+" x WHERE x.param = ?)", f.symbol(c.Param))
		return
	}
	table, cond := sub.rows(c)
	if sub.err != nil {
		f.err = sub.err
		return
	}
	test := "r.res IN (SELECT x.res FROM " + table + " x WHERE " + cond + ")"
	if probes(c) {
		test = "EXISTS (SELECT 1 FROM " + table + " x WHERE " + cond + " AND x.res = r.res)"
	}
	if c.Not {
		test = "NOT " + test
	}
	f.add(test, sub.args...)
}

// probes reports whether a clause is one probe of an index for each resource; a range is cheaper as a set.
func probes(c *record.Clause) bool {
	switch c.Kind {
	case fhir.ParamDate:
		return true
	case fhir.ParamToken, fhir.ParamReference, fhir.ParamURI:
		for _, m := range c.Any {
			if m.Op != record.OpEq {
				return false
			}
		}
		return true
	}
	return false
}

func tableOf(k fhir.ParamKind) string { return "sx_" + string(k) }

// rows returns the table of a clause and the condition on its rows, alias x.
func (f *find) rows(c *record.Clause) (table, cond string) {
	f.args = append(f.args, f.symbol(c.Param))
	var alternatives []string
	for i := range c.Any {
		alternatives = append(alternatives, f.match(&c.Any[i]))
	}
	return tableOf(c.Kind), "x.param = ? AND (" + strings.Join(alternatives, " OR ") + ")"
}

func (f *find) match(m *record.Match) string {
	arg := func(cond string, args ...any) string {
		f.args = append(f.args, args...)
		return cond
	}
	switch m.Kind {
	case fhir.ParamToken:
		switch {
		case m.Op == record.OpSystemOnly:
			return arg("x.system = ?", f.symbol(m.System))
		case m.HasSystem:
			return arg("x.code = ? AND x.system = ?", m.Code, f.symbol(m.System))
		}
		return arg("x.code = ?", m.Code)
	case fhir.ParamString:
		fold := record.Fold(m.Text)
		switch m.Op {
		case record.OpExact:
			return arg("x.norm = ? AND x.text = ?", fold, clip(m.Text))
		case record.OpContains:
			return arg("instr(x.norm, ?) > 0", fold)
		}
		return arg("x.norm >= ? AND x.norm < ?", fold, fold+"\U0010FFFF")
	case fhir.ParamReference:
		if m.Type == "" {
			return arg("x.id = ?", m.ID)
		}
		return arg("x.id = ? AND x.type = ?", m.ID, f.symbol(m.Type))
	case fhir.ParamURI:
		if m.Op == record.OpBelow {
			return arg("x.uri >= ? AND x.uri < ?", m.Text, m.Text+"\U0010FFFF")
		}
		return arg("x.uri = ?", m.Text)
	case fhir.ParamDate:
		return arg(compare(m.Op, "x.low", "x.high", "?", "?"), rangeArgs(m.Op, m.Low, m.High)...)
	}
	return f.number(m)
}

// compare writes a prefix of FHIR search over a stored range and a searched one (FHIR R4 3.1.1.4.9).
func compare(op record.Op, low, high, from, to string) string {
	within := low + " >= " + from + " AND " + high + " <= " + to
	switch op {
	case record.OpNe:
		return "NOT (" + within + ")"
	case record.OpGt:
		return high + " > " + to
	case record.OpLt:
		return low + " < " + from
	case record.OpGe:
		return "(" + high + " > " + to + " OR " + within + ")"
	case record.OpLe:
		return "(" + low + " < " + from + " OR " + within + ")"
	case record.OpSa:
		return low + " >= " + to
	case record.OpEb:
		return high + " <= " + from
	case record.OpAp:
		return low + " < " + to + " AND " + high + " > " + from
	}
	return within
}

func rangeArgs[T any](op record.Op, from, to T) []any {
	switch op {
	case record.OpGt, record.OpSa:
		return []any{to}
	case record.OpLt, record.OpEb:
		return []any{from}
	case record.OpGe:
		return []any{to, from, to}
	case record.OpLe:
		return []any{from, from, to}
	case record.OpAp:
		return []any{to, from}
	}
	return []any{from, to}
}

func (f *find) number(m *record.Match) string {
	from, to := m.Min, m.Max
	value := (from + to) / 2
	var cond string
	switch m.Op {
	case record.OpGt, record.OpSa:
		cond, f.args = "x.high > ?", append(f.args, value)
	case record.OpLt, record.OpEb:
		cond, f.args = "x.low < ?", append(f.args, value)
	case record.OpGe:
		cond, f.args = "x.high >= ?", append(f.args, value)
	case record.OpLe:
		cond, f.args = "x.low <= ?", append(f.args, value)
	case record.OpNe:
		cond, f.args = "NOT (x.low >= ? AND x.high < ?)", append(f.args, from, to)
	case record.OpAp:
		d := max(value/10, -value/10)
		cond, f.args = "x.low <= ? AND x.high >= ?", append(f.args, value+d, value-d)
	default:
		cond, f.args = "x.low >= ? AND x.high < ?", append(f.args, from, to)
	}
	if m.HasSystem {
		cond, f.args = cond+" AND x.system = ?", append(f.args, f.symbol(m.System))
	}
	if m.Code != "" {
		cond, f.args = cond+" AND x.code = ?", append(f.args, m.Code)
	}
	return "(" + cond + ")"
}

func (f *find) ids(c *record.Clause) {
	args := make([]any, len(c.Any))
	for i := range c.Any {
		args[i] = c.Any[i].Code
	}
	switch {
	case c.Missing != nil && *c.Missing:
		f.add("0")
	case c.Missing != nil:
	case c.Not:
		f.add("r.id NOT IN ("+strings.Repeat("?,", len(args)-1)+"?)", args...)
	default:
		f.add("r.id IN ("+strings.Repeat("?,", len(args)-1)+"?)", args...)
	}
}

func (f *find) updated(c *record.Clause) {
	var alternatives []string
	var args []any
	for i := range c.Any {
		m := &c.Any[i]
		alternatives = append(alternatives, "("+compare(m.Op, "r.updated", "r.updated + 1", "?", "?")+")")
		args = append(args, rangeArgs(m.Op, m.Low, m.High)...)
	}
	switch {
	case c.Missing != nil && *c.Missing:
		f.add("0")
	case len(alternatives) > 0:
		f.add("("+strings.Join(alternatives, " OR ")+")", args...)
	}
}

// sortKey returns the expression that orders by one key, missing values last.
func (f *find) sortKey(s record.Sort) (expr string, args []any) {
	switch s.Param {
	case record.ParamID:
		return "r.id", nil
	case record.ParamLastUpdated:
		return "r.updated", nil
	}
	param := f.symbol(s.Param)
	value, last := map[fhir.ParamKind]string{fhir.ParamToken: "code", fhir.ParamString: "norm", fhir.ParamURI: "uri", fhir.ParamDate: "low", fhir.ParamNumber: "low", fhir.ParamQuantity: "low"}[s.Kind], "9e999"
	if s.Kind == fhir.ParamToken || s.Kind == fhir.ParamString || s.Kind == fhir.ParamURI {
		last = "char(1114111)"
	}
	agg := "min(x." + value + ")"
	if s.Desc {
		agg = "max(x." + strings.Replace(value, "low", "high", 1) + ")"
		if last == "9e999" {
			last = "-9e999"
		} else {
			last = "''"
		}
	}
	if s.Kind == fhir.ParamDate {
		last = strings.Replace(last, "9e999", "9223372036854775807", 1)
		return "coalesce((SELECT " + agg + " FROM sx_date x WHERE x.res = r.res AND x.param = ?), " + last + ")", []any{param}
	}
	return "coalesce((SELECT v FROM (SELECT x.res AS res, " + agg + " AS v FROM " + tableOf(s.Kind) + " x WHERE x.param = ? GROUP BY x.res) WHERE res = r.res), " + last + ")", []any{param}
}

// page reads one page in keyset order: rows after the cursor, so that inserts between two pages repeat nothing.
func (f *find) page(q *record.Query, from string, found *record.Found) error {
	keys, order, keyArgs := []string{}, []string{}, []any{}
	for i, s := range q.Sort {
		expr, args := f.sortKey(s)
		keys, keyArgs = append(keys, fmt.Sprintf("%s AS k%d", expr, i)), append(keyArgs, args...)
		dir := ""
		if s.Desc {
			dir = " DESC"
		}
		order = append(order, fmt.Sprintf("k%d%s", i, dir))
	}
	if f.err != nil {
		return f.err
	}
	inner := "SELECT " + f.res + " AS res, r.seq AS seq, r.id AS id, r.patients AS patients"
	if len(keys) > 0 {
		inner += ", " + strings.Join(keys, ", ")
	}
	inner += " FROM " + from + " WHERE " + strings.Join(f.where, " AND ")
	cond, condArgs := after(q)
	query := "SELECT " + versionColumns + ", r.res" + columns(len(q.Sort)) + " FROM (SELECT * FROM (" + inner + ") WHERE " + cond + " ORDER BY " + strings.Join(append(order, "res"), ", ") +
		" LIMIT ?) r CROSS JOIN resource_version v ON v.seq = r.seq ORDER BY " + strings.Join(append(order, "r.res"), ", ")
	args := append(append(append(keyArgs, f.args...), condArgs...), q.Limit+1)
	rows, err := f.r.db.Read().QueryContext(f.ctx, query, args...)
	if err != nil {
		return fmt.Errorf("search %s: %w", q.Type, err)
	}
	defer rows.Close()
	var last []any
	for rows.Next() {
		cursor := make([]any, len(q.Sort)+1)
		dest := make([]any, len(cursor))
		for i := range cursor {
			dest[(i+1)%len(cursor)] = &cursor[i] // r.res comes first, and last in the cursor
		}
		rec, err := scanRecord(rows, q.Type, dest...)
		if err != nil {
			return fmt.Errorf("search %s: %w", q.Type, err)
		}
		if len(found.Records) == q.Limit {
			found.Cursor = last
			break
		}
		found.Records, last = append(found.Records, rec), cursor
	}
	return rows.Err()
}

func columns(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ", r.k%d", i)
	}
	return b.String()
}

// after returns the condition for rows behind the cursor: k0 > ? OR k0 = ? AND (k1 > ? OR …).
func after(q *record.Query) (cond string, args []any) {
	if q.After == nil {
		return "1", nil
	}
	n := len(q.Sort)
	cond = "res > ?"
	args = []any{q.After[n]}
	for i := n - 1; i >= 0; i-- {
		op := ">"
		if q.Sort[i].Desc {
			op = "<"
		}
		cond = fmt.Sprintf("(k%d %s ? OR k%d = ? AND (%s))", i, op, i, cond)
		args = append([]any{q.After[i], q.After[i]}, args...)
	}
	return cond, args
}

func (f *find) count(q *record.Query, from string, found *record.Found) error {
	limit := int64(q.Total)
	if q.Total <= 0 {
		limit = 1<<62 - 1
	}
	query := "SELECT count(*) FROM (SELECT 1 FROM " + from + " WHERE " + strings.Join(f.where, " AND ") + " LIMIT ?)"
	var n int64
	if err := f.r.db.Read().QueryRowContext(f.ctx, query, append(f.args, limit+1)...).Scan(&n); err != nil {
		return fmt.Errorf("count %s: %w", q.Type, err)
	}
	if n <= limit {
		found.Total = int(n)
	}
	return nil
}
