package fhirxml

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Encode writes a resource with its elements in the order of their definitions. It returns an Invalid error for a
// resource of an unknown type, with unknown elements or with a narrative that is not well-formed XHTML.
func Encode(r fhir.Resource) ([]byte, error) {
	e := &encoder{}
	e.b.WriteString(xml.Header)
	if err := e.resource(r, ` xmlns="`+nsFHIR+`"`, 0); err != nil {
		return nil, err
	}
	return e.b.Bytes(), nil
}

type encoder struct{ b bytes.Buffer }

func invalid(path, format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "fhirxml.encode", path+" "+format, args...)
}

func (e *encoder) resource(r map[string]any, attrs string, depth int) error {
	typ, _ := r["resourceType"].(string)
	if !fhir.KnownType(typ) {
		return invalid(typ, "is not a resource type of R4")
	}
	e.b.WriteString("<" + typ + attrs + ">")
	if err := e.children(r, typ, typ, depth); err != nil {
		return err
	}
	e.b.WriteString("</" + typ + ">")
	return nil
}

// children writes the elements of an object; attributes of parts are written by their start tag.
func (e *encoder) children(o map[string]any, typ, path string, depth int) error {
	if depth > maxDepth {
		return invalid(path, "is nested deeper than %d levels", maxDepth)
	}
	written := 0
	for _, el := range fhir.Elements(typ) {
		value, ok := o[el.Name]
		shadow, paired := o["_"+el.Name]
		if !ok && !paired {
			continue
		}
		if ok {
			written++
		}
		if paired {
			written++
		}
		if isAttribute(typ, el.Name) {
			continue
		}
		if err := e.element(el, value, shadow, path+"."+el.Name, depth); err != nil {
			return err
		}
	}
	if _, ok := o["resourceType"]; ok && fhir.KnownType(typ) {
		written++
	}
	if written < len(o) {
		return invalid(path, "has elements that %s does not have", typ)
	}
	return nil
}

// isAttribute reports whether an element is an XML attribute: the id of an element and the url of an extension.
func isAttribute(typ, name string) bool {
	return name == "id" && !fhir.KnownType(typ) || name == "url" && typ == "Extension"
}

func (e *encoder) element(el fhir.Element, value, shadow any, path string, depth int) error {
	if !el.List {
		return e.one(el, value, shadow, path, depth)
	}
	values, pairs := list(value), list(shadow)
	for i := range max(len(values), len(pairs)) {
		if err := e.one(el, index(values, i), index(pairs, i), path, depth); err != nil {
			return err
		}
	}
	return nil
}

func list(v any) []any {
	switch x := v.(type) {
	case nil:
		return nil
	case []any:
		return x
	case []fhir.Resource:
		return boxed(x)
	case []map[string]any:
		return boxed(x)
	case []string:
		return boxed(x)
	}
	return []any{v}
}

func boxed[T any](items []T) []any {
	out := make([]any, len(items))
	for i, it := range items {
		out[i] = it
	}
	return out
}

func index(items []any, i int) any {
	if i < len(items) {
		return items[i]
	}
	return nil
}

func (e *encoder) one(el fhir.Element, value, shadow any, path string, depth int) error {
	if el.Type == "xhtml" {
		s, _ := value.(string)
		return e.narrative(s, path)
	}
	if el.Primitive() {
		return e.primitive(el, value, shadow, path, depth)
	}
	o, ok := object(value)
	if !ok {
		return invalid(path, "is not an object")
	}
	if el.Holds() {
		e.b.WriteString("<" + el.Name + ">")
		if err := e.resource(o, "", depth+1); err != nil {
			return err
		}
	} else {
		e.open(el.Name, el.Type, o, nil)
		if err := e.children(o, el.Type, path, depth+1); err != nil {
			return err
		}
	}
	e.b.WriteString("</" + el.Name + ">")
	return nil
}

func object(v any) (map[string]any, bool) {
	switch x := v.(type) {
	case map[string]any:
		return x, true
	case fhir.Resource:
		return x, true
	case fhir.Raw:
		r, err := fhir.Parse(x)
		return r, err == nil
	}
	return nil, false
}

func (e *encoder) primitive(el fhir.Element, value, shadow any, path string, depth int) error {
	o, _ := object(shadow)
	var text *string
	switch x := value.(type) {
	case string:
		text = &x
	case json.Number:
		s := x.String()
		text = &s
	case bool:
		s := "false"
		if x {
			s = "true"
		}
		text = &s
	case int:
		s := strconv.Itoa(x)
		text = &s
	}
	if text == nil && o == nil {
		return nil
	}
	e.open(el.Name, "Element", o, text)
	if o["extension"] == nil && (len(o) == 0 || len(o) == 1 && o["id"] != nil) {
		e.b.Truncate(e.b.Len() - len(">"))
		e.b.WriteString("/>")
		return nil
	}
	if err := e.children(o, "Element", path, depth+1); err != nil {
		return err
	}
	e.b.WriteString("</" + el.Name + ">")
	return nil
}

// open writes a start tag with the attributes of its object.
func (e *encoder) open(name, typ string, o map[string]any, value *string) {
	e.b.WriteString("<" + name)
	for _, key := range []string{"id", "url"} {
		if s, ok := o[key].(string); ok && isAttribute(typ, key) {
			e.attr(key, s)
		}
	}
	if value != nil {
		e.attr("value", *value)
	}
	e.b.WriteString(">")
}

func (e *encoder) attr(name, value string) {
	e.b.WriteString(" " + name + `="`)
	xml.EscapeText(&e.b, []byte(value)) //nolint:errcheck // a buffer takes everything
	e.b.WriteString(`"`)
}

// narrative copies a div that is well-formed; named entities of HTML become numeric ones, which XML knows.
func (e *encoder) narrative(div, path string) error {
	div = numericEntities(strings.TrimSpace(div))
	x := xml.NewDecoder(strings.NewReader(div))
	depth, started := 0, false
	for {
		t, err := x.Token()
		if errors.Is(err, io.EOF) && started {
			break
		}
		if err != nil {
			return invalid(path, "is not well-formed XHTML: %v", err)
		}
		switch tag := t.(type) {
		case xml.StartElement:
			if depth == 0 && (started || tag.Name.Local != "div" || tag.Name.Space != nsXHTML) {
				return invalid(path, "must be one <div xmlns=%q>", nsXHTML)
			}
			depth, started = depth+1, true
		case xml.EndElement:
			depth--
		case xml.Directive, xml.ProcInst:
			return invalid(path, "may not hold declarations")
		default:
			if depth == 0 {
				return invalid(path, "must be one <div xmlns=%q>", nsXHTML)
			}
		}
	}
	e.b.WriteString(div)
	return nil
}

func numericEntities(s string) string {
	if !strings.Contains(s, "&") {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "&")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		name, rest, ok := strings.Cut(after, ";")
		if text, known := xml.HTMLEntity[name]; ok && known && !basicEntity(name) {
			b.WriteString(text)
			s = rest
			continue
		}
		b.WriteString("&")
		s = after
	}
}

func basicEntity(name string) bool {
	return name == "amp" || name == "lt" || name == "gt" || name == "quot" || name == "apos"
}
