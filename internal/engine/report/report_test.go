package report_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/report"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// book is a list of alarms in order.
type book []vigil.Alarm

func (b book) Each(_ context.Context, q report.Query, fn func(*vigil.Alarm) error) error {
	for i := range b {
		if b[i].Raised.Before(q.From) || !b[i].Raised.Before(q.To) || q.Unit != "" && b[i].Unit != q.Unit {
			continue
		}
		if err := fn(&b[i]); err != nil {
			return err
		}
	}
	return nil
}

// monday is the first midnight of the tests, in a zone that is not UTC.
var zone = time.FixedZone("ward", 2*3600)

func monday() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, zone) }

func raised(patient string, after time.Duration, change func(*vigil.Alarm)) vigil.Alarm {
	at := monday().Add(after)
	a := vigil.Alarm{
		ID: fmt.Sprint(patient, after), Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh, State: vigil.AlarmResolved, Subject: vigil.PatientSubject(patient),
		Unit: "icu", Rule: "spo2-low", Title: "SpO₂ low", Metric: "spo2", Value: 88, Limit: 90, Onset: at, Raised: at, Ended: at.Add(time.Minute), Resolved: at.Add(time.Minute),
	}
	if change != nil {
		change(&a)
	}
	return a
}

func acked(after time.Duration) func(*vigil.Alarm) {
	return func(a *vigil.Alarm) { a.AckedAt, a.AckedBy = a.Raised.Add(after), "Dr Lee" }
}

func judged(truth vigil.Truth) func(*vigil.Alarm) {
	return func(a *vigil.Alarm) { a.Judged = &vigil.Judgement{Truth: truth, By: "Jo Ruiz", At: a.Raised} }
}

func as(t *testing.T, roles ...access.Role) context.Context {
	return access.With(t.Context(), access.Principal{ID: "x", Name: "X", Roles: roles})
}

func week() report.Query { return report.Query{From: monday(), To: monday().AddDate(0, 0, 7)} }

func desk(b book, change func(*report.Config)) *report.Desk {
	cfg := report.Config{Book: b, Zone: zone, Now: func() time.Time { return monday().AddDate(0, 0, 30) }}
	if change != nil {
		change(&cfg)
	}
	return report.New(cfg)
}

func made(t *testing.T, d *report.Desk) *report.Report {
	t.Helper()
	r, err := d.Make(as(t, access.Physician), week())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-3 {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

func TestLoadCountsQuietBeds(t *testing.T) {
	b := book{
		raised("sara", time.Hour, nil), raised("sara", 23*time.Hour, nil), raised("sara", 25*time.Hour, nil),
		raised("omar", 14*time.Hour, nil),
		raised("omar", 15*time.Hour, func(a *vigil.Alarm) { a.Kind = vigil.KindCall }),
	}
	r := made(t, desk(b, func(c *report.Config) {
		c.Watched = func(context.Context, report.Query) (map[vigil.Subject][]string, error) {
			return map[vigil.Subject][]string{"Patient/sara": {"2026-03-02", "2026-03-03"}, "Patient/omar": {"2026-03-02", "2026-03-03"}, "Patient/ida": {"2026-03-02"}}, nil
		}
	}))
	want := report.Load{BedDays: 5, Mean: .8, Median: 1, P90: 2, Worst: 2, WorstSubject: "Patient/sara", WorstDay: "2026-03-02"}
	if diff := cmp.Diff(want, r.Load); diff != "" {
		t.Error(diff)
	}
	if r.Alarms != 4 || r.Patients != 3 {
		t.Errorf("%d alarms of %d patients", r.Alarms, r.Patients)
	}
	if r.Heat[0][1] != 1 || r.Heat[0][14] != 1 || r.Heat[0][23] != 1 || r.Heat[1][1] != 1 {
		t.Errorf("heat by hours of another zone: %v", r.Heat)
	}
	near(t, "night", r.Night, .75)
	near(t, "worst tenth", r.WorstTenth, .75)
	if d := r.Days[0]; d.Beds != 3 || d.Alarms != 3 || d.PerBed != 1 {
		t.Errorf("monday %+v", d)
	}
}

// TestWilson holds the interval to the figures of Newcombe, Stat Med 1998;17:857-872, table I (method 3).
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {0, 20, 0, .1611}, {1, 29, .0061, .1718}} {
		var b book
		for i := range c.n {
			truth := vigil.TruthReal
			if i < c.k {
				truth = vigil.TruthArtefact
			}
			b = append(b, raised("sara", time.Duration(i)*time.Minute, judged(truth)))
		}
		r := made(t, desk(b, nil)).Rules[0]
		if r.Artefact != c.k || r.Judged.Judged != c.n || math.Abs(r.Low-c.low) > 6e-5 || math.Abs(r.High-c.high) > 6e-5 {
			t.Errorf("%d of %d: %.4f to %.4f, want %.4f to %.4f", c.k, c.n, r.Low, r.High, c.low, c.high)
		}
	}
	if r := made(t, desk(book{raised("sara", 0, nil)}, nil)).Judged; r.Low != 0 || r.High != 1 {
		t.Errorf("nothing judged: %+v", r)
	}
}

func TestResponse(t *testing.T) {
	b := book{
		raised("sara", 0, acked(30*time.Second)),
		raised("sara", time.Hour, func(a *vigil.Alarm) { acked(10 * time.Minute)(a); a.Ended = a.Raised.Add(11 * time.Minute) }),
		raised("sara", 2*time.Hour, nil), // went away by itself after a minute: nobody was late
		raised("sara", 3*time.Hour, func(a *vigil.Alarm) {
			a.Ended = time.Time{}
			a.History = []vigil.AlarmStep{{At: a.Raised.Add(time.Minute), What: "seen"}, {At: a.Raised.Add(2 * time.Minute), What: "seen"}, {At: a.Raised.Add(3 * time.Minute), What: "escalated"}}
		}),
	}
	r := made(t, desk(b, nil))
	by := map[string]report.Response{}
	for _, x := range r.Response {
		by[x.Priority.String()+" "+x.Step] = x
	}
	ack, seen := by["high acknowledged"], by["high seen"]
	if ack.N != 2 || ack.Due != 3 || ack.MedianS != 30 || ack.P90S != 600 || ack.TargetS != 120 {
		t.Errorf("acknowledged %+v", ack)
	}
	near(t, "within", ack.Within, 1./3)
	if seen.N != 1 || seen.MedianS != 60 {
		t.Errorf("seen %+v", seen)
	}
	if r.Escalated.Alarms != 1 || r.Escalated.Share != .25 {
		t.Errorf("escalated %+v", r.Escalated)
	}
}

func TestNuisanceAndFloods(t *testing.T) {
	var b book
	for i := range 12 { // one a half minute, of twelve patients
		b = append(b, raised(fmt.Sprint("p", i), time.Duration(i)*30*time.Second, nil))
	}
	short := func(a *vigil.Alarm) { a.Ended = a.Raised.Add(4 * time.Second) }
	b = append(b, raised("sara", 2*time.Hour, short), raised("sara", 2*time.Hour+15*time.Minute, nil), raised("sara", 3*time.Hour, nil))
	r := made(t, desk(b, nil))
	if r.Nuisance.Short != 1 || r.Nuisance.Repeated != 1 || r.Nuisance.Alarms != 2 {
		t.Errorf("nuisance %+v", r.Nuisance)
	}
	if f := r.Floods; f.Count != 1 || f.Alarms != 12 || !f.List[0].From.Equal(monday()) || !f.List[0].To.Equal(monday().Add(330*time.Second)) {
		t.Errorf("floods %+v", f)
	}
	if f := made(t, desk(b[:10], nil)).Floods; f.Count != 0 {
		t.Errorf("ten alarms are no flood: %+v", f)
	}
}

func TestWhoReads(t *testing.T) {
	b := book{raised("sara", 0, nil)}
	d := desk(b, func(c *report.Config) {
		c.InCharge = func(_ context.Context, p access.Principal) bool { return p.ID == "charge" }
	})
	nurse := access.Principal{ID: "n", Roles: []access.Role{access.Nurse}}
	for name, c := range map[string]struct {
		ctx  context.Context
		want vigil.Kind
	}{
		"Stranger": {t.Context(), vigil.Denied}, "Patient": {as(t, access.Patient), vigil.Denied}, "Nurse": {access.With(t.Context(), nurse), vigil.Denied},
		"Engineer": {as(t, access.Engineer), ""}, "Physician": {as(t, access.Physician), ""},
	} {
		r, err := d.Make(c.ctx, week())
		if vigil.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if name == "Engineer" && (r.Worst[0].Subject != "P1" || r.Load.WorstSubject != "P1") {
			t.Errorf("an engineer reads names: %+v", r.Worst[0])
		}
	}
	nurse.ID = "charge"
	if _, err := d.Make(access.With(t.Context(), nurse), week()); err != nil {
		t.Errorf("the nurse in charge: %v", err)
	}
	for _, q := range []report.Query{{}, {From: monday(), To: monday()}, {From: monday(), To: monday().AddDate(2, 0, 0)}} {
		if _, err := d.Make(as(t, access.Physician), q); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%v: %v", q, err)
		}
	}
}

func TestCSV(t *testing.T) {
	b := book{
		raised("sara", 0, func(a *vigil.Alarm) {
			judged(vigil.TruthArtefact)(a)
			a.Title, a.Value = `=HYPERLINK("x"), "low"`, -1.5
		}),
		raised("omar", time.Hour, acked(time.Minute)), raised("sara", 2*time.Hour, nil),
	}
	d := desk(b, nil)
	write := func(ctx context.Context, s report.Sheet) ([][]string, string) {
		t.Helper()
		var w strings.Builder
		if err := d.WriteCSV(ctx, &w, week(), s); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(w.String())).ReadAll()
		if err != nil || len(rows) != 4 {
			t.Fatalf("%d rows, %v", len(rows), err)
		}
		return rows, w.String()
	}
	rows, text := write(as(t, access.Physician), report.Sheet{Name: func(vigil.Subject) string { return "Okafor, Sara" }})
	cell := func(row int, name string) string {
		for i, c := range rows[0] {
			if c == name {
				return rows[row][i]
			}
		}
		t.Fatalf("no column %s", name)
		return ""
	}
	for name, want := range map[string]string{
		"raised": "2026-03-01T22:00:00.000Z", "title": `'=HYPERLINK("x"), "low"`, "value": "-1.5", "judged": "artefact", "judged_by": "Jo Ruiz", "patient": "Okafor, Sara", "lasted_s": "60.0",
	} {
		if got := cell(1, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if !strings.Contains(text, "\r\n") {
		t.Error("lines do not end as in RFC 4180")
	}
	for _, ctx := range []context.Context{as(t, access.Engineer), as(t, access.Physician)} {
		rows, text = write(ctx, report.Sheet{Hide: true, Name: func(vigil.Subject) string { return "Okafor, Sara" }})
		for _, secret := range []string{"sara", "Sara", "omar", "Lee", "Ruiz"} {
			if strings.Contains(text, secret) {
				t.Errorf("%q stands in a sheet without names", secret)
			}
		}
		if cell(1, "subject") != "P1" || cell(2, "subject") != "P2" || cell(3, "subject") != "P1" {
			t.Errorf("numbers of patients: %s", text)
		}
	}
}

// replay answers with episodes that it counts down: variant i leaves left[i] of them, the first ones.
type replay struct {
	episodes []rule.Episode
	left     []int
}

func (r replay) WhatIf(_ context.Context, q rule.WhatIf) (rule.WhatIfOutcome, error) {
	if q.Rule != "spo2-low" {
		return rule.WhatIfOutcome{}, vigil.Errorf(vigil.NotFound, "test", "no limit rule")
	}
	out := rule.WhatIfOutcome{Metric: "spo2", Label: "SpO₂", Unit: "%", Low: true, Limit: 90, Delay: 10 * time.Second, Today: r.episodes}
	for i := range q.Variants {
		out.Variants = append(out.Variants, r.episodes[:r.left[i]])
	}
	return out, nil
}

func TestChanges(t *testing.T) {
	var b book
	var episodes []rule.Episode
	for i := range 10 {
		truth := vigil.TruthArtefact
		if i < 2 {
			truth = vigil.TruthReal
		}
		a := raised("sara", time.Duration(i)*3*time.Hour, judged(truth))
		b = append(b, a)
		episodes = append(episodes, rule.Episode{Rule: "spo2-low", Subject: a.Subject, Start: a.Raised, End: a.Ended})
	}
	for i := range 5 {
		b = append(b, raised("omar", time.Duration(i)*time.Minute+48*time.Hour, func(a *vigil.Alarm) { a.Rule = "gone" }))
	}
	changes := func(left ...int) []report.Suggestion {
		t.Helper()
		d := desk(b, func(c *report.Config) { c.Replay = replay{episodes, left} })
		list, err := d.Changes(as(t, access.Physician), week())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	// The smallest change that spares half; a further one spares more.
	got := changes(9, 7, 4, 3, 3, 2, 2)
	if len(got) != 1 || got[0].NewLimit != 89 || got[0].NewDelayS != 15 || got[0].Subject != "Patient/sara" {
		t.Fatalf("got %+v", got)
	}
	if want := "SpO₂ low 90 → 89 with 15 s delay: 60 % fewer (4 instead of 10), the 2 marked real are kept"; got[0].Text != want {
		t.Errorf("%q, want %q", got[0].Text, want)
	}
	// What loses an alarm that was real is not proposed, however quiet it is.
	if got := changes(9, 8, 7, 1, 1, 0, 1); len(got) != 1 || got[0].Would != 7 {
		t.Errorf("got %+v", got)
	}
	if got := changes(10, 10, 9, 1, 1, 0, 1); len(got) != 0 {
		t.Errorf("a change that spares a tenth is proposed: %+v", got)
	}
	d := desk(b, func(c *report.Config) { c.Replay = replay{episodes, make([]int, 7)} })
	if _, err := d.Changes(as(t, access.Engineer), week()); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("an engineer is told whose limits to change: %v", err)
	}
	if _, err := desk(b, nil).Changes(as(t, access.Physician), week()); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("without replays: %v", err)
	}
}
