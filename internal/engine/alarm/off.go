package alarm

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Off turns the signals of alarms off for a while: they are raised, listed and kept as always, but page nobody and make
// no sound until it ends (IEC 60601-1-8:2006 6.8, inactivation of alarm signals). It ends by itself.
type Off struct {
	ID       string           `json:"id"` // given by who asks, so that asking twice turns off once
	Subject  vigil.Subject    `json:"subject,omitempty"`
	Bed      string           `json:"bed,omitempty"` // Location id
	Unit     string           `json:"unit,omitempty"`
	Rule     string           `json:"rule,omitempty"`
	Class    vigil.AlarmClass `json:"class,omitempty"` // "" both
	Priority vigil.Priority   `json:"priority"`        // the highest that is turned off
	Reason   string           `json:"reason"`
	By       string           `json:"by"`      // account id
	ByName   string           `json:"by_name"` // display name
	From     time.Time        `json:"from"`
	Until    time.Time        `json:"until"`
	Ended    time.Time        `json:"ended,omitzero"`     // before or at Until
	EndedBy  string           `json:"ended_by,omitempty"` // display name, "" by itself
}

// Offs keeps what is turned off. Calls may be concurrent.
type Offs interface {
	// Put writes one, new or not, and returns once it is on disk.
	Put(ctx context.Context, o Off) error
	// Get returns one, or NotFound.
	Get(ctx context.Context, id string) (Off, error)
	// List returns those that have not ended, or the last 500 of all, newest first.
	List(ctx context.Context, standing bool) ([]Off, error)
}

// DefaultOffLimits is how long alarms of a priority may be turned off where the site says nothing.
func DefaultOffLimits() map[vigil.Priority]time.Duration {
	return map[vigil.Priority]time.Duration{vigil.PriorityHigh: 30 * time.Minute, vigil.PriorityMedium: 2 * time.Hour, vigil.PriorityLow: 12 * time.Hour}
}

// offs is what stands, with deadlines on the running clock.
type offs struct {
	mu      sync.Mutex
	put     sync.Mutex // orders writes
	list    []Off
	version uint64
	dirty   bool // alarms must be compared with the list
}

func (o *offs) standing() ([]Off, uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.list), o.version
}

func (o *offs) set(change func(list []Off) []Off) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.list = change(slices.Clone(o.list))
	o.version++
	o.dirty = true
}

// covers reports whether the alarm makes no signals because of o. Calls and tasks are never turned off.
func (o Off) covers(a vigil.Alarm, bed string) bool {
	return a.Kind == vigil.KindAlarm && a.Priority <= o.Priority && (o.Class == "" || o.Class == a.Class) &&
		(o.Subject == "" || o.Subject == a.Subject) && (o.Bed == "" || o.Bed == bed) &&
		(o.Unit == "" || o.Unit == a.Unit) && (o.Rule == "" || o.Rule == a.Rule)
}

// TurnOff turns alarms off for the principal of ctx until o.Until and returns what stands then. Asking again with the
// same ID answers the same. It returns Invalid without id, scope, reason or a time within the site's limit, and Denied
// for who may not: high-priority physiological alarms are turned off by a physician alone.
func (d *Desk) TurnOff(ctx context.Context, o Off) (Off, error) {
	if d.cfg.Offs == nil {
		return Off{}, vigil.Errorf(vigil.Unavailable, "alarm.off", "nothing keeps what is turned off")
	}
	p, err := mayTurnOff(ctx, o)
	if err != nil {
		return Off{}, err
	}
	d.offs.put.Lock()
	defer d.offs.put.Unlock()
	if o.ID != "" {
		if old, err := d.cfg.Offs.Get(ctx, o.ID); vigil.KindOf(err) != vigil.NotFound {
			return old, err
		}
	}
	now := d.cfg.Now()
	if err := d.checkOff(o, now); err != nil {
		return Off{}, err
	}
	o.By, o.ByName, o.From, o.Ended, o.EndedBy = p.ID, p.Name, now, time.Time{}, ""
	o.Until = now.Add(o.Until.Sub(now)) // on the running clock
	if err := d.cfg.Offs.Put(context.WithoutCancel(ctx), o); err != nil {
		return Off{}, err
	}
	d.offs.set(func(list []Off) []Off { return append(list, o) })
	d.auditOff(ctx, o, "off", o.Reason)
	d.compareOffs(access.AsSystem(ctx, systemRoom))
	d.nudge()
	return o, nil
}

func (d *Desk) checkOff(o Off, now time.Time) error {
	bad := vigil.Errorf(vigil.Invalid, "alarm.off", "alarms cannot be turned off like this")
	fault := func(path, msg string) { bad.Faults = append(bad.Faults, vigil.Fault{Path: path, Msg: msg}) }
	if o.ID == "" {
		fault("/id", "is missing")
	}
	if o.Subject == "" && o.Bed == "" && o.Unit == "" && o.Rule == "" {
		fault("/subject", "name a patient, a bed, a unit or a rule")
	}
	if o.Subject != "" && !o.Subject.Valid() {
		fault("/subject", "is no patient and no place")
	}
	if o.Class != "" && o.Class != vigil.Physiological && o.Class != vigil.Technical {
		fault("/class", "is physiological or technical")
	}
	if len(strings.TrimSpace(o.Reason)) < 3 || len(o.Reason) > 500 {
		fault("/reason", "has 3 to 500 characters")
	}
	limit, ok := d.cfg.OffLimits[o.Priority]
	switch length := o.Until.Sub(now); {
	case o.Priority < vigil.PriorityLow || o.Priority > vigil.PriorityHigh || !ok:
		fault("/priority", "is low, medium or high")
	case length <= 0:
		fault("/until", "lies in the past")
	case length > limit:
		fault("/until", "alarms of "+o.Priority.String()+" priority can be turned off for at most "+limit.String())
	}
	if len(bad.Faults) == 0 {
		return nil
	}
	bad.Msg += ": " + bad.Faults[0].Path[1:] + " " + bad.Faults[0].Msg
	return bad
}

func mayTurnOff(ctx context.Context, o Off) (access.Principal, error) {
	p, ok := access.From(ctx)
	switch {
	case !ok:
		return p, vigil.Errorf(vigil.Denied, "alarm.off", "not signed in")
	case p.Has(access.Physician):
		return p, nil
	case o.Priority >= vigil.PriorityHigh && o.Class != vigil.Technical:
		return p, vigil.Errorf(vigil.Denied, "alarm.off", "high-priority alarms of a patient's state are turned off by a physician")
	case p.Clinical(), p.Has(access.Engineer) && o.Class == vigil.Technical:
		return p, nil
	}
	return p, vigil.Errorf(vigil.Denied, "alarm.off", "your role does not turn these alarms off")
}

// TurnOn ends it before its time. One that has ended is left as it is. It returns NotFound, or Denied for patients.
func (d *Desk) TurnOn(ctx context.Context, id string) (Off, error) {
	p, ok := access.From(ctx)
	if !ok || !p.Clinical() && !p.Has(access.Engineer) {
		return Off{}, vigil.Errorf(vigil.Denied, "alarm.on", "your role does not turn alarms on")
	}
	if d.cfg.Offs == nil {
		return Off{}, vigil.Errorf(vigil.NotFound, "alarm.on", "nothing is turned off")
	}
	o, err := d.cfg.Offs.Get(ctx, id)
	if err != nil || !o.Ended.IsZero() {
		return o, err
	}
	return d.endOff(ctx, o, whoOf(ctx))
}

// endOff ends it, durably, and lets its alarms sound again.
func (d *Desk) endOff(ctx context.Context, o Off, by string) (Off, error) {
	d.offs.put.Lock()
	defer d.offs.put.Unlock()
	list, _ := d.offs.standing()
	if !slices.ContainsFunc(list, func(x Off) bool { return x.ID == o.ID }) {
		return d.cfg.Offs.Get(ctx, o.ID) // somebody was quicker
	}
	o.Ended, o.EndedBy = d.cfg.Now(), by
	if err := d.cfg.Offs.Put(context.WithoutCancel(ctx), o); err != nil {
		return o, err
	}
	d.offs.set(func(list []Off) []Off { return slices.DeleteFunc(list, func(x Off) bool { return x.ID == o.ID }) })
	d.auditOff(ctx, o, "on_again", "")
	d.compareOffs(access.AsSystem(ctx, systemRoom))
	d.nudge()
	return o, nil
}

// Offs returns what is turned off now, the first to end first, and a number that grows with every change.
// It is for staff.
func (d *Desk) Offs(ctx context.Context) ([]Off, uint64, error) {
	if p, ok := access.From(ctx); !ok || !p.Clinical() && !p.Has(access.Engineer) {
		return nil, 0, vigil.Errorf(vigil.Denied, "alarm.off", "what is turned off is for staff")
	}
	list, version := d.offs.standing()
	slices.SortFunc(list, func(a, b Off) int { return a.Until.Compare(b.Until) })
	return list, version, nil
}

// PastOffs returns the last 500, ended or not, newest first. It is for staff.
func (d *Desk) PastOffs(ctx context.Context) ([]Off, error) {
	if _, _, err := d.Offs(ctx); err != nil || d.cfg.Offs == nil {
		return nil, err
	}
	return d.cfg.Offs.List(ctx, false)
}

// OffLimits returns how long alarms of each priority may be turned off.
func (d *Desk) OffLimits() map[vigil.Priority]time.Duration { return d.cfg.OffLimits }

// offFor returns what turns the alarm off, the last to end, and false when nothing does.
func (d *Desk) offFor(a vigil.Alarm) (out Off, found bool) {
	list, _ := d.offs.standing()
	if len(list) == 0 {
		return out, false
	}
	bed := ""
	if d.cfg.BedOf != nil {
		bed = d.cfg.BedOf(a.Subject)
	}
	for _, o := range list {
		if o.covers(a, bed) && (!found || o.Until.After(out.Until)) {
			out, found = o, true
		}
	}
	return out, found
}

// hush takes the deadlines off an alarm that is turned off, and reports whether it is.
func (d *Desk) hush(a *vigil.Alarm) bool {
	o, found := d.offFor(*a)
	if !found {
		a.Off = nil
		return false
	}
	if a.Off == nil || a.Off.ID != o.ID {
		d.note(a, "off", o.ByName, o.Reason)
	}
	a.Off = &vigil.AlarmOff{ID: o.ID, By: o.ByName, Reason: o.Reason, Until: o.Until}
	rest(a)
	return true
}

// restoreOffs reads what stood. One whose end lies further ahead than it was ever meant to last comes from a clock that
// has gone back since.
func (d *Desk) restoreOffs(ctx context.Context, now time.Time) error {
	if d.cfg.Offs == nil {
		return nil
	}
	list, err := d.cfg.Offs.List(ctx, true)
	if err != nil {
		return err
	}
	for i, o := range list {
		list[i].Until = now.Add(min(o.Until.Round(0).Sub(now), o.Until.Sub(o.From)))
	}
	d.offs.set(func([]Off) []Off { return list })
	return nil
}

// tickOffs ends what is over, compares alarms when something changed, and returns when the next ends.
func (d *Desk) tickOffs(ctx context.Context, now time.Time) (next time.Time) {
	list, _ := d.offs.standing()
	for _, o := range list {
		if o.Until.After(now) {
			next = earlier(next, o.Until)
			continue
		}
		if _, err := d.endOff(ctx, o, ""); err != nil {
			d.cfg.Log.Error("end of alarms off not stored", "off", o.ID, "error", err)
			next = earlier(next, now.Add(tickEvery))
		}
	}
	d.offs.mu.Lock()
	dirty := d.offs.dirty
	d.offs.mu.Unlock()
	if dirty && !d.compareOffs(ctx) {
		next = earlier(next, now.Add(tickEvery))
	}
	return next
}

// compareOffs silences open alarms that are turned off and begins the chain of those that are not any more. It is made
// good after a kill, since it looks only at what is kept. It reports whether all was stored.
func (d *Desk) compareOffs(ctx context.Context) bool {
	d.offs.mu.Lock()
	d.offs.dirty = false
	d.offs.mu.Unlock()
	whole := true
	for _, e := range d.entries() {
		if _, err := d.change(ctx, e, func(a *vigil.Alarm) ([]Page, error) { return d.compareOff(ctx, a) }); err != nil && vigil.KindOf(err) != vigil.Conflict {
			d.cfg.Log.Error("alarms off not stored with an alarm", "error", err)
			whole = false
		}
	}
	if !whole {
		d.offs.mu.Lock()
		d.offs.dirty = true
		d.offs.mu.Unlock()
	}
	return whole
}

func (d *Desk) compareOff(ctx context.Context, a *vigil.Alarm) ([]Page, error) {
	was := a.Off
	if d.hush(a) {
		if was != nil && was.ID == a.Off.ID {
			return nil, errUnchanged
		}
		return nil, nil
	}
	if was == nil {
		return nil, errUnchanged
	}
	d.note(a, "on_again", "", "")
	if !a.Active() || acknowledged(*a) {
		return nil, nil
	}
	now := d.cfg.Now()
	a.State = vigil.AlarmRaised
	d.begin(a, now)
	return d.advance(ctx, a, now)
}

func (d *Desk) auditOff(ctx context.Context, o Off, what, text string) {
	if d.cfg.Audit != nil {
		d.cfg.Audit(ctx, AuditEvent{Alarm: o.ID, Subject: o.Subject, What: what, Text: text, At: d.cfg.Now()})
	}
}
