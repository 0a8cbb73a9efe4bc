package fhirpath

type opLogic struct {
	a, b op
	name string
}

func (o opLogic) eval(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	a, err := o.operand(st, in, o.a)
	if err != nil {
		return nil, err
	}
	if o.name == "and" && a == no || o.name == "or" && a == yes || o.name == "implies" && a == no { // decided
		return st.keep(mark, st.ternary(ternaryOf(o.name != "and"))), nil
	}
	b, err := o.operand(st, in, o.b)
	if err != nil {
		return nil, err
	}
	return st.keep(mark, st.ternary(logic(o.name, a, b))), nil
}

func (o opLogic) operand(st *state, in []Value, arg op) (ternary, error) {
	mark := len(st.stack)
	out, err := arg.eval(st, in)
	if err != nil {
		return unknown, err
	}
	t, err := truth(out)
	st.stack = st.stack[:mark]
	return t, err
}

// logic is the truth table of FHIRPath 2.0, chapter "Boolean logic".
func logic(name string, a, b ternary) ternary {
	switch name {
	case "and":
		switch {
		case a == no || b == no:
			return no
		case a == yes && b == yes:
			return yes
		}
	case "or":
		switch {
		case a == yes || b == yes:
			return yes
		case a == no && b == no:
			return no
		}
	case "xor":
		if a != unknown && b != unknown {
			return ternaryOf(a != b)
		}
	case "implies":
		switch {
		case a == no || b == yes:
			return yes
		case a == yes:
			return b
		}
	}
	return unknown
}

// both evaluates two operands; their slices stay valid until the stack is dropped.
func both(st *state, in []Value, a, b op) (x, y []Value, err error) {
	if x, err = a.eval(st, in); err != nil {
		return nil, nil, err
	}
	y, err = b.eval(st, in)
	return x, y, err
}

type opEqual struct {
	a, b op
	not  bool
}

func (o opEqual) eval(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	a, b, err := both(st, in, o.a, o.b)
	if err != nil {
		return nil, err
	}
	t, err := st.equalCollections(a, b)
	if err != nil {
		return nil, err
	}
	if o.not {
		t = t.not()
	}
	st.stack = st.stack[:mark]
	return st.ternary(t), nil
}

type opEquivalent struct {
	a, b op
	not  bool
}

func (o opEquivalent) eval(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	a, b, err := both(st, in, o.a, o.b)
	if err != nil {
		return nil, err
	}
	same, err := st.equivalentCollections(a, b)
	if err != nil {
		return nil, err
	}
	st.stack = st.stack[:mark]
	return st.bool(same != o.not)
}

// pair evaluates the two sides of an operator that takes one value each; false when one side is empty.
func pair(st *state, in []Value, left, right op) (x, y Value, ok bool, err error) {
	mark := len(st.stack)
	a, b, err := both(st, in, left, right)
	if err != nil {
		return x, y, false, err
	}
	x, okX, err := singleton(a)
	if err != nil {
		return x, y, false, err
	}
	y, okY, err := singleton(b)
	st.stack = st.stack[:mark]
	return x, y, okX && okY, err
}

type opCompare struct {
	a, b op
	name string
}

func (o opCompare) eval(st *state, in []Value) ([]Value, error) {
	x, y, ok, err := pair(st, in, o.a, o.b)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, nil
	}
	c, known, err := order(&x, &y)
	if err != nil || !known {
		return nil, err
	}
	switch o.name {
	case "<":
		return st.bool(c < 0)
	case "<=":
		return st.bool(c <= 0)
	case ">":
		return st.bool(c > 0)
	}
	return st.bool(c >= 0)
}

type opUnion struct{ a, b op }

func (o opUnion) eval(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	a, b, err := both(st, in, o.a, o.b)
	if err != nil {
		return nil, err
	}
	return st.union(mark, a, b)
}

func (st *state) union(mark int, a, b []Value) ([]Value, error) {
	from := len(st.stack)
	if err := st.addDistinct(from, a); err != nil {
		return nil, err
	}
	if err := st.addDistinct(from, b); err != nil {
		return nil, err
	}
	return st.keep(mark, st.stack[from:]), nil
}

type opIn struct{ item, list op }

func (o opIn) eval(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	item, list, err := both(st, in, o.item, o.list)
	if err != nil {
		return nil, err
	}
	v, ok, err := singleton(item)
	if err != nil || !ok {
		st.stack = st.stack[:mark]
		return nil, err
	}
	if err := st.tick(1); err != nil {
		return nil, err
	}
	found := st.holds(list, &v)
	st.stack = st.stack[:mark]
	return st.bool(found)
}

type opConcat struct{ a, b op }

func (o opConcat) eval(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	a, b, err := both(st, in, o.a, o.b)
	if err != nil {
		return nil, err
	}
	x, okX, err := singleton(a)
	if err != nil {
		return nil, err
	}
	y, okY, err := singleton(b)
	if err != nil {
		return nil, err
	}
	if okX && !textual(x) || okY && !textual(y) {
		return nil, failure("& joins strings, not a %s and a %s", x.TypeName(), y.TypeName())
	}
	st.stack = st.stack[:mark]
	return st.string(x.text + y.text)
}

// textual reports whether a value is a string, or an element that FHIR writes as one.
func textual(v Value) bool {
	return v.Kind == String || v.Kind == None || v.Type != nil && v.Kind >= String && v.Kind <= Time
}

func (st *state) string(s string) ([]Value, error) {
	if len(s) > maxText {
		return nil, failure("a string is longer than %d bytes", maxText)
	}
	st.left -= len(s) / 16
	return st.one(stringOf(s)), nil
}

type opArithmetic struct {
	a, b op
	name string
}

func (o opArithmetic) eval(st *state, in []Value) ([]Value, error) {
	x, y, ok, err := pair(st, in, o.a, o.b)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, st.tick(1)
	}
	if err := st.tick(8); err != nil {
		return nil, err
	}
	return o.compute(st, &x, &y)
}

func (o opArithmetic) compute(st *state, x, y *Value) ([]Value, error) {
	if o.name == "+" && x.Kind == String && y.Kind == String {
		return st.string(x.text + y.text)
	}
	if x.numeric() && y.numeric() {
		if v, ok := arithmetic(o.name, x, y); ok {
			return st.one(v), nil
		}
		return nil, nil
	}
	q, okQ := y.asQuantity()
	if t, ok := x.temporal(); ok && okQ && !y.numeric() && (o.name == "+" || o.name == "-") {
		direction := int64(1)
		if o.name == "-" {
			direction = -1
		}
		t, err := t.plus(q, direction)
		if err != nil {
			return nil, err
		}
		return st.one(t.value()), nil
	}
	p, okP := x.asQuantity()
	if !okP || !okQ || o.name == "div" || o.name == "mod" {
		return nil, failure("%s needs numbers or quantities, not a %s and a %s", o.name, x.TypeName(), y.TypeName())
	}
	if out, ok := p.combine(o.name, q); ok {
		return st.one(quantityOf(out)), nil
	}
	return nil, nil
}
