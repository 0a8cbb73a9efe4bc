package subscription

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Records is the store of Subscriptions and of what they are told of: record.Store.
type Records interface {
	Read(ctx context.Context, typ, id string) (record.Record, error)
	VRead(ctx context.Context, typ, id string, version int64) (record.Record, error)
	Search(ctx context.Context, typ string, params url.Values) (record.Page, error)
	Update(ctx context.Context, r fhir.Resource, ifMatch int64) (record.Record, error)
}

// Changes is the order of commits: record.Backend.
type Changes interface {
	History(ctx context.Context, q record.HistoryQuery) ([]record.Record, error)
	Last(ctx context.Context) (int64, error)
}

// Telemetry is the log of what devices said: telemetry.Store.
type Telemetry interface {
	Follow(ctx context.Context, from uint64, fn func(offset uint64, reports []*vigil.Report) error) (next uint64, err error)
	Health() telemetry.Health
}

// Config is what a desk needs.
type Config struct {
	Book         Book
	Records      Records
	Changes      Changes
	Telemetry    Telemetry
	Observations func(r *vigil.Report) []fhir.Resource                          // that telemetry shows of a report
	Principal    func(ctx context.Context, id string) (access.Principal, error) // of an account that may still sign in
	Channels     map[string]Channel                                             // by channel.type
	Base         string                                                         // URL of the FHIR door
	Now          func() time.Time
	Log          *slog.Logger

	Every   time.Duration // how often is looked for news; default 250 ms
	Backoff time.Duration // after the first failure, doubled with each up to 5 min; default 1 s
	Timeout time.Duration // of one delivery; default 20 s
	GiveUp  time.Duration // of failing without a break, then the Subscription is off; default 72 h
}

// Desk tells of what happens.
//
//	records ──► position ─┐                       ┌─► owner may see it? ─► Bundle ─► channel ─► delivered
//	                      ├─► filter ─► event log ─┤
//	telemetry ► position ─┘                       └── a failure waits longer each time, in order
type Desk struct {
	cfg    Config
	kick   chan struct{}
	mu     sync.Mutex
	active map[string]*active
	wg     sync.WaitGroup
}

// active is a Subscription that is delivered to.
type active struct {
	wish
	state State
	busy  bool
	due   time.Time
	sent  time.Time // newest notification of any kind
}

// New returns a desk that does nothing before Run.
func New(cfg Config) *Desk {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []struct {
		at  *time.Duration
		def time.Duration
	}{{&cfg.Every, 250 * time.Millisecond}, {&cfg.Backoff, time.Second}, {&cfg.Timeout, 20 * time.Second}, {&cfg.GiveUp, 72 * time.Hour}} {
		if *d.at <= 0 {
			*d.at = d.def
		}
	}
	return &Desk{cfg: cfg, kick: make(chan struct{}, 1), active: map[string]*active{}}
}

// Check returns Invalid when a Subscription cannot be served, saying why.
func (d *Desk) Check(r fhir.Resource) error {
	w, err := read(r)
	if err != nil || w.status == "off" {
		return err
	}
	ch := d.cfg.Channels[w.channel]
	if ch == nil {
		return invalid("channel.type %q is not served here", w.channel)
	}
	return ch.Check(w.to)
}

// Claim makes the principal of ctx the owner: the Subscription tells of what he may see.
func (d *Desk) Claim(ctx context.Context, id string) error {
	p, ok := access.From(ctx)
	if !ok {
		return vigil.Errorf(vigil.Denied, "subscription.claim", "not signed in")
	}
	d.mu.Lock()
	s := State{ID: id}
	if a := d.active[id]; a != nil {
		s = a.state
	}
	s.Owner, s.Fails, s.Error, s.Since = p.ID, 0, "", time.Time{}
	d.mu.Unlock()
	if err := d.cfg.Book.Save(ctx, s); err != nil {
		return err
	}
	if err := d.load(access.AsSystem(ctx, "subscription"), id); err != nil {
		return err
	}
	d.Wake()
	return nil
}

// Wake has the desk look for news now.
func (d *Desk) Wake() {
	select {
	case d.kick <- struct{}{}:
	default:
	}
}

// Due delivers what waits for a Subscription now: its receiver came.
func (d *Desk) Due(id string) {
	d.mu.Lock()
	if a := d.active[id]; a != nil {
		a.due = time.Time{}
	}
	d.mu.Unlock()
	d.Wake()
}

// Mine returns nil when the principal of ctx owns the Subscription, else Denied.
func (d *Desk) Mine(ctx context.Context, id string) error {
	a, _, err := d.find(ctx, id)
	if err != nil {
		return err
	}
	if p, ok := access.From(ctx); !ok || p.ID != a.state.Owner {
		return vigil.Errorf(vigil.Denied, "subscription.mine", "only who wrote the Subscription may do this")
	}
	return nil
}

// Run follows and delivers until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	ctx = access.AsSystem(ctx, "subscription")
	defer d.wg.Wait()
	tick := time.NewTicker(d.cfg.Every)
	defer tick.Stop()
	f, err := d.open(ctx)
	for vigil.KindOf(err) == vigil.Unavailable { // the book's server is away for a moment
		d.cfg.Log.Warn("subscription.open", "error", err)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		f, err = d.open(ctx)
	}
	if err != nil {
		return err
	}
	for {
		more, err := f.round(ctx)
		if err != nil && ctx.Err() == nil {
			d.cfg.Log.Warn("subscription.follow", "error", err)
		}
		d.deliver(ctx)
		if more && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-d.kick:
		case <-ctx.Done():
			return nil
		}
	}
}

// load reads a Subscription and its state anew.
func (d *Desk) load(ctx context.Context, id string) error {
	states, err := d.cfg.Book.States(ctx)
	if err != nil {
		return err
	}
	rec, err := d.cfg.Records.Read(ctx, "Subscription", id)
	if err != nil && vigil.KindOf(err) != vigil.NotFound {
		return err
	}
	for _, s := range states {
		if s.ID == id {
			d.take(rec, s)
		}
	}
	return nil
}

// take puts a Subscription on the desk, or from it when it is off, gone or nobody's.
func (d *Desk) take(rec record.Record, s State) {
	r, err := rec.Resource()
	var w wish
	if err == nil {
		w, err = read(r)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || rec.Deleted || w.status == "off" || s.Owner == "" {
		delete(d.active, s.ID)
		return
	}
	a := d.active[s.ID]
	if a == nil {
		a = &active{state: s}
		d.active[s.ID] = a
	}
	if w.status == "requested" && a.status != "requested" {
		a.due = time.Time{}
	}
	if a.sent.IsZero() && w.status == "active" {
		a.sent = d.cfg.Now() // heartbeats go on after a restart
	}
	a.state.Owner, a.wish = s.Owner, w
}

// list returns who is told of a type.
func (d *Desk) list(typ string) (out []wish) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.active {
		if a.typ == typ {
			out = append(out, a.wish)
		}
	}
	return out
}

// Status answers $status.
func (d *Desk) Status(ctx context.Context, id string) (fhir.Resource, error) {
	a, rec, err := d.find(ctx, id)
	if err != nil {
		return nil, err
	}
	res := d.status(&a.wish, note{kind: Query, status: rec.Str("status"), events: a.state.Events})
	if a.state.Error != "" || a.state.Errors > 0 {
		text := fmt.Sprintf("%d deliveries failed so far, none since the last that succeeded", a.state.Errors)
		if a.state.Error != "" {
			text = fmt.Sprintf("%s (%d in a row, %d altogether)", a.state.Error, a.state.Fails, a.state.Errors)
		}
		res["parameter"] = append(res["parameter"].([]fhir.Resource), fhir.Resource{"name": "error", "valueCodeableConcept": fhir.Concept(text)})
	}
	return res, nil
}

// Events answers $events: those with numbers from first to last, 0 for no bound, at most a thousand. It tells only what
// the caller may see.
func (d *Desk) Events(ctx context.Context, id string, first, last int64) (fhir.Resource, error) {
	a, rec, err := d.find(ctx, id)
	if err != nil {
		return nil, err
	}
	list, err := d.cfg.Book.Events(ctx, id, max(first, 1)-1, 1000)
	if err != nil {
		return nil, err
	}
	var out []shown
	for _, e := range list {
		if last > 0 && e.Number > last {
			break
		}
		s, ok, err := d.show(ctx, e, a.content)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, s)
		}
	}
	return d.notification(&a.wish, note{Replayed, rec.Str("status"), a.state.Events, out}, d.cfg.Now()), nil
}

// find returns a Subscription that the caller may read, with its state.
func (d *Desk) find(ctx context.Context, id string) (active, fhir.Resource, error) {
	rec, err := d.cfg.Records.Read(ctx, "Subscription", id)
	if err != nil {
		return active{}, nil, err
	}
	r, err := rec.Resource()
	if err != nil {
		return active{}, nil, err
	}
	w, err := read(r)
	if err != nil {
		return active{}, nil, err
	}
	states, err := d.cfg.Book.States(ctx)
	a := active{wish: w, state: State{ID: id}}
	for _, s := range states {
		if s.ID == id {
			a.state = s
		}
	}
	return a, r, err
}
