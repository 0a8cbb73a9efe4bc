package apptest

import (
	"context"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/schedule"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Clock is the time of a test: it moves only when told to.
type Clock struct{ ns atomic.Int64 }

// Now returns the time.
func (c *Clock) Now() time.Time { return time.Unix(0, c.ns.Load()).UTC() }

// Set moves the clock.
func (c *Clock) Set(t time.Time) { c.ns.Store(t.UnixNano()) }

// House is real engines over real stores in a directory, on a clock of its own, with one application at most.
type House struct {
	Clock     *Clock
	Records   *record.Store
	Telemetry *telemetry.Store
	Desk      *alarm.Desk
	Census    *census.Census
	Schedule  *schedule.Schedule
	Consults  *consult.Desk
	Room      *app.Room
	Paged     *Pager

	t      *testing.T
	db     *relational.DB
	log    *pebble.Log
	series *pebble.Series
	seen   chan *vigil.Report
	stop   sync.Once
}

// Pager keeps the pages that the desk sent.
type Pager struct {
	mu    sync.Mutex
	pages []alarm.Page
}

// Page implements alarm.Pager.
func (p *Pager) Page(_ context.Context, page alarm.Page, _ vigil.Alarm) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pages = append(p.pages, page)
	return nil
}

// Pages returns who was paged about an alarm, in order.
func (p *Pager) Pages(alarmID string) (to []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, page := range p.pages {
		if page.Alarm == alarmID {
			to = append(to, page.To.ID)
		}
	}
	return to
}

// Open builds a house on the directory at the given time, with the application started and the hospital of hospital.go
// admitted. The test closes it. Open it again on the same directory after Stop, to see what a restart does.
func Open(t *testing.T, dir string, at time.Time, a app.App, extra ...fhir.Resource) *House {
	t.Helper()
	h := &House{t: t, Clock: &Clock{}, Paged: &Pager{}, seen: make(chan *vigil.Report, 64)}
	h.Clock.Set(at)
	var err error
	h.db, err = relational.OpenSQLite(filepath.Join(dir, "records.db"))
	h.must(err)
	h.log, err = pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{})
	h.must(err)
	h.series, err = pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{})
	h.must(err)
	t.Cleanup(h.Stop)
	now := h.Clock.Now
	ctx := context.Background()
	h.Telemetry, err = telemetry.Open(ctx, telemetry.Config{Log: h.log, Series: h.series, Now: now})
	h.must(err)
	h.Records = record.New(record.Config{Backend: h.db.Records(), Now: now})
	h.Put(append(hospital(at), extra...)...)
	h.Census, err = census.Open(ctx, h.Records, h.logger())
	h.must(err)
	chains, err := catalog.Chains()
	h.must(err)
	h.Desk = alarm.NewDesk(alarm.Config{Book: h.db.Alarms(), Chains: chains, OnCall: h.Census, Pager: h.Paged, Now: now,
		UnitOf: func(_ context.Context, s vigil.Subject) string { return h.Census.UnitOf(s) }})
	h.must(h.Desk.Restore(ctx))
	var ids atomic.Int64
	h.Consults = consult.NewDesk(consult.Config{Book: h.db.Consults(), Records: communications{h.Records}, Alarms: h.Desk, Now: now,
		NewID: func() string {
			return "c-" + strconv.FormatInt(at.Unix(), 36) + "-" + strconv.FormatInt(ids.Add(1), 10)
		}})
	h.Schedule = schedule.New(h.db.Deadlines(), now, nil)
	h.Room = app.NewRoom(a, h.Schedule.Every, h.logger())
	h.Telemetry.Consume("app", h.Room.Take)
	h.Telemetry.Consume("apptest", func(reports []*vigil.Report) {
		for _, r := range reports {
			h.seen <- r
		}
	})
	h.Records.Watch(h.Room.Changed)
	h.must(h.Room.Start(ctx, app.Host{Records: h.Records, Telemetry: h.Telemetry, Desk: h.Desk, Census: h.Census, Schedule: h.Schedule,
		Consults: h.Consults, Now: now}))
	h.Telemetry.Start(ctx)
	return h
}

// communications lets the consult desk write to the record.
type communications struct{ store *record.Store }

func (c communications) Create(ctx context.Context, r fhir.Resource) error {
	_, err := c.store.Create(ctx, r)
	return err
}

// Stop stops the application and closes the stores. It may be called more than once.
func (h *House) Stop() {
	h.stop.Do(func() {
		if h.Room != nil {
			h.Room.Stop()
		}
		if h.Telemetry != nil {
			h.close(h.Telemetry.Close)
		}
		for _, c := range []func() error{h.series.Close, h.log.Close, h.db.Close} {
			h.close(c)
		}
	})
}

func (h *House) close(fn func() error) {
	if err := fn(); err != nil {
		h.t.Errorf("close: %v", err)
	}
}

// Put writes records as the house.
func (h *House) Put(list ...fhir.Resource) {
	h.t.Helper()
	ctx := access.AsSystem(context.Background(), "apptest")
	for _, r := range list {
		if _, err := h.Records.Update(ctx, r, 0); err != nil {
			h.t.Fatalf("put %s: %v", r.Ref(), err)
		}
	}
	h.Settle()
}

// Advance moves the clock in steps, doing at each step what is due, so that what is due early acts before what is due late.
func (h *House) Advance(d, step time.Duration) {
	ctx := context.Background()
	end := h.Clock.Now().Add(d)
	for {
		h.Schedule.Tick(ctx)
		h.Settle()
		h.Desk.Tick(ctx)
		h.Desk.Flush(ctx)
		now := h.Clock.Now()
		if !now.Before(end) {
			return
		}
		if now = now.Add(step); now.After(end) {
			now = end
		}
		h.Clock.Set(now)
	}
}

// Until advances to a time in steps of five minutes.
func (h *House) Until(at time.Time) { h.Advance(at.Sub(h.Clock.Now()), 5*time.Minute) }

// Settle waits until the application has handled what it was given.
func (h *House) Settle() {
	if h.Room != nil {
		h.Room.Settle()
	}
}

// Event stores an event of a patient's device at the clock's time, and returns when the application has handled it.
func (h *House) Event(patient, device string, kind vigil.EventKind, data map[string]string) {
	h.t.Helper()
	h.Report(patient, device, &vigil.Report{Events: []vigil.Event{{Kind: kind, Time: h.Clock.Now().UnixNano(), Data: data}}})
}

// Sample stores one number of a patient's device at a time, and returns when the application has handled it.
func (h *House) Sample(patient, device string, samples ...vigil.Sample) {
	h.t.Helper()
	h.Report(patient, device, &vigil.Report{Samples: samples})
}

// Report stores what a patient's device said, and returns when the application has handled it.
func (h *House) Report(patient, device string, r *vigil.Report) {
	h.t.Helper()
	r.Device, r.Subject, r.Received, r.Protocol = vigil.DeviceID(device), vigil.PatientSubject(patient), h.Clock.Now().UnixNano(), "test"
	h.must(h.Telemetry.AppendWait(context.Background(), r))
	for got := range h.seen {
		if got == r {
			break
		}
	}
	h.Settle()
}

// Call calls a route of the application, "GET /panel", as somebody.
func (h *House) Call(who context.Context, pattern string, in Input) (any, error) { //nolint:revive // who is the caller
	h.t.Helper()
	for _, rt := range h.Room.Routes() {
		if rt.Pattern == full(h.Room.Name(), pattern) {
			return rt.Serve(who, in)
		}
	}
	h.t.Fatalf("no route %q", pattern)
	return nil, nil
}

// Alarms returns every alarm of a patient, newest first.
func (h *House) Alarms(patient string) []vigil.Alarm {
	h.t.Helper()
	list, err := h.Desk.List(access.AsSystem(context.Background(), "apptest"), alarm.Query{Subject: vigil.PatientSubject(patient)})
	h.must(err)
	return list
}

func (h *House) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}
