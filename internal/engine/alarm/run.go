package alarm

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
)

const (
	tickEvery  = time.Second // also how soon a clock that jumped is noticed
	lookAgain  = time.Minute // after a chain that found nobody
	senders    = 64          // pages handed over at once, so that they share commits
	againMax   = 5           // times that a step asks the same people once more
	resendMin  = time.Second
	resendMax  = time.Minute
	systemRoom = "alarm"
)

// Run keeps deadlines and hands pages to the pager until ctx ends. Call Restore first.
func (d *Desk) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	kick := make(chan struct{}, 1)
	wg.Go(func() {
		for {
			d.Flush(ctx)
			select {
			case <-ctx.Done():
				return
			case <-kick:
			case <-time.After(tickEvery):
			}
		}
	})
	defer wg.Wait()
	for {
		next := d.Tick(ctx)
		select {
		case kick <- struct{}{}:
		default:
		}
		wait := tickEvery
		if !next.IsZero() {
			wait = min(max(next.Sub(d.cfg.Now()), time.Millisecond), tickEvery)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-d.wake:
		case <-time.After(wait):
		}
	}
}

// Tick takes every step that is due and returns the next deadline, zero when there is none. A step that could not be
// stored stays due.
func (d *Desk) Tick(ctx context.Context) (next time.Time) {
	ctx = access.AsSystem(ctx, systemRoom)
	now := d.cfg.Now()
	next = d.tickOffs(ctx, now)
	for _, e := range d.dueEntries() {
		e.mu.Lock()
		a := e.a
		if !e.gone && overdue(a, now) {
			var err error
			a, err = d.changeLocked(ctx, e, func(a *vigil.Alarm) ([]Page, error) { return d.advance(ctx, a, now) })
			if err != nil {
				d.cfg.Log.Error("alarm deadline not stored", "alarm", a.ID, "error", err)
				next = earlier(next, now.Add(tickEvery))
				e.mu.Unlock()
				continue
			}
		}
		e.mu.Unlock()
		if a.Next != nil {
			next = earlier(next, a.Next.At)
		}
		if a.Again != nil {
			next = earlier(next, a.Again.At)
		}
		if !a.AudioPausedTil.IsZero() {
			next = earlier(next, a.AudioPausedTil)
		}
	}
	return next
}

func overdue(a vigil.Alarm, now time.Time) bool {
	return a.Next != nil && !a.Next.At.After(now) || a.Again != nil && !a.Again.At.After(now) || !a.AudioPausedTil.IsZero() && !a.AudioPausedTil.After(now)
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

func (d *Desk) dueEntries() []*entry {
	d.mu.RLock()
	defer d.mu.RUnlock()
	out := make([]*entry, 0, len(d.due))
	for id := range d.due {
		if e := d.open[id]; e != nil {
			out = append(out, e)
		}
	}
	return out
}

// advance ends an audio pause and takes every step of the chain whose time has come.
func (d *Desk) advance(ctx context.Context, a *vigil.Alarm, now time.Time) ([]Page, error) {
	if !a.AudioPausedTil.IsZero() && !a.AudioPausedTil.After(now) {
		a.AudioPausedTil = time.Time{}
	}
	var pages []Page
	for a.Next != nil && !a.Next.At.After(now) {
		due := a.Next.At
		if a.Step >= a.Steps { // the chain begins its last step again
			a.Step = max(a.Steps-1, 0)
		}
		if a.Step > 0 {
			d.note(a, "escalated", "", fmt.Sprintf("step %d of %d", a.Step+1, a.Steps))
		}
		more, err := d.pageStep(ctx, a, due)
		if err != nil {
			return nil, err
		}
		pages = append(pages, more...)
	}
	if a.Again != nil && !a.Again.At.After(now) {
		return append(pages, d.pageAgain(ctx, a)...), nil
	}
	return pages, nil
}

// pageAgain pages those of the step once more who gave no receipt.
func (d *Desk) pageAgain(ctx context.Context, a *vigil.Alarm) []Page {
	chain := d.chains[a.Chain]
	left, due := a.Again.Left-1, a.Again.At
	a.Again = nil
	if a.Step < 1 || a.Step > len(chain.Steps) {
		return nil
	}
	step := chain.Steps[a.Step-1]
	var pages []Page
	seen := map[string]bool{}
	for _, who := range a.Asked {
		if who.Step != a.Step || seen[who.ID] {
			continue
		}
		seen[who.ID] = true
		if d.reached(ctx, *a, who) {
			continue
		}
		page := d.newPage(*a, a.Step, Recipient{ID: who.ID, Name: who.Name, Role: who.Role})
		d.ask(a, page, step.Title+", again: no receipt")
		pages = append(pages, page)
	}
	if left > 0 && len(pages) > 0 {
		a.Again = d.again(due, step.Again, left)
	}
	return pages
}

// again counts from when the page was due; times that were slept through are not made up for.
func (d *Desk) again(due time.Time, wait time.Duration, left int) *vigil.Again {
	at := due.Add(wait)
	if now := d.cfg.Now(); !at.After(now) {
		at = now.Add(wait)
	}
	return &vigil.Again{At: at, Left: left}
}

func (d *Desk) reached(ctx context.Context, a vigil.Alarm, who vigil.Asked) bool {
	if d.cfg.Receipts == nil {
		return false
	}
	ok, err := d.cfg.Receipts.Reached(ctx, a.ID, who.ID, who.At)
	if err != nil {
		d.cfg.Log.Error("receipts not readable, paging again", "alarm", a.ID, "error", err)
	}
	return ok
}

// ask notes that the page goes out.
func (d *Desk) ask(a *vigil.Alarm, p Page, text string) {
	a.Asked = append(slices.Clip(a.Asked), vigil.Asked{ID: p.To.ID, Name: p.To.Name, Role: p.To.Role, Step: p.Step, At: p.At})
	d.note(a, "paged", p.To.Name, text)
}

// pageStep pages whoever holds the chain's next step, which was due at the given time, and sets the deadline after it.
// A step that nobody holds is passed over at once.
func (d *Desk) pageStep(ctx context.Context, a *vigil.Alarm, due time.Time) ([]Page, error) {
	chain := d.chains[a.Chain]
	a.Steps, a.Again = len(chain.Steps), nil
	var pages []Page
	for a.Step < a.Steps {
		step := chain.Steps[a.Step]
		a.Step++
		for _, r := range d.holders(ctx, *a, step) {
			page := d.newPage(*a, a.Step, r)
			d.ask(a, page, step.Title)
			pages = append(pages, page)
		}
		if len(pages) > 0 {
			if a.State == vigil.AlarmRaised {
				a.State = vigil.AlarmPaged
			}
			if step.Again > 0 {
				a.Again = d.again(due, step.Again, againMax)
			}
			break
		}
		d.note(a, "escalated", "", "nobody on call: "+step.Title)
	}
	a.Next = nil
	switch {
	case a.Step < a.Steps:
		gap := chain.Steps[a.Step].After - chain.Steps[a.Step-1].After
		a.Next = &vigil.Due{At: due.Add(gap), Text: chain.Steps[a.Step].Title}
	case len(pages) == 0 && a.Steps > 0:
		a.Step = 0
		a.Next = &vigil.Due{At: d.cfg.Now().Add(lookAgain), Text: "Looking for somebody on call"}
	case chain.Repeat > 0:
		next := due.Add(chain.Repeat)
		if now := d.cfg.Now(); !next.After(now) { // repeats that were slept through are not made up for
			next = now.Add(chain.Repeat)
		}
		a.Next = &vigil.Due{At: next, Text: chain.Steps[a.Steps-1].Title + " again"}
	}
	return pages, nil
}

// holders returns everybody whom the step asks, each once.
func (d *Desk) holders(ctx context.Context, a vigil.Alarm, step catalog.ChainStep) []Recipient {
	var out []Recipient
	for _, role := range step.Posts() {
		post := Post{Role: role, Unit: a.Unit, Subject: a.Subject}
		to, err := d.cfg.OnCall.Holders(ctx, post)
		if err != nil {
			d.cfg.Log.Error("on-call order not readable", "alarm", a.ID, "role", role, "error", err)
		}
		if len(to) == 0 && d.cfg.Gap != nil {
			d.cfg.Gap(post)
		}
		for _, r := range to {
			r.Role = role
			if !slices.ContainsFunc(out, func(have Recipient) bool { return have.ID == r.ID }) {
				out = append(out, r)
			}
		}
	}
	return out
}

// newPage names a page by the transition it belongs to: taken again after a fault, the transition gives the same ID.
func (d *Desk) newPage(a vigil.Alarm, step int, to Recipient) Page {
	return Page{ID: fmt.Sprintf("%s/%d/%s", a.ID, len(a.History), to.ID), Alarm: a.ID, Step: step, To: to, At: d.cfg.Now()}
}

// letter is a page on its way to the pager.
type letter struct {
	page  Page
	after time.Time
	wait  time.Duration
}

func (d *Desk) post(pages []Page) {
	if len(pages) == 0 {
		return
	}
	d.box.Lock()
	for _, p := range pages {
		d.mail = append(d.mail, letter{page: p})
	}
	d.box.Unlock()
	d.nudge()
}

// Flush hands every waiting page to the pager, several at once; what fails waits longer each time.
func (d *Desk) Flush(ctx context.Context) {
	now := d.cfg.Now()
	d.box.Lock()
	var ready, later []letter
	for _, l := range d.mail {
		if l.after.After(now) {
			later = append(later, l)
		} else {
			ready = append(ready, l)
		}
	}
	d.mail = later
	d.box.Unlock()
	var wg sync.WaitGroup
	slots := make(chan struct{}, senders)
	for _, l := range ready {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := d.send(ctx, l.page); err != nil {
				d.cfg.Log.Warn("page not handed over, will be tried again", "page", l.page.ID, "error", err)
				l.wait = min(max(2*l.wait, resendMin), resendMax)
				l.after = now.Add(l.wait)
				d.box.Lock()
				d.mail = append(d.mail, l)
				d.box.Unlock()
			}
		})
	}
	wg.Wait()
}

func (d *Desk) send(ctx context.Context, p Page) error {
	ctx = access.AsSystem(ctx, systemRoom)
	a, err := d.Get(ctx, p.Alarm)
	if err != nil {
		return err
	}
	if p.Step == StandDown {
		if w, ok := d.cfg.Pager.(Withdrawer); ok {
			if err := w.Withdraw(ctx, p, a); err != nil {
				return err
			}
		}
		return d.cfg.Book.Sent(ctx, p.ID, d.cfg.Now())
	}
	if err := d.cfg.Pager.Page(ctx, p, a); err != nil {
		return err
	}
	return d.handed(ctx, p)
}

// handed notes that the pager has the page; with the first of an alarm its paging delay is kept.
func (d *Desk) handed(ctx context.Context, p Page) error {
	e := d.find(p.Alarm)
	if e == nil {
		return d.cfg.Book.Sent(ctx, p.ID, d.cfg.Now())
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := d.cfg.Now()
	if e.gone || e.a.Delays == nil || e.a.Delays.Paging > 0 {
		return d.cfg.Book.Sent(ctx, p.ID, now)
	}
	_, err := d.commit(ctx, e, Change{Sent: p.ID, SentAt: now}, func(a *vigil.Alarm) ([]Page, error) {
		delays := *a.Delays
		delays.Paging = max(now.Sub(a.Raised), 1)
		a.Delays = &delays
		return nil, nil
	})
	return err
}
