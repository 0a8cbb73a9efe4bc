package subscription

import (
	"context"
	"errors"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
)

const (
	longestWait = 5 * time.Minute
	failing     = 3 // failures in a row until the record says error
)

// deliver begins what is due, one delivery a Subscription at a time.
func (d *Desk) deliver(ctx context.Context) {
	now := d.cfg.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.active {
		ended := !a.end.IsZero() && !now.Before(a.end)
		beat := a.beat > 0 && !a.sent.IsZero() && now.Sub(a.sent) >= a.beat
		if a.busy || now.Before(a.due) || !ended && !beat && a.status != "requested" && a.state.Events <= a.state.Delivered {
			continue
		}
		a.busy = true
		copied := *a
		d.wg.Go(func() { d.serve(ctx, copied, ended) })
	}
}

// serve makes one delivery and notes how it went.
func (d *Desk) serve(ctx context.Context, a active, ended bool) {
	if ended {
		d.finish(ctx, &a, "off", "its end has come")
		return
	}
	through, err := d.once(ctx, &a)
	if ctx.Err() != nil {
		return // the house stops; what was sent comes again
	}
	now := d.cfg.Now()
	status := ""
	s := &a.state
	if err == nil {
		if a.status != "active" {
			status = "active"
		}
		s.Delivered, s.Fails, s.Error, s.Since = max(s.Delivered, through), 0, "", time.Time{}
		a.due = time.Time{}
	} else if errors.Is(err, ErrAway) {
		a.due = now.Add(longestWait) // until Due
	} else {
		s.Errors++
		if s.Fails++; s.Fails == 1 {
			s.Since = now
		}
		s.Error = vigil.Message(err)
		a.due = now.Add(min(d.cfg.Backoff<<min(s.Fails-1, 12), longestWait))
		switch {
		case vigil.KindOf(err) == vigil.Denied || now.Sub(s.Since) > d.cfg.GiveUp:
			d.finish(ctx, &a, "off", s.Error)
			return
		case s.Fails == failing && a.status != "requested":
			status = "error"
		}
		d.cfg.Log.Warn("subscription.delivery", "subscription", a.id, "fails", s.Fails, "error", err)
	}
	if e := d.cfg.Book.Save(ctx, *s); e != nil {
		d.cfg.Log.Warn("subscription.save", "subscription", a.id, "error", e)
	}
	if status != "" {
		d.say(ctx, &a, status)
	}
	d.mu.Lock()
	if live := d.active[a.id]; live != nil {
		s.Events, s.Owner = live.state.Events, live.state.Owner
		live.state, live.due, live.busy = *s, a.due, false
		if err == nil {
			live.sent = now
		}
		if status != "" {
			live.status = status
		}
	}
	d.mu.Unlock()
	if err == nil {
		d.Wake()
	}
}

// finish ends a Subscription for good.
func (d *Desk) finish(ctx context.Context, a *active, status, why string) {
	a.state.Error = why
	if err := d.cfg.Book.Save(ctx, a.state); err != nil {
		d.cfg.Log.Warn("subscription.save", "subscription", a.id, "error", err)
	}
	d.say(ctx, a, status)
	d.mu.Lock()
	delete(d.active, a.id)
	d.mu.Unlock()
}

// say writes the status to the record.
func (d *Desk) say(ctx context.Context, a *active, status string) {
	rec, err := d.cfg.Records.Read(ctx, "Subscription", a.id)
	if err == nil {
		var r fhir.Resource
		if r, err = rec.Resource(); err == nil {
			delete(r, "error")
			if a.state.Error != "" {
				r["error"] = a.state.Error
			}
			_, err = d.cfg.Records.Update(ctx, r.With("status", status), rec.Version)
		}
	}
	if err != nil {
		d.cfg.Log.Warn("subscription.status", "subscription", a.id, "error", err)
	}
}

// once sends one notification: the handshake, the events that wait, or a heartbeat. It returns the number of the newest
// event that it carried.
func (d *Desk) once(ctx context.Context, a *active) (through int64, err error) {
	ch := d.cfg.Channels[a.channel]
	if ch == nil {
		return 0, vigil.Errorf(vigil.Invalid, "subscription.deliver", "channel.type %q is not served here", a.channel)
	}
	who, err := d.cfg.Principal(ctx, a.state.Owner)
	if err != nil {
		return 0, err
	}
	if err := ch.Check(a.to); err != nil {
		return 0, err
	}
	kind, through := Heartbeat, a.state.Delivered
	var list []shown
	switch {
	case a.status == "requested":
		kind = Handshake
	case a.state.Events > a.state.Delivered:
		kind = Happened
		events, err := d.cfg.Book.Events(ctx, a.id, a.state.Delivered, a.max)
		if err != nil {
			return 0, err
		}
		own := access.With(ctx, who)
		for _, e := range events {
			through = e.Number
			s, ok, err := d.show(own, e, a.content)
			if err != nil {
				return 0, err
			}
			if ok {
				list = append(list, s)
			}
		}
		if len(list) == 0 {
			return through, nil // nothing that the owner may see
		}
	}
	status := "active"
	if kind == Handshake {
		status = "requested"
	}
	ctx, stop := context.WithTimeout(ctx, d.cfg.Timeout)
	defer stop()
	bundle := fhir.Encode(d.notification(&a.wish, note{kind, status, a.state.Events, list}, d.cfg.Now()))
	return through, ch.Send(ctx, a.to, bundle)
}

// show prepares an event for the principal of ctx; false when he may not see it, or it is gone.
func (d *Desk) show(ctx context.Context, e Event, content Content) (s shown, ok bool, err error) {
	s.Event = e
	if e.JSON != nil {
		o, err := fhir.Parse(e.JSON)
		if err != nil || access.CheckSubject(ctx, vigil.Subject(o.Str("subject.reference"))) != nil {
			return s, false, err
		}
		if content == Full {
			s.res = e.JSON
		}
		return s, true, nil
	}
	ref := fhir.ParseReference(e.Focus)
	if e.Deleted > 0 { // who may see what it was is told that it is gone, of which nothing else is left
		_, err := d.cfg.Records.VRead(ctx, ref.Type, ref.ID, e.Deleted)
		if kind := vigil.KindOf(err); kind == vigil.Denied || kind == vigil.NotFound {
			return s, false, nil
		}
		return s, err == nil, err
	}
	rec, err := d.cfg.Records.Read(ctx, ref.Type, ref.ID)
	switch kind := vigil.KindOf(err); {
	case kind == vigil.Denied || kind == vigil.NotFound:
		return s, false, nil
	case err != nil:
		return s, false, err
	}
	if content == Full {
		s.res = rec.JSON
	}
	return s, true, nil
}
