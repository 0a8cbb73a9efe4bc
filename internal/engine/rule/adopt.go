package rule

import (
	"slices"

	"github.com/vigil-health/vigil"
)

// Adopt puts another program in force while the stream runs. Subjects keep the state of every rule that did not change,
// an alarm that is open stays open; open alarms of rules that changed or went are ended with the program's reason.
// It returns once all subjects have moved and the desk has been told, or the acts are kept to be tried again.
func (e *Engine) Adopt(p *Program) {
	e.prog.Store(p)
	var telling []*subject
	e.subjects.Range(func(_, v any) bool {
		st := v.(*subject)
		st.mu.Lock()
		e.load(st, e.cfg.Now().UnixNano())
		if len(st.acts) > 0 {
			telling = append(telling, st)
		}
		st.mu.Unlock()
		return true
	})
	e.tell(telling)
}

// migrate moves a subject to the program in force.
func (e *Engine) migrate(st *subject, p *Program) {
	old := st.prog
	fresh := newSubject(p, st.id)
	for i, m := range old.metrics {
		if k, ok := p.index[m]; ok {
			fresh.last[k] = st.last[i]
		}
	}
	moveScores(st, fresh)
	at := e.cfg.Now().UnixNano()
	same := old.same(p)
	m := mover{st: st, to: p, same: same, at: at}
	fresh.conds = m.conds(st.conds, nil)
	for _, d := range st.devices {
		d.conds = m.conds(d.conds, d)
	}
	st.acts = slices.DeleteFunc(st.acts, func(a act) bool { return same[a.rule.pos] < 0 && a.step != end && old.rules[a.rule.pos] == a.rule })
	for i := range st.acts {
		if a := &st.acts[i]; a.rule.pos < len(same) && old.rules[a.rule.pos] == a.rule && same[a.rule.pos] >= 0 {
			a.rule = p.rules[same[a.rule.pos]]
			a.cond.metric = moved(old, p, a.cond.metric)
		}
	}
	if e.cfg.Telemetry == nil {
		fresh.windows.Take(st.windows)
	}
	fresh.windows.Since = st.windows.Since
	st.prog, st.last, st.limits, st.watched, st.conds, st.scores = p, fresh.last, fresh.limits, fresh.watched, fresh.conds, fresh.scores
	st.windows, st.touched, st.touch, st.filled = fresh.windows, nil, fresh.touch, e.cfg.Telemetry == nil
	st.ask.State = st.windows
	e.adopt(st, st.profile)
}

// same returns for each rule where the equal one stands in another program, -1 when there is none.
func (p *Program) same(other *Program) []int {
	out := make([]int, len(p.rules))
	for i, c := range p.rules {
		out[i] = slices.IndexFunc(other.rules, func(o *compiled) bool { return o.Key == c.Key && o.shadow == c.shadow && o.text == c.text })
	}
	return out
}

func moved(from, to *Program, metric int32) int32 {
	if metric < 0 || int(metric) >= len(from.metrics) {
		return -1
	}
	if k, ok := to.index[from.metrics[metric]]; ok {
		return int32(k)
	}
	return -1
}

// mover takes the state of unchanged rules over and ends what the others had open.
type mover struct {
	st   *subject
	to   *Program
	same []int // where each old rule stands now, -1 for nowhere
	at   int64
}

func (m *mover) conds(conds []cond, d *device) []cond {
	out := make([]cond, len(m.to.rules))
	for i := range conds {
		c := m.st.prog.rules[i]
		switch {
		case m.same[i] >= 0:
			out[m.same[i]] = conds[i]
			out[m.same[i]].metric = moved(m.st.prog, m.to, conds[i].metric)
		case conds[i].phase == active && (conds[i].raised || c.shadow):
			why := m.to.reasons[c.Key]
			if why == "" {
				why = "the rule was changed"
			}
			m.st.do(act{step: end, rule: c, dev: d, cond: conds[i], at: m.at, why: why})
		}
	}
	return out
}

// moveScores keeps what scores were made from, for tables of the same version.
func moveScores(st, fresh *subject) {
	for i, s := range st.prog.scores {
		for k, other := range fresh.prog.scores {
			if other.table.Key == s.table.Key && other.table.Version == s.table.Version && len(other.inputs) == len(s.inputs) {
				fresh.scores[k].values, fresh.scores[k].times, fresh.scores[k].dirty = st.scores[i].values, st.scores[i].times, true
				for n, m := range st.scores[i].from {
					fresh.scores[k].from[n] = moved(st.prog, fresh.prog, m)
				}
			}
		}
	}
}

// retired reports whether an alarm's rule was in force once and is no longer.
func (p *Program) retired(a vigil.Alarm) (string, bool) {
	why, ok := p.reasons[a.Rule]
	if !ok || slices.ContainsFunc(p.rules, func(c *compiled) bool { return c.Key == a.Rule && !c.shadow }) {
		return "", false
	}
	return why, true
}
