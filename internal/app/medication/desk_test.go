package medication_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app/apptest"
	"github.com/vigil-health/vigil/internal/app/medication"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

const met = "metoprolol-25"

func open(t *testing.T, dir, clock string) (*apptest.House, *medication.Medication) {
	m := medication.New(utc())
	// The prescription is a day old; Otto has none, so that only Vera speaks.
	none := apptest.Prescription(apptest.Otto, met, "Metoprolol 25 mg", "08:00").With("status", "cancelled")
	return apptest.Open(t, dir, at(clock), m.App(), apptest.Prescription(apptest.Vera, met, "Metoprolol 25 mg", "08:00", "20:00").With("authoredOn", "2026-03-03"), none), m
}

func taken(h *apptest.House) {
	h.Event(apptest.Vera, "pill-1", "dose-taken", map[string]string{"medication": met, "slot": "3"})
}

// list writes what the desk has about Vera, oldest first: "09:00 Metoprolol 25 mg is late: resolved".
func list(h *apptest.House) (out []string) {
	for _, a := range h.Alarms(apptest.Vera) {
		state := "open"
		if !a.Open() {
			state = "resolved"
		}
		out = append(out, fmt.Sprintf("%s %s: %s", a.Raised.UTC().Format("15:04"), a.Title, state))
	}
	slices.Sort(out)
	return out
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func states(t *testing.T, out any, err error) (s []string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var day struct {
		Doses []struct{ State, Source, By, Reason string }
	}
	if err := json.Unmarshal(text, &day); err != nil {
		t.Fatal(err)
	}
	for _, d := range day.Doses {
		s = append(s, fmt.Sprintf("%s %s %s %s", d.State, d.Source, d.By, d.Reason))
	}
	return s
}

func TestLateThenTaken(t *testing.T) {
	h, _ := open(t, t.TempDir(), "06:00")
	h.Until(at("08:55"))
	same(t, list(h))
	h.Until(at("09:25"))
	same(t, list(h), "09:00 Metoprolol 25 mg is late: open")
	id := h.Alarms(apptest.Vera)[0].ID
	same(t, h.Paged.Pages(id), "Practitioner/nora")
	taken(h)
	same(t, list(h), "09:00 Metoprolol 25 mg is late: resolved")
	h.Until(at("19:00"))
	same(t, list(h), "09:00 Metoprolol 25 mg is late: resolved")
}

func TestMissed(t *testing.T) {
	dir := t.TempDir()
	h, _ := open(t, dir, "06:00")
	h.Until(at("13:00"))
	want := []string{"09:00 Metoprolol 25 mg is late: resolved", "12:00 Metoprolol 25 mg missed: open"}
	same(t, list(h), want...)
	h.Stop()
	h, _ = open(t, dir, "13:00") // nothing is raised twice by a restart
	same(t, list(h), want...)
	nurse := apptest.As(access.Nurse, apptest.Nurse)
	missed := h.Alarms(apptest.Vera)[0]
	if missed.Kind != vigil.KindTask || missed.Priority != vigil.PriorityLow {
		t.Errorf("missed is %s of priority %s", missed.Kind, missed.Priority)
	}
	if _, err := h.Desk.Do(nurse, missed.ID, alarm.Action{Kind: alarm.Resolve, Text: "telephoned"}); err != nil {
		t.Fatal(err)
	}
	h.Stop()
	h, _ = open(t, dir, "14:00") // nor is what a nurse has settled
	h.Until(at("15:00"))
	want[1] = "12:00 Metoprolol 25 mg missed: resolved"
	same(t, list(h), want...)
}

func TestDownWhileLate(t *testing.T) {
	dir := t.TempDir()
	h, _ := open(t, dir, "06:00")
	h.Stop()
	h, _ = open(t, dir, "10:00")
	same(t, list(h), "10:00 Metoprolol 25 mg is late: open")
	h.Until(at("12:05"))
	same(t, list(h), "10:00 Metoprolol 25 mg is late: resolved", "12:00 Metoprolol 25 mg missed: open")
}

func TestDoubleDose(t *testing.T) {
	dir := t.TempDir()
	h, _ := open(t, dir, "06:00")
	h.Until(at("08:05"))
	taken(h)
	h.Until(at("08:40"))
	same(t, list(h))
	taken(h)
	same(t, list(h), "08:40 Double dose: open")
	a := h.Alarms(apptest.Vera)[0]
	full, err := h.Desk.Get(apptest.As(access.Nurse, apptest.Nurse), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a.Kind != vigil.KindAlarm || a.Priority != vigil.PriorityMedium || full.Evidence == nil || full.Evidence.Sentence != "Metoprolol 25 mg for 08:00 was taken at 08:05 and again at 08:40" {
		t.Errorf("%+v %+v", a, full.Evidence)
	}
	h.Until(at("08:50")) // nobody answers: it goes on to the charge nurse and the physician
	if pages := h.Paged.Pages(a.ID); len(pages) != 3 {
		t.Errorf("paged %v", pages)
	}
	taken(h)
	same(t, list(h), "08:40 Double dose: open") // a third one is noted on the same alarm
	h.Stop()
	h, _ = open(t, dir, "08:55")
	same(t, list(h), "08:40 Double dose: open")
	notes := 0
	for _, s := range h.Alarms(apptest.Vera)[0].History {
		if s.What == "note" {
			notes++
		}
	}
	if notes != 1 {
		t.Errorf("%d notes of the third dose", notes)
	}
	if _, err := h.Desk.Do(apptest.As(access.Nurse, apptest.Nurse), a.ID, alarm.Action{Kind: alarm.Acknowledge}); err != nil {
		t.Fatal(err)
	}
	h.Until(at("12:35"))
	same(t, list(h), "08:40 Double dose: open")
	h.Until(at("12:50"))
	same(t, list(h), "08:40 Double dose: resolved")
}

// TestImported holds that nobody is called for doses from before the house knew of the prescription.
func TestImported(t *testing.T) {
	h, _ := open(t, t.TempDir(), "20:00")
	h.Put(apptest.Prescription(apptest.Vera, "ramipril-5", "Ramipril 5 mg", "18:00", "21:00").With("authoredOn", "2026-01-01"))
	h.Until(at("22:05"))
	same(t, list(h), "20:00 Metoprolol 25 mg missed: open", "21:00 Metoprolol 25 mg is late: open", "22:00 Ramipril 5 mg is late: open")
}

func TestForced(t *testing.T) {
	h, _ := open(t, t.TempDir(), "06:00")
	h.Event(apptest.Vera, "pill-1", "dispenser-forced", nil)
	same(t, list(h), "06:00 Dispenser forced open: open")
	a := h.Alarms(apptest.Vera)[0]
	if a.Class != vigil.Technical || a.Device != "pill-1" || a.Chain != "technical" {
		t.Errorf("%+v", a)
	}
}

func TestHoldAndGive(t *testing.T) {
	h, _ := open(t, t.TempDir(), "06:00")
	nurse := apptest.As(access.Nurse, apptest.Nurse)
	morning, evening := "rx-vera-"+met+".20260303-0800", "rx-vera-"+met+".20260303-2000"
	in := func(id, body string) apptest.Input {
		return apptest.Input{Params: map[string]string{"id": id}, Body: body}
	}
	h.Until(at("09:30"))
	if _, err := h.Call(nurse, "POST /doses/{id}/hold", in(morning, `{"reason":" "}`)); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("held without a reason: %v", err)
	}
	for range 2 { // the second changes nothing
		out, err := h.Call(nurse, "POST /doses/{id}/hold", in(morning, `{"reason":"pulse 44"}`))
		same(t, states(t, out, err), "held nurse Nora pulse 44", "upcoming   ")
	}
	same(t, list(h), "09:00 Metoprolol 25 mg is late: resolved")
	h.Until(at("20:10"))
	for range 2 {
		out, err := h.Call(nurse, "POST /doses/{id}/give", in(evening, `{}`))
		same(t, states(t, out, err), "held nurse Nora pulse 44", "given nurse Nora ")
	}
	if _, err := h.Call(nurse, "POST /doses/{id}/hold", in(evening, `{"reason":"late"}`)); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("held what was given: %v", err)
	}
	rec, err := h.Records.Read(nurse, "MedicationAdministration", "dose."+morning)
	if err != nil || rec.Version != 1 {
		t.Fatalf("version %d, %v", rec.Version, err)
	}
	r, err := rec.Resource()
	if err != nil || r.Str("status") != "not-done" || r.Str("statusReason.0.text") != "pulse 44" {
		t.Errorf("%v %v", r, err)
	}
	for _, id := range []string{"", "x", "rx-vera-" + met + ".20260303-0900", "rx-vera-" + met + ".2026", "../../Patient/vera.20260303-0800"} {
		if _, err := h.Call(nurse, "POST /doses/{id}/give", in(id, `{}`)); vigil.KindOf(err) != vigil.NotFound {
			t.Errorf("gave %q: %v", id, err)
		}
	}
}

func TestPatient(t *testing.T) {
	h, m := open(t, t.TempDir(), "06:30")
	vera, otto := apptest.As(access.Patient, apptest.Vera), apptest.As(access.Patient, apptest.Otto)
	today := func() (out []string) {
		list, err := m.Today(vera, apptest.Vera)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range list {
			out = append(out, x.State+": "+x.Text)
		}
		return out
	}
	morning := "rx-vera-" + met + ".20260303-0800"
	same(t, today(), "due: At 08:00", "due: At 20:00")
	if err := m.Taken(vera, apptest.Vera, morning); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("taken before its time: %v", err)
	}
	h.Until(at("08:10"))
	same(t, today(), "due: Take it now, until 09:00", "due: At 20:00")
	for _, c := range []struct {
		ctx     context.Context //nolint:containedctx // a table
		patient string
		id      string
		want    vigil.Kind
	}{{otto, apptest.Vera, morning, vigil.Denied}, {otto, apptest.Otto, morning, vigil.NotFound}, {context.Background(), apptest.Vera, morning, vigil.Denied}} {
		if err := m.Taken(c.ctx, c.patient, c.id); vigil.KindOf(err) != c.want {
			t.Errorf("taken by another: %v, want %s", err, c.want)
		}
	}
	if _, err := m.Today(otto, apptest.Vera); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("Otto reads Vera's medicines: %v", err)
	}
	for range 2 {
		if err := m.Taken(vera, apptest.Vera, morning); err != nil {
			t.Fatal(err)
		}
	}
	taken(h) // the dispenser confirms it: no double dose
	same(t, today(), "taken: Taken 08:10", "due: At 20:00")
	h.Until(at("21:05"))
	same(t, today(), "taken: Taken 08:10", "late: Was due at 20:00. Please take it now.")
	same(t, list(h), "21:00 Metoprolol 25 mg is late: open")
	out, err := h.Call(vera, "GET /day", apptest.Input{})
	same(t, states(t, out, err), "given patient Vera ", "late   ")
	h.Put(apptest.Prescription(apptest.Vera, met, "Metoprolol 25 mg", "08:00", "20:00").With("authoredOn", "2026-03-03").With("status", "on-hold"))
	same(t, list(h), "21:00 Metoprolol 25 mg is late: resolved")
	same(t, today(), "taken: Taken 08:10", "on_hold: On hold. Do not take it for now.")
}

func TestPanel(t *testing.T) {
	h, _ := open(t, t.TempDir(), "06:00")
	h.Until(at("08:05"))
	taken(h)
	h.Until(at("08:10"))
	taken(h)
	h.Until(at("23:00").AddDate(0, 0, 1)) // the evening dose and the next day are missed or late
	out, err := h.Call(apptest.As(access.Nurse, apptest.Nurse), "GET /panel", apptest.Input{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"rows":[{"patient":{"id":"vera","family":"Verdan","given":"Vera","name":"Verdan, Vera","age":65,"sex":"F","birth_date":"1960-04-01","mrn":"90-001","location":"home"},` +
		`"next":{"medication":"Metoprolol 25 mg","due_ms":1772697600000},"late":1,"missed":1,"pdc":0,"misuse":["3 Mar: Metoprolol 25 mg for 08:00 was taken at 08:05 and again at 08:10"]}]}`
	if diff := cmp.Diff(want, string(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestSpring holds that a time of day that the clock skips is a dose all the same, once, and that days stay days.
func TestSpring(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here")
	}
	m := medication.New(medication.Config{Location: berlin})
	h := apptest.Open(t, t.TempDir(), time.Date(2026, 3, 28, 12, 0, 0, 0, berlin), m.App(),
		apptest.Prescription(apptest.Vera, met, "Metoprolol 25 mg", "02:30", "14:30").With("authoredOn", "2026-03-01"))
	for _, c := range []struct{ date, want string }{
		{"2026-03-28", "02:30+0100 14:30+0100"}, {"2026-03-29", "03:30+0200 14:30+0200"}, {"2026-03-30", "02:30+0200 14:30+0200"},
	} {
		out, err := h.Call(apptest.As(access.Nurse, apptest.Nurse), "GET /day", apptest.Input{Params: map[string]string{"patient": apptest.Vera, "date": c.date}})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		var day struct {
			Doses []struct {
				DueMS int64 `json:"due_ms"`
			}
		}
		if err := json.Unmarshal(text, &day); err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, d := range day.Doses {
			got += time.UnixMilli(d.DueMS).In(berlin).Format("15:04-0700 ")
		}
		if got != c.want+" " {
			t.Errorf("%s: %s, want %s", c.date, got, c.want)
		}
	}
}
