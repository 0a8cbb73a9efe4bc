package rule

import (
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// After a restart: Restore what is open, CatchUp with what was acknowledged shortly before the end, Seed the newest
// values, Watch what is bound, then Observe.

// CatchUp evaluates reports that may not have been evaluated before a restart: each hands the recent ones to its
// function, oldest first. What began and still holds is raised (the desk knows what it has already), what was open and
// is over is ended; an episode that began and ended meanwhile is history and raises nothing.
func (e *Engine) CatchUp(each func(fn func(*vigil.Report) error) error) error {
	met := map[*subject]bool{}
	err := each(func(r *vigil.Report) error {
		if !r.Subject.Valid() {
			return nil
		}
		st := e.subject(r.Subject)
		met[st] = true
		st.mu.Lock()
		defer st.mu.Unlock()
		e.load(st, earliest(r))
		e.report(st, r)
		st.acts = slices.DeleteFunc(st.acts, func(a act) bool { return a.step == update })
		return nil
	})
	list := make([]*subject, 0, len(met))
	for st := range met {
		st.mu.Lock()
		st.acts = slices.DeleteFunc(st.acts, func(a act) bool {
			live := st.live(&a)
			return a.step == begin && (live.phase != active || live.since != a.cond.since) || a.step == end && !a.cond.raised
		})
		st.mu.Unlock()
		list = append(list, st)
	}
	e.tell(list)
	return err
}

// Seed takes over the newest value of series, so that scores are whole again after a restart. It raises nothing.
func (e *Engine) Seed(values []telemetry.Value) {
	for _, v := range values {
		m, ok := e.prog.Load().index[v.Metric]
		if !ok || !v.Subject.IsPatient() || v.Quality&vigil.QualityQuestionable != 0 {
			continue
		}
		st := e.subject(v.Subject)
		st.mu.Lock()
		e.load(st, v.Time.UnixNano()+1)
		if m, ok = st.prog.index[v.Metric]; !ok {
			st.mu.Unlock()
			continue
		}
		at := v.Time.UnixNano()
		if st.last[m].time < at {
			st.last[m] = reading{value: v.Value, time: at, received: v.Received.UnixNano(), device: v.Device}
		}
		for _, in := range st.prog.inputs[m] {
			st.setInput(in, m, vigil.Sample{Metric: v.Metric, Time: at, Value: v.Value})
		}
		st.mu.Unlock()
	}
}

// Longest returns the longest delay or clear hold of the rules in force: so far back CatchUp must reach.
func (e *Engine) Longest() time.Duration {
	longest := time.Duration(0)
	for _, c := range e.prog.Load().rules {
		longest = max(longest, c.Delay, c.Clear.Hold)
		for _, d := range c.Delays {
			longest = max(longest, d)
		}
	}
	return longest
}
