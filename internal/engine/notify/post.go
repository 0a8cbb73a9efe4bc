package notify

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

const (
	fallbackAfter = 30 * time.Second // a route that has not delivered by then gives way to the next
	retryFirst    = 2 * time.Second
	retryLast     = time.Minute
	giveUpAfter   = 15 * time.Minute // then it is a dead letter
	sendLimit     = 10 * time.Second
	senders       = 64
	perChannel    = 32 // so that one that hangs does not hold up the others
	tick          = time.Second
	listLimit     = 500
)

// Config is what Post needs from outside.
type Config struct {
	Outbox   Outbox
	Channels map[string]Channel // by name, as in Route.Channel
	Book     Book               // nil: everybody by the live screen only
	Now      func() time.Time
	Log      *slog.Logger
	// UnitName names a care unit for the text, "" when it must not be told. It may be nil.
	UnitName func(ctx context.Context, unit string) string
	// Hush holds messages back in quiet hours. It may be nil.
	Hush Hush
	// Answered is told that a person answered a page on its channel. It may be nil.
	Answered func(ctx context.Context, m Message)
	// Lost is told, once a message, that every way to the person has failed. It must not block. It may be nil.
	Lost func(m Message)
	// Wanted reports whether a message is still worth sending. It may be nil.
	Wanted func(ctx context.Context, m Message) bool
}

// Post carries messages to people. It implements alarm.Pager.
//
//	Page ─► outbox ─► route 1 ── delivered ─► done
//	                    │ refused, or 30 s without receipt
//	                    ▼
//	                  route 2 … last route ─► from the start, slower, for 15 min ─► dead letter
type Post struct {
	cfg  Config
	mu   sync.Mutex // never held while taking a letter's lock
	open map[string]*letter
	busy map[string]int // attempts under way by channel
	wake chan struct{}
	wg   sync.WaitGroup
	beat health
}

type letter struct {
	mu   sync.Mutex // held while its message changes
	m    Message
	busy bool // guarded by Post.mu
}

// NewPost returns a post without messages: call Restore before Run.
func NewPost(cfg Config) *Post {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Post{cfg: cfg, open: map[string]*letter{}, busy: map[string]int{}, wake: make(chan struct{}, 1)}
}

// Restore reads what was waiting.
func (p *Post) Restore(ctx context.Context) error {
	waiting, err := p.cfg.Outbox.List(ctx, Waiting, "", 0)
	if err != nil {
		return err
	}
	held, err := p.cfg.Outbox.List(ctx, Held, "", 0)
	if err != nil {
		return err
	}
	now := p.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range append(waiting, held...) {
		rebase(&m, now)
		p.open[m.ID] = &letter{m: m}
	}
	return nil
}

// rebase hangs what is due on the running clock. What lies further ahead than a message ever waits comes from a clock
// that has gone back since.
func rebase(m *Message, now time.Time) {
	longest := max(fallbackAfter, retryLast)
	if m.State == Held {
		longest = 24 * time.Hour
	}
	m.Due = now.Add(min(m.Due.Round(0).Sub(now), longest))
	m.Began = now.Add(min(m.Began.Round(0).Sub(now), 0))
	m.Created = now.Add(min(m.Created.Round(0).Sub(now), 0))
}

// Page implements alarm.Pager: it returns once the message is on disk, and drops a page it knows.
func (p *Post) Page(ctx context.Context, page alarm.Page, a vigil.Alarm) error {
	now := p.cfg.Now()
	m := Message{
		ID: page.ID, Alarm: a.ID, To: page.To, Kind: string(a.Kind), Unit: a.Unit, Priority: a.Priority, Text: p.text(ctx, a), Link: "/alert/" + Short(a.ID),
		Created: now, State: Waiting, Began: now, Due: now, Receipts: []Receipt{},
	}
	return p.Enqueue(ctx, m)
}

// Enqueue takes over a message to a person, for example a reminder. It fills in routes and is idempotent by ID.
func (p *Post) Enqueue(ctx context.Context, m Message) error {
	if p.cfg.Book != nil && len(m.Routes) == 0 {
		routes, err := p.cfg.Book.Routes(ctx, m.To)
		if err != nil { // a page is not lost because an address book cannot be read
			p.cfg.Log.Error("routes not readable, live screen only", "message", m.ID, "error", err)
		}
		m.Routes = routes
	}
	m.Routes = slices.DeleteFunc(slices.Clone(m.Routes), func(r Route) bool { return p.cfg.Channels[r.Channel] == nil })
	if len(m.Routes) == 0 {
		m.Routes = []Route{{Channel: AppChannel, To: m.To.ID}}
	}
	if p.cfg.Hush != nil && m.State == Waiting {
		if until, held := p.cfg.Hush.Held(ctx, m, p.cfg.Now()); held {
			m.State, m.Due = Held, until
		}
	}
	fresh, err := p.cfg.Outbox.Add(ctx, m)
	if err != nil || !fresh {
		return err
	}
	p.mu.Lock()
	p.open[m.ID] = &letter{m: m}
	p.mu.Unlock()
	p.nudge()
	return nil
}

// text says what kind of thing waits where, never who or what value.
func (p *Post) text(ctx context.Context, a vigil.Alarm) string {
	what := string(a.Kind)
	if a.Kind == vigil.KindAlarm {
		what = a.Priority.String() + " alarm"
		if a.Class == vigil.Technical {
			what = a.Priority.String() + " technical alarm"
		}
	}
	if a.Rule == alarm.CallCode {
		what = "emergency call"
	}
	what = strings.ToUpper(what[:1]) + what[1:]
	if p.cfg.UnitName != nil && a.Unit != "" {
		if name := p.cfg.UnitName(ctx, a.Unit); name != "" {
			what += ", " + name
		}
	}
	return what + ". Open to see."
}

func (p *Post) nudge() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run sends what is due until ctx ends, and waits for what is on its way.
func (p *Post) Run(ctx context.Context) error {
	defer p.wg.Wait()
	slots := make(chan struct{}, senders)
	for {
		next := p.start(ctx, slots)
		wait := tick
		if !next.IsZero() {
			wait = min(max(next.Sub(p.cfg.Now()), 10*time.Millisecond), tick)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-p.wake:
		case <-time.After(wait):
		}
	}
}

// start begins an attempt for every message that is due and returns when the next one is.
func (p *Post) start(ctx context.Context, slots chan struct{}) (next time.Time) {
	now := p.cfg.Now()
	for _, l := range p.idle() {
		l.mu.Lock()
		due, channel := l.m.Due, l.m.channel()
		l.mu.Unlock()
		if due.After(now) {
			if next.IsZero() || due.Before(next) {
				next = due
			}
			continue
		}
		if p.crowded(channel) {
			continue // the end of one of its attempts wakes us
		}
		select {
		case slots <- struct{}{}:
		default: // all senders are busy; their end wakes us
			return next
		}
		p.setBusy(l, channel, 1)
		p.wg.Go(func() {
			p.attempt(access.AsSystem(ctx, "notify"), l)
			<-slots
			p.setBusy(l, channel, -1)
			p.nudge()
		})
	}
	return next
}

func (p *Post) idle() []*letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*letter, 0, len(p.open))
	for _, l := range p.open {
		if !l.busy {
			out = append(out, l)
		}
	}
	return out
}

func (p *Post) setBusy(l *letter, channel string, by int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.busy = by > 0
	p.busy[channel] += by
}

func (p *Post) crowded(channel string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy[channel] >= perChannel
}

// channel is the one that the message goes out by next.
func (m *Message) channel() string {
	if m.State == Held || m.Route >= len(m.Routes) {
		return ""
	}
	return m.Routes[m.Route].Channel
}

// attempt takes one message one step on. The lock of the letter is not held while a channel works.
func (p *Post) attempt(ctx context.Context, l *letter) {
	l.mu.Lock()
	m := l.m
	l.mu.Unlock()
	if m.State == Held {
		p.digest(ctx, l)
		return
	}
	if m.State != Waiting {
		return
	}
	now := p.cfg.Now()
	switch {
	case m.page() && p.cfg.Wanted != nil && !p.cfg.Wanted(ctx, m):
		p.change(ctx, l, func(m *Message) { m.State = Withdrawn })
		return
	case now.Sub(m.Created) >= m.patience():
		p.giveUp(ctx, l)
		return
	case m.Handed: // nobody confirmed in time
		p.change(ctx, l, func(m *Message) { p.nextRoute(m, now) })
		return
	}
	route := m.Routes[min(m.Route, len(m.Routes)-1)]
	left := max(m.Began.Add(fallbackAfter).Sub(now), time.Second) // the next route begins in time
	sctx, cancel := context.WithTimeout(ctx, min(sendLimit, left))
	state, err := p.cfg.Channels[route.Channel].Send(sctx, m, route.To)
	cancel()
	now = p.cfg.Now()
	p.beat.note(route.Channel, err, now)
	lost := false
	p.change(ctx, l, func(m *Message) {
		if m.State != Waiting {
			return // confirmed while we were sending
		}
		if err != nil {
			m.Receipts = append(m.Receipts, Receipt{Channel: route.Channel, State: Failed, At: now, Detail: vigil.Message(err)})
			m.Tries++
			kind := vigil.KindOf(err)
			m.Due = now.Add(backoff(m.Tries))
			if kind == vigil.NotFound || kind == vigil.Invalid || m.Due.Sub(m.Began) >= fallbackAfter {
				p.nextRoute(m, now)
				lost = m.Route == 0 && m.hopeless()
				m.Lost = m.Lost || lost
			}
			return
		}
		m.Receipts = append(m.Receipts, Receipt{Channel: route.Channel, State: state, At: now})
		m.Reached = true
		if m.Kind == KindStandDown { // told once on each
			if m.Route++; m.Route >= len(m.Routes) {
				m.State = Sent
			}
			return
		}
		if state == Delivered {
			m.State = Delivered
			return
		}
		if m.Route == len(m.Routes)-1 && route.Channel != AppChannel {
			m.State = Sent // nothing follows and no receipt will come
			return
		}
		m.Handed, m.Due = true, m.Began.Add(fallbackAfter)
	})
	if lost && p.cfg.Lost != nil {
		p.cfg.Lost(m)
	}
}

func backoff(tries int) time.Duration {
	return min(retryFirst<<min(tries-1, 10), retryLast)
}

// nextRoute moves on; after the last route the first is tried again, slower each round.
func (p *Post) nextRoute(m *Message, now time.Time) {
	m.Handed = false
	m.Route++
	m.Began, m.Due = now, now
	if m.Route < len(m.Routes) {
		m.Tries = 0
		return
	}
	m.Route = 0
	rounds := 1
	for _, r := range m.Receipts {
		if r.Channel == m.Routes[0].Channel {
			rounds++
		}
	}
	m.Tries = 0
	m.Due = now.Add(backoff(rounds))
}

// finish ends a message whose time is over.
func finish(m *Message) {
	m.State = Failed
	if m.Reached {
		m.State = Sent
	}
}

// change stores a change of a message; one that cannot be stored is made in memory and stored with the next.
func (p *Post) change(ctx context.Context, l *letter, fn func(m *Message)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.m
	m.Receipts = slices.Clone(m.Receipts)
	fn(&m)
	if err := p.cfg.Outbox.Save(context.WithoutCancel(ctx), m); err != nil {
		p.cfg.Log.Error("message state not stored", "message", m.ID, "error", err)
		if m.State != Waiting { // stays in the outbox, so it would come back: try to store it again
			m.Due = p.cfg.Now().Add(retryFirst)
			l.m.Receipts, l.m.Due = m.Receipts, m.Due
			return
		}
	}
	l.m = m
	if m.State != Waiting {
		p.mu.Lock()
		delete(p.open, m.ID)
		p.mu.Unlock()
	}
}

// Receipt notes what a screen or a server says later: Delivered or Seen. An unknown message is NotFound.
func (p *Post) Receipt(ctx context.Context, id, channel string, state State) error {
	if state != Delivered && state != Seen && state != Answered && state != Failed {
		return vigil.Errorf(vigil.Invalid, "notify.receipt", "%q is not delivered, seen, answered or failed", state)
	}
	add := func(m *Message) {
		m.Receipts = append(slices.Clip(m.Receipts), Receipt{Channel: channel, State: state, At: p.cfg.Now()})
		switch {
		case state == Failed && m.State == Waiting: // the next way at once
			m.Reached = false
			p.nextRoute(m, p.cfg.Now())
		case state != Failed && rankOf(state) > rankOf(m.State):
			m.State = state
		}
	}
	p.mu.Lock()
	l := p.open[id]
	p.mu.Unlock()
	var m Message
	if l != nil {
		p.change(ctx, l, add)
		l.mu.Lock()
		m = l.m
		l.mu.Unlock()
		p.nudge()
	} else {
		var err error
		if m, err = p.cfg.Outbox.Get(ctx, id); err != nil {
			return err
		}
		add(&m)
		if err = p.cfg.Outbox.Save(ctx, m); err != nil {
			return err
		}
	}
	if state == Answered && m.page() && p.cfg.Answered != nil {
		p.cfg.Answered(ctx, m)
	}
	return nil
}

// rankOf orders the states of what a person has noticed.
func rankOf(s State) int { return slices.Index([]State{Sent, Delivered, Seen, Answered}, s) }

// Dead returns what reached nobody, newest first. It is for staff.
func (p *Post) Dead(ctx context.Context) ([]Message, error) {
	if who, ok := access.From(ctx); !ok || !who.Has(access.Nurse, access.Physician, access.Engineer, access.Admin, access.System) {
		return nil, vigil.Errorf(vigil.Denied, "notify.dead", "dead letters are for staff")
	}
	return p.cfg.Outbox.List(ctx, Failed, "", listLimit)
}

// Of returns the messages about an alarm with their receipts, newest first. The caller checks access to the alarm.
func (p *Post) Of(ctx context.Context, alarm string) ([]Message, error) {
	return p.cfg.Outbox.List(ctx, "", alarm, listLimit)
}

// Again sends a dead letter once more.
func (p *Post) Again(ctx context.Context, id string) error {
	if who, ok := access.From(ctx); !ok || !who.Has(access.Nurse, access.Physician, access.Engineer, access.Admin, access.System) {
		return vigil.Errorf(vigil.Denied, "notify.again", "dead letters are for staff")
	}
	m, err := p.cfg.Outbox.Get(ctx, id)
	if err != nil {
		return err
	}
	if m.State != Failed {
		return vigil.Errorf(vigil.Conflict, "notify.again", "the message is %s", m.State)
	}
	now := p.cfg.Now()
	m.State, m.Created, m.Began, m.Due, m.Route, m.Tries, m.Handed, m.Lost = Waiting, now, now, now, 0, 0, false, false
	if p.cfg.Book != nil { // the address may have been the fault
		if routes, err := p.cfg.Book.Routes(ctx, m.To); err == nil && len(routes) > 0 {
			m.Routes = slices.DeleteFunc(slices.Clone(routes), func(r Route) bool { return p.cfg.Channels[r.Channel] == nil })
		}
		if len(m.Routes) == 0 {
			m.Routes = []Route{{Channel: AppChannel, To: m.To.ID}}
		}
	}
	if err := p.cfg.Outbox.Save(ctx, m); err != nil {
		return err
	}
	p.mu.Lock()
	p.open[id] = &letter{m: m}
	p.mu.Unlock()
	p.nudge()
	return nil
}

// Reached implements alarm.Receipts: a page to the person about the alarm arrived since the time.
func (p *Post) Reached(ctx context.Context, alarm, person string, since time.Time) (bool, error) {
	list, err := p.cfg.Outbox.List(ctx, "", alarm, listLimit)
	return slices.ContainsFunc(list, func(m Message) bool {
		return m.To.ID == person && !m.Created.Before(since) && (m.State == Delivered || m.State == Seen || m.State == Answered)
	}), err
}
