package peer

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Config is what a desk needs. All stores are required; Log may be nil.
type Config struct {
	Peers     []Peer
	Queue     Queue
	Links     Links
	Records   Records
	Changes   Changes
	Alarms    AlarmDesk
	Telemetry Telemetry
	Now       func() time.Time
	Log       *slog.Logger
	Backoff   time.Duration // after the first failure, then twice as long each time; default 5 s
	GiveUp    time.Duration // how long something is tried that never succeeds; default 7 days
	Tick      time.Duration // how often to look; default 2 s
}

const (
	longestWait = 10 * time.Minute
	accessWait  = 5 * time.Minute // after a refusal that somebody must mend
	inRow       = 3               // failures in a row that make the whole peer wait
	batch       = 50
)

// State is how one peer is, for people.
type State struct {
	Name    string    `json:"name"`
	URL     string    `json:"url"`
	OK      bool      `json:"ok"`
	Text    string    `json:"text"` // one sentence
	Waiting int       `json:"waiting"`
	Dead    int       `json:"dead"`
	Oldest  time.Time `json:"oldest,omitzero"` // first asked for, of what waits
	Sent    uint64    `json:"sent"`            // since the start
	Pulled  uint64    `json:"pulled"`          // since the start
	Error   string    `json:"error,omitempty"` // of the last failure, until something succeeds
	LastOK  time.Time `json:"last_ok,omitzero"`
	Next    time.Time `json:"next,omitzero"` // nothing is tried before
	Push    []string  `json:"push"`
	Pull    []string  `json:"pull"`
}

// Desk exchanges records with all peers. Safe for concurrent use.
type Desk struct {
	cfg   Config
	house string // code of TagHouse
	lines []*line
	wg    sync.WaitGroup
}

// line is what goes on with one peer; its own goroutine alone works on it, mu guards what State reads.
type line struct {
	Peer
	d        *Desk
	nextPull time.Time
	kick     chan struct{}

	mu     sync.Mutex
	pause  time.Time // nothing is tried before
	fails  int       // in a row
	sent   uint64
	pulled uint64
	err    string
	lastOK time.Time
}

// New returns a desk. Run starts it.
func New(cfg Config) *Desk {
	if cfg.Backoff <= 0 {
		cfg.Backoff = 5 * time.Second
	}
	if cfg.GiveUp <= 0 {
		cfg.GiveUp = 7 * 24 * time.Hour
	}
	if cfg.Tick <= 0 {
		cfg.Tick = 2 * time.Second
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	d := &Desk{cfg: cfg}
	for _, p := range cfg.Peers {
		d.lines = append(d.lines, &line{Peer: p, d: d, kick: make(chan struct{}, 1)})
	}
	return d
}

// Run exchanges records until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	if len(d.lines) == 0 {
		<-ctx.Done()
		return nil
	}
	ctx = access.AsSystem(ctx, "peer")
	defer d.wg.Wait()
	for {
		err := d.open(ctx)
		if err == nil {
			break
		}
		d.cfg.Log.Warn("peer.open", "error", err)
		if !sleep(ctx, d.cfg.Tick) {
			return nil
		}
	}
	for _, l := range d.lines {
		d.wg.Go(func() { l.run(ctx) })
	}
	<-ctx.Done()
	return nil
}

func sleep(ctx context.Context, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// open reads the house's own mark, or makes it the first time.
func (d *Desk) open(ctx context.Context) error {
	own, err := d.cfg.Links.Mark(ctx, "", "house")
	if err != nil {
		return err
	}
	if own == "" {
		var b [16]byte
		rand.Read(b[:]) //nolint:errcheck // never fails
		own = hex.EncodeToString(b[:])
		if err := d.cfg.Links.SetMark(ctx, "", "house", own); err != nil {
			return err
		}
	}
	d.house = own
	return nil
}

// run is the life of one line: feed the queue, send what is due, pull.
func (l *line) run(ctx context.Context) {
	feed := &feeder{line: l, sub: l.d.cfg.Alarms.Subscribe(256)}
	defer feed.sub.Close()
	tick := time.NewTicker(l.d.cfg.Tick)
	defer tick.Stop()
	for {
		l.noted("peer.feed", feed.round(ctx))
		more := l.drain(ctx)
		if l.free() && !l.d.cfg.Now().Before(l.nextPull) {
			l.pullAll(ctx)
		}
		if more && ctx.Err() == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-l.kick:
		case <-ctx.Done():
			return
		}
	}
}

// noted logs what went wrong on our side; it heals with the next round.
func (l *line) noted(what string, err error) {
	if err != nil && vigil.KindOf(err) != "" && err != context.Canceled {
		l.d.cfg.Log.Warn(what, "peer", l.Name, "error", err)
	}
}

func (l *line) free() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.d.cfg.Now().Before(l.pause)
}

// drain sends what is due; it reports whether more waits.
func (l *line) drain(ctx context.Context) (more bool) {
	if !l.free() {
		return false
	}
	items, err := l.d.cfg.Queue.Next(ctx, l.Name, l.d.cfg.Now(), batch)
	if err != nil {
		l.noted("peer.queue", err)
		return false
	}
	for _, it := range items {
		if ctx.Err() != nil || !l.free() {
			return false
		}
		err := l.deliver(ctx, it.Key)
		if ctx.Err() != nil {
			return false // the house stops; what was sent comes again and changes nothing
		}
		l.settle(ctx, it, err)
	}
	return len(items) == batch
}

// settle notes how a delivery went.
func (l *line) settle(ctx context.Context, it Item, err error) {
	cfg, now := &l.d.cfg, l.d.cfg.Now()
	if err == nil {
		l.worked(func() { l.sent++ })
		l.noted("peer.done", cfg.Queue.Done(ctx, it))
		return
	}
	it.Tries++
	it.Error = said(err)
	it.Due = now.Add(min(cfg.Backoff<<min(it.Tries-1, 12), longestWait))
	switch kind := vigil.KindOf(err); {
	case kind == vigil.Invalid, kind == vigil.NotFound:
		it.Dead = true
	case now.Sub(it.Added) > cfg.GiveUp && kind != vigil.Denied:
		it.Dead = true
	}
	if !it.Dead {
		l.failed(err, it.Tries)
	}
	cfg.Log.Warn("peer.delivery", "peer", l.Name, "tries", it.Tries, "dead", it.Dead, "kind", vigil.KindOf(err))
	l.noted("peer.failed", cfg.Queue.Failed(ctx, it))
}

// said is the error in words for people who may see the queue.
func said(err error) string {
	if vigil.KindOf(err) == vigil.Internal {
		return "internal error: " + err.Error()
	}
	return vigil.Message(err)
}

func (l *line) worked(count func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	count()
	l.fails, l.err, l.pause, l.lastOK = 0, "", time.Time{}, l.d.cfg.Now()
}

// failed makes the whole peer wait when it asks for it, when it refuses us, or when nothing goes through.
func (l *line) failed(err error, tries int) {
	now := l.d.cfg.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fails++
	l.err = said(err)
	var wait time.Duration
	if f, ok := asFault(err); ok {
		wait = min(f.Wait, time.Hour)
	}
	switch {
	case wait > 0:
	case vigil.KindOf(err) == vigil.Denied:
		wait = min(l.d.cfg.Backoff<<min(l.fails-1, 12), accessWait)
	case vigil.KindOf(err) == vigil.Conflict:
		return // of this one resource
	case l.fails >= inRow:
		wait = min(l.d.cfg.Backoff<<min(tries-1, 12), longestWait)
	default:
		return
	}
	l.pause = now.Add(wait)
}

// State returns how every peer is.
func (d *Desk) State(ctx context.Context) ([]State, error) {
	out := []State{}
	for _, l := range d.lines {
		s := State{Name: l.Name, URL: l.Base, Push: slices.Clone(l.Push), Pull: []string{}}
		for _, p := range l.Pull {
			s.Pull = append(s.Pull, p.Type)
		}
		var err error
		if s.Waiting, s.Dead, s.Oldest, err = d.cfg.Queue.Count(ctx, l.Name); err != nil {
			return nil, err
		}
		l.mu.Lock()
		s.Sent, s.Pulled, s.Error, s.LastOK, s.Next = l.sent, l.pulled, l.err, l.lastOK, l.pause
		l.mu.Unlock()
		s.sum(d.cfg.Now())
		out = append(out, s)
	}
	return out, nil
}

// List returns the queue of a peer; admins, engineers and the house may see it. NotFound when there is no such peer.
func (d *Desk) List(ctx context.Context, name string) ([]Item, error) {
	if err := d.may(ctx, name); err != nil {
		return nil, err
	}
	return d.cfg.Queue.List(ctx, name, 200)
}

// Retry makes an item of a peer's queue due now, all of them for "", and returns how many. Who may see the queue may.
func (d *Desk) Retry(ctx context.Context, name, key string) (int, error) {
	if err := d.may(ctx, name); err != nil {
		return 0, err
	}
	n, err := d.cfg.Queue.Retry(ctx, name, key, d.cfg.Now())
	if err != nil {
		return n, err
	}
	if n == 0 && key != "" {
		return 0, vigil.Errorf(vigil.NotFound, "peer.retry", "nothing called %q waits for %s", key, name)
	}
	l := d.line(name)
	l.mu.Lock()
	l.pause, l.fails = time.Time{}, 0
	l.mu.Unlock()
	select {
	case l.kick <- struct{}{}:
	default:
	}
	return n, nil
}

func (d *Desk) line(name string) *line {
	for _, l := range d.lines {
		if l.Name == name {
			return l
		}
	}
	return nil
}

func (d *Desk) may(ctx context.Context, name string) error {
	if p, ok := access.From(ctx); !ok || p.ReadOnly || !p.Has(access.Admin, access.Engineer, access.System) {
		return vigil.Errorf(vigil.Denied, "peer.queue", "administrators and engineers look after peers")
	}
	if d.line(name) == nil {
		return vigil.Errorf(vigil.NotFound, "peer.queue", "there is no peer %q in the configuration", name)
	}
	return nil
}
