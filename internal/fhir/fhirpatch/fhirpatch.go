// Package fhirpatch is FHIRPath Patch (FHIR R4, 3.1.0.5): it changes a resource by a Parameters resource of operations.
//
// It reads and writes no store and validates nothing: whoever stores the result does. Start at Apply.
package fhirpatch

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

// maxOperations bounds one patch.
const maxOperations = 1000

// Apply returns a copy of the resource with every operation of the Parameters done in order. It returns an Invalid
// error that names the operation, counted from 0, when one cannot be done; the resource is never changed.
func Apply(ctx context.Context, r, parameters fhir.Resource) (fhir.Resource, error) {
	if parameters.Type() != "Parameters" {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.patch", "a FHIRPath Patch is a Parameters resource, not a %.40q", parameters.Type())
	}
	list := parameters.List("parameter")
	if len(list) == 0 || len(list) > maxOperations {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.patch", "a FHIRPath Patch has 1 to %d operations, not %d", maxOperations, len(list))
	}
	out := fhir.Normal(r)
	for i, p := range list {
		op, err := parse(p)
		if err == nil {
			err = op.apply(ctx, out)
		}
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.patch", "operation %d: %s", i, vigil.Message(err))
		}
	}
	return out, nil
}

// operation is one change.
type operation struct {
	kind                       string
	path                       string
	name                       string
	value                      *content
	index, source, destination int // -1 when not given
}

func fault(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "", format, args...)
}

func parse(p fhir.Resource) (operation, error) {
	op := operation{index: -1, source: -1, destination: -1}
	if p.Str("name") != "operation" {
		return op, fault("the parameter is named %.40q, not \"operation\"", p.Str("name"))
	}
	for _, part := range p.List("part") {
		switch name := part.Str("name"); name {
		case "type":
			op.kind = text(part)
		case "path":
			op.path = text(part)
		case "name":
			op.name = text(part)
		case "value":
			c, err := read(part)
			if err != nil {
				return op, err
			}
			op.value = c
		case "index", "source", "destination":
			n, err := strconv.Atoi(part.Str("valueInteger"))
			if err != nil || n < 0 {
				return op, fault("%s must be a valueInteger of 0 or more", name)
			}
			*map[string]*int{"index": &op.index, "source": &op.source, "destination": &op.destination}[name] = n
		default:
			return op, fault("%.40q is no part of an operation", name)
		}
	}
	return op, op.check()
}

// text returns a value of any string type.
func text(part fhir.Resource) string {
	for _, key := range []string{"valueString", "valueCode"} {
		if s := part.Str(key); s != "" {
			return s
		}
	}
	return ""
}

func (op *operation) check() error {
	switch op.kind {
	case "add", "insert", "delete", "replace", "move":
	default:
		return fault("type %.40q is none of add, insert, delete, replace and move", op.kind)
	}
	switch {
	case op.path == "":
		return fault("path is missing")
	case op.kind == "add" && op.name == "":
		return fault("name is missing")
	case (op.kind == "add" || op.kind == "insert" || op.kind == "replace") && op.value == nil:
		return fault("value is missing")
	case op.kind == "insert" && op.index < 0:
		return fault("index is missing")
	case op.kind == "move" && (op.source < 0 || op.destination < 0):
		return fault("source or destination is missing")
	}
	return nil
}

func (op *operation) apply(ctx context.Context, r fhir.Resource) error {
	found, err := op.find(ctx, r, op.path)
	if err != nil {
		return err
	}
	switch op.kind {
	case "insert", "move":
		return op.list(ctx, r, found)
	case "delete":
		if len(found) == 0 {
			return nil // it is gone already
		}
	}
	if len(found) != 1 {
		return fault("%s must name one element, it names %d", op.path, len(found))
	}
	v := found[0]
	if op.kind == "add" {
		return op.add(v)
	}
	if v.Place().In == nil {
		return fault("%s is the resource itself", op.path)
	}
	if op.kind == "delete" {
		remove(v.Place())
		return nil
	}
	return op.replace(ctx, r, v)
}

func (op *operation) find(ctx context.Context, r fhir.Resource, path string) ([]fhirpath.Value, error) {
	e, err := fhirpath.Compile(path)
	if err != nil {
		return nil, fault("path: %s", vigil.Message(err))
	}
	found, err := e.Eval(ctx, nil, fhirpath.Root(r))
	if err != nil {
		return nil, fault("path: %s", vigil.Message(err))
	}
	for _, v := range found {
		if v.Type == nil {
			return nil, fault("%s gives a value, not an element", path)
		}
	}
	return found, nil
}

// add appends a value to a list of the element that path names, or sets an element that is not there yet.
func (op *operation) add(v fhirpath.Value) error {
	in, typ := v.Object(), v.Type
	if in == nil { // an id or extension of a primitive
		in, typ = shadow(v.Place()), fhir.TypeOf("Element")
	}
	m, key, typ, err := op.element(typ, op.name)
	if err != nil {
		return err
	}
	if m.List {
		n := length(in, key)
		return op.insert(in, key, typ, n)
	}
	for _, f := range m.Forms {
		if in[f.Key] != nil || f.Shadow != "" && in[f.Shadow] != nil {
			return fault("%s.%s is there already; use replace", op.path, op.name)
		}
	}
	return op.set(in, key, typ)
}

// element returns the element of a type that takes the operation's value under a name, its JSON name and its type.
func (op *operation) element(typ *fhir.Type, name string) (*fhir.Member, string, *fhir.Type, error) {
	m := typ.Member(name)
	if m == nil {
		var f *fhir.Form
		if m, f = typ.Field(name); m != nil && op.value.fits(f.Type) {
			return m, f.Key, f.Type, nil
		}
		return nil, "", nil, fault("%s has no element %.40q", typ.Name(), name)
	}
	for _, exact := range []bool{true, false} { // a string is a valueString before it is a valueCode
		for i := range m.Forms {
			if f := &m.Forms[i]; op.value.fits(f.Type) && (!exact || f.Type.Name() == op.value.typ) {
				return m, f.Key, f.Type, nil
			}
		}
	}
	return nil, "", nil, fault("%s.%s cannot be a %s", typ.Name(), name, op.value.typ)
}

func (op *operation) set(in map[string]any, key string, typ *fhir.Type) error {
	value, shade, err := op.value.build(typ)
	if err != nil {
		return err
	}
	put(in, key, value)
	put(in, "_"+key, shade)
	return nil
}

func put(in map[string]any, key string, value any) {
	if value != nil {
		in[key] = value
	}
}

// insert puts the value into a list before place n.
func (op *operation) insert(in map[string]any, key string, typ *fhir.Type, n int) error {
	value, shade, err := op.value.build(typ)
	if err != nil {
		return err
	}
	items, shades := lists(in, key)
	if n > len(items) {
		return fault("index %d is beyond the %d elements of %s", n, len(items), op.path)
	}
	setLists(in, key, slices.Insert(items, n, value), slices.Insert(shades, n, shade))
	return nil
}

// list does the operations on a whole list: insert and move.
func (op *operation) list(ctx context.Context, r fhir.Resource, found []fhirpath.Value) error {
	in, key, typ, err := op.whole(ctx, r, found)
	if err != nil {
		return err
	}
	if op.kind == "insert" {
		return op.insert(in, key, typ, op.index)
	}
	items, shades := lists(in, key)
	if n := len(items); op.source >= n || op.destination >= n {
		return fault("source %d and destination %d must be below the %d elements of %s", op.source, op.destination, n, op.path)
	}
	item, shade := items[op.source], shades[op.source]
	items = slices.Insert(slices.Delete(items, op.source, op.source+1), op.destination, item)
	shades = slices.Insert(slices.Delete(shades, op.source, op.source+1), op.destination, shade)
	setLists(in, key, items, shades)
	return nil
}

// whole returns the one list that a path names, found or still empty.
func (op *operation) whole(ctx context.Context, r fhir.Resource, found []fhirpath.Value) (map[string]any, string, *fhir.Type, error) {
	for i, v := range found {
		at := v.Place()
		if at.In == nil || at.Index != i || i > 0 && at.Key != found[0].Place().Key || !same(at.In, found[0].Place().In) || length(at.In, at.Key) != len(found) {
			return nil, "", nil, fault("%s must name one whole list", op.path)
		}
	}
	if len(found) > 0 {
		at := found[0].Place()
		if op.value != nil && !op.value.fits(found[0].Type) {
			return nil, "", nil, fault("%s cannot be a %s", op.path, op.value.typ)
		}
		return at.In, at.Key, found[0].Type, nil
	}
	i := strings.LastIndexByte(op.path, '.')
	if op.kind != "insert" || i < 0 {
		return nil, "", nil, fault("%s names nothing", op.path)
	}
	parent, err := op.find(ctx, r, op.path[:i])
	if err != nil || len(parent) != 1 || parent[0].Object() == nil {
		return nil, "", nil, fault("%s names nothing", op.path)
	}
	m, key, typ, err := op.element(parent[0].Type, strings.Trim(op.path[i+1:], "`"))
	if err == nil && !m.List {
		err = fault("%s is no list", op.path)
	}
	return parent[0].Object(), key, typ, err
}

// same reports whether two maps are one: a mark set in one shows in the other.
func same(a, b map[string]any) bool {
	const mark = "\x00"
	a[mark] = true
	_, ok := b[mark]
	delete(a, mark)
	return ok
}

// replace puts a value in the place of an element; a choice may change its type.
func (op *operation) replace(ctx context.Context, r fhir.Resource, v fhirpath.Value) error {
	at := v.Place()
	typ, key := v.Type, at.Key
	if at.Index < 0 && !op.value.fits(typ) { // perhaps another type of a choice
		owner, err := op.owner(ctx, r, at.In)
		if err != nil {
			return err
		}
		m, _ := owner.Field(at.Key)
		if m == nil {
			return fault("%s cannot be a %s", op.path, op.value.typ)
		}
		if _, key, typ, err = op.element(owner, m.Name); err != nil {
			return err
		}
	}
	if !op.value.fits(typ) {
		return fault("%s is a %s and cannot be a %s", op.path, typ.Name(), op.value.typ)
	}
	if at.Index < 0 {
		delete(at.In, at.Key)
		delete(at.In, "_"+at.Key)
		return op.set(at.In, key, typ)
	}
	value, shade, err := op.value.build(typ)
	if err != nil {
		return err
	}
	items, shades := lists(at.In, at.Key)
	items[at.Index], shades[at.Index] = value, shade
	setLists(at.In, at.Key, items, shades)
	return nil
}

// owner returns the type of the object that holds an element.
func (op *operation) owner(ctx context.Context, r fhir.Resource, in map[string]any) (*fhir.Type, error) {
	all, err := op.find(ctx, r, "$this | descendants()")
	if err != nil {
		return nil, err
	}
	for _, v := range all {
		if o := v.Object(); o != nil && same(o, in) {
			return v.Type, nil
		}
	}
	return nil, fault("%s cannot be a %s", op.path, op.value.typ)
}

// remove takes an element out of its object or list.
func remove(at fhirpath.Place) {
	if at.Index < 0 {
		delete(at.In, at.Key)
		delete(at.In, "_"+at.Key)
		return
	}
	items, shades := lists(at.In, at.Key)
	setLists(at.In, at.Key, slices.Delete(items, at.Index, at.Index+1), slices.Delete(shades, at.Index, at.Index+1))
}

// lists returns copies of a list and of the list of its extensions, equally long.
func lists(in map[string]any, key string) (items, shades []any) {
	items, _ = in[key].([]any)
	shades, _ = in["_"+key].([]any)
	n := max(len(items), len(shades))
	items, shades = slices.Clone(items), slices.Clone(shades)
	for len(items) < n {
		items = append(items, nil)
	}
	for len(shades) < n {
		shades = append(shades, nil)
	}
	return items, shades
}

func length(in map[string]any, key string) int {
	items, _ := lists(in, key)
	return len(items)
}

// setLists writes both lists back; one that holds nothing is left out.
func setLists(in map[string]any, key string, items, shades []any) {
	set := func(key string, list []any) {
		delete(in, key)
		if slices.ContainsFunc(list, func(v any) bool { return v != nil }) {
			in[key] = list
		}
	}
	set(key, items)
	set("_"+key, shades)
}

// shadow returns the object with the id and extensions of a primitive, made where there is none.
func shadow(at fhirpath.Place) map[string]any {
	if at.Index < 0 {
		o, ok := at.In["_"+at.Key].(map[string]any)
		if !ok {
			o = map[string]any{}
			at.In["_"+at.Key] = o
		}
		return o
	}
	items, shades := lists(at.In, at.Key)
	o, ok := shades[at.Index].(map[string]any)
	if !ok {
		o = map[string]any{}
		shades[at.Index] = o
	}
	setLists(at.In, at.Key, items, shades)
	return o
}
