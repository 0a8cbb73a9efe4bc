package medication

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/schedule"
)

// Rule keys. Late and missed doses carry the medicine behind a dot, so that the desk lists one item per medicine.
const (
	RuleLate   = "dose-late"
	RuleMissed = "dose-missed"
	RuleDouble = "dose-double"
	RuleHeld   = "dose-on-hold"
	RuleForced = "dispenser-forced"
)

// lookBack is how far evaluate looks: what is older is history, and never raised as if it were new.
const lookBack = 48 * time.Hour

// deadline is called by the schedule when something about a patient's doses changes by itself.
func (m *Medication) deadline(ctx context.Context, d schedule.Deadline) error {
	return m.evaluate(access.AsSystem(ctx, "medication"), strings.TrimPrefix(d.Key, "medication/"))
}

func (m *Medication) evaluateLogged(ctx context.Context, patient string) {
	if err := m.evaluate(ctx, patient); err != nil && ctx.Err() == nil {
		m.host.Log.Error("medication.evaluate.failed", "patient", patient, "error", err)
		// The deadline makes it up: soon, and again until it goes well.
		if err := m.host.Schedule.At(ctx, "medication/"+patient, m.host.Now().Add(time.Minute), nil); err != nil {
			m.host.Log.Error("medication.deadline.failed", "patient", patient, "error", err)
		}
	}
}

// evaluate brings the desk in line with a patient's doses and sets the deadline of the next change. It may be repeated
// at any time: what it raises has an id made from the dose.
//
//	late    task      chain task: the nurse, then the charge nurse after half an hour
//	missed  task      low priority, chain low: nothing can be done about it any more but to know and to ask
//	double  alarm     medium priority, with evidence; listed until acknowledged and the watch time is over
//	forced  alarm     technical
func (m *Medication) evaluate(ctx context.Context, patient string) error {
	turn := m.turn(patient)
	turn.Lock()
	defer turn.Unlock()
	now := m.host.Now()
	c, err := m.chartOf(ctx, patient, now.Add(-lookBack), now.Add(24*time.Hour))
	if err != nil {
		return err
	}
	d := &desk{m: m, subject: vigil.PatientSubject(patient), now: now, doses: c.doses}
	if d.known, err = m.host.Desk.List(ctx, alarm.Query{Subject: d.subject, From: now.Add(-lookBack - 24*time.Hour)}); err != nil {
		return err
	}
	for i := range c.doses {
		if err := d.dose(ctx, &c.doses[i]); err != nil {
			return err
		}
	}
	for _, x := range c.misuse {
		if err := d.misuse(ctx, x); err != nil {
			return err
		}
	}
	for _, at := range c.forced {
		if err := d.forced(ctx, at, c.device[at]); err != nil {
			return err
		}
	}
	if d.next.IsZero() {
		return m.host.Schedule.Cancel(ctx, "medication/"+patient)
	}
	return m.host.Schedule.At(ctx, "medication/"+patient, d.next, nil)
}

// desk brings one patient's items on the desk in line.
type desk struct {
	m       *Medication
	subject vigil.Subject
	now     time.Time
	doses   []Dose
	known   []vigil.Alarm
	next    time.Time // of the next change by itself
}

func (d *desk) due(at time.Time) {
	if at.After(d.now) && (d.next.IsZero() || at.Before(d.next)) {
		d.next = at
	}
}

func (d *desk) dose(ctx context.Context, x *Dose) error {
	switch x.State {
	case Upcoming, Due:
		d.due(x.To)
	case Late:
		d.due(x.Missed)
	}
	if x.Missed.Before(d.now.Add(-lookBack)) || x.Due.Before(x.Order.Known) {
		return nil
	}
	late, missed := RuleLate+"."+x.Order.Code, RuleMissed+"."+x.Order.Code
	switch x.State {
	case Late:
		return d.raise(ctx, vigil.Alarm{Kind: vigil.KindTask, Priority: vigil.PriorityNone, Rule: late, Onset: x.To, Chain: "task",
			Title: x.Order.Name + " is late", Text: fmt.Sprintf("due %s, not taken yet", clock(x.Due))}, x.To)
	case Missed:
		if err := d.end(ctx, late, x.To); err != nil {
			return err
		}
		return d.raise(ctx, vigil.Alarm{Kind: vigil.KindTask, Priority: vigil.PriorityLow, Rule: missed, Onset: x.Missed, Chain: "low",
			Title: x.Order.Name + " missed", Text: fmt.Sprintf("due %s, not taken", clock(x.Due))}, x.Due)
	case Given, Held:
		if err := d.end(ctx, late, x.To); err != nil {
			return err
		}
		for i := range d.doses { // the item may stand for a later dose of the medicine too
			if y := &d.doses[i]; y.State == Missed && y.Order.Code == x.Order.Code && y.Due.After(x.Due) {
				return nil
			}
		}
		return d.end(ctx, missed, x.Due)
	}
	return nil
}

func (d *desk) misuse(ctx context.Context, x Misuse) error {
	if x.At.Before(x.Order.Known) {
		return nil
	}
	rule, title := RuleDouble+"."+x.Order.Code, "Double dose"
	switch x.Kind {
	case MisuseOutside:
		return nil // shown beside the patient; nobody is called for it
	case MisuseHold:
		rule, title = RuleHeld+"."+x.Order.Code, "Taken while on hold"
	}
	return d.moment(ctx, vigil.Alarm{Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityMedium, Rule: rule, Onset: x.At, Chain: "medium",
		Latched: true, Title: title, Text: sentence(x, d.m.cfg.Location), Evidence: &vigil.Evidence{Sentence: sentence(x, d.m.cfg.Location), Lines: []vigil.EvidenceLine{}, Facts: facts(x, d.m.cfg.Location)}})
}

func (d *desk) forced(ctx context.Context, at time.Time, dev vigil.DeviceID) error {
	return d.moment(ctx, vigil.Alarm{Kind: vigil.KindAlarm, Class: vigil.Technical, Priority: vigil.PriorityLow, Rule: RuleForced, Device: dev, Onset: at, Chain: "technical",
		Latched: true, Title: "Dispenser forced open", Text: "opened by force at " + clock(at.In(d.m.cfg.Location)),
		Evidence: &vigil.Evidence{Sentence: "The dispenser reported that it was opened by force.", Lines: []vigil.EvidenceLine{}}})
}

// moment raises what happened at a moment and has no end of its own: it stays active, so that it escalates, for the watch time.
func (d *desk) moment(ctx context.Context, a vigil.Alarm) error {
	if a.Onset.Before(d.now.Add(-lookBack)) || a.Onset.After(d.now) {
		return nil
	}
	end := a.Onset.Add(d.m.cfg.Watch)
	if !d.now.Before(end) && d.find(a.Rule, a.Device, a.Onset) == nil {
		end = d.now.Add(d.m.cfg.Watch) // learned of late: it is watched from now on
	}
	if d.now.Before(end) {
		d.due(end)
		return d.raise(ctx, a, a.Onset)
	}
	if was := d.find(a.Rule, a.Device, a.Onset); was.Active() && d.now.Sub(was.Raised) >= d.m.cfg.Watch {
		return d.m.host.Desk.End(ctx, was.ID, d.now)
	} else if was.Active() {
		d.due(was.Raised.Add(d.m.cfg.Watch))
	}
	return nil
}

// raise puts an item on the desk unless it is, or was, there: under its own id, or under the id of an item of the same
// rule that was open when this began and stood for both.
func (d *desk) raise(ctx context.Context, a vigil.Alarm, start time.Time) error {
	a.Subject = d.subject
	a.ID = alarm.ID(a.Rule, a.Subject, a.Device, start)
	was := d.find(a.Rule, a.Device, a.Onset)
	if was != nil && was.ID != a.ID && a.Kind == vigil.KindAlarm && was.Open() && d.unheard(*was, a) {
		return d.m.host.Desk.Mark(ctx, was.ID, vigil.AlarmStep{What: "note", Text: a.Text})
	}
	if was != nil {
		return nil
	}
	_, err := d.m.host.Desk.Raise(ctx, a)
	return err
}

// unheard reports whether the item's history does not tell yet of what a is about.
func (d *desk) unheard(was, a vigil.Alarm) bool {
	for _, s := range was.History {
		if s.What == "note" && s.Text == a.Text {
			return false
		}
	}
	return true
}

// find returns the item of the rule that began at, or was open at, the time.
func (d *desk) find(rule string, dev vigil.DeviceID, at time.Time) *vigil.Alarm {
	for i := range d.known {
		a := &d.known[i]
		if a.Rule != rule || a.Device != dev || a.Onset.After(at) {
			continue
		}
		if a.Onset.Equal(at) || a.Open() || !a.Resolved.Before(at) {
			return a
		}
	}
	return nil
}

// end closes the item that began with a dose, when that was taken or held after all.
func (d *desk) end(ctx context.Context, rule string, start time.Time) error {
	id := alarm.ID(rule, d.subject, "", start)
	for i := range d.known {
		if a := &d.known[i]; a.ID == id && a.Open() && a.Active() {
			return d.m.host.Desk.End(ctx, id, d.now)
		}
	}
	return nil
}

func clock(t time.Time) string { return t.Format("15:04") }

func sentence(x Misuse, loc *time.Location) string {
	at := clock(x.At.In(loc))
	switch {
	case x.Kind == MisuseHold:
		return fmt.Sprintf("%s was taken at %s although it is on hold", x.Order.Name, at)
	case x.Kind == MisuseOutside:
		return fmt.Sprintf("%s was taken at %s, outside its time", x.Order.Name, at)
	case x.Dose != nil:
		return fmt.Sprintf("%s for %s was taken at %s and again at %s", x.Order.Name, clock(x.Dose.Due), clock(x.First.In(loc)), at)
	}
	return fmt.Sprintf("%s was taken %s that day, %d prescribed", x.Order.Name, times(x.Count), x.Asked)
}

func facts(x Misuse, loc *time.Location) []string {
	out := []string{fmt.Sprintf("Taken %s on %s, %d prescribed", times(x.Count), x.At.In(loc).Format("2 Jan"), x.Asked)}
	if x.Order.Dose != "" {
		out = append(out, "Prescribed: "+x.Order.Dose)
	}
	return out
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}
