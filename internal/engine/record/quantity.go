package record

import (
	"math"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/fhir"
)

const systemUCUM = "http://unitsofmeasure.org"

// number reads [prefix]number[|system|code]; the range [Min, Max) is what the written precision implies (FHIR R4 3.1.1.5.4).
func (m *Match) number(s string) error {
	m.Op, s = cutPrefix(s)
	parts := splitPipes(s)
	f, err := strconv.ParseFloat(parts[0], 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) || strings.ContainsAny(parts[0], "xXpP_") {
		return invalid("%q is not a number", parts[0])
	}
	half := halfStep(parts[0])
	m.Min, m.Max = f-half, f+half
	switch {
	case len(parts) == 1:
	case len(parts) == 3 && m.Kind == fhir.ParamQuantity:
		m.System, m.Code, m.HasSystem = parts[1], parts[2], parts[1] != ""
	default:
		return invalid("%q is not number|system|code", s)
	}
	return nil
}

// halfStep returns half of the last written digit's place: 0.005 for 5.40, 0.5 for 100.
func halfStep(s string) float64 {
	mantissa, exponent, _ := strings.Cut(strings.ToLower(s), "e")
	places := 0
	if _, frac, ok := strings.Cut(mantissa, "."); ok {
		places = len(frac)
	}
	exp, err := strconv.Atoi(exponent)
	if err != nil {
		exp = 0
	}
	return 0.5 * math.Pow(10, float64(exp-places))
}

// inOtherUnits adds to quantities in UCUM the same quantities in the units that measure the same: 5.4 mg finds 0.0054 g.
// A search for unlike values (ne) stays in its unit.
func inOtherUnits(matches []Match) []Match {
	out := matches
	for _, m := range matches {
		if m.System != systemUCUM || m.Code == "" || m.Op == OpNe {
			continue
		}
		family := coding.Family(m.Code)
		var own coding.Scale
		for _, s := range family {
			if s.Unit == m.Code {
				own = s
			}
		}
		for _, s := range family {
			if s.Unit == m.Code {
				continue
			}
			in := func(v float64) float64 { return (own.Factor*v + own.Offset - s.Offset) / s.Factor }
			other := m
			other.Code, other.Min, other.Max = s.Unit, in(m.Min), in(m.Max)
			out = append(out, other)
		}
	}
	return out
}

// near reads "latitude|longitude[|distance[|units]]"; without a distance 50 km are meant, without units kilometres.
func (m *Match) near(s string) error {
	parts := splitPipes(s)
	if len(parts) < 2 || len(parts) > 4 {
		return invalid("%q is not latitude|longitude|distance|units", s)
	}
	n := [3]float64{2: 50}
	for i := range min(len(parts), 3) {
		f, err := strconv.ParseFloat(parts[i], 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return invalid("%q is not a number", parts[i])
		}
		n[i] = f
	}
	if math.Abs(n[0]) > 90 || math.Abs(n[1]) > 180 || n[2] < 0 {
		return invalid("%q is no place on earth with a distance", s)
	}
	if len(parts) == 4 {
		factor, ok := map[string]float64{"": 1, "km": 1, "m": 1e-3, "[mi_us]": 1.609347219, "[mi_i]": 1.609344, "mi": 1.609344}[parts[3]]
		if !ok {
			return invalid("%q is not a unit of distance: km, m or [mi_i]", parts[3])
		}
		n[2] *= factor
	}
	m.Op, m.Max = OpNear, n[2]
	m.Parts = []fhir.Value{{Kind: fhir.ParamNumber, Min: n[0], Max: n[0]}, {Kind: fhir.ParamNumber, Min: n[1], Max: n[1]}}
	return nil
}

// Box returns the terms of a search by distance, for stores: a place matches when the squares of its distances from the
// middle, each times its factor in kilometres a degree, add up to at most km². The earth is taken as flat within it.
func (m *Match) Box() (lat, lon, latKM, lonKM, km float64) {
	const degree = 111.195 // km a degree of a great circle, radius 6371 km
	lat, lon = m.Parts[0].Min, m.Parts[1].Min
	return lat, lon, degree, degree * math.Cos(lat*math.Pi/180), m.Max
}
