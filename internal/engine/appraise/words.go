package appraise

import (
	"fmt"
	"math"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/predict/deterioration"
)

// derivedNames are signals that are no metric.
var derivedNames = map[string]string{"shock-index": "shock index", "pulse-pressure": "pulse pressure", "pressure-form": "pressure form", "news2": "early-warning points", "sirs": "SIRS signs", "qsofa": "qSOFA signs"}

// phrase puts one feature into words, "" for what says nothing to a person.
func phrase(x deterioration.Feature, value float32, last map[string]float32) string {
	name, ok := derivedNames[x.Signal]
	if !ok {
		switch x.Signal {
		case "patient":
			if x.Stat == "age" {
				return fmt.Sprintf("age %.0f", value)
			}
			return ""
		case "any":
			return "" // how often somebody measures
		}
		name = signalName(vigil.Metric(x.Signal))
	}
	v := float64(value)
	if math.IsNaN(v) {
		return "" // the model takes the absence for a sign; the missing inputs are named beside
	}
	decimals := 0
	if x.Signal == "temperature" || x.Signal == "shock-index" || x.Signal == "pressure-form" {
		decimals = 1
	}
	now := ""
	if l := float64(last[x.Signal]); !math.IsNaN(l) {
		now = fmt.Sprintf(" %.*f", decimals, l)
	}
	switch x.Stat {
	case "last", "smoothed":
		return name + now
	case "slope", "delta":
		return fmt.Sprintf("%s%s, %s over %s", name, now, direction(v), span(x.Hours))
	case "from-mean", "from-smoothed":
		return fmt.Sprintf("%s%s, %.*f %s its mean", name, now, decimals, math.Abs(v), side(v))
	case "mean":
		return fmt.Sprintf("%s %.*f on average over %s", name, decimals, v, span(x.Hours))
	case "max":
		return fmt.Sprintf("%s up to %.*f within %s", name, decimals, v, span(x.Hours))
	case "min":
		return fmt.Sprintf("%s down to %.*f within %s", name, decimals, v, span(x.Hours))
	case "sd", "jitter":
		return fmt.Sprintf("%s%s, unsteady over %s", name, now, span(x.Hours))
	}
	return ""
}

func signalName(m vigil.Metric) string {
	switch m {
	case "spo2":
		return "SpO₂"
	case "bp-systolic":
		return "systolic pressure"
	case "bp-diastolic":
		return "diastolic pressure"
	case "bp-mean":
		return "mean pressure"
	case "respiratory-rate":
		return "respiratory rate"
	case "heart-rate":
		return "heart rate"
	}
	return string(m)
}

func direction(v float64) string {
	if v < 0 {
		return "falling"
	}
	return "rising"
}

func side(v float64) string {
	if v < 0 {
		return "under"
	}
	return "over"
}

func span(hours int) string {
	if hours >= 48 {
		return fmt.Sprintf("%d days", hours/24)
	}
	return fmt.Sprintf("%d h", hours)
}
