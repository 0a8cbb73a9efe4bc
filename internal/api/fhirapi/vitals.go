package fhirapi

import (
	"context"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// vitals is a search of telemetry for one page of Observations in the order of time.
type vitals struct {
	d       *door
	filter  record.Filter
	subject vigil.Subject
	patient string         // the compartment that is searched, "" for none
	metrics []vigil.Metric // empty means all
	from    int64          // Unix nanoseconds, [from, to)
	to      int64
	asc     bool
	width   int64 // of the window that was right last; 0 before the first
}

// The bounds of one look at telemetry.
const (
	firstWindow = time.Minute
	maxSamples  = 20_000 // read for one page at most, before they are filtered
	maxWindows  = 400
)

// subjectOf returns the one patient or place that an Observation search asks for; telemetry answers no wider search.
func subjectOf(f record.Filter) (vigil.Subject, bool) {
	for _, c := range f.Where {
		name := strings.TrimPrefix(c.Param, "Observation.")
		if name != "patient" && name != "subject" || len(c.Any) != 1 || c.Not {
			continue
		}
		typ := c.Any[0].Type
		if typ == "" || name == "patient" {
			typ = "Patient"
		}
		s := vigil.Subject(typ + "/" + c.Any[0].ID)
		return s, s.Valid() && fhir.ValidID(s.ID())
	}
	return "", false
}

// narrow bounds the look by the search's dates and codes.
func (v *vitals) narrow() {
	v.from, v.to = math.MinInt64/2, math.MaxInt64/2
	for _, c := range v.filter.Where {
		if len(c.Any) != 1 || c.Not {
			if c.Kind == fhir.ParamToken && !c.Not && strings.HasSuffix(c.Param, "code") {
				v.code(c)
			}
			continue
		}
		switch c.Param {
		case "Observation.date", record.ParamLastUpdated:
			v.date(c.Any[0])
		case "Observation.code", "Observation.combo-code", "Observation.component-code":
			v.code(c)
		}
	}
}

func (v *vitals) date(m record.Match) {
	low, high := nanos(m.Low), nanos(m.High)
	switch m.Op {
	case record.OpEq:
		v.from, v.to = max(v.from, low), min(v.to, high)
	case record.OpGt, record.OpSa, record.OpGe:
		v.from = max(v.from, low)
	case record.OpLt, record.OpEb, record.OpLe:
		v.to = min(v.to, high)
	}
}

func nanos(micros int64) int64 {
	if micros > math.MaxInt64/4000 || micros < math.MinInt64/4000 {
		return micros
	}
	return micros * 1000
}

// code finds the metrics that may carry one of the codes; the filter decides in the end.
func (v *vitals) code(c record.Clause) {
	var out []vigil.Metric
	for _, m := range c.Any {
		if m.Op == record.OpSystemOnly {
			return
		}
		for _, cm := range coding.Metrics() {
			panel := strings.HasSuffix(string(cm.Key), "-systolic") || strings.HasSuffix(string(cm.Key), "-diastolic")
			if cm.Shape == coding.Numeric && (cm.LOINC == m.Code || cm.MDC == m.Code || string(cm.Key) == m.Code || panel && m.Code == "85354-9") {
				out = append(out, cm.Key)
				if dia, ok := diastolicOf(cm.Key); ok {
					out = append(out, dia)
				} else if sys, ok := systolicOf(cm.Key); ok {
					out = append(out, sys)
				}
			}
		}
	}
	if out == nil {
		out = []vigil.Metric{}
		v.to = v.from // no metric has the code
	}
	slices.Sort(out)
	v.metrics = slices.Compact(out)
}

// collect returns up to need Observations in order of time, all of a moment together, and whether more may follow.
func (v *vitals) collect(ctx context.Context, need int) (out []fhir.Resource, more bool, err error) {
	newest, any, err := v.newest(ctx)
	if err != nil || !any || v.from >= v.to {
		return nil, false, err
	}
	v.to = min(v.to, newest+1)
	v.from = max(v.from, 0) // no device measured before 1970
	width := int64(firstWindow)
	if v.asc {
		width = v.to - v.from
	}
	if v.width > 0 {
		width = v.width
	}
	defer func() { v.width = width }()
	read := 0
	for range maxWindows {
		if v.from >= v.to {
			return out, false, nil
		}
		from, to := v.window(width)
		n, err := v.count(ctx, from, to)
		if err != nil {
			return nil, false, err
		}
		if n > max(4*need, 1000) && width > int64(time.Second) {
			width /= 2
			continue
		}
		if n > 0 {
			found, err := v.read(ctx, from, to)
			if err != nil {
				return nil, false, err
			}
			out, read = append(out, found...), read+n
		}
		if v.asc {
			v.from = to
		} else {
			v.to = from
		}
		if len(out) >= need || read > maxSamples {
			return out, v.from < v.to, nil
		}
		width = min(width*2, int64(100*365*24*time.Hour))
	}
	return out, true, nil
}

func (v *vitals) window(width int64) (from, to int64) {
	if v.asc {
		return v.from, min(v.to, v.from+max(width, 1))
	}
	return max(v.from, v.to-max(width, 1)), v.to
}

func (v *vitals) newest(ctx context.Context) (at int64, any bool, err error) {
	values, err := v.d.cfg.Telemetry.Last(ctx, v.subject)
	if err != nil {
		return 0, false, err
	}
	for _, val := range values {
		at, any = max(at, val.Time.UnixNano()), true
	}
	return at, any, nil
}

func (v *vitals) query(ctx context.Context, from, to int64, points int) ([]telemetry.Line, error) {
	return v.d.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: v.subject, Metrics: v.metrics, From: time.Unix(0, from), To: time.Unix(0, to), Points: points})
}

func (v *vitals) count(ctx context.Context, from, to int64) (n int, err error) {
	lines, err := v.query(ctx, from, to, 1)
	for _, l := range lines {
		for _, p := range l.Points {
			n += p.Count
		}
	}
	return n, err
}

func (v *vitals) read(ctx context.Context, from, to int64) ([]fhir.Resource, error) {
	lines, err := v.query(ctx, from, to, 0)
	if err != nil {
		return nil, err
	}
	list := readings(v.subject, lines)
	slices.SortStableFunc(list, func(a, b reading) int {
		d := int(a.metric.Num) - int(b.metric.Num)
		if a.point.Time != b.point.Time {
			d = 1
			if a.point.Time < b.point.Time {
				d = -1
			}
		}
		if !v.asc {
			d = -d
		}
		return d
	})
	var out []fhir.Resource
	for _, r := range list {
		if o, ok := r.observation(); ok && v.filter.Matches(o) {
			out = append(out, o)
		}
	}
	return out, nil
}

// telemetrySearch prepares a look at telemetry for an Observation search, nil when telemetry has no part in it.
func (d *door) telemetrySearch(ctx context.Context, params url.Values, patient string) (*vitals, error) {
	if d.cfg.Telemetry == nil {
		return nil, nil
	}
	f, err := d.cfg.Records.ParseFilter(ctx, "Observation", params)
	if err != nil {
		return nil, err
	}
	s, ok := subjectOf(f)
	if patient != "" {
		if own := vigil.PatientSubject(patient); ok && s != own {
			return nil, nil // another patient's telemetry is not in this compartment
		} else {
			s, ok = own, true
		}
	}
	if p, signed := access.From(ctx); !ok && signed && !p.Clinical() && p.Has(access.Patient) {
		s, ok = p.Subject, true
	}
	if !ok || access.CheckSubject(ctx, s) != nil {
		return nil, nil
	}
	v := &vitals{d: d, filter: f, subject: s, patient: patient}
	v.narrow()
	return v, nil
}
