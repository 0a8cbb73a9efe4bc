// Package fhir is the FHIR R4 language: resources as JSON, metadata tables, validation and search parameters.
//
// It knows no HTTP and no SQL. Start at Resource.
package fhir

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
)

// Resource is one FHIR resource, or a part of one, as its decoded JSON object. Decimals stay json.Number, so that
// 1.50 keeps its zero. It is not safe for concurrent writes.
type Resource map[string]any

// Parse decodes one JSON object, keeping decimals as written. It returns an Invalid error for anything else.
func Parse(b []byte) (Resource, error) {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var r map[string]any
	if err := dec.Decode(&r); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.parse", "not a JSON object: %v", err)
	}
	if r == nil || dec.More() {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.parse", "not one JSON object")
	}
	return r, nil
}

// Type returns the resourceType.
func (r Resource) Type() string { return r.Str("resourceType") }

// ID returns the logical id.
func (r Resource) ID() string { return r.Str("id") }

// Get returns the value at a dotted path, list items by index: "name.0.family". Nil when absent.
func (r Resource) Get(path string) any {
	var v any = map[string]any(r)
	for key := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[key]
		case Resource:
			v = x[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// Str returns the string or number at a path, "" when absent.
func (r Resource) Str(path string) string {
	switch v := r.Get(path).(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

// Num returns the number at a path, and false when there is none.
func (r Resource) Num(path string) (float64, bool) {
	switch v := r.Get(path).(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case float64:
		return v, true
	case int:
		return float64(v), true
	}
	return 0, false
}

// List returns the list at a path, each item as a resource; items that are no objects are left out.
func (r Resource) List(path string) []Resource {
	items, _ := r.Get(path).([]any)
	out := make([]Resource, 0, len(items))
	for _, it := range items {
		switch o := it.(type) {
		case map[string]any:
			out = append(out, o)
		case Resource:
			out = append(out, o)
		}
	}
	return out
}
