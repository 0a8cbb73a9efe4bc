package webapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/access"
)

type bed struct {
	ID, Label, State, Note string
	Patient                *struct{ ID, Name, MRN string }
}

func TestAdmitStandbyDischarge(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse := h.visit(t, "nurse")
	const free = "/api/beds/icu-north-bed-5"
	for _, c := range []struct {
		name, path, body string
		status           int
	}{
		{"NoSuchBed", "/api/beds/none/admit", `{"patient_id":"hale"}`, 404},
		{"Occupied", "/api/beds/icu-north-bed-7/admit", `{"patient_id":"hale"}`, 409},
		{"Cleaning", "/api/beds/icu-north-bed-14/admit", `{"patient_id":"hale"}`, 409},
		{"LiesElsewhere", free + "/admit", `{"patient_id":"lind"}`, 409},
		{"NobodyKnowsHim", free + "/admit", `{"patient_id":"nobody"}`, 404},
		{"NoName", free + "/admit", `{"birth_date":"1990-01-01"}`, 400},
		{"NoBirthDate", free + "/admit", `{"family":"Marsh"}`, 400},
		{"BirthDateIsNoDate", free + "/admit", `{"family":"Marsh","given":"Ida","birth_date":"yesterday"}`, 400},
		{"DischargeFree", free + "/discharge", ``, 409},
		{"DischargeNoBed", "/api/beds/none/discharge", ``, 404},
		{"StandbyFree", free + "/state", `{"state":"standby"}`, 409},
		{"FreeOccupied", "/api/beds/icu-north-bed-7/state", `{"state":"free"}`, 409},
		{"NoSuchState", free + "/state", `{"state":"on fire"}`, 400},
		{"NoSuchBedState", "/api/beds/none/state", `{"state":"free"}`, 404},
	} {
		t.Run(c.name, func(t *testing.T) { nurse.refused(t, "POST", c.path, c.body, c.status) })
	}
	if list := h.Engines.Census.Patients("", "Marsh"); len(list) != 0 {
		t.Errorf("what was refused left %d patients behind", len(list))
	}

	// Many admit to the one free bed at once: one of them does.
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 6 {
		wg.Go(func() {
			a := nurse.ask(t, "POST", free+"/admit", fmt.Sprintf(`{"family":"Marsh","given":"Ida","birth_date":"1990-01-0%d","sex":"F","mrn":"9000-%d"}`, i+1, i))
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	wg.Wait()
	if statuses[http.StatusOK] != 1 || statuses[http.StatusConflict] != 5 {
		t.Fatalf("six admissions to one bed: %v", statuses)
	}
	b := wardBed(t, nurse, "5")
	if b.State != "occupied" || b.Patient == nil || b.Patient.Name != "Marsh, Ida" || !strings.HasPrefix(b.Patient.MRN, "9000-") {
		t.Fatalf("after the admission: %+v", b)
	}
	encounter := h.Engines.Census
	patient, _ := encounter.Patient(b.Patient.ID)
	status := func() string {
		t.Helper()
		rec, err := h.Engines.Records.Read(access.AsSystem(t.Context(), "test"), "Encounter", patient.Encounter)
		if err != nil {
			t.Fatal(err)
		}
		r, err := rec.Resource()
		if err != nil {
			t.Fatal(err)
		}
		return r.Str("status")
	}
	if got := status(); got != "in-progress" {
		t.Errorf("encounter %s", got)
	}
	for _, step := range []struct{ action, body, bed, note, encounter string }{
		{"state", `{"state":"standby","note":"CT scan"}`, "standby", "CT scan", "onleave"},
		{"state", `{"state":"occupied"}`, "occupied", "", "in-progress"},
		{"discharge", ``, "cleaning", "Terminal clean", "finished"},
		{"state", `{"state":"free"}`, "free", "", "finished"},
	} {
		var got bed
		nurse.must(t, "POST", free+"/"+step.action, step.body, &got)
		if seen := wardBed(t, nurse, "5"); got.State != step.bed || got.Note != step.note || seen.State != step.bed {
			t.Errorf("%s %s: %+v, on the ward %+v", step.action, step.body, got, seen)
		}
		if s := status(); s != step.encounter {
			t.Errorf("%s %s: encounter %s, want %s", step.action, step.body, s, step.encounter)
		}
	}
	if b := wardBed(t, nurse, "5"); b.Patient != nil {
		t.Errorf("%+v lies in a free bed", b.Patient)
	}
	// Whoever was discharged can come again.
	nurse.must(t, "POST", free+"/admit", `{"patient_id":"`+patient.ID+`"}`, nil)
	nurse.must(t, "POST", free+"/discharge", "", nil)
	nurse.must(t, "POST", free+"/state", `{"state":"free"}`, nil)
}

func wardBed(t *testing.T, v *visitor, label string) bed {
	t.Helper()
	var ward struct{ Beds []bed }
	v.must(t, "GET", "/api/ward?unit=icu-north", "", &ward)
	for _, b := range ward.Beds {
		if b.Label == label {
			return b
		}
	}
	t.Fatalf("no bed %s among %d", label, len(ward.Beds))
	return bed{}
}

type limit struct {
	Metric     string
	Low, High  *float64
	DefaultLow *float64 `json:"default_low"`
	Personal   bool
}

func TestPersonalLimits(t *testing.T) {
	t.Parallel()
	h := shared()
	physician := h.visit(t, "physician")
	monitor := h.monitorOf(t, "haddad")
	of := func(list []limit) limit {
		t.Helper()
		for _, l := range list {
			if l.Metric == "bp-mean" || l.Metric == "art-mean" {
				return l
			}
		}
		t.Fatal("no limits of the mean pressure")
		return limit{}
	}
	var list []limit
	physician.must(t, "GET", "/api/patients/haddad/limits", "", &list)
	metric := of(list).Metric
	if l := of(list); l.Low == nil || *l.Low != 65 || l.Personal {
		t.Fatalf("%+v", l)
	}
	for _, body := range []string{
		`[{"metric":"` + metric + `","low":-50}]`, `[{"metric":"` + metric + `","low":100,"high":60}]`, `[{"metric":"mood","low":1}]`, `[{"metric":"` + metric + `","low":"60"}]`, `{}`,
	} {
		physician.refused(t, "PUT", "/api/patients/haddad/limits", body, http.StatusBadRequest)
	}
	h.visit(t, "engineer").refused(t, "PUT", "/api/patients/haddad/limits", `[]`, http.StatusForbidden)
	physician.must(t, "PUT", "/api/patients/haddad/limits", `[{"metric":"`+metric+`","low":50,"high":120}]`, &list)
	if l := of(list); l.Low == nil || *l.Low != 50 || !l.Personal {
		t.Fatalf("%+v", l)
	}
	var estimate struct{ Hours, Now, Would int }
	physician.must(t, "GET", "/api/patients/haddad/limits/estimate?metric="+metric+"&low=60", "", &estimate)
	if estimate.Hours != 24 {
		t.Errorf("%+v", estimate)
	}
	physician.refused(t, "GET", "/api/patients/haddad/limits/estimate?metric="+metric+"&low=low", "", http.StatusBadRequest)
	physician.refused(t, "GET", "/api/patients/haddad/limits/estimate?metric=mood&low=1", "", http.StatusBadRequest)
	// Systolic 100 does not alarm by itself; a mean of 58 does with the default limit, not with the personal one.
	h.cuff(t, monitor, 100, 40, 58)
	var open []struct{ Rule, State string }
	physician.must(t, "GET", "/api/patients/haddad/alarms", "", &open)
	for _, a := range open {
		if a.Rule == "map-low" && a.State != "resolved" {
			t.Errorf("an alarm inside of the personal limits")
		}
	}
	physician.must(t, "PUT", "/api/patients/haddad/limits", `[{"metric":"`+metric+`","low":null,"high":null}]`, &list)
	if l := of(list); l.Personal || *l.Low != 65 {
		t.Errorf("back to the default: %+v", l)
	}
	h.cuff(t, monitor, 100, 40, 58.5)
	h.alarmOf(t, physician, "haddad", "map-low")
}

func TestThread(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse, physician := h.visit(t, "nurse"), h.visit(t, "physician")
	type line struct{ Text, Kind, Initials, By, Role string }
	var list []line
	nurse.must(t, "POST", "/api/patients/mensah/thread", `{"text":" Refused lunch. "}`, nil)
	physician.must(t, "POST", "/api/patients/mensah/thread", `{"text":"Seen.","kind":"note"}`, &list)
	want := []line{{"Refused lunch.", "message", "KA", "K. Adeyemi", "nurse"}, {"Seen.", "note", "JR", "Dr Reyes", "physician"}}
	if fmt.Sprint(list) != fmt.Sprint(want) {
		t.Errorf("%+v", list)
	}
	nurse.must(t, "GET", "/api/patients/lind/thread", "", &list)
	if len(list) != 0 {
		t.Errorf("another patient's thread: %+v", list)
	}
}

func TestNextSteps(t *testing.T) {
	t.Parallel()
	h := shared()
	nurse := h.visit(t, "nurse")
	type step struct {
		ID, Text, By string
		Done         bool
	}
	var list []step
	nurse.must(t, "GET", "/api/patients/lind/steps", "", &list)
	if len(list) != 0 {
		t.Errorf("steps without an alarm: %+v", list)
	}
	nurse.refused(t, "POST", "/api/patients/lind/steps/line", `{"done":true}`, http.StatusConflict)
	h.cuff(t, h.monitorOf(t, "lind"), 71, 39, 50)
	id := h.alarmOf(t, nurse, "lind", "map-low")
	nurse.refused(t, "POST", "/api/patients/lind/steps/none", `{"done":true}`, http.StatusNotFound)
	nurse.must(t, "POST", "/api/patients/lind/steps/cultures", `{"done":true}`, &list)
	done := map[string]step{}
	for _, s := range list {
		done[s.ID] = s
	}
	if s := done["cultures"]; !s.Done || s.By != "KA" || done["line"].Done || len(list) < 5 {
		t.Errorf("%+v", list)
	}
	if got := history(t, nurse, id); !strings.Contains(got, "action:"+done["cultures"].Text) {
		t.Errorf("history %s", got)
	}
	nurse.must(t, "POST", "/api/patients/lind/steps/cultures", `{"done":false}`, &list)
	for _, s := range list {
		if s.Done {
			t.Errorf("taken back, yet %+v", s)
		}
	}
}

// history returns the steps of an alarm as one line.
func history(t *testing.T, v *visitor, id string) string {
	t.Helper()
	var al struct{ History []struct{ What, Text string } }
	v.must(t, "GET", "/api/alarms/"+id, "", &al)
	var out []string
	for _, s := range al.History {
		out = append(out, s.What+":"+s.Text)
	}
	return strings.Join(out, " | ")
}

func TestDeviceLife(t *testing.T) {
	t.Parallel()
	h := shared()
	engineer, nurse := h.visit(t, "engineer"), h.visit(t, "nurse")
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/api/devices", `{"id":"no spaces please","profile":"smart-patch"}`, 400},
		{"POST", "/api/devices", `{"id":"ward-9","profile":"none"}`, 400},
		{"POST", "/api/devices", `{"id":"patch-031","profile":"smart-patch"}`, 409},
		{"POST", "/api/devices/none/token", ``, 404},
		{"POST", "/api/devices/none/bind", `{"subject":"Patient/lind"}`, 404},
		{"POST", "/api/devices/patch-031/bind", `{}`, 400},
		{"POST", "/api/devices/patch-031/bind", `{"subject":"Patient/nobody"}`, 400},
		{"POST", "/api/devices/patch-031/bind", `{"subject":"Bed/7"}`, 400},
		{"POST", "/api/devices/patch-031/bind", `{"subject":"Patient/okafor","from":"2199-01-01T00:00:00Z"}`, 400},
		{"POST", "/api/devices/patch-031/bind", `{"subject":"Patient/lind","from":"2001-01-01T00:00:00Z"}`, 409},
	} {
		engineer.refused(t, c.method, c.path, c.body, c.status)
	}
	var made struct {
		Device struct{ ID, State string }
		Token  string
	}
	engineer.must(t, "POST", "/api/devices", `{"id":"patch-900","profile":"smart-patch","name":"Spare patch"}`, &made)
	if made.Token == "" || made.Device.State != "never" {
		t.Fatalf("%+v", made)
	}
	speak := func(token, payload string) int {
		v := h.stranger()
		v.header.Set("Authorization", "Bearer "+token)
		return v.ask(t, "POST", "/ingest/patch-900", payload).status
	}
	if got := speak(made.Token, `{"hr":71}`); got/100 != 2 {
		t.Errorf("an unbound device's message is answered %d; it must wait in the quarantine", got)
	}
	var waiting struct {
		Total int
		Items []struct{ ID, Reason, Payload string }
	}
	nurse.must(t, "GET", "/api/quarantine?device=patch-900", "", &waiting)
	if waiting.Total != 1 || waiting.Items[0].Reason != "unbound" || waiting.Items[0].Payload != `{"hr":71}` {
		t.Fatalf("%+v", waiting)
	}
	release := "/api/quarantine/" + waiting.Items[0].ID + "/release"
	if m := nurse.refused(t, "POST", release, "", http.StatusConflict); !strings.Contains(m, "unbound") {
		t.Errorf("%q does not say what is still wrong", m)
	}
	var bound struct {
		Subject     string
		SubjectName string `json:"subject_name"`
	}
	engineer.must(t, "POST", "/api/devices/patch-900/bind", `{"subject":"Patient/moreau","from":"2026-01-01T00:00:00Z"}`, &bound)
	if bound.Subject != "Patient/moreau" || bound.SubjectName != "a patient" {
		t.Errorf("bound, as an engineer sees it: %+v", bound)
	}
	nurse.must(t, "POST", release, "", nil)
	nurse.refused(t, "POST", release, "", http.StatusNotFound)
	var numbers []struct {
		Metric, Device string
		Value          *float64
	}
	nurse.must(t, "GET", "/api/patients/moreau/numbers", "", &numbers)
	if got := fmt.Sprint(numbers); !strings.Contains(got, "heart-rate patch-900") {
		t.Errorf("the released value is not there: %s", got)
	}
	for _, payload := range []string{`{"hr":`, `{"mood":3}`, `{"hr":9999}`, `not json`} {
		speak(made.Token, payload)
	}
	var all struct{ Released, Kept int }
	nurse.must(t, "POST", "/api/quarantine/release", `{"device":"patch-900"}`, &all)
	if all.Released != 0 || all.Kept != 4 {
		t.Errorf("%+v", all)
	}
	nurse.must(t, "GET", "/api/quarantine?device=patch-900", "", &waiting)
	for _, q := range waiting.Items {
		nurse.must(t, "DELETE", "/api/quarantine/"+q.ID, "", nil)
		nurse.refused(t, "DELETE", "/api/quarantine/"+q.ID, "", http.StatusNotFound)
	}
	var fresh struct{ Token string }
	engineer.must(t, "POST", "/api/devices/patch-900/token", "", &fresh)
	if old, now := speak(made.Token, `{"hr":72}`), speak(fresh.Token, `{"hr":73}`); old != http.StatusUnauthorized || now/100 != 2 {
		t.Errorf("old token %d, new token %d", old, now)
	}
	engineer.must(t, "POST", "/api/devices/patch-900/unbind", `{}`, &bound)
	var page struct {
		Bindings []struct{ Subject, Name, To string }
	}
	nurse.must(t, "GET", "/api/devices/patch-900", "", &page)
	if len(page.Bindings) != 1 || page.Bindings[0].To == "" || page.Bindings[0].Name != "Moreau, Chloé" {
		t.Errorf("%+v", page)
	}
}
