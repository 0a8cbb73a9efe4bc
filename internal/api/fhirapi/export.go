package fhirapi

import (
	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Observations returns raw lines of telemetry as the Observations that the door shows, systolic and diastolic of one
// measurement together. Points whose id has no room are left out.
func Observations(s vigil.Subject, lines []telemetry.Line) []fhir.Resource {
	var out []fhir.Resource
	for _, r := range readings(s, lines) {
		if o, ok := r.observation(); ok {
			out = append(out, o)
		}
	}
	return out
}

// linesOf returns a report's numbers as a query would.
func linesOf(r *vigil.Report) []telemetry.Line {
	var out []telemetry.Line
	at := map[vigil.Metric]int{}
	for i := range r.Samples {
		m := r.Samples[i].Metric
		if _, ok := at[m]; !ok {
			at[m] = len(out)
			out = append(out, telemetry.Line{Metric: m})
		}
		out[at[m]].Points = append(out[at[m]].Points, pointOf(r, i))
	}
	return out
}
