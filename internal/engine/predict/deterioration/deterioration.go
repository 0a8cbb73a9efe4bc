// Package deterioration turns the hourly vital signs of a patient into the features of the deterioration model.
//
// The training program (training/features) and the running product call the same code, so that they cannot differ.
// It evaluates no model (engine/predict), reads no telemetry and judges no result (engine/appraise). Time since admission is
// not among the features. The counts of hours in which something was measured (Stat "hours") are near to it in a stay that
// is younger than their window: Feature.Timed says which they are, and the reports are made with and without them.
// Start at Features.
package deterioration

import (
	"math"
	"strconv"

	"github.com/vigil-health/vigil"
)

// Vital numbers the vital signs that the model reads.
type Vital int

// The vital signs, in the order of Hour.
const (
	HeartRate   Vital = iota // /min
	SpO2                     // %
	Temperature              // Cel
	Systolic                 // mm[Hg]
	Mean                     // mm[Hg]
	Diastolic                // mm[Hg]
	RespRate                 // /min
	Vitals                   // how many there are
)

// Span is the longest window in hours that statistics look back over, History how many hours are read at all: the extremes
// are of all of them.
const (
	Span    = 72
	History = 14 * 24
)

// Metrics returns the metrics of a vital sign in order of trust: the first that was measured within an hour speaks for it.
func (v Vital) Metrics() []vigil.Metric {
	return [Vitals][]vigil.Metric{
		{"heart-rate", "pulse-rate"}, {"spo2"}, {"temperature"}, {"art-systolic", "bp-systolic"}, {"art-mean", "bp-mean"},
		{"art-diastolic", "bp-diastolic"}, {"respiratory-rate"},
	}[v]
}

// Hour holds one value of each vital sign for one hour, the mean of what was measured, NaN where nothing was.
type Hour [Vitals]float64

// NoHour returns an hour in which nothing was measured.
func NoHour() (h Hour) {
	for i := range h {
		h[i] = math.NaN()
	}
	return h
}

// Chart is what is known of a patient at the end of an hour.
type Chart struct {
	Hours []Hour  // oldest first, the last is the hour that just ended; only the last History are read
	Age   float64 // years, NaN when unknown
	Male  float64 // 1 male, 0 female, NaN when unknown
}

// Missing returns the vital signs that were not measured within the last hours.
func (c Chart) Missing(hours int) (out []Vital) {
	for v := range Vitals {
		seen := false
		for _, h := range c.Hours[max(0, len(c.Hours)-hours):] {
			seen = seen || !math.IsNaN(h[v])
		}
		if !seen {
			out = append(out, v)
		}
	}
	return out
}

// Feature says what one number of Features is.
type Feature struct {
	Signal string // "heart-rate", "shock-index", "patient"
	Stat   string // "last", "since", "mean", "slope", …
	Hours  int    // window, 0 when it has none
}

// Timed reports whether the feature can tell how long the patient has been watched.
func (f Feature) Timed() bool { return f.Stat == "hours" }

// Names returns what each number of Features is, in its order. The slice is the caller's.
func Names() []Feature {
	s := sheet{naming: true}
	s.fill(Chart{})
	return s.names
}

// Features appends the features of the chart to dst, NaN where there is nothing to compute them from. It does not
// allocate when dst has room for all of them.
func Features(dst []float32, c Chart) []float32 {
	c.Hours = c.Hours[max(0, len(c.Hours)-History):]
	s := sheet{values: dst}
	s.fill(c)
	return s.values
}

// sheet takes the features one after the other: their values, or what they are.
type sheet struct {
	values []float32
	names  []Feature
	naming bool
}

func (s *sheet) put(signal, stat string, hours int, v float64) {
	if s.naming {
		s.names = append(s.names, Feature{signal, stat, hours})
		return
	}
	s.values = append(s.values, float32(v))
}

// Key returns the feature as one word: "heart-rate/slope/6h".
func (f Feature) Key() string {
	if f.Hours == 0 {
		return f.Signal + "/" + f.Stat
	}
	return f.Signal + "/" + f.Stat + "/" + strconv.Itoa(f.Hours) + "h"
}
