package medication

import (
	"cmp"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// State is where a dose stands.
type State string

// The states of a dose.
const (
	Upcoming State = "upcoming"
	Due      State = "due"
	Late     State = "late"
	Given    State = "given"
	Missed   State = "missed"
	Held     State = "held"
)

// Sources of what is known about a dose.
const (
	FromDispenser = "dispenser"
	FromNurse     = "nurse"
	FromPatient   = "patient"
)

// Dose is one prescribed dose and what became of it.
//
//	upcoming ──From──► due ──To──► late ──Missed──► missed
//	    └──────────────┴───────────┴──── taken or given ──► given        not given, with a reason ──► held
type Dose struct {
	ID     string
	Order  *Order
	Due    time.Time
	From   time.Time // may be taken from
	To     time.Time // late from
	Missed time.Time // missed from

	State   State
	GivenAt time.Time
	By      string // display name
	Source  string // dispenser, nurse or patient
	Reason  string // why it was held

	dispensed bool // the dispenser said that it was taken
	refused   bool // the dispenser said that it was missed
}

// Administration is a MedicationAdministration: a person said that a dose was given, or that it was not.
type Administration struct {
	Dose   string // id of the dose, "" when another system wrote it
	Code   string
	At     time.Time
	Done   bool
	By     string
	Source string
	Reason string
}

// Misuse is something taken that nobody prescribed so.
type Misuse struct {
	Kind  string // double, hold, outside
	At    time.Time
	Order *Order
	Dose  *Dose     // the dose it was taken beside, nil when there is none
	First time.Time // double: when the dose was taken before
	Count int       // taken that day
	Asked int       // prescribed that day
}

// The kinds of misuse.
const (
	MisuseDouble  = "double"
	MisuseHold    = "hold"
	MisuseOutside = "outside"
)

// Judge says what became of the doses, given what persons and dispensers said, as of now. Doses are sorted by due time
// and carry a margin of a day on both sides. It changes the doses in place and returns what was taken beyond them.
func Judge(doses []Dose, given []Administration, events []telemetry.StoredEvent, now time.Time) []Misuse {
	slices.SortStableFunc(doses, func(a, b Dose) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
	byID := map[string]*Dose{}
	for i := range doses {
		byID[doses[i].ID] = &doses[i]
	}
	for _, g := range given {
		d := byID[g.Dose]
		if d == nil && g.Dose == "" {
			d = nearest(doses, g.Code, g.At, func(d *Dose) bool { return d.State == "" })
		}
		if d != nil {
			d.record(g)
		}
	}
	var extra []Misuse
	for i := range events {
		e := &events[i]
		switch e.Kind {
		case "dose-taken":
			if m := take(doses, e.Data["medication"], e.At()); m != nil {
				extra = append(extra, *m)
			}
		case "dose-missed":
			for _, d := range slot(doses, e.Data["medication"], e.At()) {
				d.refused = true
			}
		}
	}
	for i := range doses {
		doses[i].settle(now)
	}
	count(doses, extra)
	return extra
}

// count compares what was taken on a day with what was prescribed for it: one too many is a double dose, whenever it was.
func count(doses []Dose, extra []Misuse) {
	same := func(t, u time.Time) bool {
		return t.In(zone(doses)).Format(time.DateOnly) == u.In(zone(doses)).Format(time.DateOnly)
	}
	for i := range extra {
		m := &extra[i]
		for j := range doses {
			if d := &doses[j]; d.Order.Code == m.Order.Code && same(d.Due, m.At) {
				m.Asked++
				if d.State == Given {
					m.Count++
				}
			}
		}
		for j := range extra {
			if extra[j].Order.Code == m.Order.Code && same(extra[j].At, m.At) {
				m.Count++
			}
		}
		if m.Kind == MisuseOutside && m.Count > m.Asked {
			m.Kind = MisuseDouble
		}
	}
}

func (d *Dose) record(g Administration) {
	d.State, d.By, d.Source, d.Reason = Held, g.By, g.Source, g.Reason
	if g.Done {
		d.State, d.GivenAt = Given, g.At
	}
}

func (d *Dose) settle(now time.Time) {
	switch {
	case d.State != "":
	case d.Order.heldAt(d.Missed.Add(-1)):
		d.State = Held
	case now.Before(d.From):
		d.State = Upcoming
	case d.refused || !now.Before(d.Missed):
		d.State = Missed
	case now.Before(d.To):
		d.State = Due
	default:
		d.State = Late
	}
}

// open reports whether a dose can still be the one that a dispenser saw taken. A patient who said so himself is
// confirmed by the dispenser; what a nurse gave by hand is not what the dispenser gave.
func (d *Dose) open(at time.Time) bool {
	return !d.dispensed && !d.Order.heldAt(at) && (d.State == "" || d.State == Given && d.Source == FromPatient)
}

// take gives what a dispenser saw taken to the nearest open dose of the medicine; what is left over is misuse. A dispenser
// that names no medicine has opened a compartment: everything due at the nearest time was taken.
func take(doses []Dose, code string, at time.Time) *Misuse {
	if code == "" {
		for _, d := range slot(doses, "", at) {
			d.confirm(at)
		}
		return nil
	}
	if d := nearest(doses, code, at, func(d *Dose) bool { return d.open(at) }); d != nil {
		d.confirm(at)
		return nil
	}
	i := slices.IndexFunc(doses, func(d Dose) bool { return d.Order.Code == code })
	if i < 0 {
		return nil // nobody prescribed it here: the event says nothing about a dose
	}
	m := &Misuse{Kind: MisuseOutside, At: at, Order: doses[i].Order}
	if m.Dose = nearest(doses, code, at, func(*Dose) bool { return true }); m.Dose != nil {
		m.Order = m.Dose.Order
	}
	switch {
	case m.Order.heldAt(at) || m.Dose != nil && m.Dose.State == Held:
		m.Kind = MisuseHold
	case m.Dose != nil: // it is taken already, or it would have been open
		m.Kind, m.First = MisuseDouble, m.Dose.GivenAt
	}
	return m
}

func (d *Dose) confirm(at time.Time) {
	d.dispensed = true
	if d.State == "" {
		d.State, d.GivenAt, d.Source, d.By = Given, at, FromDispenser, "Dispenser"
	}
}

func zone(doses []Dose) *time.Location {
	if len(doses) == 0 {
		return time.UTC
	}
	return doses[0].Due.Location()
}

// nearest returns the dose of the medicine whose due time is nearest, among those that fit and may be taken then.
func nearest(doses []Dose, code string, at time.Time, fits func(d *Dose) bool) (best *Dose) {
	for i := range doses {
		d := &doses[i]
		if d.Order.Code != code || at.Before(d.From) || !at.Before(d.Missed) || !fits(d) {
			continue
		}
		if best == nil || distance(d, at) < distance(best, at) {
			best = d
		}
	}
	return best
}

// slot returns the open doses, of the medicine or of all, that are due at the time nearest to at.
func slot(doses []Dose, code string, at time.Time) (out []*Dose) {
	var due time.Time
	for i := range doses {
		d := &doses[i]
		// A dispenser reports a dose as missed at the end of its window, which may be the beginning of "missed" here.
		if code != "" && d.Order.Code != code || at.Before(d.From) || at.After(d.Missed) || !d.open(at) {
			continue
		}
		switch {
		case len(out) == 0 || distance(d, at) < distance(out[0], at):
			out, due = []*Dose{d}, d.Due
		case d.Due.Equal(due):
			out = append(out, d)
		}
	}
	return out
}

func distance(d *Dose, at time.Time) time.Duration { return d.Due.Sub(at).Abs() }

// kinds are the events that say something about doses.
func kinds() []vigil.EventKind {
	return []vigil.EventKind{"dose-taken", "dose-missed", "dispenser-forced"}
}
