package coding

import (
	"strings"

	"github.com/vigil-health/vigil"
)

// Label is one label of a series as Prometheus and its kin know them.
type Label struct{ Name, Value string }

// seriesUnits are the words that end a series' name, by UCUM code. What counts things or is a level ends in none.
var seriesUnits = map[string]string{
	"/min": "per_minute", "%": "percent", "Cel": "celsius", "mm[Hg]": "mmhg", "mg/dL": "mg_per_dl", "kg": "kilograms", "dB[mW]": "dbm",
	"L/min": "liters_per_minute", "mL/h": "ml_per_hour", "mL": "ml", "deg": "degrees", "[ppm]": "ppm", "Pa": "pascals", "Ohm": "ohms",
	"s": "seconds", "mm[Hg]/h": "mmhg_per_hour", "ms": "milliseconds", "mmol/L": "mmol_per_l", "V": "volts", "mV": "millivolts", "1": "", "{steps}": "", "{puff}": "",
}

// SeriesName returns the Prometheus metric name of a metric: "vigil_", its key with underscores, and its unit as a
// word, for example vigil_heart_rate_per_minute. A unit that the key says already is not said twice.
// A metric that the catalogue does not know has no unit. Names are unique within the catalogue.
func SeriesName(key vigil.Metric) string {
	var b strings.Builder
	b.WriteString("vigil_")
	for _, r := range []byte(strings.ToLower(string(key))) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteByte(r)
		} else {
			b.WriteByte('_')
		}
	}
	m, ok := Lookup(key)
	unit := seriesUnits[m.UCUM]
	if ok && unit != "" && !strings.HasSuffix(b.String(), "_"+unit) {
		b.WriteString("_" + unit)
	}
	return b.String()
}

// SeriesLabels returns the labels of a series in the order of their names: __name__, device, loinc, mdc, metric,
// subject, unit (UCUM). They carry ids and codes only; an empty one is left out.
func SeriesLabels(k vigil.SeriesKey) []Label {
	m, _ := Lookup(k.Metric)
	all := [...]Label{
		{"__name__", SeriesName(k.Metric)}, {"device", string(k.Device)}, {"loinc", m.LOINC}, {"mdc", m.MDC},
		{"metric", string(k.Metric)}, {"subject", string(k.Subject)}, {"unit", m.UCUM},
	}
	out := make([]Label, 0, len(all))
	for _, l := range all {
		if l.Value != "" {
			out = append(out, l)
		}
	}
	return out
}
