package fhir

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
)

// Value is one value of one search parameter found in a resource: one row of an index. Kind says which fields count.
type Value struct {
	Param  string    // Param.Key
	Kind   ParamKind //
	System string    // token, quantity: system
	Code   string    // token: code; quantity: unit code
	Text   string    // string, uri
	Type   string    // reference: resource type, "" when ID is a URL or URN
	ID     string    // reference: id, URL or URN
	Low    int64     // date: first microsecond since 1970
	High   int64     // date: first microsecond after
	Min    float64   // number, quantity
	Max    float64   //
	Parts  []Value   // composite; of a special position its latitude and longitude as numbers
}

// Suffixes of Param for rows that a modifier asks for.
const (
	SuffixText       = ":text"       // Kind text: what people read beside a code
	SuffixIdentifier = ":identifier" // Kind token: a reference's identifier
	SuffixOfType     = ":of-type"    // Kind token: an identifier's type, with Code "type code|value"
)

// The open ends of a date range, in microseconds.
const (
	MinTime int64 = -1 << 62
	MaxTime int64 = 1 << 62
)

// path leads from a resource to values of one type; it is parsed from "name.given=string".
type path struct {
	steps []pathStep
	typ   string
	top   bool // of a composite's part: begins at the resource
}

type pathStep struct {
	key          string
	field, value string // keep items whose field has the value
	target       string // keep references to this type
}

func parsePath(s string) path {
	s, typ, _ := cutLast(s, "=")
	p := path{typ: typ}
	s, p.top = strings.CutPrefix(s, "/")
	for part := range strings.SplitSeq(s, ".") {
		key, filter, _ := strings.Cut(strings.TrimSuffix(part, "]"), "[")
		st := pathStep{key: key}
		if t, ok := strings.CutPrefix(filter, ">"); ok {
			st.target = t
		} else {
			st.field, st.value, _ = strings.Cut(filter, "=")
		}
		p.steps = append(p.steps, st)
	}
	return p
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Index returns every search value of a resource of a known type, in the order of its parameters. Values that cannot
// be read (a malformed date) are left out: validation names them.
func Index(r Resource) []Value {
	var out []Value
	for _, p := range SearchParams(r.Type()) {
		out = p.appendValues(out, r)
	}
	return out
}

// Single reports whether a resource has at most one value of the parameter for sure.
func (p *Param) Single() bool {
	typ := tables().types[p.Type]
	if typ == nil || len(p.paths) == 0 {
		return false
	}
	for i := range p.paths {
		steps := p.paths[i].steps
		if f, ok := typ.fields[steps[0].key]; !ok || len(steps) != 1 || f.el.list {
			return false
		}
	}
	return true
}

// Values returns the parameter's values in the resource.
func (p *Param) Values(r Resource) []Value { return p.appendValues(nil, r) }

func (p *Param) appendValues(out []Value, r Resource) []Value {
	if p.Kind == ParamComposite {
		return p.appendComposite(out, r)
	}
	if p.extract != nil {
		p.extract(r, func(v any, typ string) { out = p.appendValue(out, v, typ, "") })
		return out
	}
	for i := range p.paths {
		p.walk(map[string]any(r), p.paths[i].steps, func(v any, st pathStep) {
			out = p.appendValue(out, v, p.paths[i].typ, st.target)
		})
	}
	return out
}

func (p *Param) walk(v map[string]any, steps []pathStep, found func(any, pathStep)) {
	st := steps[0]
	each := func(item any) {
		o, isObject := item.(map[string]any)
		if st.field != "" && (!isObject || o[st.field] != st.value) {
			return
		}
		if len(steps) == 1 {
			found(item, st)
		} else if isObject {
			p.walk(o, steps[1:], found)
		}
	}
	switch x := v[st.key].(type) {
	case nil:
	case []any:
		for _, item := range x {
			each(item)
		}
	default:
		each(x)
	}
}

func (p *Param) appendValue(out []Value, v any, typ, target string) []Value {
	row := Value{Param: p.key, Kind: p.Kind}
	switch p.Kind {
	case ParamToken:
		return appendTexts(appendTokens(out, row, v, typ), row, v, typ)
	case ParamString:
		return appendStrings(out, row, v, typ)
	case ParamReference:
		return appendReference(out, row, v, typ, target)
	case ParamDate:
		low, high, ok := dateRange(v, typ)
		if row.Low, row.High = low, high; ok {
			out = append(out, row)
		}
	case ParamQuantity, ParamNumber:
		return appendNumbers(out, row, v)
	case ParamURI:
		if row.Text, _ = v.(string); row.Text != "" {
			out = append(out, row)
		}
	case ParamSpecial:
		return appendPosition(out, row, v)
	}
	return out
}

func appendPosition(out []Value, row Value, v any) []Value {
	at := object(v)
	lat, okLat := at.Num("latitude")
	lon, okLon := at.Num("longitude")
	if !okLat || !okLon {
		return out
	}
	row.Parts = []Value{{Kind: ParamNumber, Min: lat, Max: lat}, {Kind: ParamNumber, Min: lon, Max: lon}}
	return append(out, row)
}

// Below reports whether a composite's parts belong together below an element.
func (p *Param) Below() bool { return p.root != "" }

// maxPairs bounds the rows that one element of a composite makes.
const maxPairs = 64

// appendComposite adds a row for every combination of the parts of one element.
func (p *Param) appendComposite(out []Value, r Resource) []Value {
	if p.root == "" {
		return out
	}
	p.walk(map[string]any(r), []pathStep{{key: p.root}}, func(item any, _ pathStep) {
		o := object(item)
		rows := []Value{{Param: p.key, Kind: ParamComposite}}
		for i, paths := range p.parts {
			var next []Value
			for _, v := range partValues(p.Parts[i], paths, o, r) {
				for _, row := range rows {
					row.Parts = append(row.Parts[:len(row.Parts):len(row.Parts)], v)
					next = append(next, row)
				}
			}
			if rows = next; len(rows) > maxPairs {
				rows = rows[:maxPairs]
			}
		}
		out = append(out, rows...)
	})
	return out
}

func partValues(kind ParamKind, paths []path, element, r Resource) (out []Value) {
	part := &Param{Kind: kind}
	for _, path := range paths {
		from := element
		if path.top {
			from = r
		}
		part.walk(map[string]any(from), path.steps, func(v any, st pathStep) {
			for _, found := range part.appendValue(nil, v, path.typ, st.target) {
				if found.Kind == kind {
					found.Param = ""
					out = append(out, found)
				}
			}
		})
	}
	return out
}

// appendTexts adds what people read beside a code, for ":text", and the type of an identifier, for ":of-type".
func appendTexts(out []Value, row Value, v any, typ string) []Value {
	o, _ := v.(map[string]any)
	text := func(s any) {
		if t, _ := s.(string); t != "" {
			out = append(out, Value{Param: row.Param + SuffixText, Kind: ParamText, Text: t})
		}
	}
	switch typ {
	case "CodeableConcept":
		text(o["text"])
		codings, _ := o["coding"].([]any)
		for _, c := range codings {
			text(object(c)["display"])
		}
	case "Coding":
		text(o["display"])
	case "Identifier":
		concept := object(o["type"])
		text(concept["text"])
		value, _ := o["value"].(string)
		for _, c := range concept.List("coding") {
			if code := c.Str("code"); code != "" && value != "" {
				out = append(out, Value{Param: row.Param + SuffixOfType, Kind: ParamToken, System: c.Str("system"), Code: code + "|" + value})
			}
		}
	}
	return out
}

func appendTokens(out []Value, row Value, v any, typ string) []Value {
	o, _ := v.(map[string]any)
	s := func(key string) string { t, _ := o[key].(string); return t }
	switch typ {
	case "CodeableConcept":
		codings, _ := o["coding"].([]any)
		for _, c := range codings {
			out = appendTokens(out, row, c, "Coding")
		}
		return out
	case "Coding":
		row.System, row.Code = s("system"), s("code")
	case "Identifier":
		row.System, row.Code = s("system"), s("value")
	case "ContactPoint":
		row.Code = s("value")
	case "dateTime": // Patient.deceased: a date of death means true
		row.Code = "true"
	default:
		switch x := v.(type) {
		case string:
			row.Code = x
		case bool:
			row.Code = strconv.FormatBool(x)
		case json.Number:
			row.Code = x.String()
		}
	}
	if row.Code == "" {
		return out
	}
	return append(out, row)
}

func appendStrings(out []Value, row Value, v any, typ string) []Value {
	var keys []string
	switch typ {
	case "HumanName":
		keys = []string{"text", "family", "given", "prefix", "suffix"}
	case "Address":
		keys = []string{"text", "line", "city", "district", "state", "postalCode", "country"}
	case "Annotation":
		keys = []string{"text"}
	case "CodeableConcept":
		keys = []string{"text"}
	}
	if o, ok := v.(map[string]any); ok {
		for _, k := range keys {
			out = appendStrings(out, row, o[k], "string")
		}
		return out
	}
	switch x := v.(type) {
	case string:
		if row.Text = x; x != "" {
			out = append(out, row)
		}
	case []any:
		for _, item := range x {
			out = appendStrings(out, row, item, "string")
		}
	}
	return out
}

func appendReference(out []Value, row Value, v any, typ, target string) []Value {
	if url, ok := v.(string); ok { // canonical, uri
		row.ID = url
		return append(out, row)
	}
	o, _ := v.(map[string]any)
	if id := object(o["identifier"]); id.Str("value") != "" && typ == "Reference" {
		out = append(out, Value{Param: row.Param + SuffixIdentifier, Kind: ParamToken, System: id.Str("system"), Code: id.Str("value")})
	}
	text, _ := o["reference"].(string)
	if typ == "Attachment" {
		text, _ = o["url"].(string)
	}
	ref := ParseReference(text)
	row.Type, row.ID = ref.Type, ref.ID
	if row.ID == "" || target != "" && ref.Type != target {
		return out
	}
	return append(out, row)
}

func appendNumbers(out []Value, row Value, v any) []Value {
	switch x := v.(type) {
	case json.Number:
		f, err := x.Float64()
		if row.Min, row.Max = f, f; err != nil {
			return out
		}
		return append(out, row)
	case map[string]any:
		if low, high := object(x["low"]), object(x["high"]); low != nil || high != nil { // Range
			unit := low
			if unit == nil {
				unit = high
			}
			row.System, row.Code = unit.Str("system"), unitOf(unit)
			var ok bool
			if row.Min, ok = low.Num("value"); !ok {
				row.Min = -math.MaxFloat64
			}
			if row.Max, ok = high.Num("value"); !ok {
				row.Max = math.MaxFloat64
			}
			return append(out, row)
		}
		q := Resource(x)
		f, ok := q.Num("value")
		if !ok {
			return out
		}
		row.Min, row.Max, row.System, row.Code = f, f, q.Str("system"), unitOf(q)
		return append(out, row)
	}
	return out
}

func object(v any) Resource { m, _ := v.(map[string]any); return m }

func unitOf(q Resource) string {
	for _, key := range []string{"code", "currency", "unit"} {
		if s := q.Str(key); s != "" {
			return s
		}
	}
	return ""
}

// PlainCode reports whether every value of a token parameter is a code, boolean or string without a system of its own.
func (p *Param) PlainCode() bool {
	for _, path := range p.paths {
		if !isPrimitive(path.typ) {
			return false
		}
	}
	return p.Kind == ParamToken
}
