package fhirpath

import (
	"math/big"
	"strconv"
	"strings"
)

// dimensions counts metre, gram, second, radian, kelvin, coulomb, candela and the arbitrary unit.
type dimensions [8]int8

// unit is a unit of UCUM: value in base units = (value + offset) * factor.
type unit struct {
	dims   dimensions
	factor *big.Rat
	offset *big.Rat // of temperatures; nil for all others
}

func (u unit) base(v *big.Rat) *big.Rat {
	out := new(big.Rat).Set(v)
	if u.offset != nil {
		out.Add(out, u.offset)
	}
	return out.Mul(out, u.factor)
}

// prefixes are UCUM's, by power of ten.
var prefixes = map[string]int{
	"Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
	"d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}

// metric are the units that take prefixes, each as a number and units that stand before it.
var metric = map[string]string{
	"N": "1 kg.m/s2", "Pa": "1 N/m2", "J": "1 N.m", "W": "1 J/s", "A": "1 C/s", "V": "1 J/C", "Ohm": "1 V/A", "S": "1 A/V", "F": "1 C/V",
	"Wb": "1 V.s", "T": "1 Wb/m2", "H": "1 Wb/A", "Hz": "1 s-1", "Bq": "1 s-1", "Gy": "1 J/kg", "Sv": "1 J/kg", "lm": "1 cd.sr", "lx": "1 lm/m2", "sr": "1 rad2",
	"L": "1 dm3", "l": "1 dm3", "ar": "100 m2", "t": "1000 kg", "bar": "100000 Pa", "mol": "602213670000000000000000 1", "eq": "1 mol", "osm": "1 mol",
	"kat": "1 mol/s", "U": "1 umol/min", "cal": "4.184 J", "eV": "0.000000000000000000160217733 J", "m[Hg]": "133322 Pa", "m[H2O]": "9806.65 Pa", "g%": "1 g/dL", "b": "0.0000000000000000000000000001 m2",
	"u": "0.0000000000000000000000016605402 g", "st": "1 m3", "P": "0.1 Pa.s", "dyn": "0.00001 N", "erg": "0.0000001 J", "Ci": "37000000000 Bq",
}

// fixed are the units without prefixes.
var fixed = map[string]string{
	"min": "60 s", "h": "3600 s", "d": "86400 s", "wk": "604800 s", "a": "31557600 s", "a_j": "31557600 s", "mo": "2629800 s", "mo_j": "2629800 s", "%": "0.01 1", "[ppth]": "0.001 1",
	"[ppm]": "0.000001 1", "[ppb]": "0.000000001 1", "[in_i]": "2.54 cm", "[ft_i]": "30.48 cm", "[yd_i]": "91.44 cm", "[mi_i]": "160934.4 cm", "[nmi_i]": "1852 m",
	"[lb_av]": "453.59237 g", "[oz_av]": "28.349523125 g", "[gr]": "64.79891 mg", "[dr_av]": "1.7718451953125 g", "[ston_av]": "907184.74 g", "[lb_tr]": "373.2417216 g", "[oz_tr]": "31.1034768 g", "[stone_av]": "6350.29318 g",
	"[gal_us]": "3.785411784 L", "[qt_us]": "0.946352946 L", "[pt_us]": "0.473176473 L", "[foz_us]": "29.5735295625 mL", "[cup_us]": "236.5882365 mL", "[tbs_us]": "14.78676478125 mL", "[tsp_us]": "4.92892159375 mL",
	"[psi]": "6894.757293168 Pa", "atm": "101325 Pa", "[cal]": "4.184 J", "[Cal]": "4184 J", "[kn_i]": "0.514444444444444444 m/s", "'": "0.000290888208665721596 rad", "deg": "0.0174532925199432957692 rad", "[lbf_av]": "4.4482216152605 N",
	"[drp]": "0.05 mL", "[car_m]": "0.2 g", "[g]": "9.80665 m/s2", "[pi]": "3.1415926535897932384626433832795028841971693993751058209749445923 1",
}

const maxUnit = 100 // characters

// parseUnit reads an expression such as "mm[Hg]", "10*3/uL", "/min" or "{beats}/min".
func parseUnit(s string) (unit, bool) {
	if len(s) > maxUnit {
		return unit{}, false
	}
	p := unitParser{src: s}
	u, ok := p.product(0)
	return u, ok && p.pos == len(s)
}

type unitParser struct {
	src string
	pos int
}

func one() unit { return unit{factor: big.NewRat(1, 1)} }

func (p *unitParser) product(depth int) (unit, bool) {
	out, op := one(), byte('.')
	if depth > 8 {
		return out, false
	}
	if p.peek() == '/' {
		op = '/'
		p.pos++
	}
	for {
		u, ok := p.term(depth)
		if !ok || !out.times(u, op == '/') {
			return out, false
		}
		if op = p.peek(); op != '.' && op != '/' {
			return out, true
		}
		p.pos++
	}
}

// times multiplies or divides; a temperature with an offset stands alone only.
func (u *unit) times(w unit, divide bool) bool {
	if w.offset != nil {
		if u.dims != (dimensions{}) || divide {
			return false
		}
		u.offset = w.offset
	}
	factor, sign := w.factor, int8(1)
	if divide {
		if factor.Sign() == 0 {
			return false
		}
		factor, sign = new(big.Rat).Inv(factor), -1
	}
	u.factor = new(big.Rat).Mul(u.factor, factor)
	for i := range u.dims {
		n := int(u.dims[i]) + int(sign)*int(w.dims[i])
		if n > 100 || n < -100 {
			return false
		}
		u.dims[i] = int8(n)
	}
	return true
}

func (p *unitParser) peek() byte {
	if p.pos < len(p.src) {
		return p.src[p.pos]
	}
	return 0
}

func (p *unitParser) term(depth int) (unit, bool) {
	var u unit
	ok := true
	switch c := p.peek(); {
	case c == '(':
		p.pos++
		if u, ok = p.product(depth + 1); !ok || p.peek() != ')' {
			return u, false
		}
		p.pos++
	case c == '{':
		return one(), p.annotation()
	default:
		if u, ok = p.simple(depth); !ok {
			return u, false
		}
	}
	if p.peek() == '{' {
		ok = p.annotation()
	}
	return u, ok
}

func (p *unitParser) annotation() bool {
	i := strings.IndexByte(p.src[p.pos:], '}')
	p.pos += i + 1
	return i >= 0
}

// simple reads a number, or a unit with its prefix and exponent: "10*3", "cm2", "s-1", "60".
func (p *unitParser) simple(depth int) (unit, bool) {
	rest := p.src[p.pos:]
	if strings.HasPrefix(rest, "10*") || strings.HasPrefix(rest, "10^") {
		p.pos += 3
		return unit{factor: big.NewRat(10, 1)}.raised(p.exponent())
	}
	i := 0
	for i < len(rest) && isDigit(rest[i]) {
		i++
	}
	if i > 0 {
		p.pos += i
		n, err := strconv.ParseInt(rest[:i], 10, 32)
		return unit{factor: big.NewRat(max(n, 1), 1)}, err == nil && n > 0
	}
	bracket := 0
	for i < len(rest) {
		c := rest[i]
		if c == '[' {
			bracket++
		} else if c == ']' {
			bracket--
		} else if bracket == 0 && (strings.IndexByte("./(){}+-", c) >= 0 || isDigit(c)) {
			break
		}
		i++
	}
	u, ok := atom(rest[:i], depth)
	if !ok {
		return u, false
	}
	p.pos += i
	if c := p.peek(); c == '-' || c == '+' || isDigit(c) {
		return u.raised(p.exponent())
	}
	return u, true
}

func (p *unitParser) exponent() int {
	i := p.pos
	if c := p.peek(); c == '-' || c == '+' {
		i++
	}
	for i < len(p.src) && isDigit(p.src[i]) {
		i++
	}
	n, err := strconv.Atoi(strings.TrimPrefix(p.src[p.pos:i], "+"))
	p.pos = i
	if err != nil {
		return 1
	}
	return n
}

func (u unit) raised(n int) (unit, bool) {
	if n > 30 || n < -30 || u.offset != nil {
		return u, false
	}
	out := one()
	for range max(n, -n) {
		if !out.times(u, n < 0) {
			return out, false
		}
	}
	return out, true
}

// atom reads one unit with or without a prefix.
func atom(name string, depth int) (unit, bool) {
	if name == "" || depth > 8 {
		return unit{}, false
	}
	if u, ok := baseUnit(name); ok {
		return u, true
	}
	if def, ok := fixed[name]; ok {
		return defined(def, depth)
	}
	if def, ok := metric[name]; ok {
		return defined(def, depth)
	}
	for _, n := range []int{1, 2} {
		if len(name) <= n {
			break
		}
		power, ok := prefixes[name[:n]]
		if !ok {
			continue
		}
		rest := name[n:]
		u, ok := baseUnit(rest)
		if !ok {
			def, known := metric[rest]
			if !known {
				continue
			}
			if u, ok = defined(def, depth); !ok {
				continue
			}
		}
		if u.offset != nil {
			return u, false
		}
		ten, _ := unit{factor: big.NewRat(10, 1)}.raised(power)
		return u, u.times(ten, false)
	}
	return unit{}, false
}

func baseUnit(name string) (unit, bool) {
	u := one()
	switch name {
	case "m", "g", "s", "rad", "K", "C", "cd":
		u.dims[map[string]int{"m": 0, "g": 1, "s": 2, "rad": 3, "K": 4, "C": 5, "cd": 6}[name]] = 1
	case "[iU]", "[IU]", "[arb'U]", "[USP'U]":
		u.dims[7] = 1
	case "Cel":
		u.dims[4], u.offset = 1, big.NewRat(27315, 100)
	case "[degF]":
		u.dims[4], u.offset, u.factor = 1, big.NewRat(45967, 100), big.NewRat(5, 9)
	default:
		return u, false
	}
	return u, true
}

func defined(def string, depth int) (unit, bool) {
	number, rest, _ := strings.Cut(def, " ")
	p := unitParser{src: rest}
	u, ok := p.product(depth + 1)
	f, okF := new(big.Rat).SetString(number)
	if !ok || !okF {
		return u, false
	}
	u.factor = new(big.Rat).Mul(u.factor, f)
	return u, true
}
