package fhirpath

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/vigil-health/vigil/internal/fhir"
)

// Kind says what a Value holds.
type Kind uint8

// What a Value can hold.
const (
	None Kind = iota // a primitive element without a value, only with extensions
	Boolean
	Integer
	Decimal
	String
	Date
	DateTime
	Time
	Quantity
	Object   // a resource, datatype or part
	TypeInfo // what type() returns
)

// Value is one item of a collection: a System value, or an element of a resource. It is immutable and may be shared.
type Value struct {
	Kind  Kind
	Type  *fhir.Type     // of an element; nil for a System value
	text  string         // String; Decimal, Date, DateTime and Time as written; unit of a Quantity; name of a TypeInfo
	num   int64          // Boolean, Integer; 1 for a Quantity with a calendar unit
	dec   *apd.Decimal   // Decimal that was computed; value of a Quantity
	obj   map[string]any // Object; of a primitive element its id and extensions
	in    map[string]any // the object that holds the element; nil at the top
	key   string         // its JSON name there
	index int32          // its place in the list; -1 when it stands alone
}

// Place is where an element stands in its document.
type Place struct {
	In    map[string]any // the object that holds it; nil for the top of the document
	Key   string         // its JSON name there
	Index int            // its place in the list; -1 when it stands alone
}

// Place returns where an element stands; the zero Place for values that were computed.
func (v Value) Place() Place { return Place{v.in, v.key, int(v.index)} }

// Object returns the JSON object of a resource, datatype or part; nil for every other value.
func (v Value) Object() map[string]any {
	if v.Kind != Object {
		return nil
	}
	return v.obj
}

// Bool returns a Boolean.
func (v Value) Bool() (value, ok bool) { return v.num != 0, v.Kind == Boolean }

// Int returns an Integer.
func (v Value) Int() (int64, bool) { return v.num, v.Kind == Integer }

// TypeName returns the type with its namespace: "System.Integer", "FHIR.code".
func (v Value) TypeName() string {
	if v.Type == nil {
		return "System." + v.Kind.String()
	}
	t := v.Type
	for t.Kind() == fhir.KindPart && t.Base() != nil {
		t = t.Base()
	}
	return "FHIR." + t.Name()
}

// String returns the name of the System type.
func (k Kind) String() string {
	return [...]string{"Any", "Boolean", "Integer", "Decimal", "String", "Date", "DateTime", "Time", "Quantity", "Object", "TypeInfo"}[k]
}

// String returns the value as toString() does, and JSON for an object.
func (v Value) String() string {
	switch v.Kind {
	case Boolean:
		return strconv.FormatBool(v.num != 0)
	case Integer:
		return strconv.FormatInt(v.num, 10)
	case Decimal:
		if v.dec != nil {
			return v.dec.Text('f')
		}
	case Quantity:
		return v.quantity().String()
	case Object:
		if q, ok := v.asQuantity(); ok {
			return q.String()
		}
		return string(fhir.Encode(v.obj))
	case None:
		return ""
	}
	return v.text
}

// JSON returns the value as it stands in a resource: string, json.Number, bool or map.
func (v Value) JSON() any {
	switch v.Kind {
	case Boolean:
		return v.num != 0
	case Integer, Decimal:
		return json.Number(v.String())
	case Object:
		return v.obj
	case None:
		return nil
	case Quantity:
		q := v.quantity()
		return map[string]any{"value": json.Number(q.value.Text('f')), "unit": q.unit, "system": ucumSystem, "code": q.ucum()}
	}
	return v.text
}

func booleanOf(b bool) Value {
	if b {
		return Value{Kind: Boolean, num: 1}
	}
	return Value{Kind: Boolean}
}

func integerOf(n int64) Value { return Value{Kind: Integer, num: n} }

func stringOf(s string) Value { return Value{Kind: String, text: s} }

func decimalOf(d *apd.Decimal) Value { return Value{Kind: Decimal, dec: d} }

// numberOf reads an Integer or a Decimal.
func numberOf(text string) (Value, bool) {
	if !strings.ContainsAny(text, ".eE") {
		if n, err := strconv.ParseInt(text, 10, 32); err == nil {
			return integerOf(n), true
		}
	}
	d, ok := parseDecimal(text)
	return decimalOf(d), ok
}

// Node returns a resource, or a value of a known type out of one, as the start of an evaluation.
func Node(value any, typ *fhir.Type) Value {
	return element(value, nil, typ, Value{index: -1})
}

// NodeWith returns a primitive element with its id and extensions, the object that stands under "_name".
func NodeWith(value, shadow any, typ *fhir.Type) Value {
	return element(value, shadow, typ, Value{index: -1})
}

// Members returns the values of one element of v, by its name in FHIRPath.
func (v Value) Members(name string) []Value { return v.member(name, nil) }

// Root returns a resource as the start of an evaluation.
func Root(r fhir.Resource) Value { return Node(map[string]any(r), nil) }

// object returns a JSON object however it was built.
func object(v any) (map[string]any, bool) {
	switch o := v.(type) {
	case map[string]any:
		return o, true
	case fhir.Resource:
		return o, true
	}
	return nil, false
}

// element returns a JSON value with its extensions as an element; at brings its place.
func element(value, shadow any, typ *fhir.Type, at Value) Value {
	at.Type = typ
	if o, ok := object(value); ok {
		at.Kind, at.obj = Object, o
		if name, _ := o["resourceType"].(string); name != "" && (typ == nil || typ.Kind() == fhir.KindAbstract) {
			if t := fhir.TypeOf(name); t != nil {
				at.Type = t
			}
		}
		return at
	}
	at.obj, _ = object(shadow)
	switch x := value.(type) {
	case bool:
		at.Kind = Boolean
		if x {
			at.num = 1
		}
	case string:
		at.Kind, at.text = textKind(typ), x
	case json.Number:
		at.setNumber(string(x))
	}
	return at
}

func (v *Value) setNumber(text string) {
	v.Kind, v.text = Decimal, text
	if v.Type != nil && v.Type.Name() == "decimal" {
		return
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		v.Kind, v.num = Integer, n
	}
}

func textKind(typ *fhir.Type) Kind {
	if typ == nil {
		return String
	}
	switch typ.Name() {
	case "date":
		return Date
	case "dateTime", "instant":
		return DateTime
	case "time":
		return Time
	}
	return String
}

// member appends the values of an element of v, by its name in FHIRPath.
func (v *Value) member(name string, out []Value) []Value {
	switch v.Kind {
	case Object:
		if v.Type == nil {
			return appendValues(out, v.obj, fhir.Form{Key: name})
		}
		m := v.Type.Member(name)
		if m == nil {
			return out
		}
		for i := range m.Forms {
			out = appendValues(out, v.obj, m.Forms[i])
		}
		return out
	case TypeInfo:
		namespace, local, _ := strings.Cut(v.text, ".")
		switch name {
		case "namespace":
			return append(out, stringOf(namespace))
		case "name":
			return append(out, stringOf(local))
		}
		return out
	case Quantity:
		switch q := v.quantity(); name {
		case "value":
			return append(out, decimalOf(q.value))
		case "unit", "code":
			return append(out, stringOf(q.unit))
		}
		return out
	}
	if v.obj != nil { // a primitive has only these two
		switch name {
		case "extension":
			return appendValues(out, v.obj, fhir.Form{Key: name, Type: fhir.TypeOf("Extension")})
		case "id":
			return appendValues(out, v.obj, fhir.Form{Key: name, Type: fhir.TypeOf("string")})
		}
	}
	return out
}

// appendValues appends what an object holds under one JSON name.
func appendValues(out []Value, o map[string]any, f fhir.Form) []Value {
	value := o[f.Key]
	var shadow any
	if f.Shadow != "" {
		shadow = o[f.Shadow]
	}
	if value == nil && shadow == nil {
		return out
	}
	at := Value{in: o, key: f.Key, index: -1}
	switch items := value.(type) {
	case []any:
		shadows, _ := shadow.([]any)
		return appendItems(out, items, shadows, f.Type, at)
	case []fhir.Resource:
		for i, item := range items {
			at.index = int32(i)
			out = append(out, element(map[string]any(item), nil, f.Type, at))
		}
		return out
	case nil:
		if shadows, ok := shadow.([]any); ok {
			return appendItems(out, nil, shadows, f.Type, at)
		}
	}
	return append(out, element(value, shadow, f.Type, at))
}

func appendItems(out []Value, items, shadows []any, typ *fhir.Type, at Value) []Value {
	for i := range max(len(items), len(shadows)) {
		var value, shadow any
		if i < len(items) {
			value = items[i]
		}
		if i < len(shadows) {
			shadow = shadows[i]
		}
		if value == nil && shadow == nil {
			continue
		}
		at.index = int32(i)
		out = append(out, element(value, shadow, typ, at))
	}
	return out
}

// children appends every element of v.
func (v *Value) children(out []Value) []Value {
	if v.Kind != Object || v.Type == nil {
		if v.Kind != Object && v.obj != nil {
			return v.member("extension", v.member("id", out))
		}
		return out
	}
	for m := range v.Type.Members {
		out = v.member(m.Name, out)
	}
	return out
}
