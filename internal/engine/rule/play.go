package rule

import (
	"context"
	"math"
	"time"

	"github.com/vigil-health/vigil"
)

// Episode is an alarm on virtual time: of a test, or of a replay.
type Episode struct {
	Rule     string         `json:"rule"`
	Version  string         `json:"version,omitempty"`
	Subject  vigil.Subject  `json:"subject"`
	Unit     string         `json:"unit,omitempty"`
	Priority vigil.Priority `json:"priority"`
	Metric   vigil.Metric   `json:"metric,omitempty"`
	Onset    time.Time      `json:"onset"`        // the condition became true
	Start    time.Time      `json:"start"`        // raised
	End      time.Time      `json:"end,omitzero"` // zero: open at the end
	Peak     float64        `json:"peak,omitempty"`
}

// Lasted is how long the alarm was open, up to a time when it still is.
func (e *Episode) Lasted(until time.Time) time.Duration {
	if e.End.IsZero() {
		return until.Sub(e.Start)
	}
	return e.End.Sub(e.Start)
}

// player takes one subject through a program on virtual time, with the evaluator of the stream. A clock step happens
// where the stream's ticks would change something.
type player struct {
	e    *Engine
	st   *subject
	now  int64
	list []Episode
	open map[string]int // id → place in list
}

func newPlayer(p *Program, id vigil.Subject, prof Profile, from int64) *player {
	w := &player{now: from, open: map[string]int{}}
	w.e = &Engine{cfg: Config{Desk: w, Limits: fixed{prof}, Now: w.clock, Log: silent()}, began: from, watching: map[vigil.DeviceID]*subject{}}
	w.e.prog.Store(p)
	w.st = w.e.subject(id)
	w.e.load(w.st, from)
	return w
}

func (w *player) clock() time.Time { return time.Unix(0, w.now).UTC() }

// fixed is a profile that does not change.
type fixed struct{ prof Profile }

// LimitsFor implements Limits.
func (f fixed) LimitsFor(context.Context, vigil.Subject) (Profile, error) { return f.prof, nil }

// Raise implements Desk.
func (w *player) Raise(_ context.Context, a vigil.Alarm) (vigil.Alarm, error) {
	if _, ok := w.open[a.ID]; !ok {
		w.open[a.ID] = len(w.list)
		w.list = append(w.list, Episode{
			Rule: a.Rule, Version: a.Version, Subject: a.Subject, Unit: a.Unit, Priority: a.Priority, Metric: a.Metric, Onset: a.Onset, Start: w.clock(), Peak: a.Value,
		})
	}
	return a, nil
}

// Update implements Desk.
func (w *player) Update(context.Context, string, float64, time.Time) {}

// End implements Desk.
func (w *player) End(_ context.Context, id string, _ time.Time) error {
	if i, ok := w.open[id]; ok {
		w.list[i].End = w.clock()
		delete(w.open, id)
	}
	return nil
}

// Mark implements Desk.
func (w *player) Mark(context.Context, string, vigil.AlarmStep) error { return nil }

// report takes one report at the time it was received, after the clock steps up to then.
func (w *player) report(r *vigil.Report) {
	w.advance(r.Received)
	w.now = max(w.now, r.Received)
	w.e.report(w.st, r)
	w.peaks()
	if len(w.st.acts) > 0 {
		w.e.tellOne(w.st)
	}
}

// peaks notes the worst value of what ends or goes on; only acts can change an episode.
func (w *player) peaks() {
	for i := range w.st.acts {
		a := &w.st.acts[i]
		if k, ok := w.open[a.cond.id]; ok && a.step != begin {
			w.list[k].Peak = a.cond.peak
		}
	}
}

// advance ticks up to a time, not included.
func (w *player) advance(to int64) {
	for {
		at := w.next()
		if at >= to {
			return
		}
		w.now = at
		w.e.tickSubject(w.st, at)
		w.peaks()
		if len(w.st.acts) > 0 {
			w.e.tellOne(w.st)
		}
	}
}

// next returns the whole second at which the clock alone may change something.
func (w *player) next() int64 {
	st, at := w.st, int64(math.MaxInt64)
	for i := range st.conds {
		cd, c := &st.conds[i], st.prog.rules[i]
		switch {
		case cd.phase == pending:
			at = min(at, cd.heard+c.delayOf(cd.metric))
		case cd.phase == active && cd.clear != 0:
			at = min(at, cd.clearAt+int64(c.Clear.Hold))
		}
		if cd.phase == active && c.schedule != nil {
			at = min(at, w.now/minute*minute+minute)
		}
	}
	if len(st.prog.timed) > 0 {
		at = min(at, st.timedAt)
	}
	if st.prog.expires() {
		at = min(at, w.now/minute*minute+minute)
	}
	if at == math.MaxInt64 {
		return at
	}
	return max((at+second-1)/second*second, w.now/second*second+second)
}

const (
	second = int64(time.Second)
	minute = int64(time.Minute)
)

// expires reports whether inputs of scores that grow old may change something.
func (p *Program) expires() bool {
	for _, s := range p.scores {
		if len(s.rules)+len(s.asked) > 0 {
			return true
		}
	}
	return false
}

// delayOf is the delay of the rule when a metric speaks.
func (c *compiled) delayOf(metric int32) int64 {
	for k := range c.sources {
		if int32(c.sources[k].metric) == metric {
			return c.sources[k].delay
		}
	}
	return int64(c.Delay)
}
