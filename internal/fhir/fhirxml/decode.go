package fhirxml

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Decode reads one resource. It returns an Invalid error that names every unknown element and unreadable value with its
// place ("Patient.contact[0].nme"), and the line where the XML itself is malformed. Document type declarations are
// refused, entities other than those of XML itself too.
func Decode(b []byte) (fhir.Resource, error) {
	d := &decoder{text: b, x: xml.NewDecoder(bytes.NewReader(b))}
	start, err := d.root()
	if err != nil {
		return nil, d.malformed(err)
	}
	r, err := d.resource(start, start.Name.Local, 0)
	if err == nil {
		err = d.end()
	}
	if err != nil {
		return nil, d.malformed(err)
	}
	if len(d.faults) > 0 {
		e := vigil.Errorf(vigil.Invalid, "fhirxml.decode", "the XML is not a FHIR R4 resource")
		e.Faults = d.faults
		return nil, e
	}
	return r, nil
}

type decoder struct {
	text   []byte
	x      *xml.Decoder
	faults []vigil.Fault
}

func (d *decoder) malformed(err error) error {
	if _, ok := errors.AsType[*vigil.Error](err); ok {
		return err
	}
	line, col := d.x.InputPos()
	return vigil.Errorf(vigil.Invalid, "fhirxml.decode", "not well-formed XML at line %d, column %d: %v", line, col, err)
}

func (d *decoder) fault(path, format string, args ...any) {
	if len(d.faults) < maxFaults {
		d.faults = append(d.faults, vigil.Fault{Path: path, Msg: fmt.Sprintf(format, args...)})
	}
}

// next returns the next start or end tag; text between tags must be blank.
func (d *decoder) next(path string) (xml.Token, error) {
	for {
		t, err := d.x.Token()
		if err != nil {
			return nil, err
		}
		switch x := t.(type) {
		case xml.StartElement:
			return x.Copy(), nil
		case xml.EndElement:
			return x, nil
		case xml.CharData:
			if text := bytes.TrimSpace(x); len(text) > 0 {
				d.fault(path, "text is not allowed here: values stand in the attribute \"value\"")
			}
		case xml.Directive:
			return nil, vigil.Errorf(vigil.Invalid, "fhirxml.decode", "a document type declaration is not allowed")
		}
	}
}

func (d *decoder) root() (xml.StartElement, error) {
	t, err := d.next("")
	if errors.Is(err, io.EOF) {
		return xml.StartElement{}, errors.New("there is no element")
	}
	if err != nil {
		return xml.StartElement{}, err
	}
	return t.(xml.StartElement), nil // an end tag cannot come first: the reader checks nesting
}

// end checks that nothing but comments follows the resource.
func (d *decoder) end() error {
	_, err := d.next("")
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		err = errors.New("something follows the resource")
	}
	return err
}

// resource reads the content of <Type …>, whose start tag was read.
func (d *decoder) resource(start xml.StartElement, path string, depth int) (fhir.Resource, error) {
	typ := start.Name.Local
	if start.Name.Space != nsFHIR {
		return nil, vigil.Errorf(vigil.Invalid, "fhirxml.decode", "%s: the namespace of %s must be %q, not %q", path, typ, nsFHIR, start.Name.Space)
	}
	if !fhir.KnownType(typ) {
		return nil, vigil.Errorf(vigil.Invalid, "fhirxml.decode", "%s: %q is not a resource type of R4", path, typ)
	}
	r := fhir.Resource{"resourceType": typ}
	return r, d.children(r, typ, path, depth)
}

// children reads the elements of an object up to its end tag.
func (d *decoder) children(o map[string]any, typ, path string, depth int) error {
	if depth > maxDepth {
		return vigil.Errorf(vigil.Invalid, "fhirxml.decode", "%s is nested deeper than %d levels", path, maxDepth)
	}
	for {
		t, err := d.next(path)
		if err != nil {
			return err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			return nil
		}
		if err := d.element(o, typ, start, path, depth); err != nil {
			return err
		}
	}
}

func (d *decoder) element(o map[string]any, typ string, start xml.StartElement, path string, depth int) error {
	name := start.Name.Local
	el, ok := fhir.ElementOf(typ, name)
	switch {
	case !ok:
		d.fault(path+"."+name, "is not an element of %s", typ)
		return d.x.Skip()
	case el.Type == "xhtml":
		return d.narrative(o, start, path)
	case start.Name.Space != nsFHIR:
		d.fault(path+"."+name, "has the namespace %q instead of %q", start.Name.Space, nsFHIR)
		return d.x.Skip()
	}
	at := path + "." + name
	items, _ := o[name].([]any)
	if el.List {
		n := len(items)
		if shadow, _ := o["_"+name].([]any); len(shadow) > n {
			n = len(shadow)
		}
		at = fmt.Sprintf("%s[%d]", at, n)
	} else if o[name] != nil || o["_"+name] != nil {
		d.fault(at, "may not be repeated")
		return d.x.Skip()
	}
	value, shadow, err := d.value(el, start, at, depth+1)
	if err != nil {
		return err
	}
	put(o, el, value, shadow)
	return nil
}

// put stores a value and what belongs to it; lists of primitives keep both lists in step with nulls.
func put(o map[string]any, el fhir.Element, value, shadow any) {
	if !el.List {
		if value != nil {
			o[el.Name] = value
		}
		if shadow != nil {
			o["_"+el.Name] = shadow
		}
		return
	}
	items, _ := o[el.Name].([]any)
	pairs, _ := o["_"+el.Name].([]any)
	n := max(len(items), len(pairs))
	if value != nil {
		o[el.Name] = append(fill(items, n), value)
	} else if len(items) > 0 {
		o[el.Name] = append(fill(items, n), nil)
	}
	if shadow != nil {
		o["_"+el.Name] = append(fill(pairs, n), shadow)
	} else if len(pairs) > 0 {
		o["_"+el.Name] = append(fill(pairs, n), nil)
	}
}

func fill(items []any, n int) []any {
	for len(items) < n {
		items = append(items, nil)
	}
	return items
}

// value reads one element up to its end tag. A primitive gives its value, or nil, and its id and extensions, or nil.
func (d *decoder) value(el fhir.Element, start xml.StartElement, path string, depth int) (value, shadow any, err error) {
	if el.Holds() {
		return d.held(path, depth)
	}
	o := map[string]any{}
	var text *string
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "xmlns" || a.Name.Local == "xmlns" || a.Name.Space != "":
		case a.Name.Local == "value" && el.Primitive():
			text = &a.Value
		case a.Name.Local == "id", a.Name.Local == "url" && el.Type == "Extension":
			o[a.Name.Local] = a.Value
		default:
			d.fault(path, "attribute %q is not known here", a.Name.Local)
		}
	}
	typ := el.Type
	if el.Primitive() {
		typ = "Element"
	}
	if err := d.children(o, typ, path, depth); err != nil {
		return nil, nil, err
	}
	if !el.Primitive() {
		return o, nil, nil
	}
	if len(o) > 0 {
		shadow = o
	}
	if text == nil {
		if shadow == nil {
			d.fault(path, "must have a value or an extension")
		}
		return nil, shadow, nil
	}
	value, msg := primitive(el.Type, *text)
	if msg != "" {
		d.fault(path, "%q %s", clip(*text), msg)
	}
	return value, shadow, nil
}

// held reads the one resource inside <contained>, <resource> or <outcome>.
func (d *decoder) held(path string, depth int) (value, shadow any, err error) {
	var r fhir.Resource
	for {
		t, err := d.next(path)
		if err != nil {
			return nil, nil, err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			break
		}
		if r != nil {
			d.fault(path, "may hold one resource only")
		}
		if r, err = d.resource(start, path, depth); err != nil {
			return nil, nil, err
		}
	}
	if r == nil {
		d.fault(path, "must hold a resource")
		return nil, nil, nil
	}
	return map[string]any(r), nil, nil
}

// primitive turns the text of a value attribute into its JSON form; msg says what is wrong with it.
func primitive(typ, text string) (value any, msg string) {
	switch typ {
	case "boolean":
		switch text {
		case "true":
			return true, ""
		case "false":
			return false, ""
		}
		return nil, "must be true or false"
	case "integer", "positiveInt", "unsignedInt", "decimal":
		if n := json.Number(text); json.Valid([]byte(text)) && numeric(text) {
			return n, ""
		}
		return nil, "must be a number"
	}
	return text, ""
}

func numeric(s string) bool { return s != "" && (s[0] == '-' || s[0] >= '0' && s[0] <= '9') }

// narrative keeps the div as it is written.
func (d *decoder) narrative(o map[string]any, start xml.StartElement, path string) error {
	end := d.x.InputOffset()
	begin := bytes.LastIndexByte(d.text[:end], '<')
	if err := d.x.Skip(); err != nil {
		return err
	}
	div := string(d.text[begin:d.x.InputOffset()])
	switch {
	case start.Name.Local != "div" || start.Name.Space != nsXHTML:
		d.fault(path+".div", "must have the namespace %q", nsXHTML)
	case !strings.HasPrefix(div, "<div") || !strings.Contains(div[:strings.IndexByte(div, '>')+1], nsXHTML):
		d.fault(path+".div", "must declare its namespace itself: <div xmlns=%q>", nsXHTML)
	case o["div"] != nil:
		d.fault(path+".div", "may not be repeated")
	}
	o["div"] = div
	return nil
}

func clip(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}
