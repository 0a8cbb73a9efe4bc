package rule

import (
	"context"
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/score"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// inputRef is an input of a score that a metric feeds.
type inputRef struct {
	score, input int
	above        float64
	binary       bool
}

func (p *Program) feedScores() {
	p.inputs = make([][]inputRef, len(p.metrics))
	for si, s := range p.scores {
		for ii, in := range s.table.Inputs() {
			for k, m := range s.inputs[ii] {
				above, binary := in.Above[in.Metrics[k]]
				p.inputs[m] = append(p.inputs[m], inputRef{score: si, input: ii, above: above, binary: binary})
			}
		}
	}
}

func (st *subject) setInput(in inputRef, m int, s vigil.Sample) {
	sc := &st.scores[in.score]
	if s.Time < sc.times[in.input] {
		return
	}
	v := s.Value
	if in.binary {
		v = 0
		if s.Value > in.above {
			v = 1
		}
	}
	sc.times[in.input], sc.from[in.input] = s.Time, int32(m)
	if sc.values[in.input] != v { // also when it was NaN
		sc.values[in.input], sc.dirty = v, true
	}
}

// score evaluates the rules of every score that has any; at is sample time.
func (e *Engine) score(st *subject, at, received int64) {
	for i, s := range st.prog.scores {
		sc := &st.scores[i]
		if len(s.rules)+len(s.asked) == 0 || !st.scored(s.table) {
			continue
		}
		if sc.dirty {
			sum, miss := sc.sum, sc.miss
			if st.total(i); sc.sum != sum || sc.miss != miss {
				for _, pos := range s.asked {
					st.noteTouched(pos)
				}
			}
			if i == st.prog.news2 && sc.miss == 0 {
				st.noteTotal(at, sc.sum)
			}
		}
		for _, pos := range s.rules {
			c := st.prog.rules[pos]
			if !st.watched[pos] {
				continue
			}
			bad := sc.sum >= c.AtLeast && c.schedule.open(at, st.prog.zone)
			if !bad && st.conds[pos].phase == normal {
				continue
			}
			e.look(st, c, nil, trial{bad: bad, good: !bad, value: float64(sc.sum), metric: -1, time: at, received: received, delay: int64(c.Delay), hold: int64(c.Clear.Hold)})
		}
	}
}

// total makes a score anew from its inputs.
func (st *subject) total(i int) {
	sc := &st.scores[i]
	sc.dirty = false
	sc.sum, sc.miss = st.prog.scores[i].table.Known(sc.values, st.flag)
}

func (st *subject) noteTotal(at int64, total int) {
	if n := len(st.totals); n > 0 && st.totals[n-1].total == total {
		return
	}
	if len(st.totals) == totalsKept {
		st.totals = append(st.totals[:0], st.totals[1:]...)
	}
	st.totals = append(st.totals, totalAt{at, total})
}

func (st *subject) flag(name string) bool { return st.profile.Flags[name] || st.under[name] }

// scored reports whether a score is made for the subject.
func (st *subject) scored(t *score.Table) bool { return t.ForAge(st.profile.AgeGroup, st.years) }

// expire forgets inputs that are older than their table allows.
func (e *Engine) expire(st *subject, now int64) {
	changed := false
	for i, s := range st.prog.scores {
		sc := &st.scores[i]
		for k, in := range s.table.Inputs() {
			if sc.times[k] != 0 && in.MaxAge > 0 && now-sc.times[k] > int64(in.MaxAge) && !math.IsNaN(sc.values[k]) {
				sc.values[k], sc.dirty, changed = math.NaN(), true, true
			}
		}
	}
	if changed {
		e.score(st, now, now)
		e.judgeTouched(st, now, now)
	}
}

// ScoreOf returns the subject's current NEWS2, and false when nothing is known of the subject or it is not made for
// the subject's age.
func (e *Engine) ScoreOf(s vigil.Subject) (score.Result, bool) {
	return e.ScoreBy(s, "news2")
}

// ScoreBy returns the subject's current score by the key of its table.
func (e *Engine) ScoreBy(s vigil.Subject, key string) (score.Result, bool) {
	v, ok := e.subjects.Load(s)
	if !ok {
		return score.Result{}, false
	}
	st := v.(*subject)
	st.mu.Lock()
	defer st.mu.Unlock()
	return e.scoreOf(st, key)
}

// Scores returns every score that is made for the subject's age, in the order of the catalogue, also those of which
// nothing is known yet. What a score lacks stands in Missing. It is Denied to who may not see the subject.
func (e *Engine) Scores(ctx context.Context, s vigil.Subject) ([]score.Result, error) {
	if err := access.CheckSubject(ctx, s); err != nil {
		return nil, err
	}
	st := e.subject(s)
	st.mu.Lock()
	defer st.mu.Unlock()
	e.load(st, e.cfg.Now().UnixNano())
	out := []score.Result{}
	for i, t := range st.prog.scores {
		if !st.scored(t.table) {
			continue
		}
		at := int64(0)
		for _, x := range st.scores[i].times {
			at = max(at, x)
		}
		r := t.table.Score(st.scores[i].values, st.flag, time.Time{})
		r.Title, r.Version, r.Source = t.table.Title, t.table.Version, t.table.Source
		if at > 0 {
			r.Time = time.Unix(0, at).UTC()
		}
		out = append(out, r)
	}
	return out, nil
}

func (e *Engine) scoreOf(st *subject, key string) (score.Result, bool) {
	for i, s := range st.prog.scores {
		if s.table.Key != key || !st.scored(s.table) {
			continue
		}
		at := int64(0)
		for _, t := range st.scores[i].times {
			at = max(at, t)
		}
		if at == 0 {
			return score.Result{}, false
		}
		return s.table.Score(st.scores[i].values, st.flag, time.Unix(0, at).UTC()), true
	}
	return score.Result{}, false
}

// ScoreHistory returns a score at from, from+step, … before to, each from the values that were live then.
// Of q only subject and time are read. It returns Denied, Invalid, NotFound for an unknown table, and Unavailable
// without telemetry.
func (e *Engine) ScoreHistory(ctx context.Context, key string, q telemetry.Query, step time.Duration) ([]score.Result, error) {
	if err := access.CheckSubject(ctx, q.Subject); err != nil {
		return nil, err
	}
	if e.cfg.Telemetry == nil {
		return nil, vigil.Errorf(vigil.Unavailable, "rule.scores", "no telemetry to read from")
	}
	if step <= 0 || q.To.Sub(q.From)/step > 2000 {
		return nil, vigil.Errorf(vigil.Invalid, "rule.scores", "the step is too small for the time asked for")
	}
	var table *score.Table
	for _, s := range e.prog.Load().scores {
		if s.table.Key == key {
			table = s.table
		}
	}
	if table == nil {
		return nil, vigil.Errorf(vigil.NotFound, "rule.scores", "no score %q", key)
	}
	inputs := table.Inputs()
	back := time.Duration(0)
	q.Metrics = nil
	for _, in := range inputs {
		back = max(back, in.MaxAge)
		q.Metrics = append(q.Metrics, in.Metrics...)
	}
	from := q.From
	q.From = from.Add(-back)
	q.Points = 4 * int(q.To.Sub(q.From)/step+1)
	lines, err := e.cfg.Telemetry.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	byMetric := map[vigil.Metric][]telemetry.Point{}
	for _, l := range lines {
		byMetric[l.Metric] = l.Points
	}
	flag := e.subject(q.Subject).flagCopy()
	out := []score.Result{}
	for t := from; t.Before(q.To); t = t.Add(step) {
		out = append(out, table.Score(valuesAt(inputs, byMetric, t.UnixNano()), flag, t))
	}
	return out, nil
}

func (st *subject) flagCopy() func(string) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	flags, under := st.profile.Flags, st.under // replaced, never changed
	return func(name string) bool { return flags[name] || under[name] }
}

// valuesAt returns the newest value of every input that is not older than allowed at t.
func valuesAt(inputs []score.Input, lines map[vigil.Metric][]telemetry.Point, t int64) []float64 {
	out := make([]float64, len(inputs))
	for i, in := range inputs {
		out[i] = math.NaN()
		newest := int64(0)
		for _, m := range in.Metrics {
			pts := lines[m]
			k := lastAt(pts, t)
			if k < 0 || t-pts[k].Time > int64(in.MaxAge) || pts[k].Time <= newest {
				continue
			}
			newest = pts[k].Time
			out[i] = in.Of(m, pts[k].Mean)
		}
	}
	return out
}

// lastAt returns the index of the last point at or before t, or -1.
func lastAt(pts []telemetry.Point, t int64) int {
	lo, hi := 0, len(pts)
	for lo < hi {
		mid := (lo + hi) / 2
		if pts[mid].Time <= t {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo - 1
}
