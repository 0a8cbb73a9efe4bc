package alarm

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Config is what the desk needs from outside.
type Config struct {
	Book   Book
	Chains []catalog.Chain
	OnCall OnCall
	Pager  Pager
	Now    func() time.Time
	Log    *slog.Logger
	Offs   Offs // keeps what is turned off; nil: nothing can be
	// OffLimits is how long alarms of a priority may be turned off; nil means DefaultOffLimits.
	OffLimits map[vigil.Priority]time.Duration
	// Receipts tells who was reached; nil: a step that asks again asks everybody.
	Receipts Receipts
	// Gap is told that nobody holds a post of a chain. It must not block. It may be nil.
	Gap func(p Post)
	// BedOf names the bed of a subject, "" when it has none. It may be nil.
	BedOf func(s vigil.Subject) string
	// UnitOf names the care unit that watches a subject, for alarms raised without one. It may be nil.
	UnitOf func(ctx context.Context, s vigil.Subject) string
	// Audit is told every transition after it is on disk. It may be nil.
	Audit func(ctx context.Context, e AuditEvent)
	// Judged is told what staff found an alarm to have been, after it is on disk; an answer that is repeated is told again.
	// It may be nil.
	Judged func(ctx context.Context, a vigil.Alarm)
}

// Desk holds what is open and takes every alarm through its life.
//
//	Raise ─► raised ─► paged ─► seen ─► acknowledged ─► resolved
//	            │        │ ▲                │              ▲
//	            │        └─┘ Tick: the chain's next step   │
//	            └──────────────── End ─────────────────────┘  (latched: stays until acknowledged)
//
// Its methods are safe for concurrent use: changes of one alarm follow each other, alarms go side by side and
// share the Book's group commit.
type Desk struct {
	cfg    Config
	chains map[string]catalog.Chain
	hub    hub
	offs   offs

	mu   sync.RWMutex
	open map[string]*entry   // by alarm id
	same map[episode]*entry  // by what it is about
	due  map[string]struct{} // ids with a deadline

	late sync.Mutex // orders changes of resolved alarms, which have no entry

	box  sync.Mutex
	mail []letter
	wake chan struct{}
}

type entry struct {
	mu   sync.Mutex
	a    vigil.Alarm
	gone bool // resolved, or never stored
}

type episode struct {
	rule    string
	subject vigil.Subject
	device  vigil.DeviceID
}

func episodeOf(a vigil.Alarm) episode { return episode{a.Rule, a.Subject, a.Device} }

// NewDesk returns a desk that knows nothing yet: call Restore before the first Raise.
func NewDesk(cfg Config) *Desk {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.OffLimits == nil {
		cfg.OffLimits = DefaultOffLimits()
	}
	d := &Desk{
		cfg: cfg, chains: map[string]catalog.Chain{}, hub: hub{subs: map[*Subscription]struct{}{}},
		open: map[string]*entry{}, same: map[episode]*entry{}, due: map[string]struct{}{}, wake: make(chan struct{}, 1),
	}
	for _, c := range cfg.Chains {
		d.chains[c.Key] = c
	}
	return d
}

// Restore reads open alarms and unsent pages from the Book.
func (d *Desk) Restore(ctx context.Context) error {
	alarms, err := d.cfg.Book.Open(ctx)
	if err != nil {
		return fmt.Errorf("read open alarms: %w", err)
	}
	pages, err := d.cfg.Book.Unsent(ctx)
	if err != nil {
		return fmt.Errorf("read unsent pages: %w", err)
	}
	now := d.cfg.Now()
	if err := d.restoreOffs(ctx, now); err != nil {
		return fmt.Errorf("read what is turned off: %w", err)
	}
	d.mu.Lock()
	for _, a := range alarms {
		d.rebase(&a, now)
		e := &entry{a: a}
		d.open[a.ID], d.same[episodeOf(a)] = e, e
		d.noteDue(a)
	}
	d.mu.Unlock()
	d.post(pages)
	return nil
}

// rebase hangs what is due on the running clock, which no setting of the time moves. A deadline further ahead than its
// chain ever waits comes from a clock that has gone back since: it is due after that wait.
func (d *Desk) rebase(a *vigil.Alarm, now time.Time) {
	if a.Next != nil {
		next := *a.Next
		next.At = now.Add(min(next.At.Round(0).Sub(now), longestWait(d.chains[a.Chain])))
		a.Next = &next
	}
	if a.Again != nil {
		again := *a.Again
		again.At = now.Add(min(again.At.Round(0).Sub(now), longestWait(d.chains[a.Chain])))
		a.Again = &again
	}
	if !a.AudioPausedTil.IsZero() {
		a.AudioPausedTil = now.Add(min(a.AudioPausedTil.Round(0).Sub(now), audioPauseMax))
	}
}

// longestWait returns how far ahead a deadline of the chain can lie.
func longestWait(c catalog.Chain) time.Duration {
	longest, before := max(lookAgain, c.Repeat), time.Duration(0)
	for _, s := range c.Steps {
		longest, before = max(longest, s.After-before, s.Again), s.After
	}
	return longest
}

// Raise puts an alarm on the desk and returns it once it is on disk with its first pages. It is idempotent: an alarm
// with this ID, or an open one of the same rule, subject and device, is returned as it is. One of those that had ended
// but waits to be acknowledged comes back to life under its own ID.
// It returns Invalid without id, rule, title or subject, Denied for who may not raise, Unavailable when not stored.
func (d *Desk) Raise(ctx context.Context, a vigil.Alarm) (vigil.Alarm, error) {
	if err := mayRaise(ctx, a); err != nil {
		return vigil.Alarm{}, err
	}
	if err := checkNew(a); err != nil {
		return vigil.Alarm{}, err
	}
	for {
		e, fresh := d.claim(a)
		if fresh {
			defer e.mu.Unlock()
			return d.raiseNew(ctx, e, a)
		}
		e.mu.Lock()
		if e.gone {
			e.mu.Unlock()
			continue // resolved, or given up by another caller, since we found it
		}
		if e.a.Active() {
			out := e.a
			e.mu.Unlock()
			return out, nil
		}
		out, err := d.changeLocked(ctx, e, func(x *vigil.Alarm) ([]Page, error) {
			d.comeBack(x, a)
			d.hush(x)
			return d.advance(ctx, x, d.cfg.Now())
		})
		e.mu.Unlock()
		return out, err
	}
}

// claim returns the entry of the alarm or of its open sister, or a fresh one: locked, and gone until it is stored.
func (d *Desk) claim(a vigil.Alarm) (e *entry, fresh bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e := d.open[a.ID]; e != nil {
		return e, false
	}
	if e := d.same[episodeOf(a)]; e != nil {
		return e, false
	}
	e = &entry{a: a, gone: true}
	e.mu.Lock() // nobody else can hold it yet
	d.open[a.ID], d.same[episodeOf(a)] = e, e
	return e, true
}

func (d *Desk) raiseNew(ctx context.Context, e *entry, a vigil.Alarm) (vigil.Alarm, error) {
	old, err := d.cfg.Book.Get(ctx, a.ID)
	if err == nil { // this very episode is over: it is never raised again
		d.forget(e)
		return old, nil
	}
	if vigil.KindOf(err) != vigil.NotFound {
		d.forget(e)
		return vigil.Alarm{}, err
	}
	now := d.cfg.Now()
	out, err := d.changeLocked(ctx, e, func(x *vigil.Alarm) ([]Page, error) {
		x.State, x.Raised, x.Step, x.Next = vigil.AlarmRaised, now, 0, nil
		x.History, x.Asked, x.Again, x.Off = nil, nil, nil, nil
		if x.Onset.IsZero() {
			x.Onset = now
		}
		if x.Unit == "" && d.cfg.UnitOf != nil {
			x.Unit = d.cfg.UnitOf(ctx, x.Subject)
		}
		d.note(x, "raised", "", x.Title)
		if x.Demoted != nil {
			d.note(x, "demoted", "", "was "+x.Demoted.From.String()+": "+x.Demoted.Reason)
		}
		x.Delays = &vigil.AlarmDelays{Condition: max(now.Sub(x.Onset), 0)}
		d.begin(x, now)
		d.hush(x)
		return d.advance(ctx, x, now)
	})
	if err != nil {
		d.forget(e)
		return out, err
	}
	delays := *out.Delays // it is on screens now; kept with the next transition
	delays.Signal = d.cfg.Now().Sub(now)
	e.a.Delays, out.Delays = &delays, &delays
	return out, nil
}

// begin puts the alarm before the first step of its chain.
func (d *Desk) begin(a *vigil.Alarm, now time.Time) {
	chain := d.chains[a.Chain]
	a.Step, a.Steps, a.Next, a.Again = 0, len(chain.Steps), nil, nil
	if a.Steps > 0 {
		a.Next = &vigil.Due{At: now.Add(chain.Steps[0].After), Text: chain.Steps[0].Title}
	}
}

// rest takes every deadline off the alarm but that of the audio pause.
func rest(a *vigil.Alarm) { a.Next, a.Again = nil, nil }

// comeBack revives an alarm whose condition ended before anybody acknowledged it.
func (d *Desk) comeBack(x *vigil.Alarm, a vigil.Alarm) {
	now := d.cfg.Now()
	x.Ended, x.Value, x.Limit, x.Text = time.Time{}, a.Value, a.Limit, a.Text
	if a.Evidence != nil {
		x.Evidence = a.Evidence
	}
	x.History = append(slices.Clip(x.History), vigil.AlarmStep{At: now, What: "raised", Text: "the condition came back"})
	if x.Demoted != nil && a.Priority > x.Priority {
		d.promote(x, a.Priority, "nothing speaks against it any more")
		x.Demoted = a.Demoted
		return
	}
	chain := d.chains[x.Chain]
	if x.Step > 0 && x.Step < len(chain.Steps) {
		x.Next = &vigil.Due{At: now.Add(chain.Steps[x.Step].After - chain.Steps[x.Step-1].After), Text: chain.Steps[x.Step].Title}
	}
}

// Update takes over the latest value while the condition holds. It is shown at once and kept with the next transition.
// An alarm that is not open is ignored.
func (d *Desk) Update(_ context.Context, id string, value float64, at time.Time) {
	e := d.find(id)
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return
	}
	e.a.Value, e.a.Updated = value, at
	d.hub.publish(e.a)
}

// End says that the condition is over: the alarm is resolved, or stays listed when it is latched and nobody has
// acknowledged it. Escalation stops. An alarm that is not open, or has ended, is left as it is.
func (d *Desk) End(ctx context.Context, id string, at time.Time) error {
	e := d.find(id)
	if e == nil {
		return nil
	}
	_, err := d.change(ctx, e, func(a *vigil.Alarm) ([]Page, error) {
		if !a.Active() {
			return nil, errUnchanged
		}
		a.Ended = at
		rest(a)
		d.note(a, "ended", "", "")
		if !a.Latched || acknowledged(*a) {
			d.resolve(ctx, a, "")
		}
		return nil, nil
	})
	return err
}

func (d *Desk) resolve(ctx context.Context, a *vigil.Alarm, text string) {
	now := d.cfg.Now()
	a.State, a.Resolved, a.AudioPausedTil, a.Off = vigil.AlarmResolved, now, time.Time{}, nil
	rest(a)
	if a.Ended.IsZero() {
		a.Ended = now
	}
	d.note(a, "resolved", whoOf(ctx), text)
}

// note adds a step to the alarm's history; change tells the audit about every new step.
func (d *Desk) note(a *vigil.Alarm, what, who, text string) {
	a.History = append(slices.Clip(a.History), vigil.AlarmStep{At: d.cfg.Now(), What: what, Who: who, Text: text})
}

// errUnchanged ends a change without a trace.
var errUnchanged = vigil.Errorf(vigil.Conflict, "alarm.change", "nothing to change")

func (d *Desk) change(ctx context.Context, e *entry, fn func(a *vigil.Alarm) ([]Page, error)) (vigil.Alarm, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return e.a, vigil.Errorf(vigil.Conflict, "alarm.change", "the alarm is resolved")
	}
	return d.changeLocked(ctx, e, fn)
}

// changeLocked runs one transition: on a copy, to disk, then to memory, screens, pager and audit, in this order.
func (d *Desk) changeLocked(ctx context.Context, e *entry, fn func(a *vigil.Alarm) ([]Page, error)) (vigil.Alarm, error) {
	return d.commit(ctx, e, Change{}, fn)
}

// commit is changeLocked with what the change says beside the alarm and its pages.
func (d *Desk) commit(ctx context.Context, e *entry, c Change, fn func(a *vigil.Alarm) ([]Page, error)) (vigil.Alarm, error) {
	a := e.a
	before := len(a.History)
	pages, err := fn(&a)
	if err == errUnchanged {
		return e.a, nil
	}
	if err != nil {
		return e.a, err
	}
	a.Updated = d.cfg.Now()
	// A transition that has begun is finished even when its caller goes away.
	c.Alarm, c.Pages = a, pages
	if err := d.cfg.Book.Put(context.WithoutCancel(ctx), c); err != nil {
		return e.a, err
	}
	e.a, e.gone = a, !a.Open()
	d.mu.Lock()
	if e.gone {
		d.dropLocked(e)
	} else {
		d.noteDue(a)
	}
	d.mu.Unlock()
	d.hub.publish(a)
	d.post(pages)
	if d.cfg.Audit != nil {
		for _, s := range a.History[min(before, len(a.History)):] {
			d.cfg.Audit(ctx, AuditEvent{Alarm: a.ID, Subject: a.Subject, What: s.What, Text: s.Text, At: s.At})
		}
	}
	return a, nil
}

func (d *Desk) find(id string) *entry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.open[id]
}

func (d *Desk) forget(e *entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dropLocked(e)
}

func (d *Desk) dropLocked(e *entry) {
	if d.open[e.a.ID] == e {
		delete(d.open, e.a.ID)
	}
	if d.same[episodeOf(e.a)] == e {
		delete(d.same, episodeOf(e.a))
	}
	delete(d.due, e.a.ID)
}

func (d *Desk) noteDue(a vigil.Alarm) {
	if a.Next == nil && a.Again == nil && a.AudioPausedTil.IsZero() {
		delete(d.due, a.ID)
		return
	}
	d.due[a.ID] = struct{}{}
	d.nudge()
}

func (d *Desk) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func checkNew(a vigil.Alarm) error {
	e := vigil.Errorf(vigil.Invalid, "alarm.raise", "the alarm is incomplete")
	for path, ok := range map[string]bool{"/id": a.ID != "", "/rule": a.Rule != "", "/title": a.Title != "", "/subject": a.Subject.Valid(), "/kind": a.Kind != ""} {
		if !ok {
			e.Faults = append(e.Faults, vigil.Fault{Path: path, Msg: "is missing"})
		}
	}
	if len(e.Faults) > 0 {
		return e
	}
	return nil
}

func mayRaise(ctx context.Context, a vigil.Alarm) error {
	p, ok := access.From(ctx)
	switch {
	case !ok:
		return vigil.Errorf(vigil.Denied, "alarm.raise", "not signed in")
	case p.Clinical():
		return nil
	case p.Has(access.Patient) && a.Kind == vigil.KindCall && a.Subject == p.Subject && a.Subject.IsPatient():
		return nil
	case p.Has(access.Engineer) && a.Kind != vigil.KindAlarm && !a.Subject.IsPatient():
		return nil
	}
	return vigil.Errorf(vigil.Denied, "alarm.raise", "your role does not raise this")
}

func whoOf(ctx context.Context) string {
	p, ok := access.From(ctx)
	if !ok || p.Has(access.System) {
		return ""
	}
	return p.Name
}
