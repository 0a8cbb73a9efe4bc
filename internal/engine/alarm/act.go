package alarm

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Kinds of action, as in the routes of the application API.
const (
	Seen        = "seen"
	Acknowledge = "acknowledge"
	Pause       = "pause" // audio, two minutes unless Until says otherwise
	Escalate    = "escalate"
	Pass        = "pass"
	Note        = "note"
	Act         = "act"
	Resolve     = "resolve"
	Going       = "going" // calls and tasks: "I'm going"
	Judge       = "judge" // "Was it real?"
)

const (
	audioPause    = 2 * time.Minute
	audioPauseMax = 30 * time.Minute // longer than two minutes needs a reason
	bulkMax       = 500              // alarms acknowledged at once
)

// Action is what a person does to an alarm.
type Action struct {
	Kind   string
	Reason string
	Text   string
	Until  time.Time   // pause: end of the pause
	To     *Recipient  // pass: to whom; nil hands over to the chain's next step
	Truth  vigil.Truth // judge: what it turned out to be
	// Command names what is asked for once: an action whose command the alarm has seen is answered and not taken again.
	Command string
}

// Do takes an action for the principal of ctx and returns the alarm afterwards, once that is on disk. It returns
// Invalid for an unknown action or missing text, NotFound, Denied, and Conflict when the alarm's state forbids it.
func (d *Desk) Do(ctx context.Context, id string, act Action) (vigil.Alarm, error) {
	a, err := d.do(ctx, id, act)
	if err == nil && act.Kind == Judge && d.cfg.Judged != nil {
		d.cfg.Judged(ctx, a)
	}
	return a, err
}

func (d *Desk) do(ctx context.Context, id string, act Action) (vigil.Alarm, error) {
	fn, ok := d.actions()[act.Kind]
	if !ok {
		return vigil.Alarm{}, vigil.Errorf(vigil.Invalid, "alarm.do", "%q is not an action on an alarm", act.Kind)
	}
	e := d.find(id)
	if e == nil {
		return d.doClosed(ctx, id, act)
	}
	return d.change(ctx, e, func(a *vigil.Alarm) ([]Page, error) {
		if err := mayAct(ctx, *a); err != nil {
			return nil, err
		}
		if act.done(*a) {
			return nil, errUnchanged
		}
		before := len(a.History)
		pages, err := fn(ctx, a, act)
		if err == nil && len(a.History) > before {
			a.History[before].Cmd = act.Command // note has cut the history off from the one in use
		}
		return pages, err
	})
}

// done reports whether the alarm has seen the command.
func (act Action) done(a vigil.Alarm) bool {
	return act.Command != "" && slices.ContainsFunc(a.History, func(s vigil.AlarmStep) bool { return s.Cmd == act.Command })
}

type actFunc func(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error)

func (d *Desk) actions() map[string]actFunc {
	return map[string]actFunc{
		Seen: d.doSeen, Acknowledge: d.doAcknowledge, Pause: d.doPause, Escalate: d.doEscalate, Pass: d.doPass,
		Note: d.doNote, Act: d.doNote, Resolve: d.doResolve, Going: d.doGoing, Judge: d.doJudge,
	}
}

// doClosed lets notes, actions and judgements reach an alarm that is resolved; nothing else does.
func (d *Desk) doClosed(ctx context.Context, id string, act Action) (vigil.Alarm, error) {
	d.late.Lock()
	defer d.late.Unlock()
	a, err := d.cfg.Book.Get(ctx, id)
	if err != nil {
		return vigil.Alarm{}, err
	}
	if err := mayAct(ctx, a); err != nil {
		return vigil.Alarm{}, err
	}
	if act.done(a) {
		return a, nil
	}
	fn := d.actions()[act.Kind]
	if act.Kind != Note && act.Kind != Act && act.Kind != Judge {
		return a, vigil.Errorf(vigil.Conflict, "alarm.do", "the alarm is resolved")
	}
	e := &entry{a: a}
	e.mu.Lock()
	defer e.mu.Unlock()
	return d.changeLocked(ctx, e, func(a *vigil.Alarm) ([]Page, error) { return fn(ctx, a, act) })
}

func (d *Desk) doSeen(ctx context.Context, a *vigil.Alarm, _ Action) ([]Page, error) {
	if rank(a.State) >= rank(vigil.AlarmSeen) {
		return nil, errUnchanged
	}
	a.State = vigil.AlarmSeen
	d.note(a, "seen", whoOf(ctx), "")
	return nil, nil
}

func (d *Desk) doAcknowledge(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error) {
	if acknowledged(*a) {
		return nil, vigil.Errorf(vigil.Conflict, "alarm.acknowledge", "already acknowledged by %s", a.AckedBy)
	}
	p, _ := access.From(ctx)
	a.State, a.AckedBy, a.AckedInitials, a.AckedAt = vigil.AlarmAcknowledged, p.Name, p.Initials, d.cfg.Now()
	a.AudioPausedTil = time.Time{}
	rest(a)
	d.note(a, "acknowledged", p.Name, act.said())
	if !a.Active() {
		d.resolve(ctx, a, "")
	}
	return d.standDown(*a, p), nil
}

// standDown tells everybody else who was asked that p has taken it.
func (d *Desk) standDown(a vigil.Alarm, p access.Principal) []Page {
	var out []Page
	told := map[string]bool{p.ID: true, p.Person: true}
	for _, who := range a.Asked {
		if !told[who.ID] {
			told[who.ID] = true
			out = append(out, d.newPage(a, StandDown, Recipient{ID: who.ID, Name: who.Name, Role: who.Role}))
		}
	}
	return out
}

// AcknowledgeAll acknowledges several alarms of low priority at once and returns them. It returns Invalid, and touches
// none, when one of them is more urgent: those are looked at one by one. What somebody has acknowledged is left as it is.
func (d *Desk) AcknowledgeAll(ctx context.Context, ids []string, command string) ([]vigil.Alarm, error) {
	if len(ids) == 0 || len(ids) > bulkMax {
		return nil, vigil.Errorf(vigil.Invalid, "alarm.acknowledge_all", "name 1 to %d alarms", bulkMax)
	}
	for _, id := range ids {
		a, err := d.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		if a.Kind != vigil.KindAlarm && a.Kind != vigil.KindNotice || a.Priority > vigil.PriorityLow {
			return nil, vigil.Errorf(vigil.Invalid, "alarm.acknowledge_all", "only alarms of low priority are acknowledged together; %q (%s) is acknowledged by itself", a.Title, a.Priority)
		}
	}
	out := make([]vigil.Alarm, 0, len(ids))
	for _, id := range ids {
		a, err := d.acknowledgeLow(ctx, id, command)
		if vigil.KindOf(err) == vigil.Conflict { // acknowledged, over, or more urgent since
			if a, err = d.Get(ctx, id); err != nil {
				return out, err
			}
		}
		if err != nil {
			return out, err
		}
		out = append(out, a)
	}
	return out, nil
}

// acknowledgeLow is Conflict for an alarm that became more urgent after it was looked at.
func (d *Desk) acknowledgeLow(ctx context.Context, id, command string) (vigil.Alarm, error) {
	e := d.find(id)
	if e == nil {
		return vigil.Alarm{}, vigil.Errorf(vigil.Conflict, "alarm.acknowledge_all", "the alarm is resolved")
	}
	act := Action{Kind: Acknowledge, Command: command}
	return d.change(ctx, e, func(a *vigil.Alarm) ([]Page, error) {
		if err := mayAct(ctx, *a); err != nil {
			return nil, err
		}
		if a.Priority > vigil.PriorityLow {
			return nil, vigil.Errorf(vigil.Conflict, "alarm.acknowledge_all", "the alarm is more urgent now")
		}
		return d.doAcknowledge(ctx, a, act)
	})
}

func (d *Desk) doPause(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error) {
	now := d.cfg.Now()
	until := now.Add(audioPause)
	if !act.Until.IsZero() {
		until = act.Until
	}
	switch length := until.Sub(now); {
	case length <= 0:
		return nil, vigil.Errorf(vigil.Invalid, "alarm.pause", "the pause must end in the future")
	case length > audioPauseMax:
		return nil, vigil.Errorf(vigil.Invalid, "alarm.pause", "the sound can be paused for at most %s", audioPauseMax)
	case length > audioPause && act.Reason == "":
		return nil, vigil.Errorf(vigil.Invalid, "alarm.pause", "a pause of more than %s needs a reason", audioPause)
	}
	a.AudioPausedTil = until
	d.note(a, "audio_paused", whoOf(ctx), act.said())
	return nil, nil
}

func (d *Desk) doEscalate(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error) {
	chain := d.chains[a.Chain]
	if a.Step >= len(chain.Steps) {
		return nil, vigil.Errorf(vigil.Conflict, "alarm.escalate", "the chain has no further step")
	}
	d.note(a, "escalated", whoOf(ctx), act.said())
	pages, err := d.pageStep(ctx, a, d.cfg.Now())
	if acknowledged(*a) || a.Off != nil {
		rest(a) // somebody has it already; the second is asked once
	}
	return pages, err
}

func (d *Desk) doPass(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error) {
	if act.To == nil {
		chain := d.chains[a.Chain]
		if a.Step >= len(chain.Steps) {
			return nil, vigil.Errorf(vigil.Conflict, "alarm.pass", "the chain has no further step; name a person")
		}
		d.note(a, "passed_on", whoOf(ctx), act.said())
		pages, err := d.pageStep(ctx, a, d.cfg.Now())
		if a.Off != nil {
			rest(a)
		}
		return pages, err
	}
	d.note(a, "passed_on", whoOf(ctx), strings.TrimSpace("to "+act.To.Name+" "+act.said()))
	page := d.newPage(*a, 0, *act.To)
	d.ask(a, page, "")
	return []Page{page}, nil
}

func (d *Desk) doNote(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error) {
	if act.said() == "" {
		return nil, vigil.Errorf(vigil.Invalid, "alarm."+act.Kind, "the text is missing")
	}
	what := "note"
	if act.Kind == Act {
		what = "action"
	}
	d.note(a, what, whoOf(ctx), act.said())
	return nil, nil
}

func (d *Desk) doResolve(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error) {
	if a.Kind == vigil.KindAlarm && a.Active() {
		return nil, vigil.Errorf(vigil.Conflict, "alarm.resolve", "the condition still holds; acknowledge it instead")
	}
	if !acknowledged(*a) {
		p, _ := access.From(ctx)
		a.AckedBy, a.AckedInitials, a.AckedAt = p.Name, p.Initials, d.cfg.Now()
	}
	d.resolve(ctx, a, act.said())
	return nil, nil
}

func (d *Desk) doGoing(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error) {
	if a.Kind != vigil.KindCall && a.Kind != vigil.KindTask {
		return nil, vigil.Errorf(vigil.Conflict, "alarm.going", "only calls and tasks are gone to; acknowledge the alarm")
	}
	if act.Text == "" {
		act.Text = "going"
	}
	return d.doAcknowledge(ctx, a, act)
}

// said joins reason and text for the history.
func (act Action) said() string {
	switch {
	case act.Reason == "":
		return act.Text
	case act.Text == "":
		return act.Reason
	}
	return act.Reason + ": " + act.Text
}

// Mark writes a step that another engine took on the alarm's history, for example video_opened, whether it is open
// or resolved. who is a display name, "" for the house.
func (d *Desk) Mark(ctx context.Context, id string, step vigil.AlarmStep) error {
	add := func(a *vigil.Alarm) ([]Page, error) {
		if err := mayRead(ctx, *a); err != nil {
			return nil, err
		}
		d.note(a, step.What, step.Who, step.Text)
		return nil, nil
	}
	if e := d.find(id); e != nil {
		if _, err := d.change(ctx, e, add); vigil.KindOf(err) != vigil.Conflict {
			return err
		}
	}
	d.late.Lock()
	defer d.late.Unlock()
	a, err := d.cfg.Book.Get(ctx, id)
	if err != nil {
		return err
	}
	e := &entry{a: a}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, err = d.changeLocked(ctx, e, add)
	return err
}

// CallRequest is a person asking for help.
type CallRequest struct {
	Kind    string // code, help, pain, toilet
	Subject vigil.Subject
	Unit    string
	Text    string
}

// Call raises a call. A call of the same kind that is still open is returned instead of a second one.
func (d *Desk) Call(ctx context.Context, c CallRequest) (vigil.Alarm, error) {
	call, ok := map[string]vigil.Alarm{
		"code":   {Rule: CallCode, Title: "Emergency call", Priority: vigil.PriorityHigh, Chain: "code"},
		"help":   {Rule: CallHelp, Title: "Needs help now", Priority: vigil.PriorityMedium, Chain: "call"},
		"pain":   {Rule: CallPain, Title: "In pain", Priority: vigil.PriorityMedium, Chain: "call"},
		"toilet": {Rule: CallToilet, Title: "Toilet", Priority: vigil.PriorityLow, Chain: "call"},
	}[c.Kind]
	if !ok {
		return vigil.Alarm{}, vigil.Errorf(vigil.Invalid, "alarm.call", "%q is not one of code, help, pain, toilet", c.Kind)
	}
	now := d.cfg.Now()
	call.Kind, call.Subject, call.Unit, call.Text, call.Onset = vigil.KindCall, c.Subject, c.Unit, c.Text, now
	call.ID = ID(call.Rule, c.Subject, "", now)
	return d.Raise(ctx, call)
}

// ID returns the id of an episode: the same rule, subject, device and start give the same id.
func ID(rule string, s vigil.Subject, dev vigil.DeviceID, start time.Time) string {
	id := rule + "." + strings.ReplaceAll(string(s), "/", ".")
	if dev != "" {
		id += "." + string(dev)
	}
	return fmt.Sprintf("%s.%d", id, start.Unix())
}

func mayAct(ctx context.Context, a vigil.Alarm) error {
	p, ok := access.From(ctx)
	switch {
	case !ok:
		return vigil.Errorf(vigil.Denied, "alarm.act", "not signed in")
	case p.Clinical():
		return nil
	case p.Has(access.Engineer) && (a.Class == vigil.Technical || !a.Subject.IsPatient()):
		return nil
	}
	return vigil.Errorf(vigil.Denied, "alarm.act", "your role does not act on this alarm")
}

func mayRead(ctx context.Context, a vigil.Alarm) error {
	if p, ok := access.From(ctx); ok && p.Has(access.Engineer) && a.Class == vigil.Technical {
		return nil
	}
	return access.CheckSubject(ctx, a.Subject)
}
