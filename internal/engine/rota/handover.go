package rota

import (
	"context"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

const listHandovers = 7 * 24 * time.Hour

// Offer is the outgoing person's word that a post may be taken over by to. The open alarms for which he was paged, or
// which he has acknowledged, are listed with it. Offering again with the same ID answers the same.
// It returns Invalid, Conflict when the post is offered already, Denied for who does not hold it.
func (r *Rota) Offer(ctx context.Context, desk Desk, h Handover) (Handover, error) {
	p, err := mayPlan(ctx, "rota.offer")
	if err != nil {
		return h, err
	}
	r.write.Lock()
	defer r.write.Unlock()
	now := r.cfg.Now()
	list, err := r.cfg.Book.Handovers(ctx, now.Add(-listHandovers))
	if err != nil {
		return h, err
	}
	for _, old := range list {
		switch {
		case h.ID != "" && old.ID == h.ID:
			return old, nil
		case old.State == Offered && old.Unit == h.Unit && old.Role == h.Role && old.From == p.Person:
			return old, vigil.Errorf(vigil.Conflict, "rota.offer", "this post is offered to %s already", r.who(old.To).Name)
		}
	}
	if err := r.checkOffer(p, h, now); err != nil {
		return h, err
	}
	h.From, h.State, h.At, h.Closed = p.Person, Offered, now, time.Time{}
	if h.ID == "" {
		h.ID = "handover-" + r.cfg.NewID()
	}
	open, err := theirs(ctx, desk, h.Unit, p)
	if err != nil {
		return h, err
	}
	h.Alarms = []string{}
	for _, a := range open {
		h.Alarms = append(h.Alarms, a.ID)
	}
	if err := r.cfg.Book.PutHandover(ctx, h); err != nil {
		return h, err
	}
	r.cfg.Audit(ctx, "rota.offered", h.ID, h.To)
	return h, nil
}

func (r *Rota) checkOffer(p access.Principal, h Handover, now time.Time) error {
	bad := vigil.Errorf(vigil.Invalid, "rota.offer", "the hand-over is not complete")
	r.checkPost(bad, h.Role, h.To)
	if h.To == p.Person {
		bad.Faults = append(bad.Faults, vigil.Fault{Path: "/to", Msg: "is somebody else than you"})
	}
	if len(bad.Faults) > 0 {
		return said(bad)
	}
	duty, planned := r.OnDuty(h.Unit, h.Role, now)
	if planned && !slices.ContainsFunc(duty, func(x alarm.Recipient) bool { return x.ID == p.Person }) {
		return vigil.Errorf(vigil.Denied, "rota.offer", "you do not hold this post now")
	}
	return nil
}

// theirs returns what is open in the unit and was paged to the person or acknowledged by him.
func theirs(ctx context.Context, desk Desk, unit string, p access.Principal) ([]vigil.Alarm, error) {
	open, err := desk.Open(ctx, alarm.Filter{Unit: unit})
	return slices.DeleteFunc(open, func(a vigil.Alarm) bool {
		return a.AckedBy != p.Name && !slices.ContainsFunc(a.Asked, func(x vigil.Asked) bool { return x.ID == p.Person })
	}), err
}

// Answer is the incoming person's: he accepts, holds the post from now to the end of the outgoing's shift, and gets the
// open alarms that nobody has acknowledged passed on; or he declines and nothing changes. Answering twice the same way
// answers the same. It returns NotFound, Denied for others than the incoming, Conflict when it is closed otherwise.
func (r *Rota) Answer(ctx context.Context, desk Desk, id string, accept bool) (Handover, error) {
	p, err := mayPlan(ctx, "rota.answer")
	if err != nil {
		return Handover{}, err
	}
	r.write.Lock()
	defer r.write.Unlock()
	now := r.cfg.Now()
	list, err := r.cfg.Book.Handovers(ctx, now.Add(-listHandovers))
	if err != nil {
		return Handover{}, err
	}
	i := slices.IndexFunc(list, func(h Handover) bool { return h.ID == id })
	want := map[bool]string{true: Accepted, false: Declined}[accept]
	switch {
	case i < 0:
		return Handover{}, vigil.Errorf(vigil.NotFound, "rota.answer", "no such hand-over")
	case list[i].To != p.Person:
		return list[i], vigil.Errorf(vigil.Denied, "rota.answer", "only %s accepts this", r.who(list[i].To).Name)
	case list[i].State != Offered && list[i].State != want:
		return list[i], vigil.Errorf(vigil.Conflict, "rota.answer", "this hand-over is %s", list[i].State)
	}
	h := list[i]
	if accept { // every step below is the same when taken again, so a kill between them costs nothing
		if err := r.takeOver(ctx, desk, h, now); err != nil {
			return h, err
		}
	}
	if h.State == want {
		return h, nil
	}
	h.State, h.Closed = want, now
	if err := r.cfg.Book.PutHandover(ctx, h); err != nil {
		return h, err
	}
	r.cfg.Audit(ctx, "rota."+want, h.ID, h.From)
	return h, nil
}

func (r *Rota) takeOver(ctx context.Context, desk Desk, h Handover, now time.Time) error {
	if h.State == Offered {
		if end, ok := r.endOf(h, now); ok {
			s := Substitute{ID: "sub-" + h.ID, Unit: h.Unit, Role: h.Role, For: h.From, Person: h.To, From: now, To: end, Reason: "hand-over"}
			if err := r.cfg.Book.PutSubstitute(ctx, s); err != nil {
				return err
			}
			if err := r.read(context.WithoutCancel(ctx)); err != nil {
				return err
			}
		}
	}
	to := r.who(h.To)
	to.Role = h.Role
	for _, id := range h.Alarms {
		act := alarm.Action{Kind: alarm.Note, Text: "handed over to " + to.Name, Command: h.ID}
		if a, err := find(ctx, desk, id); err == nil && a.AckedBy == "" {
			act = alarm.Action{Kind: alarm.Pass, To: &to, Text: "at hand-over", Command: h.ID}
		}
		if _, err := desk.Do(ctx, id, act); err != nil && vigil.KindOf(err) != vigil.NotFound && vigil.KindOf(err) != vigil.Conflict {
			return err
		}
	}
	return nil
}

func find(ctx context.Context, desk Desk, id string) (vigil.Alarm, error) {
	open, err := desk.Open(ctx, alarm.Filter{})
	if err != nil {
		return vigil.Alarm{}, err
	}
	if i := slices.IndexFunc(open, func(a vigil.Alarm) bool { return a.ID == id }); i >= 0 {
		return open[i], nil
	}
	return vigil.Alarm{}, vigil.Errorf(vigil.NotFound, "rota.find", "the alarm is not open")
}

// endOf returns when the outgoing person's running duty ends.
func (r *Rota) endOf(h Handover, now time.Time) (time.Time, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, s := range r.subs {
		if s.Person == h.From && s.Role == h.Role && fits(s.Unit, h.Unit) && !now.Before(s.From) && now.Before(s.To) {
			return s.To, true
		}
	}
	for _, s := range r.shifts {
		if s.Person == h.From && s.Role == h.Role && fits(s.Unit, h.Unit) {
			if _, to, ok := s.covers(now.In(r.cfg.Zone)); ok {
				return to, true
			}
		}
	}
	return time.Time{}, false
}

// Handovers returns those of the last week, newest first: what is offered first. It is for staff.
func (r *Rota) Handovers(ctx context.Context) ([]Handover, error) {
	if p, ok := access.From(ctx); !ok || !p.Clinical() && !p.Has(access.Engineer) {
		return nil, vigil.Errorf(vigil.Denied, "rota.handovers", "hand-overs are for staff")
	}
	return r.cfg.Book.Handovers(ctx, r.cfg.Now().Add(-listHandovers))
}
