package fhirpath

import (
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// op is one step of a compiled expression. eval returns its result for an input; the slice is valid until the caller
// drops the stack below it, and is never written to.
type op interface {
	eval(st *state, in []Value) ([]Value, error)
}

// compile turns a tree into ops; first tells that a member may name the type of the input, as in Patient.name.
func compile(n *node, first bool) (op, error) {
	switch n.kind {
	case nodeLiteral:
		return opLiteral{[]Value{n.value}}, nil
	case nodeEmpty:
		return opLiteral{}, nil
	case nodeMember:
		m := opMember{name: n.name}
		if first {
			m.typ = fhir.TypeOf(n.name)
			if m.typ != nil && m.typ.Primitive() {
				m.typ = nil
			}
		}
		return m, nil
	case nodeThis:
		return opThis{}, nil
	case nodeIndex:
		return opIndex{}, nil
	case nodeTotal:
		return opTotal{}, nil
	case nodeVariable:
		return compileVariable(n), nil
	case nodeCall:
		return compileCall(n)
	case nodeType:
		arg, err := compile(n.args[0], true)
		if err != nil {
			return nil, err
		}
		t, err := parseType(n.typ, n.pos)
		return opType{arg: arg, typ: t, as: n.name == "as"}, err
	}
	args := make([]op, len(n.args))
	for i, a := range n.args {
		var err error
		if args[i], err = compile(a, i == 0 || n.kind != nodeDot); err != nil {
			return nil, err
		}
	}
	switch n.kind {
	case nodeDot:
		return opDot{args[0], args[1]}, nil
	case nodeItem:
		return opItem{args[0], args[1]}, nil
	case nodeUnary:
		return opUnary{args[0], n.name == "-"}, nil
	}
	return compileBinary(n.name, args[0], args[1]), nil
}

func compileBinary(name string, a, b op) op {
	switch name {
	case "and", "or", "xor", "implies":
		return opLogic{a: a, b: b, name: name}
	case "=", "!=":
		return opEqual{a: a, b: b, not: name == "!="}
	case "~", "!~":
		return opEquivalent{a, b, name == "!~"}
	case "<", ">", "<=", ">=":
		return opCompare{a, b, name}
	case "|":
		return opUnion{a, b}
	case "in":
		return opIn{item: a, list: b}
	case "contains":
		return opIn{item: b, list: a}
	case "&":
		return opConcat{a, b}
	}
	return opArithmetic{a, b, name}
}

type opLiteral struct{ values []Value }

func (o opLiteral) eval(*state, []Value) ([]Value, error) { return o.values, nil }

type opThis struct{}

func (opThis) eval(st *state, _ []Value) ([]Value, error) { return st.this, nil }

type opIndex struct{}

func (opIndex) eval(st *state, _ []Value) ([]Value, error) {
	return st.one(integerOf(int64(st.index))), nil
}

type opTotal struct{}

func (opTotal) eval(st *state, _ []Value) ([]Value, error) { return st.total, nil }

// opMember follows a name; at the start of a path the name of the input's type stands for the input.
type opMember struct {
	name string
	typ  *fhir.Type
}

func (o opMember) eval(st *state, in []Value) ([]Value, error) {
	if err := st.tick(1 + len(in)); err != nil {
		return nil, err
	}
	mark := len(st.stack)
	for i := range in {
		if o.typ != nil && in[i].Type != nil && in[i].Type.Is(o.typ) {
			st.stack = append(st.stack, in[i])
			continue
		}
		st.stack = in[i].member(o.name, st.stack)
	}
	return st.stack[mark:], nil
}

type opDot struct{ left, right op }

func (o opDot) eval(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	out, err := o.left.eval(st, in)
	if err != nil {
		return nil, err
	}
	if out, err = o.right.eval(st, out); err != nil {
		return nil, err
	}
	return st.keep(mark, out), nil
}

type opItem struct{ list, index op }

func (o opItem) eval(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	out, err := o.list.eval(st, in)
	if err != nil {
		return nil, err
	}
	i, ok, err := st.number(o.index)
	if err != nil {
		return nil, err
	}
	if !ok || i < 0 || i >= int64(len(out)) {
		return st.keep(mark, nil), nil
	}
	return st.keep(mark, out[i:i+1]), nil
}

type opUnary struct {
	arg    op
	negate bool
}

func (o opUnary) eval(st *state, in []Value) ([]Value, error) {
	out, err := o.arg.eval(st, in)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	v, _, err := singleton(out)
	if err != nil {
		return nil, err
	}
	q, ok := v.asQuantity()
	switch {
	case !ok:
		return nil, failure("the sign needs a number, not a %s", v.TypeName())
	case !o.negate:
		return out, nil
	case v.Kind == Integer:
		return st.one(integerOf(-v.num)), nil
	}
	d, _ := decimalOp("*", q.value, minusOne)
	d.Negative = d.Negative && !d.IsZero()
	if v.Kind == Decimal {
		return st.one(decimalOf(d)), nil
	}
	q.value = d
	return st.one(quantityOf(q)), nil
}

type opVariable struct {
	name   string
	values []Value // known at once
	pick   func(st *state) []Value
}

func (o opVariable) eval(st *state, _ []Value) ([]Value, error) {
	if v, ok := st.env.Vars[o.name]; ok {
		return v, nil
	}
	if o.pick != nil {
		return o.pick(st), nil
	}
	if o.values == nil {
		return nil, failure("the variable %%%s is not defined", o.name)
	}
	return o.values, nil
}

func compileVariable(n *node) op {
	o := opVariable{name: n.name}
	text := func(s string) { o.values = []Value{stringOf(s)} }
	switch n.name {
	case "context":
		o.pick = func(st *state) []Value { return st.context }
	case "resource":
		o.pick = func(st *state) []Value { return st.resource() }
	case "rootResource":
		o.pick = func(st *state) []Value {
			if st.env.Root.Kind == None {
				return st.resource()
			}
			return st.one(st.env.Root)
		}
	case "ucum":
		text(ucumSystem)
	case "sct":
		text("http://snomed.info/sct")
	case "loinc":
		text("http://loinc.org")
	default:
		if set, ok := strings.CutPrefix(n.name, "vs-"); ok {
			text("http://hl7.org/fhir/ValueSet/" + set)
		} else if ext, ok := strings.CutPrefix(n.name, "ext-"); ok {
			text("http://hl7.org/fhir/StructureDefinition/" + ext)
		}
	}
	return o
}

func (st *state) resource() []Value {
	if st.env.Resource.Kind == None {
		return st.context
	}
	return st.one(st.env.Resource)
}

// typeSpec is a type that an expression names.
type typeSpec struct {
	fhir   *fhir.Type
	system Kind // when fhir is nil, or the name may mean both; None when it names no System type
}

// parseType reads "Patient", "FHIR.code", "System.String". An unknown name is an error; an unknown System type matches
// nothing.
func parseType(name string, pos int) (typeSpec, error) {
	namespace, local, ok := strings.Cut(name, ".")
	if !ok {
		namespace, local = "", name
	}
	var t typeSpec
	for k := Boolean; k <= Quantity; k++ {
		if k.String() == local && namespace != "FHIR" {
			t.system = k
		}
	}
	if namespace != "System" {
		t.fhir = fhir.TypeOf(local)
	}
	if t.fhir == nil && t.system == None && namespace != "System" {
		return t, syntax(pos, "%q is not a type", name)
	}
	return t, nil
}

// is reports whether a value is of the type or of one that specialises it.
func (t typeSpec) is(v *Value) bool {
	if v.Type == nil {
		return t.system != None && v.Kind == t.system
	}
	return t.fhir != nil && v.Type.Is(t.fhir)
}

// exactly is is, but a primitive must be of the very type: a code is no string here.
func (t typeSpec) exactly(v *Value) bool {
	if v.Type != nil && v.Type.Primitive() {
		return v.Type == t.fhir
	}
	return t.is(v)
}

// opType is the operators is and as.
type opType struct {
	arg op
	typ typeSpec
	as  bool
}

func (o opType) eval(st *state, in []Value) ([]Value, error) {
	out, err := o.arg.eval(st, in)
	if err != nil {
		return nil, err
	}
	if o.as {
		return castTo(st, out, o.typ)
	}
	return testType(st, out, o.typ)
}

func testType(st *state, in []Value, t typeSpec) ([]Value, error) {
	v, ok, err := singleton(in)
	if err != nil || !ok {
		return nil, err
	}
	return st.bool(t.is(&v))
}

func castTo(_ *state, in []Value, t typeSpec) ([]Value, error) {
	v, ok, err := singleton(in)
	if err != nil || !ok || !t.exactly(&v) {
		return nil, err
	}
	return in, nil
}
