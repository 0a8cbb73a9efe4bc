package fhirpath

import "time"

// filterFunctions are filtering, projection, the tree and utilities.
var filterFunctions = map[string]function{
	"where":       {1, 1, where},
	"select":      {1, 1, project},
	"repeat":      {1, 1, repeat},
	"aggregate":   {1, 2, aggregate},
	"iif":         {2, 3, iif},
	"coalesce":    {1, 16, coalesce},
	"children":    {0, 0, func(st *state, in []Value, _ []op) ([]Value, error) { return children(st, in) }},
	"descendants": {0, 0, descendants},
	"trace":       {1, 2, trace},
	"now":         {0, 0, func(st *state, _ []Value, _ []op) ([]Value, error) { return st.moment(DateTime), nil }},
	"today":       {0, 0, func(st *state, _ []Value, _ []op) ([]Value, error) { return st.moment(Date), nil }},
	"timeOfDay":   {0, 0, func(st *state, _ []Value, _ []op) ([]Value, error) { return st.moment(Time), nil }},
	"type":        {0, 0, typeOf},
}

func where(st *state, in []Value, args []op) ([]Value, error) {
	mark := len(st.stack)
	for i := range in {
		ok, err := st.meets(in, i, args[0])
		if err != nil {
			return nil, err
		}
		if ok {
			st.stack = append(st.stack, in[i])
		}
	}
	return st.stack[mark:], nil
}

func project(st *state, in []Value, args []op) ([]Value, error) {
	mark := len(st.stack)
	for i := range in {
		end := len(st.stack)
		out, err := st.on(args[0], in, i)
		if err != nil {
			return nil, err
		}
		st.keep(end, out)
	}
	return st.stack[mark:], st.tick(len(in))
}

// repeat collects what the projection gives, for the input and again for every new item.
func repeat(st *state, in []Value, args []op) ([]Value, error) {
	var found []Value
	todo := append([]Value(nil), in...)
	for len(todo) > 0 {
		var next []Value
		for i := range todo {
			mark := len(st.stack)
			out, err := st.on(args[0], todo, i)
			if err != nil {
				return nil, err
			}
			for j := range out {
				if err := st.tick(1); err != nil {
					return nil, err
				}
				if !st.holds(found, &out[j]) {
					found, next = append(found, out[j]), append(next, out[j])
				}
			}
			st.stack = st.stack[:mark]
		}
		if len(found) > maxItems {
			return nil, failure("repeat() gives more than %d values", maxItems)
		}
		todo = next
	}
	return found, nil
}

func aggregate(st *state, in []Value, args []op) ([]Value, error) {
	total := st.total
	defer func() { st.total = total }()
	st.total = nil
	mark := len(st.stack)
	if len(args) == 2 {
		out, err := st.arg(args[1])
		if err != nil {
			return nil, err
		}
		st.total = append([]Value(nil), out...)
	}
	for i := range in {
		out, err := st.on(args[0], in, i)
		if err != nil {
			return nil, err
		}
		st.total = append([]Value(nil), out...)
		st.stack = st.stack[:mark]
		if err := st.tick(1 + len(st.total)); err != nil {
			return nil, err
		}
	}
	return st.total, nil
}

// iif evaluates only the branch that it takes; its input, one item at most, is $this in all three.
func iif(st *state, in []Value, args []op) ([]Value, error) {
	if len(in) > 1 {
		return nil, failure("iif() takes one item, there are %d", len(in))
	}
	this := st.this
	defer func() { st.this = this }()
	st.this = in
	out, err := args[0].eval(st, in)
	if err != nil {
		return nil, err
	}
	t, err := truth(out)
	switch {
	case err != nil:
		return nil, err
	case t == yes:
		return args[1].eval(st, in)
	case len(args) == 3:
		return args[2].eval(st, in)
	}
	return nil, nil
}

func coalesce(st *state, _ []Value, args []op) ([]Value, error) {
	for _, a := range args {
		if out, err := st.arg(a); err != nil || len(out) > 0 {
			return out, err
		}
	}
	return nil, nil
}

func children(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	for i := range in {
		st.stack = in[i].children(st.stack)
	}
	return st.stack[mark:], st.tick(len(st.stack) - mark)
}

func descendants(st *state, in []Value, _ []op) ([]Value, error) {
	mark := len(st.stack)
	if _, err := children(st, in); err != nil {
		return nil, err
	}
	for i := mark; i < len(st.stack); i++ {
		v := st.stack[i]
		st.stack = v.children(st.stack)
		if err := st.tick(1); err != nil {
			return nil, err
		}
	}
	return st.stack[mark:], nil
}

func trace(st *state, in []Value, args []op) ([]Value, error) {
	name, _, err := st.text(args[0])
	if err != nil || st.env.Trace == nil {
		return in, err
	}
	seen := in
	if len(args) == 2 {
		if seen, err = project(st, in, args[1:]); err != nil {
			return nil, err
		}
	}
	st.env.Trace(name, seen)
	return in, nil
}

// moment returns the time of the evaluation, empty when none was given.
func (st *state) moment(kind Kind) []Value {
	now := st.env.Now
	if now.IsZero() {
		return nil
	}
	layout := map[Kind]string{DateTime: "2006-01-02T15:04:05.000Z07:00", Date: time.DateOnly, Time: "15:04:05.000"}[kind]
	return st.one(Value{Kind: kind, text: now.Format(layout)})
}

func typeOf(st *state, in []Value, _ []op) ([]Value, error) {
	mark := len(st.stack)
	for i := range in {
		st.stack = append(st.stack, Value{Kind: TypeInfo, text: in[i].TypeName()})
	}
	return st.stack[mark:], nil
}
