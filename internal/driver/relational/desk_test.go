package relational_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

var errKilled = errors.New("killed")

// mortal is a book whose process dies at one operation: before it, or after it is on disk but not yet answered.
type mortal struct {
	alarm.Book
	left  int // operations to live; negative lives for ever
	after bool
	dead  bool
}

func (m *mortal) do(op func() error) error {
	switch {
	case m.dead:
		return errKilled
	case m.left != 0:
		m.left--
		return op()
	}
	m.dead = true
	if m.after {
		if err := op(); err != nil {
			return err
		}
	}
	return errKilled
}

func (m *mortal) Put(ctx context.Context, c alarm.Change) error {
	return m.do(func() error { return m.Book.Put(ctx, c) })
}

func (m *mortal) Sent(ctx context.Context, id string, at time.Time) error {
	return m.do(func() error { return m.Book.Sent(ctx, id, at) })
}

// pager stands for a receiver that drops page IDs it has seen; it dies with the desk.
type pager struct {
	m     *mortal
	clock *time.Time
	from  time.Time
	seen  map[string]bool
	got   []string
}

func (p *pager) Page(_ context.Context, page alarm.Page, _ vigil.Alarm) error {
	if p.m.dead {
		return errKilled
	}
	if !p.seen[page.ID] {
		p.seen[page.ID] = true
		p.got = append(p.got, fmt.Sprintf("%s %s at %s", page.Alarm, page.To.ID, p.clock.Sub(p.from)))
	}
	return nil
}

type everyone struct{}

func (everyone) Holders(_ context.Context, p alarm.Post) ([]alarm.Recipient, error) {
	return []alarm.Recipient{{ID: p.Role, Name: p.Role}}, nil
}

// shift plays one night at the desk on a virtual clock, two seconds a round. Whoever caused a step that was not
// answered repeats it in the next round, as rules and people do.
func shift(t *testing.T, h *house, kill int, after bool) (trace []string, ops int) {
	t.Helper()
	reopen := h.reopen(t)
	from := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	now := from
	m := &mortal{Book: reopen().Alarms(), left: kill, after: after}
	p := &pager{m: m, clock: &now, from: from, seen: map[string]bool{}}
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	start := func() *alarm.Desk {
		d := alarm.NewDesk(alarm.Config{Book: m, Chains: chains, OnCall: everyone{}, Pager: p, Now: func() time.Time { return now }})
		if err := d.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := start()
	rule := access.AsSystem(t.Context(), "rule")
	kim := access.With(t.Context(), access.Principal{ID: "dr-kim", Name: "Dr Kim", Roles: []access.Role{access.Physician}})
	mk := func(key, who, chain string, latched bool) vigil.Alarm {
		s := vigil.PatientSubject(who)
		return vigil.Alarm{ID: alarm.ID(key, s, "", from), Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh,
			Subject: s, Unit: "icu", Rule: key, Title: key, Chain: chain, Latched: latched, Onset: from}
	}
	low, sat := mk("map-low", "sara", "high", true), mk("spo2-low", "omar", "medium", false)
	type job struct {
		at time.Duration
		do func() error
	}
	jobs := []job{
		{0, func() error { _, err := d.Raise(rule, low); return err }},
		{12 * time.Second, func() error { _, err := d.Raise(rule, sat); return err }},
		{130 * time.Second, func() error {
			_, err := d.Do(kim, low.ID, alarm.Action{Kind: alarm.Acknowledge})
			if vigil.KindOf(err) == vigil.Conflict { // it was done, only the answer was lost
				return nil
			}
			return err
		}},
		{240 * time.Second, func() error { return d.End(rule, sat.ID, now) }},
		{300 * time.Second, func() error { return d.End(rule, low.ID, now) }},
	}
	for ; now.Sub(from) <= 320*time.Second; now = now.Add(2 * time.Second) {
		d.Tick(t.Context())
		for len(jobs) > 0 && jobs[0].at <= now.Sub(from) {
			if err := jobs[0].do(); err != nil {
				if !errors.Is(err, errKilled) {
					t.Fatalf("kill %d after=%v: %v", kill, after, err)
				}
				break
			}
			jobs = jobs[1:]
		}
		d.Flush(t.Context())
		if m.dead {
			m.Book, m.dead, m.left = reopen().Alarms(), false, -1
			d = start()
		}
	}
	list, err := m.Book.List(t.Context(), alarm.Query{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range list {
		var steps []string
		for _, s := range a.History {
			steps = append(steps, s.What)
		}
		trace = append(trace, fmt.Sprintf("%s %s: %s", a.ID, a.State, strings.Join(steps, " ")))
	}
	slices.Sort(p.got)
	return append(trace, p.got...), kill - m.left
}

// TestKillAtEveryMoment shows that a kill before or after any write loses no alarm, raises none twice, repeats no page
// and keeps every deadline to one round of the script.
func TestKillAtEveryMoment(t *testing.T) {
	for name, fresh := range databases() {
		step := map[string]int{"SQLite": 1, "PostgreSQL": 3}[name] // an opening costs ten times as much there
		t.Run(name, func(t *testing.T) { examineKills(t, fresh, step) })
	}
}

func examineKills(t *testing.T, fresh func(t testing.TB) *house, step int) {
	want, ops := shift(t, fresh(t), 1000, false)
	if ops < 11 || !slices.Contains(want, "map-low.Patient.sara.1772330400 physician.second at 2m0s") {
		t.Fatalf("the night without a kill: %d operations, %q", ops, want)
	}
	for kill := 0; kill < ops; kill += step {
		for _, after := range []bool{false, true} {
			var got []string
			t.Run(fmt.Sprintf("%d/%v", kill, after), func(t *testing.T) { got, _ = shift(t, fresh(t), kill, after) })
			if diff := cmp.Diff(onTime(want), onTime(got)); diff != "" {
				t.Errorf("killed at operation %d, after=%v (-without +with):\n%s", kill, after, diff)
			}
		}
	}
}

// onTime rounds the moments of pages down to four seconds: a restart costs at most one round of two.
func onTime(trace []string) []string {
	out := slices.Clone(trace)
	for i, line := range out {
		head, at, ok := strings.Cut(line, " at ")
		if d, err := time.ParseDuration(at); ok && err == nil {
			out[i] = head + " at " + d.Truncate(4*time.Second).String()
		}
	}
	slices.Sort(out) // rounded, two may have changed places
	return out
}
