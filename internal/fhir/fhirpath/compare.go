package fhirpath

import (
	"encoding/json"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// minusOne is read only.
var minusOne = apd.New(-1, 0)

// equalCollections is =: unknown when one side is empty or an order cannot be told.
func (st *state) equalCollections(a, b []Value) (ternary, error) {
	if len(a) == 0 || len(b) == 0 {
		return unknown, nil
	}
	if len(a) != len(b) {
		return no, nil
	}
	if err := st.tick(len(a)); err != nil {
		return unknown, err
	}
	out := yes
	for i := range a {
		switch st.equal(&a[i], &b[i]) {
		case no:
			return no, nil
		case unknown:
			out = unknown
		}
	}
	return out, nil
}

// equal compares two items.
func (st *state) equal(a, b *Value) ternary {
	switch {
	case a.Kind == Integer && b.Kind == Integer, a.Kind == Boolean && b.Kind == Boolean:
		return ternaryOf(a.num == b.num)
	case a.Kind == String && b.Kind == String, a.Kind == TypeInfo && b.Kind == TypeInfo:
		return ternaryOf(a.text == b.text)
	case a.numeric() && b.numeric():
		x, okX := a.decimal()
		y, okY := b.decimal()
		return ternaryOf(okX && okY && x.Cmp(y) == 0)
	case a.Kind == Object && b.Kind == Object:
		st.left -= 16
		return ternaryOf(sameJSON(a.obj, b.obj))
	case a.Kind == None || b.Kind == None:
		return ternaryOf(a.Kind == b.Kind && sameJSON(a.obj, b.obj))
	}
	if x, ok := a.temporal(); ok {
		y, ok := b.temporal()
		if !ok || (x.kind == Time) != (y.kind == Time) {
			return no
		}
		c, known := x.compare(y)
		if !known {
			return unknown
		}
		return ternaryOf(c == 0)
	}
	x, okX := a.asQuantity()
	y, okY := b.asQuantity()
	if !okX || !okY {
		return no
	}
	c, comparable, known := x.compare(y)
	if comparable && !known {
		return unknown
	}
	return ternaryOf(comparable && c == 0)
}

// sameJSON compares two JSON values; numbers compare by value.
func sameJSON(a, b any) bool {
	if o, ok := object(a); ok {
		p, ok := object(b)
		if !ok || len(o) != len(p) {
			return false
		}
		for k, v := range o {
			w, ok := p[k]
			if !ok || !sameJSON(v, w) {
				return false
			}
		}
		return true
	}
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameJSON(x[i], y[i]) {
				return false
			}
		}
		return true
	case json.Number:
		y, ok := b.(json.Number)
		if ok && x != y {
			d, okX := parseDecimal(string(x))
			e, okY := parseDecimal(string(y))
			ok = okX && okY && d.Cmp(e) == 0
		}
		return ok
	case string, bool, nil:
		return a == b
	}
	return false
}

// equivalent is ~ for two items.
func (st *state) equivalent(a, b *Value) bool {
	switch {
	case a.Kind == String && b.Kind == String:
		return strings.EqualFold(normalSpace(a.text), normalSpace(b.text))
	case a.numeric() && b.numeric():
		x, okX := a.decimal()
		y, okY := b.decimal()
		return okX && okY && equivalentDecimals(x, y)
	case a.Kind == Quantity || b.Kind == Quantity:
		x, okX := a.asQuantity()
		y, okY := b.asQuantity()
		return okX && okY && x.equivalent(y)
	}
	return st.equal(a, b) == yes
}

func normalSpace(s string) string { return strings.Join(strings.Fields(s), " ") }

// equivalentCollections is ~: the order does not matter.
func (st *state) equivalentCollections(a, b []Value) (bool, error) {
	if len(a) != len(b) {
		return false, nil
	}
	if err := st.tick(len(a) * len(b)); err != nil {
		return false, err
	}
	used := make([]bool, len(b))
next:
	for i := range a {
		for j := range b {
			if !used[j] && st.equivalent(&a[i], &b[j]) {
				used[j] = true
				continue next
			}
		}
		return false, nil
	}
	return true, nil
}

// order compares two items; known is false when units or precision leave it open.
func order(a, b *Value) (c int, known bool, err error) {
	switch {
	case a.Kind == Integer && b.Kind == Integer:
		return sign(a.num - b.num), true, nil
	case a.Kind == String && b.Kind == String:
		return strings.Compare(a.text, b.text), true, nil
	case a.numeric() && b.numeric():
		x, okX := a.decimal()
		y, okY := b.decimal()
		if !okX || !okY {
			return 0, false, nil
		}
		return x.Cmp(y), true, nil
	}
	if x, ok := a.temporal(); ok {
		if y, ok := b.temporal(); ok && (x.kind == Time) == (y.kind == Time) {
			c, known = x.compare(y)
			return c, known, nil
		}
	}
	x, okX := a.asQuantity()
	y, okY := b.asQuantity()
	if !okX || !okY {
		if a.Kind == None || b.Kind == None {
			return 0, false, nil
		}
		return 0, false, failure("a %s and a %s have no order", a.TypeName(), b.TypeName())
	}
	c, comparable, known := x.compare(y)
	return c, comparable && known, nil
}

// holds reports whether a list has an item that equals v.
func (st *state) holds(list []Value, v *Value) bool {
	st.left -= len(list)
	for i := range list {
		if st.equal(&list[i], v) == yes {
			return true
		}
	}
	return false
}

// addDistinct pushes the items that do not stand above mark yet.
func (st *state) addDistinct(mark int, in []Value) error {
	for i := range in {
		if err := st.tick(1); err != nil {
			return err
		}
		if !st.holds(st.stack[mark:], &in[i]) {
			st.stack = append(st.stack, in[i])
		}
	}
	return nil
}

// Compare orders two values as < does; known is false when they have no order, or their units or precision leave it
// open.
func Compare(a, b Value) (c int, known bool) {
	c, known, err := order(&a, &b)
	return c, known && err == nil
}
