package fhir

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
)

// maxDepth bounds nesting; the deepest official example has 14 levels.
const maxDepth = 64

// maxFaults bounds how many faults one answer names.
const maxFaults = 100

// Validate checks structure: known elements, how often they may come, the form of primitives, required codes and the
// types that references may name. It returns every fault with its place ("Observation.component[0].code"), nil when
// there is none. It checks no invariants and no profiles: package conformance does.
func Validate(r Resource) []vigil.Fault {
	var out []vigil.Fault
	for _, p := range Problems(r) {
		out = append(out, vigil.Fault{Path: p.Path, Msg: p.Msg})
	}
	return out
}

// Problem is one fault of structure.
type Problem struct {
	Path string // by JSON names: "Observation.component[0].valueQuantity.value"
	Code string // an IssueType: structure, required, value, code-invalid, too-costly
	Msg  string
}

// The kinds of structural fault, words of the value set issue-type.
const (
	codeStructure = "structure"
	codeRequired  = "required"
	codeValue     = "value"
	codeInvalid   = "code-invalid"
)

// Problems is Validate with the kind of each fault.
func Problems(r Resource) []Problem {
	v := &validator{root: r}
	v.resource(r, r.Type(), 0)
	return v.faults
}

type validator struct {
	root   Resource
	faults []Problem
}

func (v *validator) fault(code, path, format string, args ...any) {
	if len(v.faults) < maxFaults {
		v.faults = append(v.faults, Problem{Path: path, Code: code, Msg: fmt.Sprintf(format, args...)})
	}
}

func (v *validator) resource(o map[string]any, path string, depth int) {
	typ, _ := o["resourceType"].(string)
	switch {
	case typ == "":
		v.fault(codeStructure, path, "resourceType is missing")
	case !KnownType(typ):
		v.fault(codeStructure, path, "resource type %q is not known in R4", typ)
	default:
		v.object(o, tables().types[typ], path, depth)
	}
}

func (v *validator) object(o map[string]any, t *structure, path string, depth int) {
	if depth > maxDepth {
		v.fault("too-costly", path, "nested deeper than %d levels", maxDepth)
		return
	}
	if len(o) == 0 {
		v.fault(codeStructure, path, "an object may not be empty")
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
			v.fault(codeRequired, path+"."+el.name, "is required")
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
		v.fault(codeStructure, path+"."+el.name+"[x]", "may have one type only, %d are given", n)
	}
	if n == 0 && el.required {
		v.fault(codeRequired, path+"."+el.name+"[x]", "is required")
	}
}

func (v *validator) element(o map[string]any, t *structure, key, path string, depth int) {
	name, shadow := strings.CutPrefix(key, "_")
	f, ok := t.fields[name]
	if !ok || shadow && !isPrimitive(f.typ.code) {
		v.fault(codeStructure, path, "is not an element of %s", t.name)
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
		v.fault(codeStructure, path, "must be a list")
	case f.el.list && len(items) == 0:
		v.fault(codeStructure, path, "a list may not be empty")
	case f.el.list:
		pair := "_" + name
		if shadow {
			pair = name
		}
		if other, _ := o[pair].([]any); other != nil && len(other) != len(items) && !shadow {
			v.fault(codeStructure, path, "has %d values and %d extensions: the lists must be equally long, with null in the gaps", len(items), len(other))
		}
		for i, item := range items {
			if item == nil && isPrimitiveList(o[pair], i) {
				continue // the value or the extension stands at this place of the paired list
			}
			v.value(item, f, path+"["+strconv.Itoa(i)+"]", depth)
		}
	case isList:
		v.fault(codeStructure, path, "may not be a list")
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
			v.fault(codeValue, path, "%s", msg)
		} else if s, _ := value.(string); f.el.set != nil && !f.el.set.Holds("", s) {
			v.fault(codeInvalid, path, "code %q is not in the required value set (%s)", s, f.el.set.Some())
		}
		return
	}
	o, ok := value.(map[string]any)
	if !ok {
		v.fault(codeStructure, path, "must be an object of type %s", code)
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
	switch {
	case code == "Reference":
		v.reference(o, f.typ.targets, path)
	case f.el.set != nil && code == "Coding":
		v.binding([]any{o}, f.el.set, path)
	case f.el.set != nil && code == "CodeableConcept":
		codings, _ := o["coding"].([]any)
		v.binding(codings, f.el.set, path)
	}
}

// binding checks that one of the codings is in the required value set.
func (v *validator) binding(codings []any, set *ValueSet, path string) {
	for _, item := range codings {
		c, _ := item.(map[string]any)
		system, _ := c["system"].(string)
		if code, _ := c["code"].(string); system != "" && set.Holds(system, code) {
			return
		}
	}
	v.fault(codeInvalid, path, "has no code of the required value set %s (%s)", set.Name, set.Some())
}

func (v *validator) reference(o map[string]any, targets []string, path string) {
	s, _ := o["reference"].(string)
	if id, ok := strings.CutPrefix(s, "#"); ok && id != "" && len(targets) > 0 {
		for _, c := range v.root.List("contained") {
			if c.ID() == id && !slices.Contains(targets, c.Type()) {
				v.fault(codeValue, path+".reference", "may not refer to a %s, only to %s", c.Type(), strings.Join(targets, ", "))
			}
		}
	}
	if s == "" || s[0] == '#' || strings.Contains(s, ":") || strings.Contains(s, "?") {
		return
	}
	ref := ParseReference(s)
	switch {
	case ref.Type == "" || !ValidID(ref.ID):
		v.fault(codeValue, path+".reference", "%q is not a reference like Patient/123, a URL or a URN", s)
	case len(targets) > 0 && !slices.Contains(targets, ref.Type):
		v.fault(codeValue, path+".reference", "may not refer to a %s, only to %s", ref.Type, strings.Join(targets, ", "))
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
