package relational

import (
	"fmt"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// A clause such as "value-quantity=gt5" has an index by value only: asked of a resource it costs the set of all that
// satisfy it. Where that set is large, many resources satisfy the clause, and it is cheaper to go through what the other
// clauses leave, in the order that is asked for, and to test each by its search rows, until the page is full.

const (
	broadFrom   = 2000   // a set of so many is built at once rather than tested one by one
	broadBatch  = 200    // resources read at a time
	broadBudget = 20_000 // resources tested before the set is built after all
)

// split takes out the clauses that are to be tested one by one.
func (f *find) split(clauses []record.Clause) (narrow, broad []record.Clause) {
	for _, c := range clauses {
		if testable(&c) && len(clauses) > 0 && f.large(&c) {
			broad = append(broad, c)
		} else {
			narrow = append(narrow, c)
		}
	}
	return narrow, broad
}

// testable reports whether a clause has no cheap probe and can be told from a resource's search rows.
func testable(c *record.Clause) bool {
	if c.Chain != nil || c.Has != nil || c.All != nil || c.Or != nil || c.Missing != nil || c.Not || c.Param == record.ParamID || c.Param == record.ParamLastUpdated || c.Param == record.ParamContent {
		return false
	}
	switch c.Kind {
	case fhir.ParamQuantity, fhir.ParamNumber:
		return true
	case fhir.ParamString:
		return c.Any[0].Op == record.OpContains || c.Any[0].Op == record.OpEnds
	}
	return false
}

// large reports whether a clause has many rows.
func (w *where) large(c *record.Clause) bool { return w.atLeast(c, broadFrom) }

// atLeast reports whether a clause has so many rows.
func (w *where) atLeast(c *record.Clause, many int) bool {
	rows := w.rows(c, "x")
	if w.err != nil {
		return false
	}
	var n int
	err := w.r.db.Read().QueryRowContext(w.ctx, "SELECT count(*) FROM (SELECT 1 FROM "+rows.table+" x WHERE "+rows.sql+" LIMIT ?) n", append(rows.args, many)...).Scan(&n)
	if err != nil {
		w.err = fmt.Errorf("look at a clause: %w", err)
	}
	return n == many
}

// tested fills a page by testing resources one by one; false when that came to no end within its budget, or when there is
// nothing to test.
func (f *find) tested(q record.Query, found *record.Found) (done bool, err error) {
	if len(f.broad) == 0 && !f.byDate {
		return false, nil
	}
	var last []any
	for tested := 0; tested < f.budget; tested += broadBatch {
		full := false
		n, err := f.scan(&q, broadBatch, func(rec record.Record, cursor []any, idx []byte) bool {
			q.After = cursor
			if !f.holds(idx) {
				return true
			}
			if full = len(found.Records) == q.Limit; full {
				found.Cursor = last
				return false
			}
			found.Records, last = append(found.Records, rec), cursor
			return true
		})
		if err != nil || full {
			return true, err
		}
		if n < broadBatch {
			if f.byDate { // those without a date are still to come
				break
			}
			return true, nil
		}
	}
	found.Records = nil
	return false, nil
}

// holds tests the broad clauses on the search rows of a resource.
func (f *find) holds(idx []byte) bool {
	rows := decodeRows(idx)
	for i := range f.broad {
		if !f.satisfied(&f.broad[i], rows) {
			return false
		}
	}
	return true
}

func (f *find) satisfied(c *record.Clause, rows []row) bool {
	param := f.symbol(c.Param)
	for _, r := range rows {
		if r.param != param {
			continue
		}
		v := fhir.Value{Kind: c.Kind, Code: r.text, Text: r.text, ID: r.text}
		if c.Kind == fhir.ParamString {
			v.Text = r.exact
		}
		if c.Kind == fhir.ParamDate {
			v.Low, v.High = r.low, r.high
		} else {
			v.Min, v.Max = float(r.low), float(r.high)
		}
		for i := range c.Any {
			m := &c.Any[i]
			if v.System = "?"; r.sym == f.symbol(m.System) {
				v.System = m.System
			}
			if v.Type = "?"; r.sym == f.symbol(m.Type) {
				v.Type = m.Type
			}
			if m.Matches(&v) {
				return true
			}
		}
	}
	return false
}
