package fhirpath

import (
	"slices"

	"github.com/vigil-health/vigil/internal/fhir"
)

// Check reports what makes no sense in the expression for a node of a type: elements that cannot be there, places in
// an unordered collection, conditions that are no Boolean. Evaluation does not need it; it gives empty results there.
func (e *Expr) Check(typ *fhir.Type) error {
	c := checker{}
	_, err := c.check(e.tree, shapeOf(typ), shapeOf(typ), true)
	return err
}

// shape is what an expression may give.
type shape struct {
	open      bool         // may be anything
	types     []*fhir.Type // elements
	kinds     []Kind       // System values
	unordered bool
}

func shapeOf(t *fhir.Type) shape {
	if t == nil || t.Kind() == fhir.KindAbstract || t.Name() == "Element" || t.Name() == "BackboneElement" {
		return shape{open: true}
	}
	return shape{types: []*fhir.Type{t}}
}

func (s shape) or(t shape) shape {
	s.types = append(slices.Clone(s.types), t.types...)
	s.kinds = append(slices.Clone(s.kinds), t.kinds...)
	s.open, s.unordered = s.open || t.open, false
	return s
}

var (
	anything  = shape{open: true}
	condition = shape{kinds: []Kind{Boolean}}
)

type checker struct{}

// check infers the shape of n; in is its input, this is $this, first tells that n begins a path.
func (c *checker) check(n *node, in, this shape, first bool) (shape, error) {
	switch n.kind {
	case nodeLiteral:
		return shape{kinds: []Kind{n.value.Kind}}, nil
	case nodeEmpty:
		return shape{}, nil
	case nodeThis:
		return this, nil
	case nodeIndex:
		return shape{kinds: []Kind{Integer}}, nil
	case nodeMember:
		return c.member(n, in, first)
	case nodeCall:
		return c.call(n, in, this)
	case nodeDot:
		left, err := c.check(n.args[0], in, this, first)
		if err != nil {
			return shape{}, err
		}
		return c.check(n.args[1], left, this, false)
	case nodeItem:
		list, err := c.check(n.args[0], in, this, first)
		if err == nil && list.unordered {
			err = syntax(n.pos, "an unordered collection has no places")
		}
		return list, err
	case nodeType:
		if _, err := c.check(n.args[0], this, this, true); err != nil || n.name == "is" {
			return condition, err
		}
		return c.typed(n.typ, n.pos)
	case nodeUnary, nodeBinary:
		return c.operator(n, this)
	}
	return anything, nil
}

func (c *checker) typed(name string, pos int) (shape, error) {
	t, err := parseType(name, pos)
	if err != nil || t.fhir == nil {
		return shape{kinds: []Kind{t.system}}, err
	}
	return shapeOf(t.fhir), nil
}

func (c *checker) operator(n *node, this shape) (shape, error) {
	var shapes [2]shape
	for i, a := range n.args {
		var err error
		if shapes[i], err = c.check(a, this, this, true); err != nil {
			return shape{}, err
		}
	}
	switch n.name {
	case "|":
		return shapes[0].or(shapes[1]), nil
	case "+", "-", "*", "/", "div", "mod", "&":
		return anything, nil
	}
	return condition, nil
}

func (c *checker) member(n *node, in shape, first bool) (shape, error) {
	if in.open {
		return anything, nil
	}
	if named := fhir.TypeOf(n.name); first && named != nil && !named.Primitive() {
		if slices.ContainsFunc(in.types, func(t *fhir.Type) bool { return t.Is(named) }) {
			return in, nil
		}
	}
	var out shape
	found := len(in.types) == 0 && len(in.kinds) == 0 // {} has every element: none
	for _, t := range in.types {
		if t.Primitive() {
			t = fhir.TypeOf("Element")
		}
		m := t.Member(n.name)
		if m == nil {
			continue
		}
		found = true
		for _, f := range m.Forms {
			out = out.or(shapeOf(f.Type))
		}
	}
	if !found {
		return out, syntax(n.pos, "%q is no element here", n.name)
	}
	return out, nil
}

// lambdas are the functions whose arguments see each item as $this.
var lambdas = map[string]bool{"where": true, "select": true, "all": true, "exists": true, "repeat": true, "aggregate": true, "iif": true, "sort": true, "trace": true}

func (c *checker) call(n *node, in, this shape) (shape, error) {
	switch n.name {
	case "is":
		return condition, nil
	case "as", "ofType":
		return c.typed(typeArgument(n.args[0]), n.pos)
	}
	inner := this
	if lambdas[n.name] {
		inner = in
	}
	args := make([]shape, len(n.args))
	for i, a := range n.args {
		var err error
		if n.name == "repeat" {
			inner = anything // what it gives comes in again
		}
		if args[i], err = c.check(a, inner, inner, true); err != nil {
			return shape{}, err
		}
	}
	switch n.name {
	case "first", "last", "tail", "skip", "take":
		if in.unordered {
			return in, syntax(n.pos, "%s() needs an order, and the collection has none", n.name)
		}
		return in, nil
	case "where", "single", "trace", "distinct", "intersect", "exclude", "sort":
		return in, nil
	case "select":
		return args[0], nil
	case "children", "descendants":
		return shape{open: true, unordered: true}, nil
	case "union", "combine":
		return in.or(args[0]), nil
	case "extension":
		return shapeOf(fhir.TypeOf("Extension")), nil
	case "exists", "empty", "all", "not", "hasValue", "matches", "startsWith", "endsWith", "contains", "isDistinct", "allTrue", "anyTrue", "allFalse", "anyFalse", "memberOf":
		return condition, nil
	case "iif":
		if a := args[0]; !a.open && len(a.types) == 0 && len(a.kinds) > 0 && !slices.Contains(a.kinds, Boolean) {
			return anything, syntax(n.pos, "the condition of iif() is no Boolean")
		}
	}
	return anything, nil
}
