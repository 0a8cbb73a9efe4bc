package fhirpath

import (
	"regexp"
	"sort"
)

// function is one function of FHIRPath: how many arguments it takes, and how it computes its result from its input.
type function struct {
	min, max int
	call     func(st *state, in []Value, args []op) ([]Value, error)
}

type opCall struct {
	call func(st *state, in []Value, args []op) ([]Value, error)
	args []op
}

func (o opCall) eval(st *state, in []Value) ([]Value, error) {
	if err := st.tick(1 + len(in)); err != nil {
		return nil, err
	}
	if st.depth++; st.depth > maxNesting {
		return nil, failure("calls are nested deeper than %d levels", maxNesting)
	}
	mark := len(st.stack)
	out, err := o.call(st, in, o.args)
	st.depth--
	if err != nil {
		return nil, err
	}
	return st.keep(mark, out), nil
}

// functions returns the function of a name.
func functions(name string) (function, bool) {
	for _, table := range []map[string]function{collectionFunctions, filterFunctions, textFunctions, numberFunctions, fhirFunctions} {
		if f, ok := table[name]; ok {
			return f, true
		}
	}
	return function{}, false
}

func compileCall(n *node) (op, error) {
	switch n.name {
	case "is", "as", "ofType":
		return compileTypeCall(n)
	case "sort":
		return compileSort(n)
	}
	f, ok := functions(n.name)
	if !ok {
		return nil, syntax(n.pos, "there is no function %s()", n.name)
	}
	if len(n.args) < f.min || len(n.args) > f.max {
		return nil, syntax(n.pos, "%s() takes %d to %d arguments, not %d", n.name, f.min, f.max, len(n.args))
	}
	args := make([]op, len(n.args))
	for i, a := range n.args {
		var err error
		if args[i], err = compile(a, true); err != nil {
			return nil, err
		}
	}
	if n.name == "matches" || n.name == "matchesFull" || n.name == "replaceMatches" {
		if err := precompile(n, args); err != nil {
			return nil, err
		}
	}
	return opCall{f.call, args}, nil
}

// opRegexp is a regular expression that is known at once.
type opRegexp struct {
	opLiteral
	re *regexp.Regexp
}

func precompile(n *node, args []op) error {
	lit, ok := args[0].(opLiteral)
	if !ok || len(lit.values) != 1 || lit.values[0].Kind != String {
		return nil
	}
	re, err := newRegexp(lit.values[0].text, n.name == "matchesFull")
	if err != nil {
		return syntax(n.pos, "%v", err)
	}
	args[0] = opRegexp{lit, re}
	return nil
}

// compileTypeCall compiles is(), as() and ofType(), whose argument names a type.
func compileTypeCall(n *node) (op, error) {
	if len(n.args) != 1 {
		return nil, syntax(n.pos, "%s() takes one type", n.name)
	}
	name := typeArgument(n.args[0])
	if name == "" {
		return nil, syntax(n.pos, "%s() takes the name of a type", n.name)
	}
	t, err := parseType(name, n.pos)
	if err != nil {
		return nil, err
	}
	call := func(st *state, in []Value, _ []op) ([]Value, error) { return testType(st, in, t) }
	switch n.name {
	case "as":
		call = func(st *state, in []Value, _ []op) ([]Value, error) { return castTo(st, in, t) }
	case "ofType":
		call = func(st *state, in []Value, _ []op) ([]Value, error) { return filterType(st, in, t), nil }
	}
	return opCall{call: call}, nil
}

func filterType(st *state, in []Value, t typeSpec) []Value {
	mark := len(st.stack)
	for i := range in {
		if t.exactly(&in[i]) {
			st.stack = append(st.stack, in[i])
		}
	}
	return st.stack[mark:]
}

// typeArgument returns the name that a path such as FHIR.Patient writes, "" for everything else.
func typeArgument(n *node) string {
	switch {
	case n.kind == nodeMember:
		return n.name
	case n.kind == nodeDot && n.args[0].kind == nodeMember && n.args[1].kind == nodeMember:
		return n.args[0].name + "." + n.args[1].name
	}
	return ""
}

// sortKey is one key of sort(); a sign before it turns the order around.
type sortKey struct {
	by         op
	descending bool
}

func compileSort(n *node) (op, error) {
	var keys []sortKey
	for _, a := range n.args {
		k := sortKey{}
		if a.kind == nodeUnary && a.name == "-" {
			a, k.descending = a.args[0], true
		}
		var err error
		if k.by, err = compile(a, true); err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		keys = []sortKey{{by: opThis{}}}
	}
	return opCall{call: func(st *state, in []Value, _ []op) ([]Value, error) { return sortBy(st, in, keys) }}, nil
}

// sortBy orders the input; items without a key come last, first where the order is turned around.
func sortBy(st *state, in []Value, keys []sortKey) ([]Value, error) {
	type row struct {
		item Value
		keys []Value
		has  []bool
	}
	rows := make([]row, len(in))
	for i := range in {
		rows[i] = row{in[i], make([]Value, len(keys)), make([]bool, len(keys))}
		for k := range keys {
			mark := len(st.stack)
			out, err := st.on(keys[k].by, in, i)
			if err != nil {
				return nil, err
			}
			if rows[i].keys[k], rows[i].has[k], err = singleton(out); err != nil {
				return nil, err
			}
			st.stack = st.stack[:mark]
		}
	}
	var failed error
	sort.SliceStable(rows, func(i, j int) bool {
		for k := range keys {
			a, b := &rows[i], &rows[j]
			if keys[k].descending {
				a, b = b, a
			}
			if a.has[k] != b.has[k] {
				return a.has[k]
			}
			if !a.has[k] {
				continue
			}
			c, _, err := order(&a.keys[k], &b.keys[k])
			if err != nil {
				failed = err
			}
			if c != 0 {
				return c < 0
			}
		}
		return false
	})
	if failed != nil {
		return nil, failed
	}
	mark := len(st.stack)
	for i := range rows {
		st.stack = append(st.stack, rows[i].item)
	}
	return st.stack[mark:], st.tick(len(in) * len(keys))
}
