package fhirapi

import (
	"cmp"
	"math"
	"strings"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// order is how a search's Observations follow each other; the id breaks ties.
type order []record.Sort

// sortKey is one value that is sorted by: a number (a date in Unix nanoseconds, a quantity as ordered bits) or text.
type sortKey struct {
	N    int64  `json:"n,omitempty"`
	S    string `json:"s,omitempty"`
	None bool   `json:"x,omitempty"` // there is no value: it comes last
}

// mark is a place in an order. A mark with fewer keys than the order stands before all that begin with them.
type mark struct {
	Keys []sortKey `json:"k,omitempty"`
	ID   string    `json:"i,omitempty"`
}

// item is an Observation with its place, decoded (res) or as it is stored (rec).
type item struct {
	mark
	res fhir.Resource
	rec *record.Record
}

// byTime returns the order of a search that names none: newest first.
func byTime() order { return order{{Param: "Observation.date", Kind: fhir.ParamDate, Desc: true}} }

// temporal reports whether time comes first.
func (o order) temporal() bool {
	return o[0].Param == "Observation.date" || o[0].Param == record.ParamLastUpdated
}

func (o order) ascending() bool { return !o[0].Desc }

// plain reports whether time is all that is sorted by.
func (o order) plain() bool { return len(o) == 1 && o.temporal() }

func (o order) compareKeys(a, b mark) int {
	for i := range min(len(a.Keys), len(b.Keys)) {
		x, y := a.Keys[i], b.Keys[i]
		switch {
		case x.None && y.None:
			continue
		case x.None:
			return 1
		case y.None:
			return -1
		}
		if c := cmp.Or(cmp.Compare(x.N, y.N), cmp.Compare(x.S, y.S)); c != 0 {
			if o[i].Desc {
				return -c
			}
			return c
		}
	}
	return cmp.Compare(len(a.Keys), len(b.Keys))
}

func (o order) compare(a, b mark) int {
	return cmp.Or(o.compareKeys(a, b), cmp.Compare(a.ID, b.ID))
}

// of returns the place of an Observation.
func (o order) of(res fhir.Resource) mark {
	m := mark{Keys: make([]sortKey, len(o)), ID: res.ID()}
	for i, s := range o {
		m.Keys[i] = keyOf(res, s)
	}
	return m
}

// at returns the place of an Observation of telemetry: its time is known to the nanosecond.
func (o order) at(res fhir.Resource, time int64) mark {
	if o.plain() {
		return mark{Keys: []sortKey{{N: time}}, ID: res.ID()}
	}
	m := o.of(res)
	for i, s := range o {
		if s.Kind == fhir.ParamDate {
			m.Keys[i] = sortKey{N: time}
		}
	}
	return m
}

// stored returns the place of a stored Observation. When only time counts, the document is not decoded.
func (o order) stored(rec *record.Record) (item, error) {
	if o.plain() {
		if o[0].Param == record.ParamLastUpdated {
			return item{mark: mark{Keys: []sortKey{{N: rec.Updated.UnixNano()}}, ID: rec.ID}, rec: rec}, nil
		}
		for _, name := range []string{"effectiveDateTime", "effectiveInstant"} {
			if s, ok := member(rec.JSON, name); ok {
				low, _, ok := fhir.DateRange(s)
				return item{mark: mark{Keys: []sortKey{{N: nanos(low), None: !ok}}, ID: rec.ID}, rec: rec}, nil
			}
		}
	}
	res, err := rec.Resource()
	if err != nil {
		return item{}, err
	}
	return item{mark: o.of(res), rec: rec}, nil
}

// keyOf returns the value that the store sorts by: of several the least, or the greatest when these come first.
func keyOf(res fhir.Resource, s record.Sort) sortKey {
	best := sortKey{None: true}
	prm, ok := fhir.SearchParam("Observation", s.Param[strings.IndexByte(s.Param, '.')+1:])
	if !ok {
		return best
	}
	for _, v := range prm.Values(res) {
		if v.Param != prm.Key() {
			continue
		}
		k := sortKey{S: v.Text}
		switch v.Kind {
		case fhir.ParamDate:
			k = sortKey{N: nanos(v.Low)}
		case fhir.ParamToken:
			k = sortKey{S: v.Code}
		case fhir.ParamReference:
			k = sortKey{S: v.ID}
		case fhir.ParamQuantity, fhir.ParamNumber:
			k = sortKey{N: ordered(v.Min)}
		}
		c := cmp.Or(cmp.Compare(k.N, best.N), cmp.Compare(k.S, best.S))
		if best.None || c != 0 && (c > 0) == s.Desc {
			best = k
		}
	}
	return best
}

// ordered returns an integer that compares as the number does.
func ordered(f float64) int64 {
	b := int64(math.Float64bits(f))
	if b < 0 {
		b ^= math.MaxInt64
	}
	return b
}

// member returns a top-level member of a JSON object as the house encodes it, when it is plain text. It reads no deeper.
func member(doc []byte, name string) (string, bool) {
	depth := 0
	for i := 0; i < len(doc); i++ {
		switch doc[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case '"':
			end := closing(doc, i)
			if depth == 1 && end-i-1 == len(name) && end+2 < len(doc) && doc[end+1] == ':' && string(doc[i+1:end]) == name {
				if doc[end+2] != '"' {
					return "", false
				}
				stop := closing(doc, end+2)
				return string(doc[end+3 : min(stop, len(doc))]), true
			}
			i = end
		}
	}
	return "", false
}

// closing returns where the text that begins at i ends.
func closing(doc []byte, i int) int {
	for i++; i < len(doc) && doc[i] != '"'; i++ {
		if doc[i] == '\\' {
			i++
		}
	}
	return i
}
