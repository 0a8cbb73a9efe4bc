package fhirpath

import (
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// numberFunctions are mathematics, conversions and boundaries.
var numberFunctions = map[string]function{
	"abs": {0, 0, abs}, "ceiling": {0, 0, mathematics("ceiling")}, "exp": {0, 0, mathematics("exp")}, "floor": {0, 0, mathematics("floor")},
	"ln": {0, 0, mathematics("ln")}, "sqrt": {0, 0, mathematics("sqrt")}, "truncate": {0, 0, mathematics("truncate")},
	"log": {1, 1, twoNumbers(logarithm)}, "power": {1, 1, twoNumbers(raise)}, "round": {0, 1, round},

	"toBoolean": {0, 0, convert(toBoolean)}, "convertsToBoolean": {0, 0, converts(toBoolean)},
	"toInteger": {0, 0, convert(toInteger)}, "convertsToInteger": {0, 0, converts(toInteger)},
	"toDecimal": {0, 0, convert(toDecimal)}, "convertsToDecimal": {0, 0, converts(toDecimal)},
	"toString": {0, 0, convert(toText)}, "convertsToString": {0, 0, converts(toText)},
	"toDate": {0, 0, convert(toTemporal(Date))}, "convertsToDate": {0, 0, converts(toTemporal(Date))},
	"toDateTime": {0, 0, convert(toTemporal(DateTime))}, "convertsToDateTime": {0, 0, converts(toTemporal(DateTime))},
	"toTime": {0, 0, convert(toTemporal(Time))}, "convertsToTime": {0, 0, converts(toTemporal(Time))},
	"toQuantity": {0, 1, toQuantityIn}, "convertsToQuantity": {0, 1, converts(toQuantity)},

	"lowBoundary": {0, 1, boundaryOf(false)}, "highBoundary": {0, 1, boundaryOf(true)},
	"precision": {0, 0, precisionOf}, "comparable": {1, 1, comparable},
}

func mathematics(name string) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, _ []op) ([]Value, error) {
		v, ok, err := singleton(in)
		if err != nil || !ok {
			return nil, err
		}
		if !v.numeric() {
			return nil, failure("%s() takes a number, not a %s", name, v.TypeName())
		}
		if err := st.tick(200); err != nil {
			return nil, err
		}
		if out, ok := mathOne(name, &v); ok {
			return st.one(out), nil
		}
		return nil, nil
	}
}

func abs(st *state, in []Value, args []op) ([]Value, error) {
	if len(in) == 1 && in[0].Kind == Quantity {
		q := in[0].quantity()
		q.value = new(apd.Decimal).Abs(q.value)
		return st.one(quantityOf(q)), nil
	}
	return mathematics("abs")(st, in, args)
}

func twoNumbers(f func(a, b *Value) (Value, bool)) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, args []op) ([]Value, error) {
		v, ok, err := singleton(in)
		if err != nil || !ok {
			return nil, err
		}
		w, ok, err := st.single(args[0])
		if err != nil || !ok {
			return nil, err
		}
		if !v.numeric() || !w.numeric() {
			return nil, failure("numbers are expected, not a %s and a %s", v.TypeName(), w.TypeName())
		}
		if err := st.tick(500); err != nil {
			return nil, err
		}
		if out, ok := f(&v, &w); ok {
			return st.one(out), nil
		}
		return nil, nil
	}
}

func round(st *state, in []Value, args []op) ([]Value, error) {
	v, ok, err := singleton(in)
	if err != nil || !ok {
		return nil, err
	}
	n := int64(0)
	if len(args) == 1 {
		if n, ok, err = st.number(args[0]); err != nil || !ok {
			return nil, err
		}
	}
	d, ok := v.decimal()
	if !ok || n < 0 || n > maxBoundary {
		return nil, failure("round() takes a number and 0 to %d places", maxBoundary)
	}
	return st.one(decimalOf(rounded(d, int32(n), apd.RoundHalfUp))), nil
}

// convert and converts apply a conversion to one item: its result, or whether there is one.
func convert(f func(*Value) (Value, bool)) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, _ []op) ([]Value, error) {
		v, ok, err := singleton(in)
		if err != nil || !ok {
			return nil, err
		}
		if out, ok := f(&v); ok {
			return st.one(out), nil
		}
		return nil, nil
	}
}

func converts(f func(*Value) (Value, bool)) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, _ []op) ([]Value, error) {
		v, ok, err := singleton(in)
		if err != nil || !ok {
			return nil, err
		}
		_, ok = f(&v)
		return st.bool(ok)
	}
}

func toBoolean(v *Value) (Value, bool) {
	switch v.Kind {
	case Boolean:
		return booleanOf(v.num != 0), true
	case Integer:
		return booleanOf(v.num == 1), v.num == 0 || v.num == 1
	case Decimal:
		d, ok := v.decimal()
		return booleanOf(ok && !d.IsZero()), ok && (d.IsZero() || d.Cmp(apd.New(1, 0)) == 0)
	case String:
		switch strings.ToLower(v.text) {
		case "true", "t", "yes", "y", "1", "1.0":
			return booleanOf(true), true
		case "false", "f", "no", "n", "0", "0.0":
			return booleanOf(false), true
		}
	}
	return Value{}, false
}

func toInteger(v *Value) (Value, bool) {
	switch v.Kind {
	case Integer, Boolean:
		return integerOf(v.num), true
	case String:
		n, ok := toInt(v.text)
		return integerOf(n), ok
	}
	return Value{}, false
}

func toDecimal(v *Value) (Value, bool) {
	switch v.Kind {
	case Integer, Decimal:
		d, ok := v.decimal()
		return decimalOf(d), ok
	case Boolean:
		return decimalOf(apd.New(v.num, 0)), true
	case String:
		if strings.Trim(v.text, "+-.0123456789") != "" || strings.HasSuffix(v.text, ".") {
			return Value{}, false
		}
		d, ok := parseDecimal(v.text)
		return decimalOf(d), ok
	}
	return Value{}, false
}

func toText(v *Value) (Value, bool) {
	if v.Kind == None || v.Kind == TypeInfo {
		return Value{}, false
	}
	if _, ok := v.asQuantity(); v.Kind == Object && !ok {
		return Value{}, false
	}
	return stringOf(v.String()), true
}

func toTemporal(kind Kind) func(*Value) (Value, bool) {
	return func(v *Value) (Value, bool) {
		text := v.text
		switch {
		case v.Kind == kind, v.Kind == String, v.Kind == Date && kind == DateTime:
		case v.Kind == DateTime && kind == Date:
			text, _, _ = strings.Cut(text, "T")
		default:
			return Value{}, false
		}
		_, ok := parseTemporal(text, kind)
		return Value{Kind: kind, text: text}, ok
	}
}

func toQuantity(v *Value) (Value, bool) {
	switch v.Kind {
	case Boolean:
		return quantityOf(quantity{value: apd.New(v.num, 0), unit: "1"}), true
	case String:
		q, ok := parseQuantity(v.text)
		return quantityOf(q), ok
	}
	q, ok := v.asQuantity()
	return quantityOf(q), ok
}

// parseQuantity reads "1", "1 day" and "1 'wk'".
func parseQuantity(s string) (quantity, bool) {
	number, unit, _ := strings.Cut(strings.TrimSpace(s), " ")
	d, ok := toDecimal(&Value{Kind: String, text: number})
	unit = strings.TrimSpace(unit)
	switch {
	case !ok:
		return quantity{}, false
	case unit == "":
		return quantity{value: d.dec, unit: "1"}, true
	case calendarCode(strings.TrimSuffix(unit, "s")) != "":
		return quantity{value: d.dec, unit: unit, calendar: true}, true
	case len(unit) > 2 && unit[0] == '\'' && unit[len(unit)-1] == '\'':
		return quantity{value: d.dec, unit: unit[1 : len(unit)-1]}, true
	}
	return quantity{}, false
}

// toQuantityIn is toQuantity with an optional unit to convert to.
func toQuantityIn(st *state, in []Value, args []op) ([]Value, error) {
	out, err := convert(toQuantity)(st, in, nil)
	if err != nil || len(args) == 0 || len(out) == 0 {
		return out, err
	}
	unit, ok, err := st.text(args[0])
	if err != nil || !ok {
		return nil, err
	}
	zero := quantity{value: apd.New(0, 0), unit: unit}
	if q, ok := zero.combine("+", out[0].quantity()); ok {
		return st.one(quantityOf(q)), nil
	}
	return nil, nil
}

// boundaryOf is lowBoundary() and highBoundary().
func boundaryOf(high bool) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, args []op) ([]Value, error) {
		v, ok, err := singleton(in)
		if err != nil || !ok {
			return nil, err
		}
		n := int64(-1)
		if len(args) == 1 {
			if n, ok, err = st.number(args[0]); err != nil || !ok || n < 0 {
				return nil, err
			}
		}
		if t, ok := v.temporal(); ok {
			if n < 0 {
				n = map[Kind]int64{Date: 8, DateTime: 17, Time: 9}[v.Kind]
			}
			if t, ok = t.boundary(int(n), high); !ok {
				return nil, nil
			}
			return st.one(t.value()), nil
		}
		if n < 0 {
			n = 8
		}
		q, ok := v.asQuantity()
		if !ok || n > maxBoundary {
			return nil, nil
		}
		q.value = boundary(q.value, int32(n), high)
		if v.numeric() {
			return st.one(decimalOf(q.value)), nil
		}
		return st.one(quantityOf(q)), nil
	}
}

func precisionOf(st *state, in []Value, _ []op) ([]Value, error) {
	v, ok, err := singleton(in)
	if err != nil || !ok {
		return nil, err
	}
	if t, ok := v.temporal(); ok {
		return st.one(integerOf(int64(t.digitsOf()))), nil
	}
	if d, ok := v.decimal(); ok {
		return st.one(integerOf(int64(places(d)))), nil
	}
	return nil, nil
}

func comparable(st *state, in []Value, args []op) ([]Value, error) {
	v, ok, err := singleton(in)
	if err != nil || !ok {
		return nil, err
	}
	w, ok, err := st.single(args[0])
	if err != nil || !ok {
		return nil, err
	}
	q, okQ := v.asQuantity()
	r, okR := w.asQuantity()
	if !okQ || !okR {
		return st.bool(false)
	}
	_, same, _ := q.compare(r)
	return st.bool(same)
}
