package fhirpath

import (
	"context"
	"sync"
)

// state is one evaluation. Results lie on a stack, so that an evaluation of a simple expression allocates nothing: an
// op pushes its result and returns it as a slice, and whoever called it drops what lies above its own result.
type state struct {
	ctx     context.Context
	env     *Env
	stack   []Value
	context []Value // %context
	this    []Value // $this
	total   []Value // $total
	index   int     // $index
	steps   int
	given   int // steps at the beginning
	left    int
	depth   int
	none    Env
	node    [1]Value
}

var states = sync.Pool{New: func() any { return &state{stack: make([]Value, 0, 64)} }}

func newState(ctx context.Context, env *Env, node Value) *state {
	st, _ := states.Get().(*state)
	if env == nil {
		env = &st.none
	}
	st.ctx, st.env, st.depth, st.index = ctx, env, 0, 0
	if st.left = env.MaxSteps; st.left == 0 {
		st.left = DefaultSteps
	}
	if env.Budget != nil {
		st.left = min(st.left, max(*env.Budget, 0))
	}
	st.given = st.left
	st.node[0] = node
	st.this, st.context, st.total = st.node[:], st.node[:], nil
	return st
}

func (st *state) free() {
	if st.env.Budget != nil {
		*st.env.Budget -= st.given - st.left
	}
	if cap(st.stack) > 4096 {
		return // a rare large evaluation does not keep its memory
	}
	clear(st.stack[:cap(st.stack)])
	st.stack = st.stack[:0]
	st.env, st.ctx, st.this, st.context, st.total, st.node[0] = nil, nil, nil, nil, nil, Value{}
	states.Put(st)
}

// tick counts n steps and fails when the evaluation has used up its steps or its memory.
func (st *state) tick(n int) error {
	if st.left -= n; st.left < 0 {
		return failure("the evaluation takes too many steps")
	}
	if len(st.stack) > maxItems {
		return failure("the evaluation holds more than %d values", maxItems)
	}
	return nil
}

// one pushes a single value and returns it as a collection.
func (st *state) one(v Value) []Value {
	st.stack = append(st.stack, v)
	return st.stack[len(st.stack)-1:]
}

func (st *state) bool(b bool) ([]Value, error) { return st.one(booleanOf(b)), nil }

// keep moves a result down to a mark and drops everything above it.
func (st *state) keep(mark int, result []Value) []Value {
	st.stack = append(st.stack[:mark], result...)
	return st.stack[mark:]
}

// on evaluates an argument with one item as $this and its place as $index.
func (st *state) on(o op, in []Value, i int) ([]Value, error) {
	this, index := st.this, st.index
	st.this, st.index = in[i:i+1], i
	out, err := o.eval(st, st.this)
	st.this, st.index = this, index
	return out, err
}

// arg evaluates an argument in the context of the call.
func (st *state) arg(o op) ([]Value, error) { return o.eval(st, st.this) }

// text evaluates an argument that must be one string; ok is false when it is empty.
func (st *state) text(o op) (s string, ok bool, err error) {
	v, ok, err := st.single(o)
	if err != nil || !ok {
		return "", false, err
	}
	if v.Kind != String {
		return "", false, failure("a string is expected, not a %s", v.TypeName())
	}
	return v.text, true, nil
}

// number evaluates an argument that must be one integer.
func (st *state) number(o op) (n int64, ok bool, err error) {
	v, ok, err := st.single(o)
	if err != nil || !ok {
		return 0, false, err
	}
	if v.Kind != Integer {
		return 0, false, failure("an integer is expected, not a %s", v.TypeName())
	}
	return v.num, true, nil
}

// single evaluates an argument that may give one item at most.
func (st *state) single(o op) (Value, bool, error) {
	mark := len(st.stack)
	out, err := st.arg(o)
	if err != nil {
		return Value{}, false, err
	}
	v, ok, err := singleton(out)
	st.stack = st.stack[:mark]
	return v, ok, err
}

// singleton returns the only item; ok is false for none, more than one is an error.
func singleton(in []Value) (v Value, ok bool, err error) {
	switch len(in) {
	case 0:
		return Value{}, false, nil
	case 1:
		return in[0], true, nil
	}
	return Value{}, false, failure("one item is expected, there are %d", len(in))
}

// ternary is the three-valued logic of FHIRPath.
type ternary int8

const (
	unknown ternary = iota
	no
	yes
)

func ternaryOf(b bool) ternary {
	if b {
		return yes
	}
	return no
}

func (t ternary) not() ternary {
	switch t {
	case yes:
		return no
	case no:
		return yes
	}
	return unknown
}

// truth reads a collection as a condition: a single item that is no Boolean counts as true.
func truth(in []Value) (ternary, error) {
	switch len(in) {
	case 0:
		return unknown, nil
	case 1:
		if in[0].Kind == Boolean {
			return ternaryOf(in[0].num != 0), nil
		}
		return yes, nil
	}
	return unknown, failure("one item is expected as a condition, there are %d", len(in))
}

func (st *state) ternary(t ternary) []Value {
	if t == unknown {
		return nil
	}
	return st.one(booleanOf(t == yes))
}
