package fhirpath

import (
	"math"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// decimals is the arithmetic of Decimal: 34 digits, no traps, so that overflow shows in the result.
var decimals = apd.Context{Precision: 34, MaxExponent: 6000, MinExponent: -6000, Rounding: apd.RoundHalfUp}

// parseDecimal reads a decimal whose exponent is small enough to be written out.
func parseDecimal(s string) (*apd.Decimal, bool) {
	if s == "" || len(s) > 1000 {
		return nil, false
	}
	d, _, err := apd.NewFromString(s)
	if err != nil || d.Form != apd.Finite || d.Exponent > 400 || d.Exponent < -1000 {
		return nil, false
	}
	return d, true
}

// decimal returns an Integer or Decimal as a decimal.
func (v *Value) decimal() (*apd.Decimal, bool) {
	switch {
	case v.Kind == Integer:
		return apd.New(v.num, 0), true
	case v.Kind != Decimal:
		return nil, false
	case v.dec != nil:
		return v.dec, true
	}
	return parseDecimal(v.text)
}

func (v *Value) numeric() bool { return v.Kind == Integer || v.Kind == Decimal }

// usable reports whether a result is a number that can be written out; every other result is empty, as the
// specification asks for overflow.
func usable(d *apd.Decimal, err error) bool {
	return err == nil && d.Form == apd.Finite && d.Exponent <= 400 && d.Exponent >= -400
}

// places returns how many digits stand behind the point.
func places(d *apd.Decimal) int32 { return max(0, -d.Exponent) }

// rounded returns d with n digits behind the point.
func rounded(d *apd.Decimal, n int32, how apd.Rounder) *apd.Decimal {
	c := decimals
	c.Precision, c.Rounding = 500, how
	out := new(apd.Decimal)
	if _, err := c.Quantize(out, d, -n); err != nil {
		return d
	}
	return out
}

// arithmetic computes a op b. A result outside the range is false: the collection is empty then.
func arithmetic(op string, a, b *Value) (Value, bool) {
	if a.Kind == Integer && b.Kind == Integer {
		return integers(op, a.num, b.num)
	}
	x, okX := a.decimal()
	y, okY := b.decimal()
	if !okX || !okY {
		return Value{}, false
	}
	d, ok := decimalOp(op, x, y)
	if ok && op == "div" {
		n, err := d.Int64()
		return integerOf(n), err == nil && fits(n)
	}
	return decimalOf(d), ok
}

func decimalOp(op string, x, y *apd.Decimal) (*apd.Decimal, bool) {
	d := new(apd.Decimal)
	var err error
	switch op {
	case "+":
		_, err = decimals.Add(d, x, y)
	case "-":
		_, err = decimals.Sub(d, x, y)
	case "*":
		_, err = decimals.Mul(d, x, y)
	case "/":
		if y.IsZero() {
			return nil, false
		}
		_, err = decimals.Quo(d, x, y)
		d.Reduce(d)
		if d.Exponent > 0 {
			d = rounded(d, 0, apd.RoundDown)
		}
	case "div", "mod":
		if y.IsZero() {
			return nil, false
		}
		if op == "div" {
			_, err = decimals.QuoInteger(d, x, y)
		} else {
			_, err = decimals.Rem(d, x, y)
		}
	}
	return d, usable(d, err)
}

func fits(n int64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

func integers(op string, a, b int64) (Value, bool) {
	var n int64
	switch op {
	case "+":
		n = a + b
	case "-":
		n = a - b
	case "*":
		if !fits(a) || !fits(b) {
			return Value{}, false
		}
		n = a * b
	case "/":
		d, ok := decimalOp("/", apd.New(a, 0), apd.New(b, 0))
		return decimalOf(d), ok
	case "div", "mod":
		if b == 0 {
			return Value{}, false
		}
		n = a / b
		if op == "mod" {
			n = a % b
		}
	}
	return integerOf(n), fits(n)
}

// mathOne computes the functions of one number; false is an empty result.
func mathOne(name string, v *Value) (Value, bool) {
	d, ok := v.decimal()
	if !ok {
		return Value{}, false
	}
	out := new(apd.Decimal)
	var err error
	switch name {
	case "abs":
		if v.Kind == Integer {
			return integerOf(max(v.num, -v.num)), true
		}
		out.Abs(d)
	case "ceiling", "floor", "truncate":
		how := map[string]apd.Rounder{"ceiling": apd.RoundCeiling, "floor": apd.RoundFloor, "truncate": apd.RoundDown}[name]
		n, e := rounded(d, 0, how).Int64()
		return integerOf(n), e == nil && fits(n)
	case "exp":
		if f, _ := d.Float64(); math.Abs(f) > 900 {
			return Value{}, false
		}
		_, err = decimals.Exp(out, d)
	case "ln":
		if d.Sign() <= 0 {
			return Value{}, false
		}
		_, err = decimals.Ln(out, d)
	case "sqrt":
		if d.Sign() < 0 {
			return Value{}, false
		}
		_, err = decimals.Sqrt(out, d)
	}
	return decimalOf(out), usable(out, err)
}

// raise computes a to the power of b.
func raise(a, b *Value) (Value, bool) {
	x, okX := a.decimal()
	y, okY := b.decimal()
	if !okX || !okY {
		return Value{}, false
	}
	if f, _ := y.Float64(); math.Abs(f) > 400 || x.Sign() == 0 && f < 0 {
		return Value{}, false
	}
	d := new(apd.Decimal)
	if _, err := decimals.Pow(d, x, y); !usable(d, err) {
		return Value{}, false
	}
	if a.Kind == Integer && b.Kind == Integer && b.num >= 0 {
		if n, err := rounded(d, 0, apd.RoundHalfUp).Int64(); err == nil && fits(n) {
			return integerOf(n), true
		}
	}
	return decimalOf(d), true
}

// logarithm computes the logarithm of a to a base, at 30 digits so that whole results come out whole.
func logarithm(a, base *Value) (Value, bool) {
	x, okX := a.decimal()
	y, okY := base.decimal()
	if !okX || !okY || x.Sign() <= 0 || y.Sign() <= 0 {
		return Value{}, false
	}
	c := decimals
	c.Precision = 44
	lx, ly, d := new(apd.Decimal), new(apd.Decimal), new(apd.Decimal)
	if _, err := c.Ln(lx, x); err != nil {
		return Value{}, false
	}
	if _, err := c.Ln(ly, y); err != nil || ly.IsZero() {
		return Value{}, false
	}
	c.Precision = 30
	_, err := c.Quo(d, lx, ly)
	return decimalOf(d), usable(d, err)
}

// maxBoundary is the largest number of digits that lowBoundary and highBoundary give.
const maxBoundary = 31

// boundary returns the least or greatest number that d may stand for, with n digits behind the point: d is known to
// half a unit of its last digit.
func boundary(d *apd.Decimal, n int32, high bool) *apd.Decimal {
	half := apd.New(5, -places(d)-1)
	if !high {
		half.Negative = true
	}
	edge := new(apd.Decimal)
	c := decimals
	c.Precision = 200
	if _, err := c.Add(edge, d, half); err != nil {
		return d
	}
	how := apd.RoundFloor
	if high {
		how = apd.RoundCeiling
	}
	if zero := rounded(edge, n, apd.RoundHalfUp); zero.IsZero() && places(d) > n {
		return rounded(zero, n, apd.RoundDown) // the suite: what rounds to zero is bounded by zero
	}
	return rounded(edge, n, how)
}

// toInt reads an Integer out of a string as toInteger() does.
func toInt(s string) (int64, bool) {
	n, err := strconv.ParseInt(strings.TrimPrefix(s, "+"), 10, 32)
	return n, err == nil && s != "" && s != "+" && !strings.HasPrefix(s, "+-") && !strings.HasPrefix(s, "++")
}
