package fhirapi

import (
	"context"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

const statSystem = "http://terminology.hl7.org/CodeSystem/observation-statistics"

// maxStatSamples bounds what a statistic that needs every sample may read.
const maxStatSamples = 500_000

// fromSummaries are the statistics that count, minimum, maximum and sum of kept summaries tell without error; the others
// need every sample.
var fromSummaries = [...]string{"average", "maximum", "minimum", "count", "total-count", "sum"}

var fromSamples = [...]string{"median", "std-dev", "variance", "20-percent", "80-percent"}

// statsAsked is a call of $stats.
type statsAsked struct {
	subject    vigil.Subject
	metrics    []coding.Metric
	from, to   time.Time
	statistics []string
	include    bool
	limit      int
}

// stats is Observation/$stats: statistics over a subject's telemetry.
func (d *door) stats(r *http.Request, c call) (answer, error) {
	ask, err := d.statsAsked(c)
	if err != nil {
		return answer{}, err
	}
	if err := access.CheckSubject(r.Context(), ask.subject); err != nil {
		return answer{}, err
	}
	if d.cfg.Telemetry == nil {
		return answer{}, vigil.Errorf(vigil.Unavailable, "fhir.stats", "there is no telemetry here")
	}
	var out []fhir.Resource
	for _, m := range ask.metrics {
		o, err := d.statistics(r.Context(), ask, m)
		if err != nil {
			return answer{}, err
		}
		out = append(out, fhir.Resource{"name": "statistics", "resource": o})
		if !ask.include {
			continue
		}
		found, err := d.sources(r.Context(), ask, m)
		if err != nil {
			return answer{}, err
		}
		for _, res := range found {
			out = append(out, fhir.Resource{"name": "source", "resource": res})
		}
	}
	return returned(out...), d.noteVitals(r.Context(), ask.subject, "stats")
}

// statsAsked reads the parameters of $stats.
func (d *door) statsAsked(c call) (*statsAsked, error) {
	wrong := func(format string, args ...any) error {
		return vigil.Errorf(vigil.Invalid, "fhir.stats", format, args...)
	}
	ref := fhir.ParseReference(c.text("subject"))
	a := &statsAsked{subject: vigil.Subject(ref.Type + "/" + ref.ID), include: c.text("include") == "true"}
	if !a.subject.Valid() || !fhir.ValidID(ref.ID) {
		return nil, wrong("subject must be Patient/id or Location/id")
	}
	var err error
	if a.metrics, err = c.metrics(); err != nil {
		return nil, err
	}
	a.to = d.cfg.Now()
	switch period, hours := c.part("period"), c.text("duration"); {
	case period != nil:
		low, _, okLow := fhir.DateRange(period.Str("start"))
		_, high, okHigh := fhir.DateRange(period.Str("end"))
		if !okLow || period.Str("end") != "" && !okHigh {
			return nil, wrong("period needs a start and may have an end, both dates")
		}
		if a.from = time.UnixMicro(low); okHigh {
			a.to = time.UnixMicro(high)
		}
	case hours != "":
		h, err := strconv.ParseFloat(hours, 64)
		if err != nil || h <= 0 || h > 24*366*100 {
			return nil, wrong("duration %s is not a number of hours", quote(hours))
		}
		a.from = a.to.Add(-time.Duration(h * float64(time.Hour)))
	default:
		return nil, required("stats", "duration or period")
	}
	if !a.from.Before(a.to) {
		return nil, wrong("the period is empty")
	}
	for _, s := range c.texts("statistic") {
		for name := range strings.SplitSeq(s, ",") {
			if !slices.Contains(fromSummaries[:], name) && !slices.Contains(fromSamples[:], name) {
				return nil, wrong("statistic %s is not one of %s, %s", quote(name), strings.Join(fromSummaries[:], ", "), strings.Join(fromSamples[:], ", "))
			}
			a.statistics = append(a.statistics, name)
		}
	}
	if len(a.statistics) == 0 {
		return nil, required("stats", "statistic")
	}
	a.limit, err = c.number("stats", "limit", 100)
	a.limit = min(a.limit, maxLastN*10)
	return a, err
}

// metrics finds what code (with system) and coding name.
func (c call) metrics() ([]coding.Metric, error) {
	type named struct{ system, code string }
	var names []named
	for _, s := range c.texts("code") {
		for code := range strings.SplitSeq(s, ",") {
			names = append(names, named{c.text("system"), code})
		}
	}
	for _, p := range c.in.List("parameter") {
		if p.Str("name") == "coding" {
			names = append(names, named{p.Str("valueCoding.system"), p.Str("valueCoding.code")})
		}
	}
	if len(names) == 0 {
		return nil, required("stats", "code or coding")
	}
	var out []coding.Metric
	for _, n := range names {
		found := false
		for _, m := range coding.Metrics() {
			loinc := m.LOINC == n.code && (n.system == "" || n.system == coding.SystemLOINC)
			mdc := m.MDC == n.code && (n.system == "" || n.system == coding.SystemMDC)
			if own := string(m.Key) == n.code && (n.system == "" || n.system == "urn:vigil:metric"); m.Shape == coding.Numeric && (loinc || mdc || own) {
				out, found = append(out, m), true
			}
		}
		if !found {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.stats", "no metric has the code %s: ask for a LOINC, MDC or metric code of telemetry", quote(n.code))
		}
	}
	return out, nil
}

// statistics makes the Observation of one metric.
func (d *door) statistics(ctx context.Context, a *statsAsked, m coding.Metric) (fhir.Resource, error) {
	sum, err := d.summed(ctx, a, m)
	if err != nil {
		return nil, err
	}
	var sorted []float64
	if slices.ContainsFunc(a.statistics, func(s string) bool { return slices.Contains(fromSamples[:], s) }) {
		if sorted, err = d.samples(ctx, a, m, sum.Count); err != nil {
			return nil, err
		}
	}
	o := fhir.New("Observation", "").With("status", "final").With("code", code(m)).With("subject", fhir.Ref(string(a.subject), "")).With("effectivePeriod", fhir.Period(a.from, a.to))
	var parts []fhir.Resource
	for _, name := range a.statistics {
		part := fhir.Resource{"code": fhir.Concept("", fhir.Coding(statSystem, name, ""))}
		switch v, ok := statistic(name, sum, sorted); {
		case !ok:
			part["dataAbsentReason"] = fhir.Concept("no value in the period", fhir.Coding("http://terminology.hl7.org/CodeSystem/data-absent-reason", "unknown", "Unknown"))
		case name == "count" || name == "total-count":
			part["valueQuantity"] = fhir.Quantity(v, "", "1")
		case name == "variance":
			part["valueQuantity"] = fhir.Resource{"value": fhir.Decimal(v)}
		default:
			part["valueQuantity"] = value(m, v)
		}
		parts = append(parts, part)
	}
	return fhir.Normal(o.With("component", parts)), nil
}

// summed adds up the period from kept summaries.
func (d *door) summed(ctx context.Context, a *statsAsked, m coding.Metric) (telemetry.Point, error) {
	lines, err := d.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: a.subject, Metrics: []vigil.Metric{m.Key}, From: a.from, To: a.to, Points: 1})
	all := telemetry.Point{Min: math.Inf(1), Max: math.Inf(-1)}
	total := 0.0
	for _, l := range lines {
		for _, p := range l.Points {
			all.Count += p.Count
			all.Min, all.Max = min(all.Min, p.Min), max(all.Max, p.Max)
			total += p.Mean * float64(p.Count)
		}
	}
	if all.Count > 0 {
		all.Mean = total / float64(all.Count)
	}
	return all, err
}

// samples reads every sample in order of value. Invalid when there are too many or some are kept as summaries only: then
// an order statistic would be a guess.
func (d *door) samples(ctx context.Context, a *statsAsked, m coding.Metric, count int) ([]float64, error) {
	if count > maxStatSamples {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.stats", "%d values of %s are more than the %d that %s can be made of: ask for a shorter period", count, m.Name, maxStatSamples, strings.Join(fromSamples[:], ", "))
	}
	lines, err := d.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: a.subject, Metrics: []vigil.Metric{m.Key}, From: a.from, To: a.to})
	if err != nil {
		return nil, err
	}
	var out []float64
	for _, l := range lines {
		for _, p := range l.Points {
			out = append(out, p.Mean)
		}
	}
	if len(out) < count {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.stats", "of %d values of %s only %d are kept one by one, the others as summaries: %s cannot be told of this period", count, m.Name, len(out), strings.Join(fromSamples[:], ", "))
	}
	slices.Sort(out)
	return out, nil
}

// statistic returns one statistic of a period; false when there is no value.
func statistic(name string, sum telemetry.Point, sorted []float64) (float64, bool) {
	n := float64(sum.Count)
	switch name {
	case "count", "total-count":
		return n, true
	case "average":
		return sum.Mean, n > 0
	case "sum":
		return sum.Mean * n, n > 0
	case "minimum":
		return sum.Min, n > 0
	case "maximum":
		return sum.Max, n > 0
	case "median":
		return quantile(sorted, 0.5), len(sorted) > 0
	case "20-percent":
		return quantile(sorted, 0.2), len(sorted) > 0
	case "80-percent":
		return quantile(sorted, 0.8), len(sorted) > 0
	}
	if len(sorted) < 2 {
		return 0, false
	}
	mean, squares := 0.0, 0.0
	for i, v := range sorted { // Welford
		delta := v - mean
		mean += delta / float64(i+1)
		squares += delta * (v - mean)
	}
	variance := squares / float64(len(sorted)-1)
	if name == "std-dev" {
		return math.Sqrt(variance), true
	}
	return variance, true
}

// quantile interpolates between the two nearest values (Hyndman and Fan, type 7).
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// sources returns the newest Observations that the statistics of a metric are made of, as many as are asked for.
func (d *door) sources(ctx context.Context, a *statsAsked, m coding.Metric) ([]fhir.Resource, error) {
	params := url.Values{"subject": {string(a.subject)}, "date": {"ge" + fhir.Instant(a.from), "lt" + fhir.Instant(a.to)}}
	v, err := d.telemetrySearch(ctx, params, "")
	if err != nil || v == nil {
		return nil, err
	}
	v.metrics = []vigil.Metric{m.Key}
	return v.newest(ctx, a.limit)
}
