package fhir

import (
	"encoding/json"
	"strconv"
	"time"
)

// New returns an empty resource of the type; id may be "" for one that the store shall name.
func New(typ, id string) Resource {
	r := Resource{"resourceType": typ}
	if id != "" {
		r["id"] = id
	}
	return r
}

// With sets a top-level element and returns the resource, so that resources can be written in one expression.
func (r Resource) With(key string, value any) Resource {
	r[key] = value
	return r
}

// Ref returns "Type/id".
func (r Resource) Ref() string { return r.Type() + "/" + r.ID() }

// Coding returns a Coding; display may be "".
func Coding(system, code, display string) Resource {
	c := Resource{"code": code}
	if system != "" {
		c["system"] = system
	}
	if display != "" {
		c["display"] = display
	}
	return c
}

// Concept returns a CodeableConcept with a text, which may be "", and its codings.
func Concept(text string, codings ...Resource) Resource {
	c := Resource{}
	if text != "" {
		c["text"] = text
	}
	if len(codings) > 0 {
		c["coding"] = codings
	}
	return c
}

// Ref returns a Reference to "Type/id"; display may be "".
func Ref(to, display string) Resource {
	r := Resource{"reference": to}
	if display != "" {
		r["display"] = display
	}
	return r
}

// Identifier returns an Identifier.
func Identifier(system, value string) Resource {
	i := Resource{"value": value}
	if system != "" {
		i["system"] = system
	}
	return i
}

// HumanName returns a HumanName with its parts and its text "Family, Given".
func HumanName(family string, given ...string) Resource {
	n := Resource{"family": family}
	text := family
	if len(given) > 0 {
		n["given"] = given
		text += ", " + given[0]
	}
	n["text"] = text
	return n
}

// Quantity returns a Quantity in UCUM; unit is how people write it.
func Quantity(value float64, unit, ucum string) Resource {
	q := Resource{"value": Decimal(value)}
	if unit != "" {
		q["unit"] = unit
	}
	if ucum != "" {
		q["system"], q["code"] = "http://unitsofmeasure.org", ucum
	}
	return q
}

// Period returns a Period; a zero time leaves its side open.
func Period(start, end time.Time) Resource {
	p := Resource{}
	if !start.IsZero() {
		p["start"] = Instant(start)
	}
	if !end.IsZero() {
		p["end"] = Instant(end)
	}
	return p
}

// Instant writes t in UTC with the precision that it has, at most microseconds.
func Instant(t time.Time) string { return t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano) }

// Decimal writes f in the shortest form that keeps its value.
func Decimal(f float64) json.Number {
	return json.Number(strconv.FormatFloat(f, 'f', -1, 64))
}

// Normal returns a deep copy in which every object is a map, every list a []any and every number a json.Number, as
// Parse would make it. Values of other types are dropped.
func Normal(r Resource) Resource {
	n, _ := normal(map[string]any(r)).(map[string]any)
	return n
}

func normal(v any) any {
	switch x := v.(type) {
	case string, bool, json.Number, Raw:
		return x
	case Resource:
		return normal(map[string]any(x))
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, item := range x {
			if n := normal(item); n != nil {
				out[k] = n
			}
		}
		return out
	case []any:
		return normalList(x)
	case []Resource:
		return normalList(x)
	case []map[string]any:
		return normalList(x)
	case []string:
		return normalList(x)
	case int:
		return json.Number(strconv.Itoa(x))
	case int64:
		return json.Number(strconv.FormatInt(x, 10))
	case float64:
		return Decimal(x)
	case time.Time:
		return Instant(x)
	}
	return nil
}

func normalList[T any](items []T) any {
	if items == nil {
		return nil
	}
	out := make([]any, len(items))
	for i, it := range items {
		out[i] = normal(any(it))
	}
	return out
}
