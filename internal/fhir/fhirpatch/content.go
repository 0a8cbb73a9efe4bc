package fhirpatch

import (
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// content is the value of an operation: a value[x], a resource, or the parts of a type that value[x] cannot hold.
type content struct {
	typ   string // "string", "HumanName", "Patient"; "" for parts
	value any
	shade any // id and extensions of a primitive
	parts []part
}

type part struct {
	name  string
	value *content
}

// read takes the value out of a parameter or part.
func read(p fhir.Resource) (*content, error) { return readAt(p, 0) }

func readAt(p fhir.Resource, depth int) (*content, error) {
	if depth > 32 {
		return nil, fault("a value is nested deeper than 32 levels")
	}
	if res, ok := p["resource"].(map[string]any); ok {
		return &content{typ: fhir.Resource(res).Type(), value: map[string]any(fhir.Normal(res))}, nil
	}
	var c *content
	for key, v := range p {
		name, isShade := strings.CutPrefix(key, "_")
		suffix, ok := strings.CutPrefix(name, "value")
		if !ok || suffix == "" {
			continue
		}
		_, f := fhir.TypeOf("Parameters.parameter").Field(name)
		if f == nil {
			return nil, fault("%.40q is no value", key)
		}
		if c != nil && c.typ != f.Type.Name() {
			return nil, fault("a value has one type only")
		}
		if c == nil {
			c = &content{typ: f.Type.Name()}
		}
		if isShade {
			c.shade = clone(v)
		} else {
			c.value = clone(v)
		}
	}
	if c != nil {
		return c, nil
	}
	c = &content{}
	for _, q := range p.List("part") {
		v, err := readAt(q, depth+1)
		if err != nil {
			return nil, err
		}
		c.parts = append(c.parts, part{q.Str("name"), v})
	}
	if len(c.parts) == 0 {
		return nil, fault("%.40q has no value", p.Str("name"))
	}
	return c, nil
}

// clone copies a value, so that two operations never share one.
func clone(v any) any { return fhir.Normal(fhir.Resource{"v": v})["v"] }

// fits reports whether the content can stand for a type. Codes and the like may be sent as strings, which is what
// value[x] has for them.
func (c *content) fits(t *fhir.Type) bool {
	if c == nil {
		return false
	}
	if c.typ == "" {
		return !t.Primitive()
	}
	given := fhir.TypeOf(c.typ)
	switch {
	case given == nil:
		return false
	case given.Is(t):
		return true
	case given.Primitive() && t.Primitive():
		return textual(given) && textual(t) || given.Name() == "integer" && (t.Base() == given || t.Name() == "decimal")
	}
	return false
}

func textual(t *fhir.Type) bool {
	switch t.Name() {
	case "boolean", "integer", "positiveInt", "unsignedInt", "decimal":
		return false
	}
	return t.Primitive()
}

// build returns the value as JSON for a type, and the object with its id and extensions.
func (c *content) build(t *fhir.Type) (value, shade any, err error) {
	if c.typ != "" {
		if t.Primitive() {
			return clone(c.value), clone(c.shade), nil
		}
		return clone(c.value), nil, nil
	}
	out := map[string]any{}
	for _, p := range c.parts {
		op := operation{path: t.Name(), value: p.value}
		m, key, typ, err := op.element(t, p.name)
		if err != nil {
			return nil, nil, err
		}
		if m.List {
			err = op.insert(out, key, typ, length(out, key))
		} else {
			err = op.set(out, key, typ)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return out, nil, nil
}
