package rota

import (
	"context"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Duty is one stretch of time of the plan.
type Duty struct {
	Shift      string          `json:"shift,omitempty"`      // id, "" for one who stands in beside the plan
	Substitute string          `json:"substitute,omitempty"` // id of what made this person hold it
	Unit       string          `json:"unit"`
	Role       string          `json:"role"`
	Who        alarm.Recipient `json:"who"`
	For        string          `json:"for,omitempty"` // name of the one who was planned
	From       time.Time       `json:"from"`
	To         time.Time       `json:"to"`
}

// Plan returns the duties of a unit that touch [from, to), by role, then time. A substitute who takes part of a shift
// cuts it in pieces. It is for staff.
func (r *Rota) Plan(ctx context.Context, unit string, from, to time.Time) ([]Duty, error) {
	if p, ok := access.From(ctx); !ok || !p.Clinical() && !p.Has(access.Engineer) {
		return nil, vigil.Errorf(vigil.Denied, "rota.plan", "the rota is for staff")
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	out := []Duty{}
	for _, s := range r.shifts {
		if !fits(s.Unit, unit) {
			continue
		}
		for day := from.In(r.cfg.Zone).AddDate(0, 0, -1); day.Before(to); day = day.AddDate(0, 0, 1) {
			if !slices.Contains(s.Days, days[day.Weekday()]) {
				continue
			}
			if a, b, ok := s.on(day); ok && a.Before(to) && b.After(from) {
				out = append(out, r.cut(Duty{Shift: s.ID, Unit: s.Unit, Role: s.Role, Who: r.who(s.Person), From: a, To: b}, s.Person)...)
			}
		}
	}
	for _, s := range r.subs {
		if s.For == "" && fits(s.Unit, unit) && s.From.Before(to) && s.To.After(from) {
			out = append(out, Duty{Substitute: s.ID, Unit: s.Unit, Role: s.Role, Who: r.who(s.Person), From: s.From, To: s.To})
		}
	}
	slices.SortStableFunc(out, func(a, b Duty) int {
		if ra, rb := slices.Index(Roles(), a.Role), slices.Index(Roles(), b.Role); ra != rb {
			return ra - rb
		}
		return a.From.Compare(b.From)
	})
	return out, nil
}

// cut replaces what substitutes take of a duty.
func (r *Rota) cut(d Duty, person string) []Duty {
	for _, s := range r.subs {
		if s.For != person || s.Role != d.Role || !fits(s.Unit, d.Unit) || !s.From.Before(d.To) || !s.To.After(d.From) {
			continue
		}
		var out []Duty
		if s.From.After(d.From) {
			before := d
			before.To = s.From
			out = append(out, r.cut(before, person)...)
		}
		part := d
		part.Substitute, part.For, part.Who = s.ID, d.Who.Name, r.who(s.Person)
		if s.From.After(d.From) {
			part.From = s.From
		}
		if s.To.Before(d.To) {
			part.To = s.To
			after := d
			after.From = s.To
			return append(append(out, part), r.cut(after, person)...)
		}
		return append(out, part)
	}
	return []Duty{d}
}

func (r *Rota) who(person string) alarm.Recipient {
	if who, ok := r.cfg.People.Recipient(person); ok {
		return who
	}
	return alarm.Recipient{ID: person, Name: person}
}

// Shifts returns the weekly plan of a unit, all of it when the unit is empty. It is for staff.
func (r *Rota) Shifts(ctx context.Context, unit string) ([]Shift, error) {
	if p, ok := access.From(ctx); !ok || !p.Clinical() && !p.Has(access.Engineer) {
		return nil, vigil.Errorf(vigil.Denied, "rota.shifts", "the rota is for staff")
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.DeleteFunc(slices.Clone(r.shifts), func(s Shift) bool { return unit != "" && !fits(s.Unit, unit) }), nil
}

// SetShift writes a shift, new without an ID, and returns it. It returns Invalid or Denied.
func (r *Rota) SetShift(ctx context.Context, s Shift) (Shift, error) {
	if _, err := mayPlan(ctx, "rota.shift"); err != nil {
		return s, err
	}
	bad := vigil.Errorf(vigil.Invalid, "rota.shift", "the shift is not complete")
	r.checkPost(bad, s.Role, s.Person)
	if _, _, ok := s.on(r.cfg.Now()); !ok {
		bad.Faults = append(bad.Faults, vigil.Fault{Path: "/from", Msg: "begin and end are times such as 07:00"})
	}
	if len(s.Days) == 0 || slices.ContainsFunc(s.Days, func(d string) bool { return !slices.Contains(days[:], d) }) {
		bad.Faults = append(bad.Faults, vigil.Fault{Path: "/days", Msg: "are one or more of mon, tue, wed, thu, fri, sat, sun"})
	}
	if len(bad.Faults) > 0 {
		return s, said(bad)
	}
	if s.ID == "" {
		s.ID = "shift-" + r.cfg.NewID()
	}
	return s, r.change(ctx, "rota.shift", s.ID, func() error { return r.cfg.Book.PutShift(ctx, s) })
}

// Stand writes a substitute, new without an ID, and returns it. It returns Invalid or Denied.
func (r *Rota) Stand(ctx context.Context, s Substitute) (Substitute, error) {
	if _, err := mayPlan(ctx, "rota.substitute"); err != nil {
		return s, err
	}
	bad := vigil.Errorf(vigil.Invalid, "rota.substitute", "the substitute is not complete")
	r.checkPost(bad, s.Role, s.Person)
	if length := s.To.Sub(s.From); length <= 0 || length > 62*24*time.Hour {
		bad.Faults = append(bad.Faults, vigil.Fault{Path: "/to", Msg: "lies after the begin, at most two months"})
	}
	if s.For == s.Person {
		bad.Faults = append(bad.Faults, vigil.Fault{Path: "/person", Msg: "is somebody else than the one who is replaced"})
	}
	if len(bad.Faults) > 0 {
		return s, said(bad)
	}
	if s.ID == "" {
		s.ID = "sub-" + r.cfg.NewID()
	}
	return s, r.change(ctx, "rota.substitute", s.ID, func() error { return r.cfg.Book.PutSubstitute(ctx, s) })
}

// Drop takes a shift or a substitute off the plan. It returns NotFound or Denied.
func (r *Rota) Drop(ctx context.Context, id string) error {
	if _, err := mayPlan(ctx, "rota.drop"); err != nil {
		return err
	}
	return r.change(ctx, "rota.drop", id, func() error {
		ok, err := r.cfg.Book.Drop(ctx, id)
		if err == nil && !ok {
			return vigil.Errorf(vigil.NotFound, "rota.drop", "no such shift or substitute")
		}
		return err
	})
}

func (r *Rota) checkPost(bad *vigil.Error, role, person string) {
	if !slices.Contains(Roles(), role) {
		bad.Faults = append(bad.Faults, vigil.Fault{Path: "/role", Msg: "is no post of the chains"})
	}
	if _, ok := r.cfg.People.Recipient(person); !ok {
		bad.Faults = append(bad.Faults, vigil.Fault{Path: "/person", Msg: "is not on the staff"})
	}
}

func said(e *vigil.Error) error {
	e.Msg += ": " + e.Faults[0].Path[1:] + " " + e.Faults[0].Msg
	return e
}

// change writes, reads the plan anew and notes it on the trail.
func (r *Rota) change(ctx context.Context, action, id string, write func() error) error {
	r.write.Lock()
	defer r.write.Unlock()
	if err := write(); err != nil {
		return err
	}
	r.cfg.Audit(ctx, action, id, "")
	return r.read(context.WithoutCancel(ctx))
}
