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

// walk is how a type is gone through by time.
type walk struct {
	tested []record.Clause // on the search rows
	asked  []record.Clause // of the database: on the date itself, and what leaves most
	budget int             // resources to test before it is given up
}

// walk returns how a search is answered by going through its type by time, nil when it is better answered in another way:
// the patient whose chart has that order already is no case for it, nor are clauses that leave few.
func (f *find) walk(q *record.Query) *walk {
	if !timeSorted(q) || q.Limit == 0 || q.Patient != "" || ownerOf(q.Type, f.resolved(record.Scope{Type: q.Type, Where: q.Where})) != "" {
		return nil
	}
	var all float64
	if err := f.r.db.Read().QueryRowContext(f.ctx, "SELECT coalesce(max(r.res), 0) FROM resource r").Scan(&all); err != nil {
		f.err = fmt.Errorf("look at the store: %w", err)
	}
	if f.err != nil || all < walkFrom {
		return nil
	}
	// Of m that satisfy a clause, a page of n is found after n*all/m; that is less than m when m is over the root of n*all.
	enough := int(math.Sqrt(float64(q.Limit) * all))
	date, known := fhir.SearchParam(q.Type, "date")
	w := &walk{budget: min(max(4*enough, 2*broadBatch), broadBudget)}
	for i := range q.Where {
		switch c := &q.Where[i]; {
		case known && c.Param == date.Key() && date.Single() && plain(c):
			w.asked = append(w.asked, *c)
		case c.Not && len(c.Any) > 0 && c.Chain == nil || c.Param == record.ParamLastUpdated:
			w.asked = append(w.asked, *c)
		case walkable(c) && f.atLeast(c, enough):
			w.tested = append(w.tested, *c)
		default:
			return nil
		}
	}
	return w
}

// plain reports whether a clause asks for a value of its own parameter.
func plain(c *record.Clause) bool {
	return c.Chain == nil && c.Has == nil && c.All == nil && c.Or == nil && c.Missing == nil && !c.Not && len(c.Any) > 0
}

// walkable reports whether a clause can be told from a resource's search rows.
func walkable(c *record.Clause) bool {
	if !plain(c) || c.Param == record.ParamID || c.Param == record.ParamContent {
		return false
	}
	for i := range c.Any {
		if m := &c.Any[i]; clip(m.Code) != m.Code || clip(m.ID) != m.ID || clip(m.Text) != m.Text {
			return false
		}
	}
	switch c.Kind {
	case fhir.ParamToken, fhir.ParamReference, fhir.ParamDate, fhir.ParamQuantity, fhir.ParamNumber, fhir.ParamString:
		return true
	}
	return false
}

// newest is the source that a walk goes through: the row of each resource's latest date. Resources without one come after
// all of them and are not in it.
func (f *find) newest(typ string, w *walk) source {
	src := source{table: "sx_date d", res: "d.res", byDate: true}
	src.add(cond{"d.param = ?", []any{f.symbol(typ + ".date")}})
	src.add(cond{"NOT EXISTS (SELECT 1 FROM sx_date y WHERE y.res = d.res AND y.param = d.param AND (y.low > d.low OR y.low = d.low AND y.high > d.high))", nil})
	for i := range w.asked {
		c := &w.asked[i]
		if c.Param != typ+".date" || c.Not {
			src.add(f.clause(c, "d.res"))
			continue
		}
		var any []cond
		for j := range c.Any {
			any = append(any, f.match(&c.Any[j], columnsOf("d", c.Kind)))
		}
		one := joined(any, " OR ")
		src.add(cond{"(" + one.sql + ")", one.args})
	}
	return src
}
