package conformance

import (
	"strconv"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

func itoa(n int) string { return strconv.Itoa(n) }

// escape writes a key as part of a JSON pointer (RFC 6901).
func escape(key string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(key)
}

// translate turns a path of JSON names, "Observation.component[0].valueQuantity.value", into a FHIRPath expression and
// a JSON pointer. The pointer ends where the document ends: a missing element is named by its parent.
func translate(r fhir.Resource, path string) (expression, pointer string) {
	steps := strings.Split(path, ".")
	t := fhir.TypeOf(r.Type())
	var value any = map[string]any(r)
	expression = steps[0]
	there := true
	for _, s := range steps[1:] {
		key, index, listed := strings.Cut(strings.TrimSuffix(s, "]"), "[")
		if strings.HasSuffix(s, "[x]") {
			key, listed = s, false
		}
		name := strings.TrimSuffix(key, "[x]")
		var next *fhir.Type
		if t != nil {
			m, f := t.Field(strings.TrimPrefix(key, "_"))
			if f != nil {
				name, next = m.Name, f.Type
			}
		}
		expression += "." + name
		o, _ := value.(map[string]any)
		value = o[key]
		if there = there && value != nil; there {
			pointer += "/" + escape(key)
		}
		if listed {
			expression += "[" + index + "]"
			list, _ := value.([]any)
			if i, err := strconv.Atoi(index); err == nil && i < len(list) {
				value = list[i]
				pointer += "/" + index
			}
		}
		if o, ok := value.(map[string]any); ok && next != nil && next.Kind() == fhir.KindAbstract {
			name, _ := o["resourceType"].(string)
			next = fhir.TypeOf(name)
		}
		t = next
	}
	return expression, pointer
}
