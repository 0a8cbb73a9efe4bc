package relational

import (
	"fmt"
	"math"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// "Observation?code=8867-4&_sort=-date" of everybody has an index by code and one by time, and sorting all that has the
// code to show twenty takes as long as there are such. Where the clauses leave many, the newest resources of the type are
// gone through in the order of time instead, and each is tested by its search rows until the page is full.

const walkFrom = 2000 // a store with fewer resources is sorted at once

// walks reports whether a search is better answered by going through its type by time. The patient whose chart has that
// order already is no case for it.
func (f *find) walks(q *record.Query) bool {
	if !timeSorted(q) || q.Limit == 0 || q.Patient != "" || ownerOf(q.Type, f.resolved(record.Scope{Type: q.Type, Where: q.Where})) != "" {
		return false
	}
	for i := range q.Where {
		if !walkable(&q.Where[i]) {
			return false
		}
	}
	var all float64
	if err := f.r.db.Read().QueryRowContext(f.ctx, "SELECT coalesce(max(r.res), 0) FROM resource r").Scan(&all); err != nil {
		f.err = fmt.Errorf("look at the store: %w", err)
	}
	if f.err != nil || all < walkFrom {
		return false
	}
	// Of m that satisfy a clause, a page of n is found after n*all/m; that is less than m when m is over the root of n*all.
	enough := int(math.Sqrt(float64(q.Limit) * all))
	for i := range q.Where {
		if !f.atLeast(&q.Where[i], enough) {
			return false
		}
	}
	return true
}

// walkable reports whether a clause can be told from a resource's search rows.
func walkable(c *record.Clause) bool {
	if c.Chain != nil || c.Has != nil || c.All != nil || c.Or != nil || c.Missing != nil || c.Not || c.Param == record.ParamID || c.Param == record.ParamLastUpdated || c.Param == record.ParamContent {
		return false
	}
	for i := range c.Any {
		if m := &c.Any[i]; clip(m.Code) != m.Code || clip(m.ID) != m.ID || clip(m.Text) != m.Text {
			return false
		}
	}
	switch c.Kind {
	case fhir.ParamToken, fhir.ParamReference, fhir.ParamDate, fhir.ParamQuantity, fhir.ParamNumber, fhir.ParamString:
		return len(c.Any) > 0
	}
	return false
}

// newest is the source that a walk goes through: the row of each resource's latest date. Resources without one come after
// all of them and are not in it.
func (f *find) newest(typ string) source {
	src := source{table: "sx_date d", res: "d.res", byDate: true}
	src.add(cond{"d.param = ?", []any{f.symbol(typ + ".date")}})
	src.add(cond{"NOT EXISTS (SELECT 1 FROM sx_date y WHERE y.res = d.res AND y.param = d.param AND (y.low > d.low OR y.low = d.low AND y.high > d.high))", nil})
	return src
}
