package rpm_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app/apptest"
	"github.com/vigil-health/vigil/internal/app/rpm"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/fhir"
)

func utc() rpm.Config { return rpm.Config{Location: time.UTC} }

func TestExamination(t *testing.T) {
	apptest.Run(t, rpm.New(utc()).App())
}

// begin is a Tuesday morning.
func begin() time.Time { return time.Date(2026, 3, 10, 9, 0, 0, 0, time.UTC) }

func nurse(t *testing.T, h *apptest.House, pattern, body string, params map[string]string) []byte {
	t.Helper()
	out, err := h.Call(apptest.As(access.Nurse, apptest.Nurse), pattern, apptest.Input{Params: params, Body: body})
	if err != nil {
		t.Fatalf("%s: %v", pattern, err)
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

type panel struct {
	Programmes []struct {
		ID, Name string
		Patients int
	}
	Rows []struct {
		Patient   struct{ ID string }
		Programme string
		Risk      rpm.Risk
		LastMS    int64    `json:"last_reading_ms"`
		DaysSince *int     `json:"days_since"`
		ContactMS int64    `json:"contact_ms"`
		Adherence *float64 `json:"adherence"`
		Readings  []struct {
			Metric, Label, Unit, Trend string
			Value                      string `json:"value_text"`
			Baseline                   string `json:"baseline_text"`
			Spark                      [][2]float64
		}
		Alarms int
	}
}

func read(t *testing.T, h *apptest.House, programme string) (p panel) {
	t.Helper()
	if err := json.Unmarshal(nurse(t, h, "GET /panel", "", map[string]string{"programme": programme}), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// pressures stores Otto's blood pressure twice a day for days, ending now.
func pressures(h *apptest.House, who string, days int, systolic float64) {
	for i := days * 2; i > 0; i-- {
		at := h.Clock.Now().Add(-time.Duration(i) * 12 * time.Hour).UnixNano()
		h.Sample(who, "cuff-"+who, vigil.Sample{Metric: "bp-systolic", Time: at, Value: systolic}, vigil.Sample{Metric: "bp-diastolic", Time: at, Value: 78})
	}
}

func now(h *apptest.House, who string, systolic float64) {
	at := h.Clock.Now().UnixNano()
	h.Sample(who, "cuff-"+who, vigil.Sample{Metric: "bp-systolic", Time: at, Value: systolic}, vigil.Sample{Metric: "bp-diastolic", Time: at, Value: 60})
}

func TestPanel(t *testing.T) {
	h := apptest.Open(t, t.TempDir(), begin(), rpm.New(utc()).App())
	pressures(h, apptest.Vera, 7, 121)
	pressures(h, apptest.Otto, 7, 124)
	now(h, apptest.Vera, 92)
	now(h, apptest.Otto, 126)
	if _, err := h.Desk.Raise(access.AsSystem(t.Context(), "rule"), vigil.Alarm{ID: "systolic-low.1", Kind: vigil.KindAlarm, Priority: vigil.PriorityMedium,
		Rule: "systolic-low", Title: "Systolic low", Subject: vigil.PatientSubject(apptest.Vera), Chain: "medium"}); err != nil {
		t.Fatal(err)
	}
	p := read(t, h, "")
	if len(p.Rows) != 2 || p.Rows[0].Patient.ID != apptest.Vera || p.Rows[1].Patient.ID != apptest.Otto {
		t.Fatalf("rows %+v", p.Rows)
	}
	vera, otto := p.Rows[0], p.Rows[1]
	want := rpm.Risk{Level: "high", Score: 40, Reasons: []string{"Systolic low", "Systolic 92, 29 below own week"}}
	if diff := cmp.Diff(want, vera.Risk); diff != "" {
		t.Errorf("risk (-want +got):\n%s", diff)
	}
	if vera.Alarms != 1 || otto.Alarms != 0 || otto.Risk.Level != "low" || *otto.DaysSince != 0 || vera.Programme != "hypertension" || vera.ContactMS != 0 || vera.Adherence != nil {
		t.Errorf("vera %+v\notto %+v", vera, otto)
	}
	r := vera.Readings[0]
	if r.Metric != "bp-systolic" || r.Value != "92/60" || r.Unit != "mmHg" || r.Trend != "down" || r.Baseline != "own week 121" || len(r.Spark) < 10 || otto.Readings[0].Trend != "flat" {
		t.Errorf("reading %+v", r)
	}
	if p := read(t, h, "copd"); len(p.Rows) != 0 || len(p.Programmes) != 4 {
		t.Errorf("copd %+v", p)
	}
}

func TestEnrol(t *testing.T) {
	h := apptest.Open(t, t.TempDir(), begin(), rpm.New(utc()).App())
	ctx := apptest.As(access.Nurse, apptest.Nurse)
	for range 2 {
		nurse(t, h, "POST /enrol", `{"patient_id":"vera","programme":"heart-failure"}`, nil)
	}
	rec, err := h.Records.Read(ctx, "CarePlan", "programme-vera")
	if err != nil || rec.Version != 2 { // the hospital wrote the first, the second enrolment changed nothing
		t.Errorf("version %d, %v", rec.Version, err)
	}
	p := read(t, h, "heart-failure")
	if len(p.Rows) != 1 || p.Rows[0].Patient.ID != apptest.Vera {
		t.Errorf("rows %+v", p.Rows)
	}
	for _, x := range p.Programmes {
		if n := map[string]int{"heart-failure": 1, "hypertension": 1}[x.ID]; x.Patients != n {
			t.Errorf("%s has %d patients, want %d", x.ID, x.Patients, n)
		}
	}
	for body, kind := range map[string]vigil.Kind{
		`{"patient_id":"nobody","programme":"copd"}`: vigil.NotFound, `{"patient_id":"vera","programme":"juggling"}`: vigil.Invalid,
		`{"patient_id":"vera"}`: vigil.Invalid, `{"patient":"vera"}`: vigil.Invalid, ``: vigil.Invalid,
	} {
		if _, err := h.Call(ctx, "POST /enrol", apptest.Input{Body: body}); vigil.KindOf(err) != kind {
			t.Errorf("%s: %v, want %s", body, err, kind)
		}
	}
}

func TestContact(t *testing.T) {
	h := apptest.Open(t, t.TempDir(), begin(), rpm.New(utc()).App())
	ctx := apptest.As(access.Nurse, apptest.Nurse)
	if _, err := h.Call(ctx, "POST /contact", apptest.Input{Body: `{"patient_ids":["vera","nobody"],"text":"Hello"}`}); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("unknown patient: %v", err)
	}
	if list, err := h.Consults.List(ctx, vigil.PatientSubject(apptest.Vera)); err != nil || len(list) != 0 {
		t.Errorf("written to although one was unknown: %v %v", list, err)
	}
	for _, body := range []string{`{"patient_ids":[],"text":"Hello"}`, `{"patient_ids":["vera"],"text":" "}`} {
		if _, err := h.Call(ctx, "POST /contact", apptest.Input{Body: body}); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: %v", body, err)
		}
	}
	if got := nurse(t, h, "POST /contact", `{"patient_ids":["vera","otto","vera"],"text":"How are you today?"}`, nil); string(got) != "null" {
		t.Errorf("answer %s", got)
	}
	for _, who := range []string{apptest.Vera, apptest.Otto} {
		list, err := h.Consults.List(apptest.As(access.Patient, who), vigil.PatientSubject(who))
		if err != nil || len(list) != 1 || len(list[0].Messages) != 1 || list[0].Messages[0].Text != "How are you today?" {
			t.Errorf("%s got %+v, %v", who, list, err)
		}
	}
	for _, row := range read(t, h, "").Rows {
		if row.ContactMS != begin().UnixMilli() {
			t.Errorf("%s was contacted at %d", row.Patient.ID, row.ContactMS)
		}
	}
}

func TestSilence(t *testing.T) {
	dir := t.TempDir()
	enrolled := func(who, since string) fhir.Resource {
		return apptest.Programme(who, "hypertension").With("period", fhir.Resource{"start": since})
	}
	a := rpm.New(utc()).App()
	h := apptest.Open(t, dir, begin(), a, enrolled(apptest.Vera, "2026-03-01"), enrolled(apptest.Otto, "2026-03-10"))
	list := func(who string) (out []string) {
		for _, al := range h.Alarms(who) {
			out = append(out, al.Title+", "+al.Text+": "+string(al.State))
		}
		slices.Sort(out)
		return out
	}
	if got := list(apptest.Vera); len(got) != 1 || !strings.HasPrefix(got[0], "No reading for 9 days, no reading since enrolment") {
		t.Errorf("vera %v", got)
	}
	now(h, apptest.Otto, 124)
	h.Advance(47*time.Hour, time.Hour)
	if got := list(apptest.Otto); len(got) != 0 {
		t.Errorf("otto after 47 hours: %v", got)
	}
	h.Advance(2*time.Hour, time.Hour)
	want := []string{"No reading for 2 days, last reading 10 Mar 09:00: paged"}
	if diff := cmp.Diff(want, list(apptest.Otto)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	at := h.Clock.Now()
	h.Stop()
	h = apptest.Open(t, dir, at, a, enrolled(apptest.Vera, "2026-03-01"), enrolled(apptest.Otto, "2026-03-10"))
	if diff := cmp.Diff(want, list(apptest.Otto)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	if _, err := h.Desk.Do(apptest.As(access.Nurse, apptest.Nurse), h.Alarms(apptest.Otto)[0].ID, alarm.Action{Kind: alarm.Resolve}); err != nil {
		t.Fatal(err)
	}
	h.Advance(12*time.Hour, time.Hour)
	if got := list(apptest.Otto); len(got) != 1 {
		t.Errorf("asked twice on one day: %v", got)
	}
	h.Advance(12*time.Hour, time.Hour)
	if got := list(apptest.Otto); len(got) != 2 || !strings.HasPrefix(got[1], "No reading for 3 days") {
		t.Errorf("not asked again on the next day: %v", got)
	}
	now(h, apptest.Otto, 130)
	h.Advance(time.Hour, time.Hour)
	if got := list(apptest.Otto); !strings.HasSuffix(got[1], ": resolved") {
		t.Errorf("a reading came: %v", got)
	}
}
