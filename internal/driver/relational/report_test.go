package relational_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/report"
)

// fillAlarms raises n alarms of 100 patients, a minute apart from begin on, as the desk writes them.
func fillAlarms(tb testing.TB, book *relational.Alarms, begin time.Time, n int) {
	tb.Helper()
	group := make(chan error, 64)
	busy := 0
	for i := range n {
		at := begin.Add(time.Duration(i) * time.Minute)
		a := vigil.Alarm{
			ID: fmt.Sprintf("spo2-low.Patient.p%d.%d", i%100, i), Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.Priority(1 + i%3), State: vigil.AlarmResolved,
			Subject: vigil.PatientSubject(fmt.Sprintf("p%d", i%100)), Unit: []string{"north", "south"}[i%2], Rule: "spo2-low", Title: "SpO₂ low", Metric: "spo2", Value: 87, Limit: 90, UCUM: "%",
			Onset: at, Raised: at, Ended: at.Add(40 * time.Second), Resolved: at.Add(2 * time.Minute), AckedBy: "Dr Lee", AckedAt: at.Add(time.Minute), Chain: "high", Step: 1, Steps: 3,
			History: []vigil.AlarmStep{{At: at, What: "raised", Text: "SpO₂ low"}, {At: at, What: "paged", Who: "Dr Lee"}, {At: at, What: "seen", Who: "Dr Lee"}, {At: at, What: "acknowledged", Who: "Dr Lee"}, {At: at, What: "resolved"}},
		}
		go func() { group <- book.Put(context.Background(), alarm.Change{Alarm: a}) }()
		if busy++; busy == 64 {
			if err := <-group; err != nil {
				tb.Fatal(err)
			}
			busy--
		}
	}
	for range busy {
		if err := <-group; err != nil {
			tb.Fatal(err)
		}
	}
}

func TestAlarmsOfAReport(t *testing.T) {
	for name, fresh := range databases() {
		t.Run(name, func(t *testing.T) {
			book := fresh(t).open(t).Alarms()
			begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
			fillAlarms(t, book, begin, 700)
			var last time.Time
			n := 0
			q := report.Query{From: begin.Add(10 * time.Minute), To: begin.Add(690 * time.Minute), Unit: "south"}
			err := book.Each(t.Context(), q, func(a *vigil.Alarm) error {
				if n++; a.Unit != "south" || a.Raised.Before(q.From) || !a.Raised.Before(q.To) || a.Raised.Before(last) || len(a.History) != 5 {
					t.Errorf("got %s of %s at %s after %s", a.ID, a.Unit, a.Raised, last)
				}
				last = a.Raised
				return nil
			})
			if err != nil || n != 340 {
				t.Errorf("%d alarms, %v", n, err)
			}
			full, n := errors.New("enough"), 0
			err = book.Each(t.Context(), report.Query{From: begin, To: begin.Add(24 * time.Hour)}, func(*vigil.Alarm) error { n++; return full })
			if !errors.Is(err, full) || n != 1 {
				t.Errorf("went on to %d after an error: %v", n, err)
			}
			gone, stop := context.WithCancel(t.Context())
			stop()
			if err := book.Each(gone, q, func(*vigil.Alarm) error { return nil }); err == nil {
				t.Error("read on although nobody waits")
			}
		})
	}
}

// BenchmarkReport makes the report of 100,000 alarms of 70 days from the database.
func BenchmarkReport(b *testing.B) {
	db, err := relational.OpenSQLite(b.TempDir() + "/records.db")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	begin := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	fillAlarms(b, db.Alarms(), begin, 100_000)
	desk := report.New(report.Config{Book: db.Alarms(), Now: time.Now})
	ctx := access.AsSystem(b.Context(), "bench")
	for b.Loop() {
		r, err := desk.Make(ctx, report.Query{From: begin, To: begin.AddDate(0, 0, 100)})
		if err != nil || r.Alarms != 100_000 {
			b.Fatalf("%d alarms, %v", r.Alarms, err)
		}
	}
}
