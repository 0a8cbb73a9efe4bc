package alarm_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

func deskAt(t *testing.T, book *memory, now func() time.Time) *alarm.Desk {
	t.Helper()
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	d := alarm.NewDesk(alarm.Config{Book: book, Chains: chains, OnCall: ward(), Pager: &paged{ids: map[string]int{}}, Now: now})
	if err := d.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func clocked(t *testing.T) vigil.Alarm {
	t.Helper()
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chains {
		if len(c.Steps) > 1 && c.Steps[1].After > c.Steps[0].After {
			return vigil.Alarm{ID: "a-1", Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh, Subject: "Patient/sara", Rule: "map-low", Title: "MAP low", Chain: c.Key}
		}
	}
	t.Fatal("no chain has two steps")
	return vigil.Alarm{}
}

func next(t *testing.T, d *alarm.Desk) time.Time {
	t.Helper()
	open, err := d.Open(access.AsSystem(context.Background(), "test"), alarm.Filter{})
	if err != nil || len(open) != 1 || open[0].Next == nil {
		t.Fatalf("open = %+v, %v", open, err)
	}
	return open[0].Next.At
}

// TestDeadlinesHangOnTheRunningClock holds that a deadline carries the monotonic reading by which time.Time compares: a
// wall clock that is set does not move it, neither of a fresh alarm nor of one from before the restart.
func TestDeadlinesHangOnTheRunningClock(t *testing.T) {
	book := newMemory()
	ctx := access.AsSystem(context.Background(), "test")
	d := deskAt(t, book, time.Now)
	if _, err := d.Raise(ctx, clocked(t)); err != nil {
		t.Fatal(err)
	}
	fresh := next(t, d)
	if !strings.Contains(fresh.String(), " m=") {
		t.Errorf("the deadline %s of a fresh alarm hangs on the wall clock", fresh)
	}
	restored := next(t, deskAt(t, book, time.Now))
	if !strings.Contains(restored.String(), " m=") {
		t.Errorf("the deadline %s of a restored alarm hangs on the wall clock", restored)
	}
	if !restored.Round(0).Equal(fresh.Round(0)) {
		t.Errorf("the restart moved the deadline from %s to %s", fresh, restored)
	}
}

// TestClockJumpsOverRestart restarts the desk with its wall clock somewhere else.
func TestClockJumpsOverRestart(t *testing.T) {
	raised := time.Date(2025, 10, 9, 8, 0, 0, 0, time.UTC)
	for name, jump := range map[string]time.Duration{
		"HourForward": time.Hour, "HourBack": -time.Hour, "DayForward": 24 * time.Hour, "DayBack": -24 * time.Hour, "To1970": -raised.Sub(time.Unix(0, 0)),
	} {
		t.Run(name, func(t *testing.T) {
			book := newMemory()
			before := deskAt(t, book, func() time.Time { return raised })
			if _, err := before.Raise(access.AsSystem(context.Background(), "test"), clocked(t)); err != nil {
				t.Fatal(err)
			}
			wait := next(t, before).Sub(raised)
			now := raised.Add(jump)
			got := next(t, deskAt(t, book, func() time.Time { return now })).Sub(now)
			if jump > 0 && got != wait-jump {
				t.Errorf("the clock went %s ahead and the step is due in %s instead of at once", jump, got)
			}
			if jump < 0 && (got < 0 || got > time.Hour || got > 10*wait) {
				t.Errorf("the clock went back %s and the step is due in %s; it was due in %s", jump, got, wait)
			}
		})
	}
}
