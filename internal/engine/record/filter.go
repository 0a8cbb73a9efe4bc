package record

import (
	"context"
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
func (s *Store) ParseFilter(ctx context.Context, typ string, params url.Values) (Filter, error) {
	return s.reader(ctx).filtered(typ, params)
}

// ParseFilter reads search parameters of R4 that need no store: no terminology, nothing that was uploaded.
func ParseFilter(typ string, params url.Values) (Filter, error) {
	return (&reader{}).filtered(typ, params)
}

func (r *reader) filtered(typ string, params url.Values) (Filter, error) {
	rest := url.Values{}
	for k, v := range params {
		if k != "_cursor" {
			rest[k] = v
		}
	}
	p, err := r.search(typ, rest)
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

// Matches reports whether the clause holds for the values of one resource. What leads to other resources, a chain or its
// reverse, cannot be told from them and does not hold.
func (c *Clause) Matches(values []fhir.Value) bool {
	switch {
	case c.All != nil:
		return !slices.ContainsFunc(c.All, func(one Clause) bool { return !one.Matches(values) })
	case c.Or != nil:
		return slices.ContainsFunc(c.Or, func(one Clause) bool { return one.Matches(values) }) != c.Not
	case c.Has != nil || c.Chain != nil:
		return false
	}
	param := c.Param
	if param == ParamID || param == ParamLastUpdated {
		param = "Resource." + param
	}
	present, hit := false, false
	for i := range values {
		if v := &values[i]; v.Param == param {
			present = true
			hit = hit || slices.ContainsFunc(c.Any, func(m Match) bool { return m.Matches(v) })
		}
	}
	if c.Missing != nil {
		return present != *c.Missing
	}
	return hit != c.Not
}

// Matches reports whether a value of the match's kind matches.
func (m *Match) Matches(v *fhir.Value) bool {
	switch m.Kind {
	case fhir.ParamComposite:
		for i := range m.With {
			if i >= len(v.Parts) || !m.With[i].Matches(&v.Parts[i]) {
				return false
			}
		}
		return true
	case fhir.ParamSpecial:
		return len(v.Parts) == 2 && m.nearTo(v.Parts[0].Min, v.Parts[1].Min)
	case fhir.ParamText:
		return strings.Contains(" "+Fold(v.Text), " "+Fold(m.Text))
	case fhir.ParamToken:
		return (m.Op == OpSystemOnly || v.Code == m.Code) && (!m.HasSystem || v.System == m.System)
	case fhir.ParamString:
		text, want := Fold(v.Text), Fold(m.Text)
		switch m.Op {
		case OpExact:
			return v.Text == m.Text
		case OpContains:
			return strings.Contains(text, want)
		case OpEnds:
			return strings.HasSuffix(text, want)
		}
		return strings.HasPrefix(text, want)
	case fhir.ParamReference:
		return v.ID == m.ID && (m.Type == "" || v.Type == m.Type)
	case fhir.ParamURI:
		return v.Text == m.Text || m.Op == OpBelow && strings.HasPrefix(v.Text, m.Text) || m.Op == OpAbove && slices.Contains(Above(m.Text), v.Text)
	case fhir.ParamDate:
		return ranges(m.Op, v.Low, v.High, m.Low, m.High)
	}
	unit := (!m.HasSystem || v.System == m.System) && (m.Code == "" || v.Code == m.Code)
	return unit && m.within(v)
}

func (m *Match) nearTo(lat, lon float64) bool {
	lat0, lon0, latKM, lonKM, km := m.Box()
	dy, dx := (lat-lat0)*latKM, (lon-lon0)*lonKM
	return dy*dy+dx*dx <= km*km
}

// Above returns a URI and those of which it is a part: "http://a/b/c", "http://a/b", "http://a".
func Above(uri string) []string {
	out := []string{uri}
	for {
		i := strings.LastIndexByte(uri, '/')
		if i <= 0 || uri[i-1] == '/' || uri[i-1] == ':' {
			return out
		}
		uri = uri[:i]
		out = append(out, uri)
	}
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
