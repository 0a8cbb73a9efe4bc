package fhirpath

import (
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// fhirFunctions are those that FHIR adds.
var fhirFunctions = map[string]function{
	"extension":  {1, 1, extension},
	"hasValue":   {0, 0, hasValue},
	"getValue":   {0, 0, getValue},
	"resolve":    {0, 0, resolve},
	"memberOf":   {1, 1, memberOf},
	"conformsTo": {1, 1, conformsTo},
	"htmlChecks": {0, 0, htmlChecks},
}

func extension(st *state, in []Value, args []op) ([]Value, error) {
	url, ok, err := st.text(args[0])
	if err != nil || !ok {
		return nil, err
	}
	mark := len(st.stack)
	for i := range in {
		from := len(st.stack)
		st.stack = in[i].member("extension", st.stack)
		kept := from
		for _, e := range st.stack[from:] {
			if s, _ := e.obj["url"].(string); s == url {
				st.stack[kept] = e
				kept++
			}
		}
		st.stack = st.stack[:kept]
	}
	return st.stack[mark:], nil
}

func hasValue(st *state, in []Value, _ []op) ([]Value, error) {
	return st.bool(len(in) == 1 && in[0].Kind != Object && in[0].Kind != None)
}

func getValue(st *state, in []Value, _ []op) ([]Value, error) {
	if len(in) != 1 || in[0].Kind == Object || in[0].Kind == None {
		return nil, nil
	}
	v := in[0]
	v.Type, v.obj, v.in = nil, nil, nil
	return st.one(v), nil
}

// resolve follows references: to contained resources, and through Env.Resolver to all others. What cannot be found is
// left out.
func resolve(st *state, in []Value, _ []op) ([]Value, error) {
	mark := len(st.stack)
	for i := range in {
		ref := in[i].text
		if in[i].Kind == Object {
			ref, _ = in[i].obj["reference"].(string)
		}
		if err := st.tick(10); err != nil {
			return nil, err
		}
		if ref == "" {
			continue
		}
		if id, ok := strings.CutPrefix(ref, "#"); ok {
			st.pushContained(id)
		} else if st.env.Resolver != nil {
			if r := st.env.Resolver.Resolve(st.ctx, ref); r != nil {
				st.stack = append(st.stack, Root(r))
			}
		}
	}
	return st.stack[mark:], nil
}

func (st *state) pushContained(id string) {
	root := st.env.Root
	if root.Kind == None {
		root = st.resource()[0]
	}
	if id == "" {
		st.stack = append(st.stack, root)
		return
	}
	from := len(st.stack)
	st.stack = root.member("contained", st.stack)
	for _, c := range st.stack[from:] {
		if s, _ := c.obj["id"].(string); s == id {
			st.stack = append(st.stack[:from], c)
			return
		}
	}
	st.stack = st.stack[:from]
}

// memberOf tells whether a code, Coding or CodeableConcept is in a value set; empty when the set is not known.
func memberOf(st *state, in []Value, args []op) ([]Value, error) {
	v, ok, err := singleton(in)
	if err != nil || !ok {
		return nil, err
	}
	set, ok, err := st.text(args[0])
	if err != nil || !ok {
		return nil, err
	}
	codings := []map[string]any{v.obj}
	if v.Kind == String {
		codings = []map[string]any{{"code": v.text}}
	} else if list, ok := v.obj["coding"].([]any); ok {
		codings = nil
		for _, c := range list {
			o, _ := object(c)
			codings = append(codings, o)
		}
	}
	for _, c := range codings {
		system, _ := c["system"].(string)
		code, _ := c["code"].(string)
		in, known := st.holdsCode(set, system, code)
		if !known {
			return nil, nil
		}
		if in {
			return st.bool(true)
		}
	}
	return st.bool(false)
}

func (st *state) holdsCode(set, system, code string) (in, known bool) {
	if st.env.Terminology != nil {
		if in, known = st.env.Terminology.Holds(st.ctx, set, system, code); known {
			return in, known
		}
	}
	if s := fhir.ValueSetOf(set); s != nil {
		return s.Holds(system, code), true
	}
	return false, false
}

const baseProfiles = "http://hl7.org/fhir/StructureDefinition/"

// conformsTo tells whether a value conforms to a profile; the name of a base type asks for the type.
func conformsTo(st *state, in []Value, args []op) ([]Value, error) {
	v, ok, err := singleton(in)
	if err != nil || !ok {
		return nil, err
	}
	url, ok, err := st.text(args[0])
	if err != nil || !ok {
		return nil, err
	}
	if t := fhir.TypeOf(strings.TrimPrefix(url, baseProfiles)); t != nil && strings.HasPrefix(url, baseProfiles) {
		return st.bool(v.Type.Is(t))
	}
	if st.env.Conforms != nil {
		if ok, known := st.env.Conforms(v, url); known {
			return st.bool(ok)
		}
	}
	return nil, failure("the profile %s is not known", url)
}

// htmlChecks tells whether a narrative keeps to the elements and attributes that FHIR allows.
func htmlChecks(st *state, in []Value, _ []op) ([]Value, error) {
	s, ok, err := input(in)
	if err != nil {
		return nil, err
	}
	if err := st.tick(len(s)); err != nil {
		return nil, err
	}
	return st.bool(ok && fhir.CheckNarrative(s) == "")
}
