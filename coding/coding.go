// Package coding holds codes and units: the metric catalogue with LOINC, IEEE 11073 MDC and UCUM, and unit conversion.
//
// It is data with a few look-ups; it knows nothing of devices (package catalog), stores or rules.
// Start at Metrics in metrics.go; units are converted in unit.go.
package coding

import "github.com/vigil-health/vigil"

// Shape says what kind of telemetry a metric is.
type Shape string

// The shapes of a metric.
const (
	Numeric  Shape = "numeric"
	Waveform Shape = "waveform"
)

// Signal groups metrics that share a colour and a place on the screen.
type Signal string

// The signals of the design brief.
const (
	SignalECG      Signal = "ecg"
	SignalSpO2     Signal = "spo2"
	SignalBP       Signal = "bp"
	SignalResp     Signal = "resp"
	SignalTemp     Signal = "temp"
	SignalCO2      Signal = "co2"
	SignalPressure Signal = "pressure"
	SignalOther    Signal = "other"
)

// Code systems as URIs (FHIR R4 terminologies-systems).
const (
	SystemLOINC = "http://loinc.org"
	SystemMDC   = "urn:iso:std:iso:11073:10101"
	SystemUCUM  = "http://unitsofmeasure.org"
)

// Lookup returns the metric of the key.
func Lookup(key vigil.Metric) (Metric, bool) {
	i, ok := byKey[key]
	if !ok {
		return Metric{}, false
	}
	return metrics[i], true
}

// ByNum returns the metric of the stable number that stores write instead of the key.
func ByNum(num uint16) (Metric, bool) {
	i, ok := byNum[num]
	if !ok {
		return Metric{}, false
	}
	return metrics[i], true
}

// ByCode returns the metrics that carry the code in the system (LOINC or MDC; an MDC code may be its number or its name).
func ByCode(system, code string) []Metric {
	var out []Metric
	for i := range metrics {
		m := &metrics[i]
		loinc := system == SystemLOINC || system == ""
		mdc := system == SystemMDC || system == ""
		if loinc && m.LOINC != "" && m.LOINC == code || mdc && (m.MDCName == code || m.MDC == code) && code != "" {
			out = append(out, *m)
		}
	}
	return out
}

// Metrics returns the whole catalogue in its order. The slice is the caller's.
func Metrics() []Metric { return append([]Metric(nil), metrics[:]...) }

var byKey, byNum = index()

func index() (map[vigil.Metric]int, map[uint16]int) {
	keys, nums := make(map[vigil.Metric]int, len(metrics)), make(map[uint16]int, len(metrics))
	for i, m := range metrics {
		keys[m.Key], nums[m.Num] = i, i
	}
	return keys, nums
}
