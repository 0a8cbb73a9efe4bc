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

// vitals is a search of telemetry: Observations are made while it reads, of one subject or of all that may be seen.
//
//	clauses ─► whom, which metrics, which times ─► streams, one a subject ─► asked one by one what is left (rest)
type vitals struct {
	d        *door
	filter   record.Filter
	order    order
	subjects []vigil.Subject
	patient  string         // the compartment that is searched, "" for none
	metrics  []vigil.Metric // that may carry the codes; empty means all
	waves    []vigil.Metric // waveforms that a code asks for: unasked they would bury everything else
	from     int64          // Unix nanoseconds, [from, to)
	to       int64
	exact    bool // from and to say all that the dates ask for

	fixed  []record.Clause // decided by metric and kind of subject
	device []record.Clause
	rest   []record.Clause // every Observation is asked
	kinds  map[kind]bool
	known  map[vigil.DeviceID]bool
	left   int // samples that may still be read
}

// kind is what decides the fixed clauses.
type kind struct {
	metric  vigil.Metric
	panel   bool
	patient bool
}

// The bounds of one page.
const (
	firstWindow = time.Minute
	maxSamples  = 50_000  // read for one page, before they are filtered
	maxSorted   = 200_000 // looked at for one page in another order than that of time
	maxWindows  = 400
)

// telemetrySearch prepares a look at telemetry for an Observation search, nil when telemetry has no part in it.
func (d *door) telemetrySearch(ctx context.Context, params url.Values, patient string) (*vitals, error) {
	if d.cfg.Telemetry == nil {
		return nil, nil
	}
	f, err := d.cfg.Records.ParseFilter(ctx, "Observation", params)
	if err != nil {
		return nil, err
	}
	v := &vitals{d: d, filter: f, order: order(f.Sort), patient: patient, kinds: map[kind]bool{}, known: map[vigil.DeviceID]bool{}, left: maxSamples}
	if len(v.order) == 0 {
		v.order = byTime()
	}
	if !v.narrow() {
		return nil, nil
	}
	v.subjects = v.whom(ctx)
	if len(v.subjects) == 0 {
		return nil, nil
	}
	return v, nil
}

// whom returns the subjects that are asked for and that the principal may see.
func (v *vitals) whom(ctx context.Context) []vigil.Subject {
	list := v.subjects
	p, signed := access.From(ctx)
	switch {
	case v.patient != "":
		own := vigil.PatientSubject(v.patient)
		if list != nil && !slices.Contains(list, own) {
			return nil // another patient's telemetry is not in this compartment
		}
		list = []vigil.Subject{own}
	case list != nil:
	case signed && !p.Clinical() && p.Has(access.Patient):
		list = []vigil.Subject{p.Subject}
	case signed && (p.Clinical() || p.MayRead("Observation")):
		list = v.d.cfg.Telemetry.Subjects(ctx)
	}
	var out []vigil.Subject
	for _, s := range list {
		if s.Valid() && fhir.ValidID(s.ID()) && access.CheckSubject(ctx, s) == nil && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// narrow sorts the clauses by what they bound; false when no Observation of telemetry can satisfy them.
func (v *vitals) narrow() bool {
	v.from, v.to, v.exact = math.MinInt64/2, math.MaxInt64/2, true
	for _, c := range v.filter.Where {
		name := strings.TrimPrefix(c.Param, "Observation.")
		simple := c.Missing == nil && !c.Not && len(c.Any) > 0 && c.All == nil && c.Or == nil
		switch {
		case !possible(&c, name):
			return false
		case (name == "subject" || name == "patient") && simple && v.subjects == nil:
			v.subjects = subjectsOf(name, c.Any)
		case name == record.ParamID && simple:
			v.ids(c.Any)
			v.rest = append(v.rest, c)
		case (name == "date" || name == record.ParamLastUpdated) && simple && len(c.Any) == 1:
			if !v.date(c.Any[0]) {
				v.exact = false
			}
		case slices.Contains([]string{"code", "combo-code", "component-code"}, name) && c.Missing == nil && c.Kind == fhir.ParamToken:
			v.fixed = append(v.fixed, c)
			if simple && !v.code(c.Any) {
				return false
			}
		case name == "category" && c.Kind == fhir.ParamToken:
			v.fixed = append(v.fixed, c)
		case name == "device" && c.Kind == fhir.ParamReference:
			v.device = append(v.device, c)
		default:
			v.rest = append(v.rest, c)
		}
	}
	if len(v.waves) > 0 {
		v.from -= int64(waveSpan) // an Observation of a waveform reaches into the time that is asked for
		v.exact = false
	}
	if !v.exact {
		for _, c := range v.filter.Where {
			if strings.HasSuffix(c.Param, ".date") || c.Param == record.ParamLastUpdated {
				v.rest = append(v.rest, c)
			}
		}
	}
	return v.from < v.to
}

// possible reports whether an Observation of telemetry can satisfy the clause at all.
func possible(c *record.Clause, name string) bool {
	switch {
	case c.All != nil || c.Or != nil:
		return true
	case c.Chain != nil || c.Has != nil:
		return false
	}
	has := slices.Contains([]string{record.ParamID, record.ParamLastUpdated, "code", "status", "date", "subject"}, name)
	may := has || slices.Contains([]string{"patient", "device", "category", "combo-code", "component-code", "value-quantity", "component-value-quantity",
		"combo-value-quantity", "code-value-quantity", "component-code-value-quantity", "combo-code-value-quantity"}, name)
	switch {
	case c.Missing != nil:
		return *c.Missing && !has || !*c.Missing && may
	case c.Not:
		return true
	case name == "status":
		return slices.ContainsFunc([]string{"final", "corrected", "preliminary"}, func(s string) bool {
			return holds(c, fhir.Resource{"resourceType": "Observation", "status": s})
		})
	}
	return may
}

// holds asks an Observation a clause; only the values that it concerns are looked for.
func holds(c *record.Clause, o fhir.Resource) bool {
	if name := strings.TrimPrefix(c.Param, "Observation."); c.All == nil && c.Or == nil && name != "" {
		if prm, ok := fhir.SearchParam("Observation", name); ok {
			return c.Matches(prm.Values(o))
		}
	}
	return c.Matches(fhir.Index(o))
}

func subjectsOf(name string, any []record.Match) []vigil.Subject {
	out := []vigil.Subject{}
	for _, m := range any {
		typ := m.Type
		if typ == "" || name == "patient" {
			typ = "Patient"
		}
		out = append(out, vigil.Subject(typ+"/"+m.ID))
	}
	return out
}

// ids narrows to what the ids say themselves.
func (v *vitals) ids(any []record.Match) {
	v.subjects = []vigil.Subject{}
	from, to := int64(math.MaxInt64/2), int64(math.MinInt64/2)
	for _, m := range any {
		k, ok := parseVitalID(m.Code)
		if !ok {
			continue
		}
		cm, _ := coding.ByNum(k.metric)
		v.subjects, from, to = append(v.subjects, k.subject), min(from, k.time), max(to, k.time+1)
		v.add(cm)
	}
	v.from, v.to = max(v.from, from), min(v.to, to)
}

// date narrows by one date; false when the bounds say less than it asks for.
func (v *vitals) date(m record.Match) bool {
	low, high := nanos(m.Low), nanos(m.High)
	whole := low%int64(time.Second) == 0 && high%int64(time.Second) == 0 // else a time's own precision matters
	loose := int64(0)
	if !whole {
		loose = int64(time.Second)
	}
	switch m.Op {
	case record.OpEq:
		v.from, v.to = max(v.from, low), min(v.to, high)
	case record.OpGt, record.OpSa:
		v.from = max(v.from, high-loose)
	case record.OpGe:
		v.from = max(v.from, low)
	case record.OpLt, record.OpEb:
		v.to = min(v.to, low+loose)
	case record.OpLe:
		v.to = min(v.to, high)
	default:
		return false
	}
	return whole
}

func nanos(micros int64) int64 {
	if micros > math.MaxInt64/4000 || micros < math.MinInt64/4000 {
		return micros
	}
	return micros * 1000
}

// code finds the metrics that may carry one of the codes, false when none does; the clause itself decides in the end.
func (v *vitals) code(any []record.Match) bool {
	for _, m := range any {
		if m.Op == record.OpSystemOnly {
			return true
		}
	}
	for _, m := range any {
		for _, cm := range coding.Metrics() {
			_, sys := diastolicOf(cm.Key)
			_, dia := systolicOf(cm.Key)
			if cm.LOINC != "" && cm.LOINC == m.Code || cm.MDC != "" && cm.MDC == m.Code || cm.MDCName != "" && cm.MDCName == m.Code || string(cm.Key) == m.Code ||
				(sys || dia) && m.Code == panelCode {
				v.add(cm)
			}
		}
	}
	return len(v.metrics)+len(v.waves) > 0
}

// add takes a metric into the search, systolic and diastolic together.
func (v *vitals) add(m coding.Metric) {
	list := []vigil.Metric{m.Key}
	if dia, ok := diastolicOf(m.Key); ok {
		list = append(list, dia)
	} else if sys, ok := systolicOf(m.Key); ok {
		list = append(list, sys)
	}
	to := &v.metrics
	if m.Shape == coding.Waveform {
		to, list = &v.waves, list[:1]
	}
	*to = append(*to, list...)
	slices.Sort(*to)
	*to = slices.Compact(*to)
}

// fits reports whether Observations of the kind satisfy the fixed clauses.
func (v *vitals) fits(k kind) bool {
	if yes, ok := v.kinds[k]; ok {
		return yes
	}
	m, ok := coding.Lookup(k.metric)
	r := reading{subject: "Location/x", metric: m}
	if k.patient {
		r.subject = "Patient/x"
	}
	if k.panel {
		r.diastolic = &telemetry.Point{}
	}
	if ok {
		o, _ := r.observation()
		for i := range v.fixed {
			ok = ok && holds(&v.fixed[i], o)
		}
	}
	v.kinds[k] = ok
	return ok
}

func (v *vitals) fitsDevice(dev vigil.DeviceID) bool {
	if hidden(dev) {
		return false
	}
	if len(v.device) == 0 {
		return true
	}
	yes, ok := v.known[dev]
	if !ok {
		o := fhir.Resource{"resourceType": "Observation"}
		if dev != "" && !strings.HasPrefix(string(dev), authorDevice) {
			o["device"] = map[string]any{"reference": "Device/" + string(dev)}
		}
		yes = true
		for i := range v.device {
			yes = yes && holds(&v.device[i], o)
		}
		v.known[dev] = yes
	}
	return yes
}

// asks reports whether the Observation satisfies what is left to ask.
func (v *vitals) asks(o fhir.Resource) bool {
	for i := range v.rest {
		if !holds(&v.rest[i], o) {
			return false
		}
	}
	return true
}

// beyond reports whether no value of the line, which keeps its extremes, can satisfy what is asked of values.
func (v *vitals) beyond(l *telemetry.Line) bool {
	for i := range v.rest {
		c := &v.rest[i]
		if c.Param != "Observation.value-quantity" || c.Not || c.Missing != nil {
			continue
		}
		if !slices.ContainsFunc(c.Any, func(m record.Match) bool { return reaches(m, l) }) {
			return true
		}
	}
	return false
}

func reaches(m record.Match, l *telemetry.Line) bool {
	cm, _ := coding.Lookup(l.Metric)
	if m.Code != "" && m.Code != cm.UCUM {
		return false
	}
	for _, p := range l.Points {
		switch m.Op {
		case record.OpGt, record.OpGe, record.OpSa:
			if p.Max >= m.Min-1e-6 {
				return true
			}
		case record.OpLt, record.OpLe, record.OpEb:
			if p.Min <= m.Max+1e-6 {
				return true
			}
		case record.OpEq:
			if p.Max >= m.Min-1e-6 && p.Min <= m.Max+1e-6 {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// noteRead writes to the trail whose telemetry an answer showed; a count concerns all that it counted.
func (v *vitals) noteRead(ctx context.Context, shown []item, detail string) error {
	subjects := v.subjects
	if len(subjects) > 1 && detail == "search" {
		subjects = nil
		for i := range shown {
			if k, ok := parseVitalID(shown[i].ID); ok && shown[i].res != nil && !slices.Contains(subjects, k.subject) {
				subjects = append(subjects, k.subject)
			}
		}
	}
	for _, s := range subjects {
		if err := v.d.noteVitals(ctx, s, detail); err != nil {
			return err
		}
	}
	return nil
}
