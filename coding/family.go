package coding

// families lists UCUM units that measure the same, each with the factor and offset that turn its value into the family's
// first unit. Units whose conversion depends on the substance, such as mmol/L and mg/dL, are in different families.
var families = [][]Scale{
	{{"g", 1, 0}, {"kg", 1e3, 0}, {"mg", 1e-3, 0}, {"ug", 1e-6, 0}, {"ng", 1e-9, 0}, {"pg", 1e-12, 0}, {"[lb_av]", 453.59237, 0}, {"[oz_av]", 28.349523125, 0}},
	{{"m", 1, 0}, {"cm", 1e-2, 0}, {"mm", 1e-3, 0}, {"km", 1e3, 0}, {"um", 1e-6, 0}, {"[in_i]", 0.0254, 0}, {"[ft_i]", 0.3048, 0}, {"[mi_i]", 1609.344, 0}},
	{{"L", 1, 0}, {"dL", 0.1, 0}, {"cL", 1e-2, 0}, {"mL", 1e-3, 0}, {"uL", 1e-6, 0}, {"fL", 1e-15, 0}},
	{{"s", 1, 0}, {"ms", 1e-3, 0}, {"us", 1e-6, 0}, {"min", 60, 0}, {"h", 3600, 0}, {"d", 86400, 0}, {"wk", 604800, 0}},
	{{"Pa", 1, 0}, {"hPa", 100, 0}, {"kPa", 1000, 0}, {"mm[Hg]", 133.322387415, 0}, {"cm[H2O]", 98.0665, 0}, {"bar", 1e5, 0}, {"mbar", 100, 0}},
	{{"Cel", 1, 0}, {"K", 1, -273.15}, {"[degF]", 5.0 / 9, -32 * 5.0 / 9}},
	{{"g/L", 1, 0}, {"g/dL", 10, 0}, {"mg/dL", 1e-2, 0}, {"mg/L", 1e-3, 0}, {"mg/mL", 1, 0}, {"ug/mL", 1e-3, 0}, {"ug/L", 1e-6, 0}, {"ug/dL", 1e-5, 0}, {"ng/mL", 1e-6, 0}, {"ng/dL", 1e-8, 0}, {"pg/mL", 1e-9, 0}},
	{{"mol/L", 1, 0}, {"mmol/L", 1e-3, 0}, {"umol/L", 1e-6, 0}, {"nmol/L", 1e-9, 0}, {"pmol/L", 1e-12, 0}},
	{{"/min", 1, 0}, {"Hz", 60, 0}, {"/s", 60, 0}, {"{beats}/min", 1, 0}, {"{breaths}/min", 1, 0}, {"/h", 1.0 / 60, 0}},
	{{"V", 1, 0}, {"mV", 1e-3, 0}, {"uV", 1e-6, 0}},
	{{"%", 1, 0}, {"1", 100, 0}},
	{{"mL/h", 1, 0}, {"L/h", 1000, 0}, {"mL/min", 60, 0}, {"L/min", 60000, 0}},
}

// Scale turns a value in a unit into the first unit of its family: Factor*value + Offset.
type Scale struct {
	Unit           string // UCUM, case sensitive
	Factor, Offset float64
}

// Family returns the units that measure the same as the given one, itself among them, all scaled to one unit; nil when
// the unit is in no family. Read only. Source: UCUM 2.1, tables 2 to 6.
func Family(unit string) []Scale {
	for _, f := range families {
		for _, s := range f {
			if s.Unit == unit {
				return f
			}
		}
	}
	return nil
}
