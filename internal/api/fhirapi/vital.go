package fhirapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// vitalKey names a sample of telemetry as an Observation. Its id is "t-", 20 symbols and the subject's own id: the
// symbols are metric (2 bytes), Unix nanoseconds (8), hash of the device (4) and kind of subject (1) in base64 with
// the alphabet of FHIR ids. Subjects with ids longer than 42 characters have no such Observations.
type vitalKey struct {
	subject vigil.Subject
	metric  uint16
	time    int64
	device  uint32
}

const (
	vitalPrefix  = "t-"
	vitalSymbols = 20
	idLimit      = 64
)

func idEncoding() *base64.Encoding {
	return base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.").WithPadding(base64.NoPadding)
}

func deviceHash(dev vigil.DeviceID) uint32 {
	h := fnv.New32a()
	h.Write([]byte(dev)) //nolint:errcheck // never fails
	return h.Sum32()
}

func (k vitalKey) id() (string, bool) {
	b := binary.BigEndian.AppendUint16(nil, k.metric)
	b = binary.BigEndian.AppendUint64(b, uint64(k.time))
	b = binary.BigEndian.AppendUint32(b, k.device)
	kind := byte(0)
	if k.subject.Type() == "Location" {
		kind = 1
	}
	id := vitalPrefix + idEncoding().EncodeToString(append(b, kind)) + k.subject.ID()
	return id, len(id) <= idLimit
}

func parseVitalID(id string) (vitalKey, bool) {
	rest, ok := strings.CutPrefix(id, vitalPrefix)
	if !ok || len(rest) <= vitalSymbols {
		return vitalKey{}, false
	}
	b, err := idEncoding().DecodeString(rest[:vitalSymbols])
	if err != nil || len(b) != 15 || b[14] > 1 {
		return vitalKey{}, false
	}
	k := vitalKey{metric: binary.BigEndian.Uint16(b), time: int64(binary.BigEndian.Uint64(b[2:])), device: binary.BigEndian.Uint32(b[10:])}
	subject := vigil.PatientSubject
	if b[14] == 1 {
		subject = vigil.LocationSubject
	}
	k.subject = subject(rest[vitalSymbols:])
	_, known := coding.ByNum(k.metric)
	return k, known
}

// panels names for each systolic metric its diastolic: measured together they are one Observation.
func diastolicOf(m vigil.Metric) (vigil.Metric, bool) {
	site, ok := strings.CutSuffix(string(m), "-systolic")
	return vigil.Metric(site + "-diastolic"), ok
}

func systolicOf(m vigil.Metric) (vigil.Metric, bool) {
	site, ok := strings.CutSuffix(string(m), "-diastolic")
	return vigil.Metric(site + "-systolic"), ok
}

// reading is one sample, or systolic and diastolic of one measurement.
type reading struct {
	subject   vigil.Subject
	metric    coding.Metric
	point     telemetry.Point
	diastolic *telemetry.Point
}

// vital reads one Observation by its id.
func (d *door) vital(ctx context.Context, k vitalKey) (fhir.Resource, error) {
	if m, _ := coding.ByNum(k.metric); m.Shape == coding.Waveform && d.cfg.Telemetry != nil {
		res, err := d.wave(ctx, k, m)
		if err != nil || res == nil {
			return nil, cmp.Or(err, noVital())
		}
		return res, d.noteVitals(ctx, k.subject, "")
	}
	r, err := d.sample(ctx, k)
	if err != nil {
		return nil, err
	}
	res, ok := r.observation()
	if !ok {
		return nil, noVital()
	}
	return res, d.noteVitals(ctx, k.subject, "")
}

func noVital() error {
	return vigil.Errorf(vigil.NotFound, "fhir.vital", "there is no such Observation")
}

// sample reads what was measured under an id.
func (d *door) sample(ctx context.Context, k vitalKey) (reading, error) {
	if err := access.CheckSubject(ctx, k.subject); err != nil {
		return reading{}, err
	}
	m, _ := coding.ByNum(k.metric)
	if d.cfg.Telemetry == nil || k.time == math.MaxInt64 {
		return reading{}, noVital()
	}
	metrics := []vigil.Metric{m.Key}
	if dia, ok := diastolicOf(m.Key); ok {
		metrics = append(metrics, dia)
	}
	at := time.Unix(0, k.time)
	lines, err := d.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: k.subject, Metrics: metrics, From: at, To: at.Add(1)})
	if err != nil {
		return reading{}, err
	}
	for _, r := range readings(k.subject, lines) {
		if r.metric.Num == k.metric && deviceHash(r.point.Device) == k.device && !hidden(r.point.Device) {
			return r, nil
		}
	}
	return reading{}, noVital()
}

func (d *door) noteVitals(ctx context.Context, s vigil.Subject, detail string) error {
	if d.cfg.Audit == nil || !s.IsPatient() {
		return nil
	}
	return d.cfg.Audit.Later(ctx, audit.Entry{Action: "telemetry.read", What: string(s), Detail: detail, Subjects: []string{s.ID()}})
}

// readings turns lines into readings, systolic and diastolic of one time and device together.
func readings(subject vigil.Subject, lines []telemetry.Line) []reading {
	type moment struct {
		metric vigil.Metric
		time   int64
		device vigil.DeviceID
	}
	points := map[moment]*telemetry.Point{}
	for _, l := range lines {
		for i := range l.Points {
			p := &l.Points[i]
			points[moment{l.Metric, p.Time, p.Device}] = p
		}
	}
	var out []reading
	for _, l := range lines {
		m, ok := coding.Lookup(l.Metric)
		if !ok {
			continue
		}
		for i := range l.Points {
			p := l.Points[i]
			if sys, ok := systolicOf(l.Metric); ok && points[moment{sys, p.Time, p.Device}] != nil {
				continue // part of its systolic's panel
			}
			r := reading{subject: subject, metric: m, point: p}
			if dia, ok := diastolicOf(l.Metric); ok {
				r.diastolic = points[moment{dia, p.Time, p.Device}]
			}
			out = append(out, r)
		}
	}
	return out
}

// panelCode is LOINC for systolic and diastolic together.
const panelCode = "85354-9"

const vitalCategory = "http://terminology.hl7.org/CodeSystem/observation-category"

// observation writes the reading as an Observation after the R4 vital-signs profile; false when its id has no room.
func (r reading) observation() (fhir.Resource, bool) {
	id, ok := vitalKey{subject: r.subject, metric: r.metric.Num, time: r.point.Time, device: deviceHash(r.point.Device)}.id()
	at := fhir.Instant(time.Unix(0, r.point.Time))
	o := fhir.New("Observation", id).With("meta", fhir.Resource{"versionId": "1", "lastUpdated": at}).With("status", r.status()).
		With("subject", fhir.Ref(string(r.subject), "")).With("effectiveDateTime", at)
	if isVital(r.metric) && r.subject.IsPatient() {
		o["category"] = []fhir.Resource{fhir.Concept("", fhir.Coding(vitalCategory, "vital-signs", "Vital Signs"))}
	}
	if r.point.Device != "" && !strings.HasPrefix(string(r.point.Device), authorDevice) {
		o["device"] = fhir.Ref("Device/"+string(r.point.Device), "")
	}
	if r.diastolic == nil {
		o["code"] = code(r.metric)
		o["valueQuantity"] = value(r.metric, r.point.Mean)
		return fhir.Normal(o), ok
	}
	dia, _ := diastolicOf(r.metric.Key)
	dm, _ := coding.Lookup(dia)
	o["code"] = fhir.Concept("Blood pressure", fhir.Coding(coding.SystemLOINC, panelCode, "Blood pressure panel with all children optional"))
	o["component"] = []fhir.Resource{
		{"code": code(r.metric), "valueQuantity": value(r.metric, r.point.Mean)},
		{"code": code(dm), "valueQuantity": value(dm, r.diastolic.Mean)},
	}
	return fhir.Normal(o), ok
}

// status says how far the value may be trusted: a corrected value is corrected, a doubtful one preliminary.
func (r reading) status() string {
	switch {
	case r.point.Quality&vigil.QualityCorrected != 0:
		return "corrected"
	case r.point.Quality&vigil.QualityQuestionable != 0:
		return "preliminary"
	}
	return "final"
}

func code(m coding.Metric) fhir.Resource {
	var codings []fhir.Resource
	if m.LOINC != "" {
		codings = append(codings, fhir.Coding(coding.SystemLOINC, m.LOINC, m.Name))
	}
	if m.MDC != "" {
		codings = append(codings, fhir.Coding(coding.SystemMDC, m.MDC, m.MDCName))
	}
	if len(codings) == 0 {
		codings = append(codings, fhir.Coding("urn:vigil:metric", string(m.Key), m.Name))
	}
	return fhir.Concept(m.Name, codings...)
}

func value(m coding.Metric, v float64) fhir.Resource {
	// A float64 sum of a converted unit may end in …0001: ten digits say all that a device measures.
	if short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 10, 64), 64); err == nil {
		v = short
	}
	return fhir.Quantity(v, m.Unit, m.UCUM)
}

// isVital reports whether the metric is a vital sign of the R4 profiles.
func isVital(m coding.Metric) bool {
	switch m.Signal {
	case coding.SignalBP, coding.SignalSpO2, coding.SignalResp, coding.SignalTemp, coding.SignalECG:
		return true
	}
	return m.Key == "weight"
}
