package app_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
)

// habits stands for schedule.Schedule.Every.
type habits map[string]func(ctx context.Context, now time.Time) error

func (h habits) every(name string, _ time.Duration, fn func(ctx context.Context, now time.Time) error) error {
	h[name] = fn
	return nil
}

func start(t *testing.T, fn func(ctx context.Context, h app.Host) error) (*app.Room, habits, error) {
	t.Helper()
	h := habits{}
	r := app.NewRoom(app.App{Name: "clinic", Start: fn}, h.every, nil)
	t.Cleanup(r.Stop)
	return r, h, r.Start(t.Context(), app.Host{})
}

func answer(context.Context, app.Request) (any, error) { return "yes", nil }

func TestRegistrations(t *testing.T) {
	for _, c := range []struct {
		name, pattern, fault string
		who                  app.Roles
		h                    app.Handler
	}{
		{"NoRole", "GET /x", "names no role", app.Roles{}, answer},
		{"NoMethod", "/x", "is not", app.Clinical(), answer},
		{"NoPath", "GET x", "is not", app.Clinical(), answer},
		{"NoHandler", "GET /x", "no handler", app.Clinical(), nil},
		{"Twice", "GET /twice", "registered twice", app.Clinical(), answer},
		{"OK", "GET /x", "", app.Clinical(), answer},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := start(t, func(_ context.Context, h app.Host) error {
				h.Handle("GET /twice", app.Clinical(), answer)
				h.Handle(c.pattern, c.who, c.h)
				return nil
			})
			if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Errorf("start: %v, want %q", err, c.fault)
			}
		})
	}
}

func TestServe(t *testing.T) {
	r, _, err := start(t, func(_ context.Context, h app.Host) error {
		h.Handle("GET /x", app.Only(access.Nurse), answer)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rt := r.Routes()[0]
	if rt.Pattern != "GET /api/app/clinic/x" {
		t.Errorf("pattern %q", rt.Pattern)
	}
	as := func(role access.Role) context.Context {
		return access.With(t.Context(), access.Principal{ID: "n", Roles: []access.Role{role}})
	}
	if out, err := rt.Serve(as(access.Nurse), nil); out != "yes" || err != nil {
		t.Errorf("nurse: %v %v", out, err)
	}
	for _, ctx := range []context.Context{t.Context(), as(access.Patient), as(access.System)} {
		if out, err := rt.Serve(ctx, nil); out != nil || vigil.KindOf(err) != vigil.Denied {
			t.Errorf("let in: %v %v", out, err)
		}
	}
}

func TestSubscribe(t *testing.T) {
	var got []int64
	var roles []access.Role
	r, _, err := start(t, func(_ context.Context, h app.Host) error {
		h.Subscribe([]vigil.EventKind{"dose-taken"}, func(ctx context.Context, rep *vigil.Report) {
			p, _ := access.From(ctx)
			roles = p.Roles
			got = append(got, rep.Received)
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []int64{}
	for i := range int64(5000) { // more than the queue holds: the sender waits, nothing is lost
		kind := vigil.EventKind("dose-taken")
		if i%3 == 0 {
			kind = "door-opened"
		} else {
			want = append(want, i)
		}
		r.Take([]*vigil.Report{{Received: i, Events: []vigil.Event{{Kind: kind}}}, {Received: -1}})
	}
	r.Settle()
	if !slices.Equal(got, want) || !slices.Equal(roles, []access.Role{access.System}) {
		t.Errorf("%d reports as %v, want %d", len(got), roles, len(want))
	}
}

// TestWatch holds that a watcher may write records, and gets the newest version of each.
func TestWatch(t *testing.T) {
	var room *app.Room
	got := map[string]int64{}
	r, _, err := start(t, func(_ context.Context, h app.Host) error {
		h.Watch([]string{"Task"}, func(_ context.Context, rec record.Record) {
			got[rec.ID] = rec.Version
			if rec.ID == "a" && rec.Version < 3000 {
				room.Changed(record.Record{Type: "Task", ID: "a", Version: rec.Version + 1})
				room.Changed(record.Record{Type: "Patient", ID: "p", Version: 1})
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	room = r
	r.Changed(record.Record{Type: "Task", ID: "a", Version: 1})
	for v := range int64(2000) {
		r.Changed(record.Record{Type: "Task", ID: "b", Version: v})
	}
	r.Settle()
	if got["a"] != 3000 || got["b"] != 1999 || len(got) != 2 {
		t.Errorf("%v", got)
	}
}

// TestDuringStart holds that what comes between registration and the end of Start is handled, and only then.
func TestDuringStart(t *testing.T) {
	var room *app.Room
	started, early, got := false, false, 0
	room = app.NewRoom(app.App{Name: "clinic", Start: func(_ context.Context, h app.Host) error {
		h.Subscribe(nil, func(context.Context, *vigil.Report) { early, got = early || !started, got+1 })
		room.Take([]*vigil.Report{{Events: []vigil.Event{{Kind: "x"}}}})
		started = true
		return nil
	}}, habits{}.every, nil)
	defer room.Stop()
	if err := room.Start(t.Context(), app.Host{}); err != nil {
		t.Fatal(err)
	}
	room.Settle()
	if got != 1 || early {
		t.Errorf("%d handled, early: %v", got, early)
	}
}

func TestStop(t *testing.T) {
	entered, ended, runs := make(chan struct{}), false, 0
	var once sync.Once
	r, habits, err := start(t, func(_ context.Context, h app.Host) error {
		h.Go("work", func(ctx context.Context) error {
			<-ctx.Done()
			ended = true
			return ctx.Err()
		})
		h.Every("habit", time.Hour, func(context.Context) error { runs++; return nil })
		h.Subscribe(nil, func(ctx context.Context, _ *vigil.Report) { // holds its queue up until the stop
			once.Do(func() { close(entered) })
			<-ctx.Done()
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := habits["clinic.habit"](t.Context(), time.Time{}); err != nil || runs != 1 {
		t.Errorf("habit ran %d times, %v", runs, err)
	}
	var sender sync.WaitGroup
	sender.Go(func() {
		for range 3000 {
			r.Take([]*vigil.Report{{Events: []vigil.Event{{Kind: "x"}}}})
		}
	})
	<-entered
	r.Stop()
	sender.Wait() // nobody waits for a closed room
	r.Settle()
	r.Stop()
	if !ended {
		t.Error("the work was not waited for")
	}
	if err := habits["clinic.habit"](t.Context(), time.Time{}); err != nil || runs != 1 {
		t.Errorf("habit ran after the stop")
	}
}

func TestStartFails(t *testing.T) {
	ended := false
	_, _, err := start(t, func(_ context.Context, h app.Host) error {
		h.Go("work", func(ctx context.Context) error {
			<-ctx.Done()
			ended = true
			return nil
		})
		return errors.New("no records")
	})
	if err == nil || !strings.Contains(err.Error(), "start clinic: ") || !ended {
		t.Errorf("start: %v, work ended: %v", err, ended)
	}
}
