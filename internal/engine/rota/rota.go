// Package rota knows who is on duty: weekly shifts by unit and role, substitutes for a date, and hand-over.
//
// It answers the desk's question who holds a post now (alarm.OnCall). Where nobody planned shifts for a post, the census
// answers as before; it also says who is nearest. It pages nobody and keeps nothing itself. Start at Rota.
package rota

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Shift is a time of the week in which a person holds a role of a unit, in the hospital's time zone.
type Shift struct {
	ID     string   `json:"id"`
	Unit   string   `json:"unit"` // Location id; "" is every unit
	Role   string   `json:"role"` // as in chains, "physician.primary"
	Person string   `json:"person"`
	Days   []string `json:"days"` // mon … sun: the day on which it begins
	From   string   `json:"from"` // "19:00"
	To     string   `json:"to"`   // "07:30"; not after From means the next day
}

// Substitute has a person stand in: for one who is planned, or beside those who are when For is empty.
type Substitute struct {
	ID     string    `json:"id"`
	Unit   string    `json:"unit"`
	Role   string    `json:"role"`
	For    string    `json:"for,omitempty"`
	Person string    `json:"person"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason,omitempty"`
}

// States of a hand-over.
const (
	Offered  = "offered"  // the outgoing person has confirmed
	Accepted = "accepted" // the incoming person has taken over
	Declined = "declined"
)

// Handover is the passing of a post from one person to the next, with the alarms that are open.
type Handover struct {
	ID     string    `json:"id"`
	Unit   string    `json:"unit"`
	Role   string    `json:"role"`
	From   string    `json:"from"` // outgoing
	To     string    `json:"to"`   // incoming
	State  string    `json:"state"`
	Note   string    `json:"note,omitempty"`
	At     time.Time `json:"at"`              // confirmed by the outgoing
	Closed time.Time `json:"closed,omitzero"` // accepted or declined
	Alarms []string  `json:"alarms"`          // ids of what was open for the outgoing
}

// Book keeps the plan. Calls may be concurrent; what was written is on disk.
type Book interface {
	Shifts(ctx context.Context) ([]Shift, error)
	// Substitutes returns those that end after the time.
	Substitutes(ctx context.Context, after time.Time) ([]Substitute, error)
	// Handovers returns those of the time after, newest first, at most 200.
	Handovers(ctx context.Context, after time.Time) ([]Handover, error)
	PutShift(ctx context.Context, s Shift) error
	PutSubstitute(ctx context.Context, s Substitute) error
	PutHandover(ctx context.Context, h Handover) error
	// Drop removes a shift or a substitute, and reports whether it was there.
	Drop(ctx context.Context, id string) (bool, error)
}

// People knows the staff: the census.
type People interface {
	alarm.OnCall
	// Recipient returns a practitioner as one who can be paged, and false when there is none.
	Recipient(id string) (alarm.Recipient, bool)
}

// Whereabouts knows where people and patients are. Unknown is not an error.
type Whereabouts interface {
	// Place returns the Location id where a practitioner was seen of late.
	Place(person string) (string, bool)
	// Around returns the Location id of a subject.
	Around(s vigil.Subject) (string, bool)
	// Distance ranks how far two places are apart: 0 the same, more is further.
	Distance(a, b string) int
}

// Desk is what a hand-over needs of the alarm desk.
type Desk interface {
	Open(ctx context.Context, f alarm.Filter) ([]vigil.Alarm, error)
	Do(ctx context.Context, id string, act alarm.Action) (vigil.Alarm, error)
}

// Config is what the rota needs from outside.
type Config struct {
	Book   Book
	People People
	Where  Whereabouts // nil: nearest is whoever the unit has
	Now    func() time.Time
	Zone   *time.Location // of the hospital; nil is the machine's
	NewID  func() string
	Log    *slog.Logger
	Audit  func(ctx context.Context, action, what, detail string)
}

// Rota is the plan of who is on duty. It is safe for concurrent use.
type Rota struct {
	cfg    Config
	mu     sync.RWMutex
	shifts []Shift
	subs   []Substitute
	write  sync.Mutex // orders writes of the plan
}

const remember = 14 * 24 * time.Hour // how long substitutes stay in the plan after their end

// Roles are the posts of the chains that can be planned.
func Roles() []string {
	return []string{"physician.primary", "physician.second", "rapid-response", "nurse", "nurse.charge", "engineer", "admin"}
}

// Open reads the plan.
func Open(ctx context.Context, cfg Config) (*Rota, error) {
	if cfg.Zone == nil {
		cfg.Zone = time.Local
	}
	if cfg.Audit == nil {
		cfg.Audit = func(context.Context, string, string, string) {}
	}
	r := &Rota{cfg: cfg}
	return r, r.read(ctx)
}

func (r *Rota) read(ctx context.Context) error {
	shifts, err := r.cfg.Book.Shifts(ctx)
	if err != nil {
		return fmt.Errorf("read shifts: %w", err)
	}
	subs, err := r.cfg.Book.Substitutes(ctx, r.cfg.Now().Add(-remember))
	if err != nil {
		return fmt.Errorf("read substitutes: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shifts, r.subs = shifts, subs
	return nil
}

// nearestPrefix before a role asks for the one of them who is closest.
const nearestPrefix = "nearest."

// Holders implements alarm.OnCall. Of several on duty the patient's own come first, and "nearest.nurse" is the nurse on
// duty who was seen closest to the patient; when nobody's place is known, the unit's nurse. A planned post that nobody
// holds now is empty: the chain goes on at once.
func (r *Rota) Holders(ctx context.Context, p alarm.Post) ([]alarm.Recipient, error) {
	role, nearest := strings.CutPrefix(p.Role, nearestPrefix)
	p.Role = role
	duty, planned := r.OnDuty(p.Unit, role, r.cfg.Now())
	own, err := r.cfg.People.Holders(ctx, p)
	if !planned {
		if nearest {
			if one, ok := r.nearest(p, own); ok {
				return one, err
			}
		}
		return own, err
	}
	if err != nil {
		r.cfg.Log.Error("rota.census.unreadable", "error", err)
	}
	if nearest {
		if one, ok := r.nearest(p, duty); ok {
			return one, nil
		}
	}
	known := slices.DeleteFunc(own, func(o alarm.Recipient) bool {
		return !slices.ContainsFunc(duty, func(d alarm.Recipient) bool { return d.ID == o.ID })
	})
	if len(known) > 0 {
		return known, nil
	}
	return duty, nil
}

func (r *Rota) nearest(p alarm.Post, list []alarm.Recipient) ([]alarm.Recipient, bool) {
	if r.cfg.Where == nil {
		return nil, false
	}
	to, ok := r.cfg.Where.Around(p.Subject)
	if !ok {
		return nil, false
	}
	best, at := -1, 0
	for i, who := range list {
		place, ok := r.cfg.Where.Place(who.ID)
		if !ok {
			continue
		}
		if d := r.cfg.Where.Distance(place, to); best < 0 || d < at {
			best, at = i, d
		}
	}
	if best < 0 {
		return nil, false
	}
	return list[best : best+1], true
}

// OnDuty returns who holds a role of a unit at a time, and whether anybody was ever planned for it.
func (r *Rota) OnDuty(unit, role string, at time.Time) (list []alarm.Recipient, planned bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	add := func(person string) {
		who, ok := r.cfg.People.Recipient(person)
		if ok && !slices.ContainsFunc(list, func(have alarm.Recipient) bool { return have.ID == who.ID }) {
			list = append(list, who)
		}
	}
	var here []Substitute
	for _, s := range r.subs {
		if s.Role == role && fits(s.Unit, unit) {
			planned = true
			if !at.Before(s.From) && at.Before(s.To) {
				here = append(here, s)
			}
		}
	}
	for _, s := range r.shifts {
		if s.Role != role || !fits(s.Unit, unit) {
			continue
		}
		planned = true
		if _, _, ok := s.covers(at.In(r.cfg.Zone)); !ok || slices.ContainsFunc(here, func(x Substitute) bool { return x.For == s.Person }) {
			continue
		}
		add(s.Person)
	}
	for _, s := range here {
		if !slices.ContainsFunc(here, func(x Substitute) bool { return x.For == s.Person }) {
			add(s.Person)
		}
	}
	return list, planned
}

func fits(planned, unit string) bool { return planned == "" || planned == unit }

var days = [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// covers returns the shift around a time of the hospital's clock. A shift over the night belongs to the day it begins.
func (s Shift) covers(at time.Time) (from, to time.Time, ok bool) {
	for _, back := range []int{0, -1} {
		day := at.AddDate(0, 0, back)
		if !slices.Contains(s.Days, days[day.Weekday()]) {
			continue
		}
		if from, to, ok = s.on(day); ok && !at.Before(from) && at.Before(to) {
			return from, to, true
		}
	}
	return from, to, false
}

// on returns the shift that begins on a day.
func (s Shift) on(day time.Time) (from, to time.Time, ok bool) {
	f, err1 := time.Parse("15:04", s.From)
	t, err2 := time.Parse("15:04", s.To)
	if err1 != nil || err2 != nil {
		return from, to, false
	}
	from = time.Date(day.Year(), day.Month(), day.Day(), f.Hour(), f.Minute(), 0, 0, day.Location())
	next := 0
	if !t.After(f) {
		next = 1
	}
	to = time.Date(day.Year(), day.Month(), day.Day()+next, t.Hour(), t.Minute(), 0, 0, day.Location())
	return from, to, true
}

func mayPlan(ctx context.Context, op string) (access.Principal, error) {
	p, ok := access.From(ctx)
	if !ok || !p.Has(access.Admin, access.Physician, access.Nurse, access.System) {
		return p, vigil.Errorf(vigil.Denied, op, "the rota is planned by nurses, physicians and administrators")
	}
	return p, nil
}
