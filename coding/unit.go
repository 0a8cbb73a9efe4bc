package coding

import "github.com/vigil-health/vigil"

// affine converts x in one unit to a*x+b in another.
type affine struct{ a, b float64 }

type unitPair struct{ from, to string }

// conversions lists what devices send besides the canonical unit; UCUM, case sensitive.
// Glucose uses its molar mass of 180.156 g/mol, cholesterol-like analytes are absent on purpose.
var conversions = map[unitPair]affine{
	{"[degF]", "Cel"}:       {5.0 / 9, -32 * 5.0 / 9},
	{"K", "Cel"}:            {1, -273.15},
	{"kPa", "mm[Hg]"}:       {7.500616827, 0},
	{"cm[H2O]", "mm[Hg]"}:   {0.735559, 0},
	{"mmol/L", "mg/dL"}:     {18.0156, 0},
	{"[lb_av]", "kg"}:       {0.45359237, 0},
	{"g", "kg"}:             {0.001, 0},
	{"[in_i]", "cm"}:        {2.54, 0},
	{"m", "cm"}:             {100, 0},
	{"V", "mV"}:             {1000, 0},
	{"uV", "mV"}:            {0.001, 0},
	{"1", "%"}:              {100, 0},
	{"Hz", "/min"}:          {60, 0},
	{"{beats}/min", "/min"}: {1, 0},
	{"L/h", "mL/h"}:         {1000, 0},
	{"L", "mL"}:             {1000, 0},
	{"s", "ms"}:             {1000, 0},
	{"min", "s"}:            {60, 0},
	{"hPa", "Pa"}:           {100, 0},
	{"kPa", "Pa"}:           {1000, 0},
}

// Conversion returns the factors a and b of value*a + b from one UCUM unit to another.
// It returns an Invalid error that names both units when none is known.
func Conversion(from, to string) (a, b float64, err error) {
	if from == to || from == "" {
		return 1, 0, nil
	}
	if c, ok := conversions[unitPair{from, to}]; ok {
		return c.a, c.b, nil
	}
	if c, ok := conversions[unitPair{to, from}]; ok {
		return 1 / c.a, -c.b / c.a, nil
	}
	return 0, 0, vigil.Errorf(vigil.Invalid, "coding.convert", "no conversion from unit %q to %q", from, to)
}
