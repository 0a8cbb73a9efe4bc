package sim

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

const (
	storyBeat = 20 * time.Second // how often a patch says its numbers
	keepMax   = 10_000           // readings a patch keeps while nobody hears it
)

// Teller tells one story on one stage.
//
//	line ─► body, device ─► message ─► Stage.Send        every 20 s of the story each patch speaks
//	     ├► person ────────────────► Stage.Act, Talk
//	     └► expect ────────────────► Stage.Alarms, Value  asked again until true or too late
type Teller struct {
	Story    *Story
	Hospital *Hospital
	Stage    Stage
	Cast     map[string]Role // patients by the name in the story
	// Speed shortens the time in which nothing is awaited; 1 on a virtual clock. While somebody waits for Vigil (an
	// expectation, a silent device) a second is a second, since Vigil's own clock cannot be hurried.
	Speed float64
	// Poll is how often an expectation is asked again; 1 s when 0.
	Poll time.Duration
	// Tell is called after each line.
	Tell func(Told)

	at      time.Duration // story time
	next    time.Duration // of the next beat
	event   time.Duration // story time of the last line that was no expectation
	since   time.Time     // the same by the stage's clock
	anchors []anchor
	before  []string // alarms that were there when the story began
	lives   map[string]*told
	order   []*told
	skip    bool // an application is missing
	talk    string
}

// anchor ties a moment of the story to the stage's clock.
type anchor struct {
	at  time.Duration
	now time.Time
}

// told is a patient in the story.
type told struct {
	Role
	now     Vitals
	ratio   float64 // diastolic follows systolic until it is told itself
	battery float64
	leadOff bool
	silent  bool
	lost    bool
	kept    [][]byte
	said    time.Duration // story time of the last message
}

// Run tells the story to its end. The error says that it could not be told; expectations that failed are in Tell and
// in the count.
func (t *Teller) Run(ctx context.Context) (failed int, err error) {
	if t.Speed <= 0 {
		t.Speed = 1
	}
	t.Poll = cmp.Or(t.Poll, time.Second)
	t.lives = map[string]*told{}
	for _, name := range t.Story.Patients() {
		role, ok := t.Cast[name]
		if !ok {
			return 0, vigil.Errorf(vigil.Invalid, "story.cast", "nobody plays %s", name)
		}
		l := &told{Role: role, now: role.Vitals, said: -1, ratio: role.Vitals.Dia / role.Vitals.Sys, battery: 80}
		t.lives[name] = l
		t.order = append(t.order, l)
	}
	t.since = t.mark()
	before, err := t.alarms(ctx)
	if err != nil {
		return 0, err
	}
	for i := range before {
		t.before = append(t.before, before[i].ID)
	}
	for i := range t.Story.Lines {
		l := &t.Story.Lines[i]
		if l.Timed {
			if err := t.advance(ctx, l.At, t.Speed); err != nil {
				return failed, err
			}
		}
		out := Told{Line: l, At: t.at, OK: true}
		switch {
		case l.Expects() && t.skip:
			out.Skipped = true
		case l.Expects():
			err = t.expect(ctx, l, &out)
		default:
			t.event, t.since = t.at, t.Stage.Now()
			err = t.do(ctx, l, &out)
		}
		if err != nil {
			return failed, fmt.Errorf("%s: %w", place(t.Story.Name, l.No), err)
		}
		if !out.OK {
			failed++
		}
		if t.Tell != nil {
			t.Tell(out)
		}
	}
	return failed, nil
}

// mark ties the present moment of the story to the clock and returns the clock.
func (t *Teller) mark() time.Time {
	now := t.Stage.Now()
	t.anchors = append(t.anchors, anchor{t.at, now})
	return now
}

// clock returns the stage's time at a moment of the story that has passed.
func (t *Teller) clock(at time.Duration) time.Time {
	i, _ := slices.BinarySearchFunc(t.anchors, at, func(a anchor, at time.Duration) int {
		if a.at <= at {
			return -1
		}
		return 1
	})
	a := t.anchors[max(i-1, 0)]
	return a.now.Add(at - a.at)
}

// advance lets the story go on to a moment, patches speaking on the way.
func (t *Teller) advance(ctx context.Context, to time.Duration, speed float64) error {
	for {
		if t.at >= t.next && t.at < to { // what happens at `to` is said with it
			if err := t.beat(ctx); err != nil {
				return err
			}
			t.next = t.at + storyBeat
		}
		step := min(max(t.next, t.at), to) - t.at
		if t.at >= to {
			return nil
		}
		if slices.ContainsFunc(t.order, func(l *told) bool { return l.silent || l.lost }) {
			speed = 1
		}
		if err := t.Stage.Wait(ctx, time.Duration(float64(step)/speed)); err != nil {
			return err
		}
		t.at += step
	}
}

func (t *Teller) beat(ctx context.Context) error {
	now := t.mark()
	for _, l := range t.order {
		if l.said == t.at {
			continue
		}
		if err := t.say(ctx, l, now); err != nil {
			return err
		}
	}
	return nil
}

// say sends what the patch measures, or keeps it while the connection is lost.
func (t *Teller) say(ctx context.Context, l *told, now time.Time) error {
	if l.said = t.at; l.silent || l.Patch == "" {
		return nil
	}
	return t.hand(ctx, l, l.message(now).end())
}

func (t *Teller) hand(ctx context.Context, l *told, payload []byte) error {
	if l.lost {
		if len(l.kept) < keepMax {
			l.kept = append(l.kept, payload)
		}
		return nil
	}
	return t.Stage.Send(ctx, l.Patch, payload)
}

// message is what the smart patch says; with the lead off it measures no heart rate and no breath.
func (l *told) message(at time.Time) *message {
	v := l.now
	m := newMessage(at)
	if !l.leadOff {
		m.num("hr", v.HR, 0).num("rr", v.RR, 0)
	}
	return m.num("spo2", v.SpO2, 0).num("sys", v.Sys, 0).num("dia", v.Dia, 0).num("map", v.Mean(), 0).num("temp", v.Temp, 1).num("bat", l.battery, 0)
}

// do lets happen what a line tells.
func (t *Teller) do(ctx context.Context, l *Line, out *Told) error {
	switch {
	case l.Do == NeedApp:
		if !t.Stage.Has(ctx, l.Name) {
			t.skip, out.Skipped = true, true
			out.Detail = "the application " + l.Name + " does not run here: what follows is told, but not expected"
		}
		return nil
	case l.ofBody():
		return t.body(ctx, l, t.lives[l.Who])
	}
	if t.skip {
		out.Skipped = true
		return nil
	}
	if p, ok := t.Cast[l.Who]; ok && p.Mute {
		out.Skipped, out.Detail = true, "an invented patient has no account"
		return nil
	}
	err := t.person(ctx, l)
	if k := vigil.KindOf(err); k == vigil.Conflict || k == vigil.NotFound || k == vigil.Denied {
		out.OK, out.Detail = false, vigil.Message(err)
		return nil
	}
	return err
}

func (t *Teller) body(ctx context.Context, l *Line, p *told) error {
	now := t.mark()
	switch l.Do {
	case DoVitals:
		for _, v := range l.Vitals {
			p.set(v)
		}
	case DoBattery:
		p.battery = l.Value
	case DoLead:
		p.leadOff = l.Name == "off"
		return t.hand(ctx, p, p.message(now).text("event", "lead_"+l.Name).end())
	case DoSilent:
		p.silent = true
	case DoLose:
		p.lost = true
	case DoReconnect:
		kept := p.kept
		p.silent, p.lost, p.kept = false, false, nil
		for _, m := range kept {
			if err := t.Stage.Send(ctx, p.Patch, m); err != nil {
				return err
			}
		}
	case DoTake, DoMiss:
		if p.Dispenser == "" {
			return vigil.Errorf(vigil.Invalid, "story.dose", "%s has no pill dispenser", l.Who)
		}
		event := map[Deed]string{DoTake: "taken", DoMiss: "missed"}[l.Do]
		return t.Stage.Send(ctx, p.Dispenser, newMessage(now).text("event", event).text("medication", l.Name).end())
	}
	return t.say(ctx, p, now)
}

func (p *told) set(v Vital) {
	_, field, _ := vitalOf(v.Name)
	*field(&p.now) = v.Value
	switch v.Name {
	case "systolic":
		p.now.Dia = math.Round(v.Value * p.ratio)
	case "diastolic":
		p.ratio = p.now.Dia / p.now.Sys
	}
}

// alarms returns the alarms of the story's patients since it began, the latest first. The second before allows for a
// clock that differs from Vigil's; what was raised in it by something else is not the story's.
func (t *Teller) alarms(ctx context.Context) (out []vigil.Alarm, err error) {
	for _, l := range t.order {
		list, err := t.Stage.Alarms(ctx, l.Patient, t.anchors[0].now.Add(-time.Second))
		if err != nil {
			return nil, err
		}
		for i := range list {
			if !slices.Contains(t.before, list[i].ID) {
				out = append(out, list[i])
			}
		}
	}
	slices.SortStableFunc(out, func(a, b vigil.Alarm) int { return b.Raised.Compare(a.Raised) })
	return out, nil
}

// about returns the alarm that somebody turns to: by name, else the most urgent that is open, else the last.
func (t *Teller) about(ctx context.Context, name string) (vigil.Alarm, error) {
	list, err := t.alarms(ctx)
	if err != nil {
		return vigil.Alarm{}, err
	}
	var best *vigil.Alarm
	for i := range list {
		a := &list[i]
		if !isNamed(a, name) {
			continue
		}
		if best == nil || a.Open() && !best.Open() || a.Open() == best.Open() && a.Priority > best.Priority {
			best = a
		}
	}
	if best == nil {
		return vigil.Alarm{}, vigil.Errorf(vigil.NotFound, "story.alarm", "there is no alarm %s", name)
	}
	return *best, nil
}

// person lets somebody act.
func (t *Teller) person(ctx context.Context, l *Line) error {
	actions := map[Deed]string{DoSee: "seen", DoAcknowledge: "acknowledge", DoPass: "pass", DoEscalate: "escalate", DoNote: "note", DoOrder: "act"}
	text := ""
	if len(l.Words) > 0 {
		text = l.Words[0]
	}
	if a := actions[l.Do]; a != "" {
		al, err := t.about(ctx, l.Name)
		if err != nil {
			return err
		}
		return t.Stage.Act(ctx, l.Who, al.ID, Act{a, text})
	}
	if l.Do == DoVideo {
		t.talk = t.lives[l.Name].Patient
		al, err := t.about(ctx, "")
		if err != nil && vigil.KindOf(err) != vigil.NotFound {
			return err
		}
		if err := t.Stage.Talk(ctx, l.Who, Talk{Verb: "open", Patient: t.talk, Alarm: al.ID}); err != nil {
			return err
		}
		return t.Stage.Talk(ctx, l.Who, Talk{Verb: "join", Patient: t.talk})
	}
	if p, ok := t.Cast[l.Who]; ok {
		t.talk = p.Patient
	}
	talk := Talk{Verb: map[Deed]string{DoJoin: "join", DoLeave: "leave", DoWrite: "write", DoClose: "close"}[l.Do], Patient: t.talk, Text: text}
	if talk.Patient == "" {
		return vigil.Errorf(vigil.NotFound, "story.talk", "there is no consult yet; somebody opens video with a patient first")
	}
	if l.Do == DoClose {
		talk.Action = l.Words[1]
	}
	return t.Stage.Talk(ctx, l.Who, talk)
}

// expect asks until the line is true or its time is over.
func (t *Teller) expect(ctx context.Context, l *Line, out *Told) error {
	for {
		ok, detail, err := t.holds(ctx, l)
		if err != nil {
			return err
		}
		over := t.at >= t.event+l.Within
		out.OK, out.Detail, out.After = ok, detail, t.Stage.Now().Sub(t.since)
		if l.Do == ExpectNone && (!ok || over) || l.Do != ExpectNone && (ok || over) {
			out.At = t.at
			return nil
		}
		if err := t.advance(ctx, min(t.at+t.Poll, t.event+l.Within), 1); err != nil {
			return err
		}
	}
}

// holds reports whether an expectation is true now, and what was found instead.
func (t *Teller) holds(ctx context.Context, l *Line) (ok bool, found string, err error) {
	if l.Do == ExpectTrend {
		return t.trend(ctx, l)
	}
	list, err := t.alarms(ctx)
	if err != nil {
		return false, "", err
	}
	since := t.since.Add(-time.Millisecond)
	found = "there is no such alarm"
	for i := range list {
		a := &list[i]
		switch l.Do {
		case ExpectPaged:
			name := t.Hospital.DisplayName(l.Who)
			if slices.ContainsFunc(a.History, func(s vigil.AlarmStep) bool { return s.What == "paged" && s.Who == name && !s.At.Before(since) }) {
				return true, a.Title, nil
			}
			found = "nobody called " + name + " was paged"
		case ExpectHistory:
			if slices.ContainsFunc(a.History, func(s vigil.AlarmStep) bool { return s.What == l.Name }) {
				return true, a.Title, nil
			}
			found = "no alarm has the step " + l.Name
		case ExpectAlarm:
			if isNamed(a, l.Name) {
				if reached(a, l.State) {
					return true, a.Title, nil
				}
				found = a.Title + " is " + string(a.State)
			}
		case ExpectNone:
			if isNamed(a, l.Name) && !a.Raised.Before(since) {
				return false, a.Title + " was raised", nil
			}
		}
	}
	if l.Do == ExpectNone {
		return true, "", nil
	}
	return false, found, nil
}

// reached reports whether the alarm has come to the state; each later one includes those before.
func reached(a *vigil.Alarm, state vigil.AlarmState) bool {
	switch state {
	case vigil.AlarmAcknowledged:
		return a.AckedBy != ""
	case vigil.AlarmResolved:
		return a.State == vigil.AlarmResolved
	}
	return true
}

func (t *Teller) trend(ctx context.Context, l *Line) (bool, string, error) {
	metric, _, _ := vitalOf(l.Name)
	if l.When > t.at {
		return false, "that moment is still to come", nil
	}
	v, ok, err := t.Stage.Value(ctx, t.lives[l.Who].Patient, metric, t.clock(l.When))
	switch {
	case err != nil:
		return false, "", err
	case !ok:
		return false, "the trend has no value there", nil
	}
	return math.Abs(v-l.Value) < 0.5, fmt.Sprintf("the trend says %g", v), nil
}
