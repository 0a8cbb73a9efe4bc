package rule

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// tell hands queued steps to the desk: in order within a subject, side by side between subjects so that they share
// the book's commits. It returns when all have been tried.
func (e *Engine) tell(list []*subject) {
	if len(list) == 1 {
		e.tellOne(list[0])
		return
	}
	var wg sync.WaitGroup
	slots := make(chan struct{}, tellers)
	for _, st := range list {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			e.tellOne(st)
		})
	}
	wg.Wait()
}

// tellOne keeps what the desk could not store; the next Observe or Tick tries again. What the desk refuses is dropped.
func (e *Engine) tellOne(st *subject) {
	ctx := access.AsSystem(context.Background(), roomName)
	st.mu.Lock()
	defer st.mu.Unlock()
	for len(st.acts) > 0 {
		a := st.acts[0]
		if err := e.perform(ctx, st, a); err != nil {
			if k := vigil.KindOf(err); k != vigil.Invalid && k != vigil.Denied && k != vigil.Conflict {
				e.cfg.Log.Error("alarm not stored, will be tried again", "rule", a.rule.Key, "subject", st.id, "error", err)
				return
			}
			e.cfg.Log.Error("alarm refused by the desk", "rule", a.rule.Key, "subject", st.id, "error", err)
		}
		st.acts = st.acts[1:]
	}
	st.acts = nil
}

func (e *Engine) perform(ctx context.Context, st *subject, a act) error {
	live := st.live(&a)
	if a.rule.shadow {
		return e.performShadow(ctx, st, a)
	}
	same := live.phase == active && live.since == a.cond.since
	switch a.step {
	case begin:
		if st.covered(a.rule, a.dev) {
			if same {
				live.held = true
			}
			return nil
		}
		out, err := e.cfg.Desk.Raise(ctx, e.alarm(ctx, st, a))
		if err != nil {
			return err
		}
		if same {
			live.raised, live.id = true, out.ID
		}
		if err := e.overtake(ctx, st, a); err != nil {
			return err
		}
		for i := range st.acts { // steps already queued follow the alarm under the desk's ID
			if st.acts[i].cond.id == a.cond.id {
				st.acts[i].cond.id = out.ID
			}
		}
	case update:
		if live.held {
			return nil
		}
		e.cfg.Desk.Update(ctx, a.cond.id, a.cond.value, time.Unix(0, a.at))
	case end:
		if !a.cond.held {
			if a.why != "" {
				if err := e.cfg.Desk.Mark(ctx, a.cond.id, vigil.AlarmStep{What: "note", Text: a.why}); err != nil && vigil.KindOf(err) == vigil.Unavailable {
					return err
				}
			}
			if err := e.cfg.Desk.End(ctx, a.cond.id, time.Unix(0, a.at).UTC()); err != nil {
				return err
			}
		}
		e.release(st, a.at)
	}
	return nil
}

// performShadow notes what a rule on trial would have done. What speaks for it on the desk does so here too.
func (e *Engine) performShadow(ctx context.Context, st *subject, a act) error {
	live := st.live(&a)
	same := live.phase == active && live.since == a.cond.since
	switch {
	case a.step == begin && st.covered(a.rule, a.dev):
		if same {
			live.held = true
		}
		return nil
	case a.step == update || a.step == end && a.cond.held || e.cfg.Shadows == nil:
		return nil
	case a.step == end:
		return e.cfg.Shadows.EndShadow(ctx, a.cond.id, time.Unix(0, a.at).UTC(), a.cond.peak)
	}
	if same {
		live.raised = true
	}
	s := Shadow{
		ID: a.cond.id, Rule: a.rule.Key, Version: a.rule.Version, Subject: st.id, Unit: st.profile.Unit, Priority: a.rule.Priority,
		Value: a.cond.value, Peak: a.cond.peak, Start: time.Unix(0, a.cond.since).UTC(), At: time.Unix(0, a.at).UTC(),
	}
	if a.cond.metric >= 0 {
		s.Metric = st.prog.metrics[a.cond.metric]
	}
	return e.cfg.Shadows.BeginShadow(ctx, s)
}

// overtake ends the open alarms that the new one speaks for: the same people need one call, not two. Their conditions
// are held and come back, as new episodes, when nothing covers them any more.
func (e *Engine) overtake(ctx context.Context, st *subject, a act) error {
	for i := range st.conds {
		c, cd := st.prog.rules[i], &st.conds[i]
		if cd.phase != active || cd.held || !cd.raised || !slices.Contains(c.covered, a.rule.pos) {
			continue
		}
		if err := e.endOf(ctx, c, cd, a.at); err != nil {
			return err
		}
		cd.held, cd.raised, cd.ended = true, false, true
	}
	return nil
}

func (e *Engine) endOf(ctx context.Context, c *compiled, cd *cond, at int64) error {
	switch {
	case !c.shadow:
		return e.cfg.Desk.End(ctx, cd.id, time.Unix(0, at).UTC())
	case e.cfg.Shadows == nil:
		return nil
	}
	return e.cfg.Shadows.EndShadow(ctx, cd.id, time.Unix(0, at).UTC(), cd.peak)
}

// alarm writes the alarm of an episode that begins.
func (e *Engine) alarm(ctx context.Context, st *subject, a act) vigil.Alarm {
	c := a.rule
	out := vigil.Alarm{
		ID: a.cond.id, Kind: vigil.KindAlarm, Class: c.Class, Priority: c.Priority, Subject: st.id, Unit: st.profile.Unit,
		Rule: c.Key, Version: c.Version, Title: c.Title, Chain: c.Chain, Latched: c.Latching, Onset: time.Unix(0, a.cond.since).UTC(),
	}
	if a.dev != nil {
		out.Device = a.dev.id
	}
	switch c.Kind {
	case KindLimit:
		def := st.prog.labels[a.cond.metric]
		out.Metric, out.UCUM = def.Key, def.UCUM
		out.Value, out.Limit = a.cond.value, st.limits[c.pos]
	case KindCondition:
		if a.cond.metric >= 0 {
			def := st.prog.labels[a.cond.metric]
			out.Metric, out.UCUM, out.Value = def.Key, def.UCUM, a.cond.value
		}
	case KindScore:
		out.Value, out.Limit, out.UCUM = a.cond.value, float64(c.AtLeast), "{score}"
	case KindLeadOff:
		out.Title += leadNames(a.dev)
	}
	e.explain(ctx, st, a, &out)
	e.review(ctx, &out)
	return out
}

// review lets the reviewer lower the priority: no further than low, never up, and not without a reason. A chain that
// stands for the priority follows it.
func (e *Engine) review(ctx context.Context, a *vigil.Alarm) {
	if e.cfg.Review == nil {
		return
	}
	from := a.Priority
	e.cfg.Review(ctx, a)
	if a.Demoted == nil || a.Demoted.Reason == "" || a.Priority >= from {
		a.Priority, a.Demoted = from, nil
		return
	}
	a.Priority, a.Demoted.From = max(a.Priority, vigil.PriorityLow), from
	if a.Chain == from.String() {
		a.Chain = a.Priority.String()
	}
}
