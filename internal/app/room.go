package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
)

// queueLen is how many reports may wait for an application before ingestion waits for it.
const queueLen = 1024

// Room is one application in the running house: it gives the application its Runtime and stops it.
//
//	telemetry.Consume ─► Take ──► queue ─► Subscribe's fn      record.Watch ─► Changed ──► newest per record ─► Watch's fn
//	schedule.Every ─► Every's fn                               door ─► Routes ─► role ─► Handler
type Room struct {
	app    App
	log    *slog.Logger
	every  func(name string, d time.Duration, fn func(ctx context.Context, now time.Time) error) error
	routes []Route
	feeds  []*feed
	faults []error
	ctx    context.Context //nolint:containedctx // of the application's own goroutines, ended by Stop
	cancel context.CancelFunc
	wg     sync.WaitGroup

	ready chan struct{} // closed when the application has started: its readers run from then on

	mu      sync.Mutex
	stopped bool
	idle    sync.Cond
	busy    int // reports and records on their way to the application
}

// Route is one answered pattern, ready for a door.
type Route struct {
	Pattern string // "GET /api/app/medication/panel"
	Roles   Roles
	handle  Handler
}

// Serve answers a call as the principal of ctx, who must hold one of the route's roles.
func (rt Route) Serve(ctx context.Context, r Request) (any, error) {
	p, ok := access.From(ctx)
	if !ok {
		return nil, vigil.Errorf(vigil.Denied, "app.serve", "not signed in")
	}
	if !rt.Roles.Admit(p) {
		return nil, vigil.Errorf(vigil.Denied, "app.serve", "your role does not open this")
	}
	return rt.handle(ctx, r)
}

// Every is schedule.Schedule.Every.
type Every func(name string, interval time.Duration, fn func(ctx context.Context, now time.Time) error) error

// NewRoom returns a room for the application. A nil log is silent.
func NewRoom(a App, every Every, log *slog.Logger) *Room {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	r := &Room{app: a, log: log.With("app", a.Name), every: every, ready: make(chan struct{})}
	r.idle.L = &r.mu
	r.ctx, r.cancel = context.WithCancel(access.AsSystem(context.Background(), a.Name))
	return r
}

// Name returns the application's name.
func (r *Room) Name() string { return r.app.Name }

// Start starts the application on the host, whose Runtime the room sets. On an error nothing runs any more.
func (r *Room) Start(ctx context.Context, h Host) error {
	h.Runtime, h.Log = r, r.log
	err := r.app.Start(access.AsSystem(ctx, r.app.Name), h)
	if err = errors.Join(append(r.faults, err)...); err != nil {
		r.Stop()
		return fmt.Errorf("start %s: %w", r.app.Name, err)
	}
	close(r.ready)
	return nil
}

// Stop ends the application's goroutines and waits for them. What waits in its queues is left: it is on disk.
func (r *Room) Stop() {
	r.cancel()
	r.mu.Lock()
	r.stopped = true
	r.idle.Broadcast()
	r.mu.Unlock()
	r.wg.Wait()
}

// Routes returns what the application answers. Call it after Start.
func (r *Room) Routes() []Route { return slices.Clone(r.routes) }

// Handle implements Runtime.
func (r *Room) Handle(pattern string, who Roles, h Handler) {
	method, path, ok := strings.Cut(pattern, " ")
	switch {
	case !ok || method == "" || !strings.HasPrefix(path, "/"):
		r.fault("pattern %q is not \"METHOD /path\"", pattern)
	case len(who.list) == 0:
		r.fault("pattern %q names no role", pattern)
	case h == nil:
		r.fault("pattern %q has no handler", pattern)
	case slices.ContainsFunc(r.routes, func(rt Route) bool { return rt.Pattern == method+" /api/app/"+r.app.Name+path }):
		r.fault("pattern %q is registered twice", pattern)
	}
	r.routes = append(r.routes, Route{Pattern: method + " /api/app/" + r.app.Name + path, Roles: who, handle: h})
}

// Subscribe implements Runtime.
func (r *Room) Subscribe(kinds []vigil.EventKind, fn func(ctx context.Context, rep *vigil.Report)) {
	r.feed(func(x any) bool {
		rep, ok := x.(*vigil.Report)
		return ok && slices.ContainsFunc(rep.Events, func(e vigil.Event) bool { return len(kinds) == 0 || slices.Contains(kinds, e.Kind) })
	}, func(x any) { fn(r.ctx, x.(*vigil.Report)) })
}

// Watch implements Runtime.
func (r *Room) Watch(types []string, fn func(ctx context.Context, rec record.Record)) {
	r.feed(func(x any) bool {
		rec, ok := x.(record.Record)
		return ok && slices.Contains(types, rec.Type)
	}, func(x any) { fn(r.ctx, x.(record.Record)) })
}

func (r *Room) feed(match func(x any) bool, fn func(x any)) {
	f := r.newFeed(match, fn)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.feeds = append(r.feeds, f)
}

// Every implements Runtime.
func (r *Room) Every(name string, d time.Duration, fn func(ctx context.Context) error) {
	err := r.every(r.app.Name+"."+name, d, func(context.Context, time.Time) error {
		if !r.enter() {
			return nil
		}
		defer r.wg.Done()
		return fn(r.ctx)
	})
	if err != nil {
		r.faults = append(r.faults, err)
	}
}

// Go implements Runtime.
func (r *Room) Go(name string, fn func(ctx context.Context) error) {
	if !r.enter() {
		return
	}
	go func() {
		defer r.wg.Done()
		if err := fn(r.ctx); err != nil && r.ctx.Err() == nil {
			r.log.Error("app.work.ended", "work", name, "error", err)
		}
	}()
}

// enter counts work that Stop waits for, and refuses it once the room is closed.
func (r *Room) enter() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return false
	}
	r.wg.Add(1)
	return true
}

func (r *Room) fault(format string, args ...any) {
	r.faults = append(r.faults, vigil.Errorf(vigil.Invalid, "app.start", format, args...))
}

// Take hands reports to the application. The server calls it from a consumer of the telemetry store. What comes while the
// application starts waits for it; after Stop Take does nothing.
func (r *Room) Take(reports []*vigil.Report) {
	feeds := r.readers()
	for _, rep := range reports {
		for _, f := range feeds {
			f.put(rep)
		}
	}
}

// Changed hands a written record to the application. The server calls it from a watcher of the record store.
func (r *Room) Changed(rec record.Record) {
	for _, f := range r.readers() {
		f.put(rec)
	}
}

func (r *Room) readers() []*feed {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return nil
	}
	return r.feeds
}

// Settle waits until everything taken so far has been handled, or the room is stopped. It is for tests and for an
// orderly stop.
func (r *Room) Settle() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.busy > 0 && !r.stopped {
		r.idle.Wait()
	}
}

func (r *Room) add(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy += n; r.busy == 0 {
		r.idle.Broadcast()
	}
}
