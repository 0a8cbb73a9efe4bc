package fhirapi

import (
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/conformance"
)

// Intake takes measurements that are written as Observations: they go the way of every sample, to rules and screens.
type Intake interface {
	// AcceptCoded returns once all reports are on disk and can be read.
	AcceptCoded(ctx context.Context, reports []*vigil.Report) error
	// Usable reports whether a value at a time can be a measurement.
	Usable(m vigil.Metric, value float64, at int64) bool
}

// Devices of what came through this door. A measurement without a device gets one of its author, which the Observation
// does not show. What a stored Observation says is also telemetry, under a device that searches leave out: the stored
// Observation itself is shown, once.
const (
	authorDevice = "fhir."
	recordDevice = "record."
)

func hidden(dev vigil.DeviceID) bool { return strings.HasPrefix(string(dev), recordDevice) }

// measurement is what an Observation says to rules and screens.
type measurement struct {
	report *vigil.Report
	whole  bool // the Observation that is made from telemetry says as much as the one that was sent
	res    fhir.Resource
}

// measurementOf reads an Observation that means something to rules and screens: a coded value of a patient at a time to
// the second, in a known unit, plausible. Nil for any other, which stays a record alone.
func (d *door) measurementOf(ctx context.Context, o fhir.Resource) *measurement {
	p, ok := access.From(ctx)
	if d.cfg.Intake == nil || !ok || p.ReadOnly || !p.Clinical() && !p.MayWrite("Observation") {
		return nil // who may write at all is the record's to say
	}
	subject := vigil.Subject(o.Str("subject.reference"))
	status := o.Str("status")
	if !subject.IsPatient() || !fhir.ValidID(subject.ID()) || !slices.Contains([]string{"final", "amended", "corrected", "preliminary"}, status) {
		return nil
	}
	m := &measurement{res: o, report: &vigil.Report{Subject: subject, Protocol: "fhir", Device: vigil.DeviceID(authorDevice + p.ID)}}
	if ref := fhir.ParseReference(o.Str("device.reference")); ref.Type == "Device" {
		m.report.Device = vigil.DeviceID(ref.ID)
	}
	m.whole = carried(o) && status != "amended" && (o["device"] == nil || m.report.Device != vigil.DeviceID(authorDevice+p.ID)) && !hidden(m.report.Device)
	if o["valueSampledData"] != nil {
		return m.wave(o)
	}
	at, ok := moment(o.Str("effectiveDateTime"))
	if !ok || !m.values(o, at) {
		return nil
	}
	for i := range m.report.Samples {
		s := &m.report.Samples[i]
		if !d.cfg.Intake.Usable(s.Metric, s.Value, at) {
			return nil
		}
		switch status {
		case "preliminary":
			s.Quality |= vigil.QualityQuestionable
		case "corrected", "amended":
			s.Quality |= vigil.QualityCorrected
		}
	}
	if _, ok := m.id(); !ok {
		m.whole = false
	}
	return m
}

// moment reads a time that is known to the second at least.
func moment(s string) (int64, bool) {
	t, err := time.Parse(time.RFC3339Nano, s)
	return t.UnixNano(), err == nil && t.Year() >= 1970 && t.Year() < 2262
}

// values takes the value, or systolic and diastolic of a panel.
func (m *measurement) values(o fhir.Resource, at int64) bool {
	if parts := o.List("component"); len(parts) > 0 {
		if !hasCode(o, panelCode) || len(parts) != 2 || o["valueQuantity"] != nil {
			return false
		}
		for _, c := range parts {
			m.whole = m.whole && only(c, "code", "valueQuantity")
			if !m.value(c, at) {
				return false
			}
		}
		slices.SortFunc(m.report.Samples, func(a, b vigil.Sample) int { return strings.Compare(string(b.Metric), string(a.Metric)) })
		dia, ok := diastolicOf(m.report.Samples[0].Metric)
		return ok && m.report.Samples[1].Metric == dia
	}
	return m.value(o, at)
}

func (m *measurement) value(o fhir.Resource, at int64) bool {
	cm, ok, whole := metricIn(o)
	q := object(o["valueQuantity"])
	v, isNumber := fhir.Resource(q).Num("value")
	if !ok || cm.Shape != coding.Numeric || !isNumber || q["comparator"] != nil || fhir.Resource(q).Str("system") != coding.SystemUCUM {
		return false
	}
	unit := fhir.Resource(q).Str("code")
	a, b, err := coding.Conversion(unit, cm.UCUM)
	if err != nil || unit == "" {
		return false
	}
	m.whole = m.whole && whole && only(q, "value", "unit", "system", "code")
	v = a*v + b
	m.report.Samples = append(m.report.Samples, vigil.Sample{Metric: cm.Key, Time: at, Value: v})
	return !math.IsNaN(v) && !math.IsInf(v, 0)
}

// metricIn finds the metric by the codes of LOINC or IEEE 11073; whole when no other codes stand beside its own.
func metricIn(o fhir.Resource) (m coding.Metric, ok, whole bool) {
	whole = true
	for _, c := range o.List("code.coding") {
		system, code := c.Str("system"), c.Str("code")
		var list []coding.Metric
		if system == coding.SystemLOINC || system == coding.SystemMDC {
			list = coding.ByCode(system, code)
		}
		if len(list) == 0 || ok && !slices.ContainsFunc(list, func(x coding.Metric) bool { return x.Key == m.Key }) {
			whole = false
			continue
		}
		if !ok {
			m, ok = list[0], true
		}
	}
	return m, ok, whole
}

func hasCode(o fhir.Resource, code string) bool {
	list := o.List("code.coding")
	return len(list) == 1 && list[0].Str("code") == code && list[0].Str("system") == coding.SystemLOINC
}

// wave takes a sampled signal: integers in milliseconds from the start of the effective time.
func (m *measurement) wave(o fhir.Resource) *measurement {
	sd := fhir.Resource(object(o["valueSampledData"]))
	cm, ok, whole := metricIn(o)
	begin := o.Str("effectivePeriod.start")
	if begin == "" {
		begin = o.Str("effectiveDateTime")
	}
	at, timed := moment(begin)
	period, hasPeriod := sd.Num("period")
	if !ok || !timed || !hasPeriod || period <= 0 || cm.Shape != coding.Waveform || sd.Str("dimensions") != "1" || sd.Str("origin.code") != cm.UCUM {
		return nil
	}
	w := vigil.Waveform{Metric: cm.Key, Start: at, Period: int64(math.Round(period * 1e6)), Scale: 1}
	if f, ok := sd.Num("factor"); ok {
		w.Scale = f
	}
	w.Offset, _ = sd.Num("origin.value")
	for word := range strings.FieldsSeq(sd.Str("data")) {
		n, err := strconv.ParseInt(word, 10, 16)
		if word == "E" {
			n, err = int64(vigil.WaveformMissing), nil
		}
		if err != nil {
			return nil // above or below the limits, or a fraction: it stays a record
		}
		w.Data = append(w.Data, int16(n))
	}
	m.whole = m.whole && whole && only(sd, "origin", "period", "factor", "dimensions", "data")
	m.report.Waveforms = []vigil.Waveform{w}
	if len(w.Data) == 0 || w.Period <= 0 {
		return nil
	}
	return m
}

// carried reports whether telemetry can give back every element of the Observation.
func carried(o fhir.Resource) bool {
	if !only(o, "resourceType", "id", "meta", "status", "category", "code", "subject", "effectiveDateTime", "effectivePeriod", "device", "valueQuantity", "valueSampledData", "component") ||
		!only(object(o["meta"]), "versionId", "lastUpdated") || !only(object(o["subject"]), "reference", "display", "type") || !only(object(o["device"]), "reference", "display", "type") ||
		!only(object(o["code"]), "coding", "text") {
		return false
	}
	for _, c := range o.List("category") {
		if !only(c, "coding", "text") || c.Str("coding.0.code") != "vital-signs" || len(c.List("coding")) != 1 {
			return false
		}
	}
	return true
}

// only reports whether an object has no members but these.
func only(o map[string]any, names ...string) bool {
	for k := range o {
		if !slices.Contains(names, k) {
			return false
		}
	}
	return true
}

// id is the id of the Observation that telemetry shows.
func (m *measurement) id() (string, bool) {
	k := vitalKey{subject: m.report.Subject, device: deviceHash(m.report.Device)}
	var metric vigil.Metric
	if len(m.report.Waveforms) > 0 {
		metric, k.time = m.report.Waveforms[0].Metric, m.report.Waveforms[0].Start
		k.time -= k.time % int64(waveSpan)
	} else {
		metric, k.time = m.report.Samples[0].Metric, m.report.Samples[0].Time
	}
	k.metric = metricOf(metric).Num
	return k.id()
}

// mark says that a stored Observation shows the measurement.
func (m *measurement) mark() {
	if !hidden(m.report.Device) {
		m.report.Device = recordDevice + m.report.Device
	}
}

// shown is the Observation as telemetry gives it back.
func (m *measurement) shown() fhir.Resource {
	if len(m.report.Samples) == 0 {
		id, _ := m.id()
		return m.res.With("id", id)
	}
	r := reading{subject: m.report.Subject, metric: metricOf(m.report.Samples[0].Metric), point: pointOf(m.report, 0)}
	if len(m.report.Samples) > 1 {
		dia := pointOf(m.report, 1)
		r.diastolic = &dia
	}
	o, _ := r.observation()
	return o
}

func pointOf(r *vigil.Report, i int) telemetry.Point {
	s := r.Samples[i]
	return telemetry.Point{Time: s.Time, Mean: s.Value, Min: s.Value, Max: s.Value, Count: 1, Device: r.Device, Quality: s.Quality}
}

// accept sends measurements on their way and notes who wrote of whom.
func (d *door) accept(ctx context.Context, list []*measurement) error {
	if len(list) == 0 {
		return nil
	}
	reports := make([]*vigil.Report, 0, len(list))
	seen := map[vigil.Subject]bool{}
	for _, m := range list {
		reports = append(reports, m.report)
		if s := m.report.Subject; !seen[s] && d.cfg.Audit != nil {
			seen[s] = true
			if err := d.cfg.Audit.Later(ctx, audit.Entry{Action: "telemetry.write", What: string(s), Subjects: []string{s.ID()}}); err != nil {
				return err
			}
		}
	}
	return d.cfg.Intake.AcceptCoded(ctx, reports)
}

// measured answers the creation of a measurement that telemetry keeps.
func (d *door) measured(r *http.Request, m *measurement, status int) answer {
	id, _ := m.id()
	a := answer{status: status, location: d.cfg.Base(r) + "/Observation/" + id}
	switch preference(r, "return") {
	case "minimal":
	case "OperationOutcome":
		a.resource = fhir.New("OperationOutcome", "").With("issue", []fhir.Resource{{"severity": "information", "code": "informational", "diagnostics": "stored"}})
	default:
		a.resource = m.shown()
	}
	return a
}

// valid checks the structure as the records do.
func valid(o fhir.Resource) error {
	if faults := conformance.Check(o); len(faults) > 0 {
		err := vigil.Errorf(vigil.Invalid, "fhir.create", "the %s is not valid", o.Type())
		err.Faults = faults
		return err
	}
	return nil
}

// correct writes a measurement again under its id: another value is a correction, which telemetry keeps beside the old.
func (d *door) correct(r *http.Request, o fhir.Resource, k vitalKey) (answer, error) {
	ctx := r.Context()
	if err := valid(o); err != nil {
		return answer{}, err
	}
	was, err := d.sample(ctx, k)
	if err != nil {
		return answer{}, err
	}
	m := d.measurementOf(ctx, o)
	switch {
	case o.Str("status") == "entered-in-error":
		return answer{}, httpError{http.StatusConflict, "business-rule", "telemetry keeps what was measured: send the right value with status corrected, or status preliminary when it is to be doubted"}
	case m == nil || !m.whole || len(m.report.Samples) == 0:
		return answer{}, httpError{http.StatusConflict, "business-rule", "this Observation is made from telemetry: only its status (final, corrected, preliminary) and its values can be written"}
	}
	s := m.report.Samples[0]
	if m.report.Subject != k.subject || metricOf(s.Metric).Num != k.metric || s.Time/1000 != k.time/1000 {
		return answer{}, httpError{http.StatusConflict, "business-rule", "subject, code and time of a measurement do not change; create another Observation"}
	}
	m.report.Device = was.point.Device
	for i := range m.report.Samples {
		m.report.Samples[i].Time = k.time // the id knows it to the nanosecond
	}
	if err := d.accept(ctx, []*measurement{m}); err != nil {
		return answer{}, err
	}
	res, err := d.vital(ctx, k)
	return answer{status: http.StatusOK, resource: res}, err
}
