// Package alarmtest is the examination that every alarm.Book passes.
//
// It tests behaviour only; the desk on top of a book is tested in package alarm. Start at Run.
package alarmtest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Run examines a book. open returns a book on the same empty store each time it is called within one subtest, as after
// a restart.
func Run(t *testing.T, open func(t *testing.T) (reopen func() alarm.Book)) {
	t.Run("KeepsWhatWasPut", func(t *testing.T) { keeps(t, open(t)) })
	t.Run("ListsAndFilters", func(t *testing.T) { lists(t, open(t)) })
	t.Run("OutboxHoldsEachPageOnce", func(t *testing.T) { outbox(t, open(t)) })
	t.Run("ConcurrentPuts", func(t *testing.T) { concurrent(t, open(t)) })
}

func sample(id string, at time.Time) vigil.Alarm {
	return vigil.Alarm{
		ID: id, Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh, State: vigil.AlarmRaised,
		Subject: vigil.PatientSubject("sara"), Unit: "icu-north", Rule: "map-low", Title: "MAP low", Value: 54, Limit: 65,
		Onset: at, Raised: at, Updated: at, History: []vigil.AlarmStep{{At: at, What: "raised"}},
		Evidence: &vigil.Evidence{Sentence: "MAP stayed under 65 mmHg for 10 s", Delay: 10 * time.Second,
			Lines: []vigil.EvidenceLine{{Metric: "art-mean", From: 90, To: 54, Points: [][2]float64{{1, 90}, {2, 54}}}}},
	}
}

func keeps(t *testing.T, reopen func() alarm.Book) {
	ctx, at := t.Context(), time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	a := sample("map-low.Patient.sara.1", at)
	b := reopen()
	if _, err := b.Get(ctx, a.ID); vigil.KindOf(err) != vigil.NotFound {
		t.Fatalf("Get of nothing: %v", err)
	}
	must(t, b.Put(ctx, alarm.Change{Alarm: a}))
	a.State, a.AckedBy = vigil.AlarmAcknowledged, "Dr Kim"
	a.History = append(a.History, vigil.AlarmStep{At: at.Add(time.Minute), What: "acknowledged", Who: "Dr Kim"})
	a.Next = &vigil.Due{At: at.Add(time.Hour), Text: "Rapid response"}
	must(t, b.Put(ctx, alarm.Change{Alarm: a}))
	b = reopen()
	got, err := b.Get(ctx, a.ID)
	must(t, err)
	if diff := cmp.Diff(a, got); diff != "" {
		t.Errorf("after reopening (-put +got):\n%s", diff)
	}
	open, err := b.Open(ctx)
	must(t, err)
	if diff := cmp.Diff([]vigil.Alarm{a}, open); diff != "" {
		t.Errorf("Open (-put +got):\n%s", diff)
	}
	a.State, a.Resolved = vigil.AlarmResolved, at.Add(time.Hour)
	must(t, b.Put(ctx, alarm.Change{Alarm: a}))
	if open, err = b.Open(ctx); err != nil || len(open) != 0 {
		t.Errorf("a resolved alarm is open: %v, %v", open, err)
	}
}

func lists(t *testing.T, reopen func() alarm.Book) {
	ctx, at, b := t.Context(), time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), reopen()
	for i, id := range []string{"a", "b", "c"} {
		a := sample(id, at.Add(time.Duration(i)*time.Minute))
		if id == "b" {
			a.Subject, a.Unit = vigil.PatientSubject("omar"), "icu-south"
		}
		if id == "c" {
			a.State = vigil.AlarmResolved
		}
		must(t, b.Put(ctx, alarm.Change{Alarm: a}))
	}
	for _, c := range []struct {
		name string
		q    alarm.Query
		want []string
	}{
		{"All", alarm.Query{}, []string{"c", "b", "a"}},
		{"Open", alarm.Query{Open: true}, []string{"b", "a"}},
		{"Subject", alarm.Query{Subject: "Patient/sara"}, []string{"c", "a"}},
		{"Unit", alarm.Query{Unit: "icu-south"}, []string{"b"}},
		{"Time", alarm.Query{From: at.Add(time.Minute), To: at.Add(2 * time.Minute)}, []string{"b"}},
		{"Limit", alarm.Query{Limit: 1}, []string{"c"}},
		{"None", alarm.Query{Subject: "Patient/nobody"}, []string{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, err := b.List(ctx, c.q)
			must(t, err)
			got := []string{}
			for _, a := range list {
				got = append(got, a.ID)
				if a.Evidence != nil {
					t.Errorf("%s: a list carries no evidence", a.ID)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func outbox(t *testing.T, reopen func() alarm.Book) {
	ctx, at, b := t.Context(), time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), reopen()
	a := sample("a", at)
	one := alarm.Page{ID: "a/1/lee", Alarm: "a", Step: 1, To: alarm.Recipient{ID: "lee", Name: "Dr Lee"}, At: at}
	two := alarm.Page{ID: "a/2/kim", Alarm: "a", Step: 2, To: alarm.Recipient{ID: "kim", Name: "Dr Kim"}, At: at.Add(time.Minute)}
	must(t, b.Put(ctx, alarm.Change{Alarm: a, Pages: []alarm.Page{one}}))
	must(t, b.Put(ctx, alarm.Change{Alarm: a, Pages: []alarm.Page{one, two}}))
	b = reopen()
	got, err := b.Unsent(ctx)
	must(t, err)
	if diff := cmp.Diff([]alarm.Page{one, two}, got); diff != "" {
		t.Errorf("Unsent:\n%s", diff)
	}
	must(t, b.Sent(ctx, one.ID, at))
	must(t, b.Sent(ctx, one.ID, at))
	must(t, b.Put(ctx, alarm.Change{Alarm: a, Pages: []alarm.Page{one}})) // known: stays sent
	if got, err = reopen().Unsent(ctx); err != nil || len(got) != 1 || got[0].ID != two.ID {
		t.Errorf("after Sent: %v, %v", got, err)
	}
	must(t, reopen().Put(ctx, alarm.Change{Alarm: a, Sent: two.ID, SentAt: at}))
	if got, err = reopen().Unsent(ctx); err != nil || len(got) != 0 {
		t.Errorf("after a change that says the last was sent: %v, %v", got, err)
	}
}

func concurrent(t *testing.T, reopen func() alarm.Book) {
	ctx, at, b := t.Context(), time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC), reopen()
	const n = 100
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- b.Put(ctx, alarm.Change{Alarm: sample(string(rune('A'+i)), at)}) }()
	}
	for range n {
		must(t, <-errs)
	}
	if open, err := b.Open(ctx); err != nil || len(open) != n {
		t.Errorf("%d open, %v", len(open), err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
