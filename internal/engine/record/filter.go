package record

import (
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// Filter is a search that is asked of resources in memory, for those that are made on the way and not stored.
type Filter struct {
	Where []Clause
	Sort  []Sort
	Limit int
	Total int // as in Query
}

// ParseFilter reads search parameters as Search does. Invalid names a parameter that is unknown or cannot be read.
func ParseFilter(typ string, params url.Values) (Filter, error) {
	rest := url.Values{}
	for k, v := range params {
		if k != "_cursor" {
			rest[k] = v
		}
	}
	p, err := parseSearch(typ, rest)
	if err != nil {
		return Filter{}, err
	}
	return Filter{Where: p.query.Where, Sort: p.query.Sort, Limit: p.query.Limit, Total: p.query.Total}, nil
}

// Matches reports whether every clause holds for the resource.
func (f Filter) Matches(r fhir.Resource) bool {
	values := fhir.Index(r)
	for i := range f.Where {
		if !f.Where[i].Matches(values) {
			return false
		}
	}
	return true
}

// Matches reports whether the clause holds for the values of one resource.
func (c *Clause) Matches(values []fhir.Value) bool {
	param := c.Param
	if param == ParamID || param == ParamLastUpdated {
		param = "Resource." + param
	}
	present, hit := false, false
	for i := range values {
		if v := &values[i]; v.Param == param {
			present = true
			hit = hit || slices.ContainsFunc(c.Any, func(m Match) bool { return m.matches(v) })
		}
	}
	if c.Missing != nil {
		return present != *c.Missing
	}
	return hit != c.Not
}

func (m *Match) matches(v *fhir.Value) bool {
	switch m.Kind {
	case fhir.ParamToken:
		return (m.Op == OpSystemOnly || v.Code == m.Code) && (!m.HasSystem || v.System == m.System)
	case fhir.ParamString:
		text, want := Fold(v.Text), Fold(m.Text)
		switch m.Op {
		case OpExact:
			return v.Text == m.Text
		case OpContains:
			return strings.Contains(text, want)
		}
		return strings.HasPrefix(text, want)
	case fhir.ParamReference:
		return v.ID == m.ID && (m.Type == "" || v.Type == m.Type)
	case fhir.ParamURI:
		return v.Text == m.Text || m.Op == OpBelow && strings.HasPrefix(v.Text, m.Text)
	case fhir.ParamDate:
		return ranges(m.Op, v.Low, v.High, m.Low, m.High)
	}
	unit := (!m.HasSystem || v.System == m.System) && (m.Code == "" || v.Code == m.Code)
	return unit && m.within(v)
}

// ranges compares a stored range with a searched one (FHIR R4 3.1.1.4.9).
func ranges(op Op, low, high, from, to int64) bool {
	within := low >= from && high <= to
	switch op {
	case OpNe:
		return !within
	case OpGt:
		return high > to
	case OpLt:
		return low < from
	case OpGe:
		return high > to || within
	case OpLe:
		return low < from || within
	case OpSa:
		return low >= to
	case OpEb:
		return high <= from
	case OpAp:
		return low < to && high > from
	}
	return within
}

func (m *Match) within(v *fhir.Value) bool {
	value := (m.Min + m.Max) / 2
	switch m.Op {
	case OpGt, OpSa:
		return v.Max > value
	case OpLt, OpEb:
		return v.Min < value
	case OpGe:
		return v.Max >= value
	case OpLe:
		return v.Min <= value
	case OpNe:
		return v.Min < m.Min || v.Max >= m.Max
	case OpAp:
		d := max(value/10, -value/10)
		return v.Min <= value+d && v.Max >= value-d
	}
	return v.Min >= m.Min && v.Max < m.Max
}
