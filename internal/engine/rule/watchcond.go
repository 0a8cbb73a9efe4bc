package rule

import (
	"context"
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/condition"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Rules of kind condition are evaluated once a report, and only those that read something which changed.

// feed puts one value into the windows and notes who reads it.
func (st *subject) feed(slot int, s vigil.Sample) {
	if st.windows.Since == 0 {
		st.windows.Since = s.Time
	}
	st.windows.Push(slot, s.Time, s.Value)
	for _, pos := range st.prog.readers[slot] {
		st.noteTouched(pos)
	}
}

func (st *subject) noteTouched(pos int) {
	if !st.touch[pos] {
		st.touch[pos] = true
		st.touched = append(st.touched, int32(pos))
	}
}

// judgeTouched evaluates the conditions that read something which changed; at is sample time.
func (e *Engine) judgeTouched(st *subject, at, received int64) {
	for _, pos := range st.touched {
		st.touch[pos] = false
		e.judge(st, st.prog.rules[pos], at, received)
	}
	st.touched = st.touched[:0]
}

// judge moves one condition on. While it is undecided nothing begins and nothing ends: what was pending begins anew.
func (e *Engine) judge(st *subject, c *compiled, at, received int64) {
	if !st.watched[c.pos] {
		return
	}
	st.ask.Now = max(st.ask.Now, at)
	t := trial{metric: c.speaks, time: at, received: received, delay: int64(c.Delay), hold: int64(c.Clear.Hold)}
	if c.speaks >= 0 {
		t.value = st.last[c.speaks].value
	}
	cd := &st.conds[c.pos]
	answer := condition.No
	open := c.schedule.open(st.ask.Now, st.prog.zone)
	if open {
		answer = c.when.Eval(&st.ask)
	}
	t.bad = answer == condition.Yes
	switch {
	case !open:
		t.good, t.hold = true, 0
	case c.until != nil && cd.phase == active:
		t.good = !t.bad && c.until.Eval(&st.ask) == condition.Yes
	case answer == condition.Undecided && cd.phase == active:
		return
	default:
		t.good = answer == condition.No
	}
	if answer == condition.Undecided && cd.phase == pending {
		*cd = cond{}
		return
	}
	e.step(st, c, nil, cd.look(t), received)
}

// open reports whether a rule watches at a time; without a schedule it always does.
func (s *schedule) open(at int64, zone *time.Location) bool { return s == nil || s.covers(at, zone) }

// timedEvery is how often conditions that the clock alone may change are looked at.
const timedEvery = 10 * second

// tickConditions evaluates by the clock: those that only the clock changes, and those on their way in or out.
func (e *Engine) tickConditions(st *subject, now int64) {
	if len(st.prog.timed) > 0 && now >= st.timedAt {
		st.timedAt = now/timedEvery*timedEvery + timedEvery
		for _, pos := range st.prog.timed {
			e.judge(st, st.prog.rules[pos], now, now)
		}
	}
	for i := range st.conds {
		if c := st.prog.rules[i]; c.Kind == KindCondition && (st.conds[i].phase == pending || st.conds[i].clear != 0) && !c.when.Timed {
			e.judge(st, c, now, now)
		}
	}
}

// scoreFor answers conditions that ask for a score.
func (st *subject) scoreFor(n int) condition.Score {
	i := st.prog.asks[n]
	s, sc := st.prog.scores[i], &st.scores[i]
	if !st.scored(s.table) {
		return condition.Score{}
	}
	if sc.dirty {
		st.total(i)
	}
	fed := false
	for _, t := range sc.times {
		fed = fed || t != 0
	}
	return condition.Score{Known: sc.sum, Missing: sc.miss, Live: fed}
}

// fill reads what the windows would hold had the subject been watched all along, up to a time. Without it a condition over
// an hour would be blind for an hour after a restart or a change of rules.
func (e *Engine) fill(st *subject, until int64) {
	st.filled = true
	if e.cfg.Telemetry == nil {
		return
	}
	layout := st.prog.layout
	for slot, m := range layout.Metrics() {
		back := max(layout.Back(slot), condition.Stale(m))
		end := time.Unix(0, until)
		lines, err := e.cfg.Telemetry.Query(access.AsSystem(context.Background(), roomName), telemetry.Query{Subject: st.id, Metrics: []vigil.Metric{m}, From: end.Add(-back), To: end})
		if err != nil {
			e.cfg.Log.Warn("windows not filled from telemetry", "subject", st.id, "metric", m, "error", err)
			st.filled = false
			return
		}
		for _, l := range lines {
			st.fillSlot(slot, l)
		}
	}
}

func (st *subject) fillSlot(slot int, l telemetry.Line) {
	for _, p := range l.Points {
		if p.Quality&(vigil.QualityLate|vigil.QualityQuestionable) != 0 || math.IsNaN(p.Mean) {
			continue
		}
		if st.windows.Since == 0 || p.Time < st.windows.Since {
			st.windows.Since = p.Time
		}
		st.windows.Push(slot, p.Time, p.Mean)
	}
}
