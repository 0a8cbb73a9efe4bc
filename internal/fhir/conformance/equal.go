package conformance

import (
	"encoding/json"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// equalJSON compares two JSON values; numbers by value and precision, as fixed values demand.
func equalJSON(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			w, ok := y[k]
			if !ok || !equalJSON(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !equalJSON(x[i], y[i]) {
				return false
			}
		}
		return true
	case string, bool, json.Number, nil:
		return a == b
	}
	return false
}

// covers reports whether b has all that the pattern a has: each member, and for each item of a list an item that
// covers it.
func covers(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		for k, v := range x {
			if !ok || !covers(v, y[k]) {
				return false
			}
		}
		return ok
	case []any:
		y, _ := b.([]any)
		for _, v := range x {
			found := false
			for _, w := range y {
				if found = covers(v, w); found {
					break
				}
			}
			if !found {
				return false
			}
		}
		return true
	}
	return equalJSON(a, b)
}

// brief writes a fixed value or pattern for a message.
func brief(v any) string {
	s := string(fhir.Encode(fhir.Resource{"v": v}))
	s = strings.TrimSuffix(strings.TrimPrefix(s, `{"v":`), "}")
	if len(s) > 200 {
		return strings.ToValidUTF8(s[:200], "") + "…"
	}
	return s
}
