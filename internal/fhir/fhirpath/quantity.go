package fhirpath

import (
	"math/big"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/vigil-health/vigil/internal/fhir"
)

const ucumSystem = "http://unitsofmeasure.org"

// quantity is a number with a unit of UCUM, or with a word of the calendar.
type quantity struct {
	value    *apd.Decimal
	unit     string
	calendar bool
}

func quantityOf(q quantity) Value {
	v := Value{Kind: Quantity, dec: q.value, text: q.unit}
	if q.calendar {
		v.num = 1
	}
	return v
}

func (v *Value) quantity() quantity { return quantity{v.dec, v.text, v.num != 0} }

// asQuantity returns a Quantity, a FHIR Quantity, or a number as a quantity of the unit '1'.
func (v *Value) asQuantity() (quantity, bool) {
	switch v.Kind {
	case Quantity:
		return v.quantity(), true
	case Integer, Decimal:
		d, ok := v.decimal()
		return quantity{value: d, unit: "1"}, ok
	case Object:
		if v.Type == nil || !v.Type.Is(fhir.TypeOf("Quantity")) {
			return quantity{}, false
		}
		o := fhir.Resource(v.obj)
		d, ok := parseDecimal(o.Str("value"))
		unit := o.Str("code")
		if unit == "" {
			unit = o.Str("unit")
		}
		if unit == "" {
			unit = "1"
		}
		return quantity{value: d, unit: unit}, ok
	}
	return quantity{}, false
}

// String returns "4 days" or "4 'mg'".
func (q quantity) String() string {
	if q.value == nil {
		return ""
	}
	if q.calendar {
		return q.value.Text('f') + " " + q.unit
	}
	return q.value.Text('f') + " '" + q.unit + "'"
}

// ucum returns the unit as a code of UCUM.
func (q quantity) ucum() string {
	if !q.calendar {
		return q.unit
	}
	return calendarCode(strings.TrimSuffix(q.unit, "s"))
}

func calendarCode(word string) string {
	return map[string]string{"year": "a", "month": "mo", "week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}[word]
}

// months returns how many months a calendar unit has, 0 when it has no fixed number.
func (q quantity) months() int64 {
	switch {
	case q.calendar && strings.HasPrefix(q.unit, "year"):
		return 12
	case q.calendar && strings.HasPrefix(q.unit, "month"):
		return 1
	}
	return 0
}

func rational(d *apd.Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(d.Text('f'))
	if !ok {
		return new(big.Rat)
	}
	return r
}

// compare orders two quantities; comparable is false when their units measure different things, known when a calendar
// month meets a fixed one.
func (q quantity) compare(r quantity) (c int, comparable, known bool) {
	if q.unit == r.unit && q.calendar == r.calendar {
		return q.value.Cmp(r.value), true, true
	}
	if m, n := q.months(), r.months(); m > 0 || n > 0 {
		if m == 0 || n == 0 {
			return 0, true, false
		}
		a, b := rational(q.value), rational(r.value)
		return a.Mul(a, big.NewRat(m, 1)).Cmp(b.Mul(b, big.NewRat(n, 1))), true, true
	}
	a, b, ok := canonical(q, r)
	if !ok {
		return 0, false, false
	}
	return a.Cmp(b), true, true
}

// canonical returns both values in the same base units.
func canonical(q, r quantity) (a, b *big.Rat, ok bool) {
	u, okU := parseUnit(q.ucum())
	w, okW := parseUnit(r.ucum())
	if !okU || !okW || u.dims != w.dims {
		return nil, nil, false
	}
	return u.base(rational(q.value)), w.base(rational(r.value)), true
}

// equivalent compares at the precision of the less precise.
func (q quantity) equivalent(r quantity) bool {
	if q.months() != r.months() && calendarCode(strings.TrimSuffix(q.unit, "s")) == r.unit || calendarCode(strings.TrimSuffix(r.unit, "s")) == q.unit {
		return q.value.Cmp(r.value) == 0
	}
	if q.unit == r.unit {
		return equivalentDecimals(q.value, r.value)
	}
	u, okU := parseUnit(q.ucum())
	w, okW := parseUnit(r.ucum())
	if !okU || !okW || u.dims != w.dims {
		return false
	}
	if u.factor.Cmp(w.factor) < 0 { // compare in the greater unit
		q, r, u, w = r, q, w, u
	}
	b := w.base(rational(r.value))
	b.Quo(b, u.factor)
	in, ok := parseDecimal(b.FloatString(20))
	return ok && rounded(in, places(q.value), apd.RoundHalfUp).Cmp(q.value) == 0
}

func equivalentDecimals(a, b *apd.Decimal) bool {
	n := min(places(a), places(b))
	return rounded(a, n, apd.RoundHalfUp).Cmp(rounded(b, n, apd.RoundHalfUp)) == 0
}

// combine multiplies or divides two quantities, or adds them in the unit of the first.
func (q quantity) combine(op string, r quantity) (quantity, bool) {
	switch op {
	case "*", "/":
		d, ok := decimalOp(op, q.value, r.value)
		return quantity{value: d, unit: productUnit(op, q.ucum(), r.ucum())}, ok
	case "+", "-":
		if q.unit != r.unit {
			a, b, ok := canonical(q, r)
			if !ok {
				return q, false
			}
			if op == "-" {
				b.Neg(b)
			}
			u, _ := parseUnit(q.ucum())
			a.Add(a, b)
			d, ok := parseDecimal(strings.TrimRight(strings.TrimRight(a.Quo(a, u.factor).FloatString(20), "0"), "."))
			return quantity{d, q.unit, q.calendar}, ok
		}
		d, ok := decimalOp(op, q.value, r.value)
		return quantity{d, q.unit, q.calendar}, ok
	}
	return q, false
}

func productUnit(op, a, b string) string {
	switch {
	case b == "1" || b == "":
		return a
	case op == "*" && (a == "1" || a == ""):
		return b
	case op == "*":
		return a + "." + b
	case a == b:
		return "1"
	}
	if strings.ContainsAny(b, "./") {
		b = "(" + b + ")"
	}
	return a + "/" + b
}
