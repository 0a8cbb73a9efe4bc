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
//	FROM   the rows of a reference, a token or a compartment when one selects, alias d; else resource r
//	WHERE  each clause as EXISTS on the rows of the resource (one probe), or res IN (rows of a range)
//	ORDER  by the sort keys, then res; only what is behind the cursor; LIMIT
//	JOIN   resource and its current version for the rows of the page alone
//
// Rows of a parameter exist for current, undeleted resources of its type only, so that d needs no look at resource.
type find struct {
	ctx   context.Context
	r     *records
	where []string
	args  []any
	table string // to select from, with its alias
	res   string // the column there that names the resource: an index gives its order
	join  bool   // resource r is needed beside d
	err   error
}

// Find answers a search.
func (r *records) Find(ctx context.Context, q record.Query) (record.Found, error) {
	f := &find{ctx: ctx, r: r}
	f.from(&q)
	typ := f.symbol(q.Type)
	if f.res == "r.res" || f.join {
		f.add("r.type = ? AND r.deleted = 0", typ)
	}
	if q.Patient != "" {
		f.add("EXISTS (SELECT 1 FROM compartment c WHERE c.comp = ? AND c.owner = ? AND c.type = ? AND c.res = "+f.res+")", f.symbol("Patient"), q.Patient, typ)
	}
	for i := range q.Where {
		f.clause(&q.Where[i])
	}
	if f.err != nil {
		return record.Found{}, f.err
	}
	for _, k := range q.Sort {
		f.sortKey(k) // may need resource r
	}
	if f.join {
		f.table += " CROSS JOIN resource r ON r.res = d.res"
	}
	found := record.Found{Total: -1}
	if q.Limit > 0 {
		if err := f.page(&q, &found); err != nil {
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
	return found, f.count(&q, &found)
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

// from picks the rows to begin with: those that are likely to be few. It takes what they select out of the query.
func (f *find) from(q *record.Query) {
	best, rank := -1, 0
	for i := range q.Where {
		if n := selectivity(&q.Where[i]); n > rank {
			best, rank = i, n
		}
	}
	f.table, f.res = "resource r", "r.res"
	switch {
	case best >= 0 && (q.Patient == "" || rank == 5):
		c := q.Where[best]
		q.Where = append(append([]record.Clause(nil), q.Where[:best]...), q.Where[best+1:]...)
		f.res, f.join = "d.res", strings.HasPrefix(c.Param, "Resource.")
		table, cond := f.rows(&c)
		if single(&c) {
			f.table = table + " d"
			f.where = append(f.where, strings.ReplaceAll(cond, "x.", "d."))
			return
		}
		f.table = "(SELECT DISTINCT x.res FROM " + table + " x WHERE " + cond + ") d"
	case q.Patient != "":
		f.table, f.res = "compartment d", "d.res"
		f.add("d.comp = ? AND d.owner = ? AND d.type = ?", f.symbol("Patient"), q.Patient, f.symbol(q.Type))
		q.Patient = ""
	}
}

// selectivity ranks how few resources a clause is likely to leave; 0 when it cannot be begun with.
func selectivity(c *record.Clause) int {
	switch {
	case c.Not, c.Missing != nil, c.Param == record.ParamID, c.Param == record.ParamLastUpdated:
		return 0
	case c.Kind == fhir.ParamToken && strings.HasSuffix(c.Param, ".identifier"):
		return 5
	case c.Kind == fhir.ParamReference:
		return 4
	case c.Kind == fhir.ParamString && c.Any[0].Op != record.OpContains:
		return 3
	case c.Kind == fhir.ParamToken && !strings.HasSuffix(c.Param, ".status"):
		return 2
	}
	return 0
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
		f.add(f.res+" "+not+"IN (SELECT x.res FROM "+tableOf(c.Kind)+" x WHERE x.param = ?)", f.symbol(c.Param))
		return
	}
	table, cond := sub.rows(c)
	if sub.err != nil {
		f.err = sub.err
		return
	}
	test := f.res + " IN (SELECT x.res FROM " + table + " x WHERE " + cond + ")"
	if probes(c) {
		test = "EXISTS (SELECT 1 FROM " + table + " x WHERE " + cond + " AND x.res = " + f.res + ")"
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
	f.join = f.res == "d.res"
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
	f.join = f.res == "d.res"
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
		f.join = f.res == "d.res"
		return "r.id", nil
	case record.ParamLastUpdated:
		f.join = f.res == "d.res"
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
		return "coalesce((SELECT " + agg + " FROM sx_date x WHERE x.res = " + f.res + " AND x.param = ?), " + last + ")", []any{param}
	}
	return "coalesce((SELECT v FROM (SELECT x.res AS res, " + agg + " AS v FROM " + tableOf(s.Kind) + " x WHERE x.param = ? GROUP BY x.res) WHERE res = " + f.res + "), " + last + ")", []any{param}
}

// page reads one page in keyset order: rows after the cursor, so that inserts between two pages repeat nothing.
func (f *find) page(q *record.Query, found *record.Found) error {
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
	inner := strings.Join(append([]string{"SELECT " + f.res + " AS res"}, keys...), ", ") + " FROM " + f.table + " WHERE " + strings.Join(append([]string{"1"}, f.where...), " AND ")
	cond, condArgs := after(q)
	query := "SELECT " + versionColumns + ", p.res" + columns(len(q.Sort)) + " FROM (SELECT * FROM (" + inner + ") WHERE " + cond + " ORDER BY " + strings.Join(append(order, "res"), ", ") +
		" LIMIT ?) p CROSS JOIN resource r ON r.res = p.res CROSS JOIN resource_version v ON v.seq = r.seq ORDER BY " + strings.Join(append(order, "p.res"), ", ")
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
		fmt.Fprintf(&b, ", p.k%d", i)
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

func (f *find) count(q *record.Query, found *record.Found) error {
	limit := int64(q.Total)
	if q.Total <= 0 {
		limit = 1<<62 - 1
	}
	query := "SELECT count(*) FROM (SELECT 1 FROM " + f.table + " WHERE " + strings.Join(append([]string{"1"}, f.where...), " AND ") + " LIMIT ?)"
	var n int64
	if err := f.r.db.Read().QueryRowContext(f.ctx, query, append(f.args, limit+1)...).Scan(&n); err != nil {
		return fmt.Errorf("count %s: %w", q.Type, err)
	}
	if n <= limit {
		found.Total = int(n)
	}
	return nil
}
