package fhirpath

// collectionFunctions are existence, subsetting and combining.
var collectionFunctions = map[string]function{
	"empty":      {0, 0, func(st *state, in []Value, _ []op) ([]Value, error) { return st.bool(len(in) == 0) }},
	"count":      {0, 0, func(st *state, in []Value, _ []op) ([]Value, error) { return st.one(integerOf(int64(len(in)))), nil }},
	"not":        {0, 0, negate},
	"exists":     {0, 1, exists},
	"all":        {1, 1, all},
	"allTrue":    {0, 0, quantify(no, false)},
	"anyTrue":    {0, 0, quantify(yes, true)},
	"allFalse":   {0, 0, quantify(yes, false)},
	"anyFalse":   {0, 0, quantify(no, true)},
	"subsetOf":   {1, 1, func(st *state, in []Value, a []op) ([]Value, error) { return subset(st, in, a[0], false) }},
	"supersetOf": {1, 1, func(st *state, in []Value, a []op) ([]Value, error) { return subset(st, in, a[0], true) }},
	"distinct":   {0, 0, func(st *state, in []Value, _ []op) ([]Value, error) { return distinct(st, in) }},
	"isDistinct": {0, 0, isDistinct},
	"single": {0, 0, func(_ *state, in []Value, _ []op) ([]Value, error) {
		_, _, err := singleton(in)
		return in, err
	}},
	"first":     {0, 0, func(_ *state, in []Value, _ []op) ([]Value, error) { return in[:min(1, len(in))], nil }},
	"last":      {0, 0, func(_ *state, in []Value, _ []op) ([]Value, error) { return in[max(0, len(in)-1):], nil }},
	"tail":      {0, 0, func(_ *state, in []Value, _ []op) ([]Value, error) { return in[min(1, len(in)):], nil }},
	"skip":      {1, 1, func(st *state, in []Value, a []op) ([]Value, error) { return part(st, in, a[0], true) }},
	"take":      {1, 1, func(st *state, in []Value, a []op) ([]Value, error) { return part(st, in, a[0], false) }},
	"intersect": {1, 1, func(st *state, in []Value, a []op) ([]Value, error) { return common(st, in, a[0], true) }},
	"exclude":   {1, 1, func(st *state, in []Value, a []op) ([]Value, error) { return common(st, in, a[0], false) }},
	"union":     {1, 1, union},
	"combine":   {1, 1, combine},
}

func negate(st *state, in []Value, _ []op) ([]Value, error) {
	t, err := truth(in)
	if err != nil {
		return nil, err
	}
	return st.ternary(t.not()), nil
}

// meets reports whether the item at i meets a condition.
func (st *state) meets(in []Value, i int, condition op) (bool, error) {
	if err := st.tick(1); err != nil {
		return false, err
	}
	mark := len(st.stack)
	out, err := st.on(condition, in, i)
	if err != nil {
		return false, err
	}
	t, err := truth(out)
	st.stack = st.stack[:mark]
	return t == yes, err
}

func exists(st *state, in []Value, args []op) ([]Value, error) {
	if len(args) == 0 {
		return st.bool(len(in) > 0)
	}
	for i := range in {
		if ok, err := st.meets(in, i, args[0]); err != nil || ok {
			out, _ := st.bool(ok)
			return out, err
		}
	}
	return st.bool(false)
}

func all(st *state, in []Value, args []op) ([]Value, error) {
	for i := range in {
		if ok, err := st.meets(in, i, args[0]); err != nil || !ok {
			out, _ := st.bool(false)
			return out, err
		}
	}
	return st.bool(true)
}

// quantify looks for a Boolean that decides: the result is found when there is one.
func quantify(decisive ternary, found bool) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, _ []op) ([]Value, error) {
		out := !found
		for i := range in {
			if in[i].Kind != Boolean {
				return nil, failure("booleans are expected, not a %s", in[i].TypeName())
			}
			if ternaryOf(in[i].num != 0) == decisive {
				out = found
			}
		}
		return st.bool(out)
	}
}

func subset(st *state, in []Value, arg op, turned bool) ([]Value, error) {
	other, err := st.arg(arg)
	if err != nil {
		return nil, err
	}
	if turned {
		in, other = other, in
	}
	for i := range in {
		if err := st.tick(1); err != nil {
			return nil, err
		}
		if !st.holds(other, &in[i]) {
			return st.bool(false)
		}
	}
	return st.bool(true)
}

func distinct(st *state, in []Value) ([]Value, error) {
	mark := len(st.stack)
	if err := st.addDistinct(mark, in); err != nil {
		return nil, err
	}
	return st.stack[mark:], nil
}

func isDistinct(st *state, in []Value, _ []op) ([]Value, error) {
	seen := make(map[string]bool, len(in)) // strings, the usual case, in one pass
	for i := range in {
		if in[i].Kind != String {
			mark := len(st.stack)
			err := st.addDistinct(mark, in)
			n := len(st.stack) - mark
			st.stack = st.stack[:mark]
			if err != nil {
				return nil, err
			}
			return st.bool(n == len(in))
		}
		if seen[in[i].text] {
			return st.bool(false)
		}
		seen[in[i].text] = true
	}
	return st.bool(true)
}

func part(st *state, in []Value, arg op, skip bool) ([]Value, error) {
	n, ok, err := st.number(arg)
	if err != nil || !ok {
		return nil, err
	}
	n = max(0, min(n, int64(len(in))))
	if skip {
		return in[n:], nil
	}
	return in[:n], nil
}

// common returns the items that the other collection has too, without repetition, or those that it has not.
func common(st *state, in []Value, arg op, both bool) ([]Value, error) {
	other, err := st.arg(arg)
	if err != nil {
		return nil, err
	}
	mark := len(st.stack)
	for i := range in {
		if err := st.tick(1); err != nil {
			return nil, err
		}
		if st.holds(other, &in[i]) == both && (!both || !st.holds(st.stack[mark:], &in[i])) {
			st.stack = append(st.stack, in[i])
		}
	}
	return st.stack[mark:], nil
}

func union(st *state, in []Value, args []op) ([]Value, error) {
	mark := len(st.stack)
	other, err := st.arg(args[0])
	if err != nil {
		return nil, err
	}
	return st.union(mark, in, other)
}

func combine(st *state, in []Value, args []op) ([]Value, error) {
	other, err := st.arg(args[0])
	if err != nil {
		return nil, err
	}
	mark := len(st.stack)
	st.stack = append(append(st.stack, in...), other...)
	return st.stack[mark:], st.tick(len(other))
}
