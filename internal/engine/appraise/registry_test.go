package appraise_test

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/appraise"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// curves is a telemetry with made-up lines and waveforms.
type curves struct {
	lines []telemetry.Line
	waves map[vigil.Metric][]vigil.Waveform
	sent  []*vigil.Report
}

func (c *curves) Query(_ context.Context, q telemetry.Query) (out []telemetry.Line, err error) {
	for _, l := range c.lines {
		for _, m := range q.Metrics {
			if m == l.Metric {
				out = append(out, l)
			}
		}
	}
	return out, nil
}

func (c *curves) Waveforms(context.Context, vigil.Subject) ([]telemetry.WaveInfo, error) {
	return nil, nil
}

func (c *curves) Waveform(_ context.Context, _ vigil.Subject, m vigil.Metric, _, _ time.Time) ([]vigil.Waveform, error) {
	return c.waves[m], nil
}

func (c *curves) AppendWait(_ context.Context, r *vigil.Report) error {
	c.sent = append(c.sent, r)
	return nil
}

type house struct {
	*appraise.Registry
	book    *relational.Appraisals
	now     time.Time
	tel     *curves
	audited []string
	reopen  func() *appraise.Registry
}

func setUp(t *testing.T, change func(*catalog.Model)) *house {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	models, err := catalog.Models()
	if err != nil {
		t.Fatal(err)
	}
	for i := range models {
		change(&models[i])
	}
	h := &house{book: db.Appraisals(), now: noon, tel: &curves{waves: map[vigil.Metric][]vigil.Waveform{}}}
	h.reopen = func() *appraise.Registry {
		r, err := appraise.New(t.Context(), appraise.Config{
			Models: models, Book: h.book, Telemetry: h.tel, Now: func() time.Time { return h.now },
			Patients: func() []appraise.Person {
				return []appraise.Person{{Subject: "Patient/sara", Age: 54, Male: 0}}
			},
			Audit: func(_ context.Context, action, model, _ string) error {
				h.audited = append(h.audited, action+" "+model)
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	h.Registry = h.reopen()
	return h
}

func as(ctx context.Context, id string, role access.Role) context.Context {
	return access.With(ctx, access.Principal{ID: id, Name: id, Roles: []access.Role{role}})
}

// easy asks for little, so that a test reaches it.
func easy(m *catalog.Model) {
	m.Local = catalog.ModelValidation{Days: 2, Judged: 4, True: 2, False: 2, KeepAt: 0.99, AUROC: 0.7, Horizon: 12}
}

func (h *house) verdict(t *testing.T, id string, raw float64, acts bool) {
	t.Helper()
	err := h.book.AddVerdict(t.Context(), appraise.Verdict{ID: id, Model: "false-alarm", Version: "1", Subject: "Patient/sara", At: h.now, State: appraise.Shadow, Raw: raw, Probability: raw, Acts: acts})
	if err != nil {
		t.Fatal(err)
	}
}

func TestNotifyTakesValidationAndASecondPerson(t *testing.T) {
	h := setUp(t, easy)
	lee, kim := as(t.Context(), "lee", access.Physician), as(t.Context(), "kim", access.Admin)
	refuse := func(err error, kind vigil.Kind, says string) {
		t.Helper()
		if vigil.KindOf(err) != kind || !strings.Contains(err.Error(), says) {
			t.Fatalf("got %v, want %s with %q", err, kind, says)
		}
	}
	refuse(h.Set(as(t.Context(), "nina", access.Nurse), "false-alarm", appraise.Shadow), vigil.Denied, "role")
	refuse(h.Set(lee, "false-alarm", appraise.Notify), vigil.Invalid, "approved")
	refuse(h.Propose(lee, "false-alarm", "fewer alarms"), vigil.Conflict, "shadow")
	refuse(h.Set(lee, "no-such", appraise.Shadow), vigil.NotFound, "no-such")
	if err := h.Set(lee, "false-alarm", appraise.Shadow); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(49 * time.Hour)
	refuse(h.Propose(lee, "false-alarm", "fewer alarms"), vigil.Conflict, "0 of 4 judged")
	for id, raw := range map[string]float64{"a": 0.9, "b": 0.8, "c": 0.1, "d": 0.2} {
		h.verdict(t, id, raw, raw < 0.5)
		if err := h.Mark(lee, id, raw > 0.5); err != nil {
			t.Fatal(err)
		}
	}
	refuse(h.Mark(lee, "unknown", true), vigil.NotFound, "judged")
	refuse(h.Propose(lee, "false-alarm", ""), vigil.Invalid, "why")
	refuse(h.Approve(kim, "false-alarm"), vigil.Conflict, "proposed")
	if err := h.Propose(lee, "false-alarm", "fewer alarms"); err != nil {
		t.Fatal(err)
	}
	refuse(h.Approve(lee, "false-alarm"), vigil.Denied, "second person")
	if err := h.Approve(kim, "false-alarm"); err != nil {
		t.Fatal(err)
	}
	v, err := h.reopen().Get(t.Context(), "false-alarm") // it is durable
	if err != nil {
		t.Fatal(err)
	}
	a := v.Standing.Approval
	if v.Standing.State != appraise.Notify || a == nil || a.By != "kim" || a.Proposed.By != "lee" || a.Validation.AUROC != 1 || a.Validation.Demoted != 1 {
		t.Errorf("standing %+v, approval %+v", v.Standing, a)
	}
	if got := strings.Join(h.audited, ", "); got != "model.shadow false-alarm, model.propose false-alarm, model.notify false-alarm" {
		t.Errorf("audited %s", got)
	}
	if err := h.Set(lee, "false-alarm", appraise.Off); err != nil { // back at once, by one person
		t.Fatal(err)
	}
}

func TestOneTrueAlarmDemotedIsTooMany(t *testing.T) {
	h := setUp(t, easy)
	lee := as(t.Context(), "lee", access.Physician)
	if err := h.Set(lee, "false-alarm", appraise.Shadow); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(49 * time.Hour)
	for id, truth := range map[string]bool{"a": true, "b": true, "c": false, "d": false} {
		h.verdict(t, id, map[bool]float64{true: 0.4, false: 0.1}[truth], true)
		if err := h.Mark(lee, id, truth); err != nil {
			t.Fatal(err)
		}
	}
	err := h.Propose(lee, "false-alarm", "fewer alarms")
	if vigil.KindOf(err) != vigil.Conflict || !strings.Contains(err.Error(), "0.0 % of true alarms stay") {
		t.Errorf("got %v", err)
	}
}

// flat is half a minute of a lead that fell off while the pleth beats on at 80 a minute.
func flat(at time.Time) map[vigil.Metric][]vigil.Waveform {
	const period = int64(4 * time.Millisecond)
	ecg, pleth := make([]int16, 7500), make([]int16, 7500)
	for i := range ecg {
		s := math.Mod(float64(i)/250, 0.75)
		pleth[i] = int16(50000 * s * s * math.Exp(-12*s))
		if i < 2500 {
			ecg[i] = int16(200 * math.Exp(-math.Pow((s-0.2)/0.012, 2)))
		}
	}
	start := at.UnixNano() - 7500*period
	return map[vigil.Metric][]vigil.Waveform{
		"ecg-ii": {{Metric: "ecg-ii", Start: start, Period: period, Scale: 0.005, Data: ecg}},
		"pleth":  {{Metric: "pleth", Start: start, Period: period, Scale: 0.001, Data: pleth}},
	}
}

func TestReviewInShadowChangesNothing(t *testing.T) {
	h := setUp(t, easy)
	h.tel.waves = flat(h.now)
	if err := h.Set(as(t.Context(), "lee", access.Physician), "false-alarm", appraise.Shadow); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	a := vigil.Alarm{ID: "x", Rule: "asystole", Subject: "Patient/sara", Priority: vigil.PriorityHigh}
	h.Review(t.Context(), &a)
	if a.Demoted != nil || a.Priority != vigil.PriorityHigh {
		t.Errorf("shadow demoted: %+v", a.Demoted)
	}
	for {
		list, err := h.book.Verdicts(t.Context(), "false-alarm", "1", noon.Add(-time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 1 {
			if v := list[0]; v.ID != "x" || v.State != appraise.Shadow || !v.Acts || len(v.Why) == 0 {
				t.Errorf("verdict %+v", v)
			}
			break
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestReviewDemotesWithTheReason(t *testing.T) {
	h := setUp(t, func(m *catalog.Model) { m.Local = catalog.ModelValidation{} })
	notify(t, h, "false-alarm")
	h.tel.waves = flat(h.now)
	a := vigil.Alarm{ID: "x", Rule: "asystole", Subject: "Patient/sara", Priority: vigil.PriorityHigh}
	h.Review(t.Context(), &a)
	if a.Demoted == nil || a.Priority != vigil.PriorityLow || a.Demoted.From != vigil.PriorityHigh {
		t.Fatalf("not demoted: %+v", a)
	}
	if r := a.Demoted.Reason; !strings.Contains(r, "ECG flat") || !strings.Contains(r, "pleth beats on at 80/min") {
		t.Errorf("reason %q", r)
	}
	a.Priority, a.Demoted = vigil.PriorityMedium, &vigil.Demotion{From: vigil.PriorityHigh, By: "signal-quality", Reason: "poor signal"}
	if h.Review(t.Context(), &a); a.Priority != vigil.PriorityLow || a.Demoted.From != vigil.PriorityHigh || !strings.HasPrefix(a.Demoted.Reason, "poor signal; looks like") {
		t.Errorf("after another reviewer: %v, %+v", a.Priority, a.Demoted)
	}
	for name, other := range map[string]vigil.Alarm{
		"AnotherRule": {ID: "y", Rule: "spo2-low", Subject: "Patient/sara", Priority: vigil.PriorityHigh},
		"APlace":      {ID: "z", Rule: "asystole", Subject: "Location/1", Priority: vigil.PriorityHigh},
	} {
		if h.Review(t.Context(), &other); other.Demoted != nil {
			t.Errorf("%s demoted", name)
		}
	}
	h.tel.waves["pleth"] = nil // nothing that can be trusted is left: the alarm stands
	a = vigil.Alarm{ID: "w", Rule: "asystole", Subject: "Patient/sara", Priority: vigil.PriorityHigh}
	for i := range h.tel.waves["ecg-ii"][0].Data {
		h.tel.waves["ecg-ii"][0].Data[i] = 0
	}
	if h.Review(t.Context(), &a); a.Demoted != nil {
		t.Errorf("demoted without a channel to trust: %+v", a.Demoted)
	}
}

// notify takes a model there; its local bar must be nothing.
func notify(t *testing.T, h *house, key string) {
	t.Helper()
	lee, kim := as(t.Context(), "lee", access.Physician), as(t.Context(), "kim", access.Admin)
	for _, err := range []error{h.Set(lee, key, appraise.Shadow), h.Propose(lee, key, "test"), h.Approve(kim, key)} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// worsening is a day in which breathing and pulse rise and the pressure falls; the temperature is not taken.
func worsening(now time.Time) (out []telemetry.Line) {
	for m, of := range map[vigil.Metric][2]float64{"heart-rate": {82, 2.2}, "respiratory-rate": {15, 0.8}, "bp-systolic": {128, -1.9}, "bp-diastolic": {74, -1}, "spo2": {97, -0.3}} {
		l := telemetry.Line{Metric: m}
		for i := range 24 {
			l.Points = append(l.Points, telemetry.Point{Time: now.Add(time.Duration(i-24)*time.Hour + time.Minute).UnixNano(), Mean: of[0] + of[1]*float64(max(0, i-8)), Count: 1})
		}
		out = append(out, l)
	}
	return out
}

func TestHourlyRisk(t *testing.T) {
	h := setUp(t, func(m *catalog.Model) { m.Local = catalog.ModelValidation{Horizon: 12} })
	h.tel.lines = worsening(h.now)
	if err := h.Hourly(t.Context(), h.now); err != nil || len(h.tel.sent) > 0 {
		t.Fatalf("off: %v, %d reports", err, len(h.tel.sent))
	}
	if err := h.Set(as(t.Context(), "lee", access.Physician), "deterioration", appraise.Shadow); err != nil {
		t.Fatal(err)
	}
	if err := h.Hourly(t.Context(), h.now); err != nil {
		t.Fatal(err)
	}
	if err := h.Hourly(t.Context(), h.now.Add(10*time.Minute)); err != nil { // the same hour
		t.Fatal(err)
	}
	list, err := h.book.Verdicts(t.Context(), "deterioration", "1", noon, 10)
	if err != nil || len(list) != 1 || len(h.tel.sent) != 0 {
		t.Fatalf("shadow: %v, %+v, %d reports", err, list, len(h.tel.sent))
	}
	v := list[0]
	if v.Probability < 0.02 || len(v.Why) == 0 || len(v.Missing) == 0 || v.Missing[0] == "" {
		t.Errorf("verdict %+v", v)
	}
	calm := worsening(h.now)
	for i := range calm {
		for k := range calm[i].Points {
			calm[i].Points[k].Mean = calm[i].Points[0].Mean
		}
	}
	notify(t, h, "deterioration")
	h.now = h.now.Add(time.Hour)
	h.tel.lines = calm
	if err := h.Hourly(t.Context(), h.now.Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if len(h.tel.sent) != 1 || h.tel.sent[0].Samples[0].Metric != appraise.RiskMetric {
		t.Fatalf("notify wrote %+v", h.tel.sent)
	}
	if got := h.tel.sent[0].Samples[0].Value / 100; got >= v.Probability {
		t.Errorf("a calm day has the risk %v, a worsening one %v", got, v.Probability)
	}
	if _, ok := h.Risk(access.AsSystem(t.Context(), "test"), "Patient/sara"); !ok {
		t.Error("the risk is not told")
	}
	if _, ok := h.Risk(as(t.Context(), "eve", access.Engineer), "Patient/sara"); ok {
		t.Error("an engineer sees the risk")
	}
}

func TestOutcomeDecidesWhatWasRight(t *testing.T) {
	h := setUp(t, func(m *catalog.Model) { m.Local = catalog.ModelValidation{Horizon: 12} })
	lee := as(t.Context(), "lee", access.Physician)
	if err := h.Set(lee, "deterioration", appraise.Shadow); err != nil {
		t.Fatal(err)
	}
	for i := range 48 { // an hour before noon of the second day something happens
		at := h.now.Add(time.Duration(i) * time.Hour)
		raw := 0.1
		if i >= 14 && i < 23 {
			raw = 0.9
		}
		err := h.book.AddVerdict(t.Context(), appraise.Verdict{ID: at.String(), Model: "deterioration", Version: "1", Subject: "Patient/sara", At: at, Raw: raw, Probability: raw, Acts: raw > 0.5})
		if err != nil {
			t.Fatal(err)
		}
	}
	h.now = h.now.Add(48 * time.Hour)
	if err := h.Happened(lee, "Patient/sara", h.now.Add(time.Hour)); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("an outcome in the future: %v", err)
	}
	if err := h.Happened(lee, "Patient/sara", noon.Add(23*time.Hour)); err != nil {
		t.Fatal(err)
	}
	v, err := h.Get(t.Context(), "deterioration")
	if err != nil {
		t.Fatal(err)
	}
	// 12 h before are true, 11 h before those false; 12 h from the outcome on and the newest 12 h are not judged, but one.
	if x := v.Validation; x.True != 12 || x.Verdicts != 48 || x.Acted != 9 || x.PPV != 1 || x.AUROC < 0.85 || x.Judged != x.True+x.False {
		t.Errorf("validation %+v", x)
	}
}
