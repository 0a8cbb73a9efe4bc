package fhir

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/vigil-health/vigil"
)

// maxDepth bounds nesting; the deepest official example has 14 levels.
const maxDepth = 64

// maxFaults bounds how many faults one answer names.
const maxFaults = 100

// Validate checks structure: known elements, how often they may come, the form of primitives, required codes and the
// types that references may name. It returns every fault with its place ("Observation.component[0].code"), nil when
// there is none. It checks no invariants and no profiles.
func Validate(r Resource) []vigil.Fault {
	v := &validator{}
	v.resource(r, r.Type(), 0)
	return v.faults
}

type validator struct{ faults []vigil.Fault }

func (v *validator) fault(path, format string, args ...any) {
	if len(v.faults) < maxFaults {
		v.faults = append(v.faults, vigil.Fault{Path: path, Msg: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) resource(o map[string]any, path string, depth int) {
	typ, _ := o["resourceType"].(string)
	switch {
	case typ == "":
		v.fault(path, "resourceType is missing")
	case !KnownType(typ):
		v.fault(path, "resource type %q is not known in R4", typ)
	default:
		v.object(o, tables().types[typ], path, depth)
	}
}

func (v *validator) object(o map[string]any, t *structure, path string, depth int) {
	if depth > maxDepth {
		v.fault(path, "nested deeper than %d levels", maxDepth)
		return
	}
	if len(o) == 0 {
		v.fault(path, "an object may not be empty")
	}
	for _, key := range sortedKeys(o) {
		if key == "resourceType" && t.kind == 'R' {
			continue
		}
		v.element(o, t, key, path+"."+key, depth)
	}
	for _, el := range t.elements {
		v.count(o, el, path)
	}
}

// count checks that a required element is there and a choice is there once.
func (v *validator) count(o map[string]any, el *element, path string) {
	if !el.choice {
		if el.required && o[el.name] == nil && o["_"+el.name] == nil {
			v.fault(path+"."+el.name, "is required")
		}
		return
	}
	n := 0
	for _, t := range el.types {
		name := el.name + upper(t.code)
		if o[name] != nil || o["_"+name] != nil {
			n++
		}
	}
	if n > 1 {
		v.fault(path+"."+el.name+"[x]", "may have one type only, %d are given", n)
	}
	if n == 0 && el.required {
		v.fault(path+"."+el.name+"[x]", "is required")
	}
}

func (v *validator) element(o map[string]any, t *structure, key, path string, depth int) {
	name, shadow := strings.CutPrefix(key, "_")
	f, ok := t.fields[name]
	if !ok || shadow && !isPrimitive(f.typ.code) {
		v.fault(path, "is not an element of %s", t.name)
		return
	}
	if shadow {
		f.typ = typeRef{code: "Element"}
		f.el = &element{list: f.el.list}
	}
	value := o[key]
	items, isList := value.([]any)
	switch {
	case f.el.list && !isList:
		v.fault(path, "must be a list")
	case f.el.list && len(items) == 0:
		v.fault(path, "a list may not be empty")
	case f.el.list:
		pair := "_" + name
		if shadow {
			pair = name
		}
		for i, item := range items {
			if item == nil && isPrimitiveList(o[pair], i) {
				continue // the value or the extension stands at this place of the paired list
			}
			v.value(item, f, fmt.Sprintf("%s[%d]", path, i), depth)
		}
	case isList:
		v.fault(path, "may not be a list")
	default:
		v.value(value, f, path, depth)
	}
}

func isPrimitiveList(v any, i int) bool {
	items, _ := v.([]any)
	return i < len(items) && items[i] != nil
}

func (v *validator) value(value any, f field, path string, depth int) {
	code := f.typ.code
	if isPrimitive(code) {
		if msg := checkPrimitive(code, value); msg != "" {
			v.fault(path, "%s", msg)
		} else if s, _ := value.(string); f.el.set != nil && !f.el.set.Holds("", s) {
			v.fault(path, "code %q is not in the required value set (%s)", s, f.el.set.Some())
		}
		return
	}
	o, ok := value.(map[string]any)
	if !ok {
		v.fault(path, "must be an object of type %s", code)
		return
	}
	if code == "Resource" {
		v.resource(o, path, depth+1)
		return
	}
	t := tables().types[code]
	if t == nil {
		return // impossible: the table names only types that it holds
	}
	v.object(o, t, path, depth+1)
	if code == "Reference" {
		v.reference(o, f.typ.targets, path)
	}
}

func (v *validator) reference(o map[string]any, targets []string, path string) {
	s, _ := o["reference"].(string)
	if s == "" || s[0] == '#' || strings.Contains(s, ":") || strings.Contains(s, "?") {
		return
	}
	ref := ParseReference(s)
	switch {
	case ref.Type == "" || !ValidID(ref.ID):
		v.fault(path+".reference", "%q is not a reference like Patient/123, a URL or a URN", s)
	case len(targets) > 0 && !slices.Contains(targets, ref.Type):
		v.fault(path+".reference", "may not refer to a %s, only to %s", ref.Type, strings.Join(targets, ", "))
	}
}

func sortedKeys(o map[string]any) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func isPrimitive(code string) bool { return code[0] >= 'a' && code[0] <= 'z' }

// checkPrimitive returns what is wrong with a value of a primitive type, "" when nothing is.
func checkPrimitive(code string, value any) string {
	switch code {
	case "boolean":
		if _, ok := value.(bool); !ok {
			return "must be true or false"
		}
		return ""
	case "integer", "positiveInt", "unsignedInt", "decimal":
		n, ok := value.(json.Number)
		if !ok {
			return "must be a number"
		}
		return checkNumber(code, n)
	}
	s, ok := value.(string)
	if !ok {
		return "must be a string (" + code + ")"
	}
	return checkText(code, s)
}

func checkNumber(code string, n json.Number) string {
	if code == "decimal" {
		if _, err := n.Float64(); err != nil {
			return "is out of range"
		}
		return ""
	}
	i, err := n.Int64()
	switch {
	case err != nil || i > 1<<31-1 || i < -1<<31:
		return "must be a whole number of 32 bits"
	case code == "positiveInt" && i < 1:
		return "must be 1 or more"
	case code == "unsignedInt" && i < 0:
		return "must not be negative"
	}
	return ""
}

func checkText(code, s string) string {
	if strings.TrimSpace(s) == "" {
		return "may not be empty"
	}
	good := true
	switch code {
	case "id":
		good = ValidID(s)
	case "code":
		good = s == strings.TrimSpace(s) && !strings.Contains(s, "  ") && !strings.ContainsAny(s, "\t\r\n")
	case "uri", "url", "canonical":
		good = !strings.ContainsAny(s, " \t\r\n")
	case "oid":
		good = strings.HasPrefix(s, "urn:oid:")
	case "uuid":
		good = strings.HasPrefix(s, "urn:uuid:")
	case "date":
		_, _, good = DateRange(s)
		good = good && !strings.Contains(s, "T")
	case "dateTime":
		_, _, good = DateRange(s)
		good = good && (!strings.Contains(s, "T") || zoned(s))
	case "instant":
		_, _, good = DateRange(s)
		good = good && len(s) >= 20 && zoned(s)
	case "time":
		_, _, good = DateRange("2000-01-01T" + s)
		good = good && len(s) >= 8 && !zoned("2000-01-01T"+s)
	case "xhtml":
		good = strings.HasPrefix(strings.TrimSpace(s), "<")
	}
	if !good {
		return fmt.Sprintf("%q is not a valid %s", clip(s), code)
	}
	return ""
}

// zoned reports whether a date with a time names seconds and a time zone, as FHIR wants it.
func zoned(s string) bool {
	_, clock, _ := strings.Cut(s, "T")
	return len(clock) > 8 && (strings.HasSuffix(clock, "Z") || strings.ContainsAny(clock, "+-"))
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
