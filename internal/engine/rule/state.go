package rule

import (
	"math"
	"sync"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/condition"
)

// subject is what the engine remembers of one patient or place. Everything in it is guarded by mu.
type subject struct {
	mu      sync.Mutex
	id      vigil.Subject
	patient bool
	prog    *Program
	profile Profile
	years   float64         // of the profile when it was read; NaN unknown
	under   map[string]bool // age bands of score tables that the subject is under
	loaded  bool
	last    []reading // by metric of the program
	limits  []float64 // in force, by rule; NaN means not watched
	watched []bool    // by rule: its scope and flags fit
	conds   []cond    // physiological, by rule
	scores  []scoreState
	totals  []totalAt // NEWS2 as it changed, oldest first, for "was 2 an hour ago"
	devices map[vigil.DeviceID]*device
	spoke   *device // the last to speak, mostly the next too
	acts    []act   // what the desk has still to be told, in order

	windows *condition.State // what conditions look at
	ask     condition.Context
	facts   condition.Facts
	filled  bool  // the windows hold what was there before the subject was first heard of
	timedAt int64 // when conditions that the clock alone may change are looked at again
	touched []int32
	touch   []bool // by rule: stands in touched
}

type reading struct {
	value    float64
	time     int64 // Unix nanoseconds of the sample; 0 means never
	received int64
	device   vigil.DeviceID
}

type scoreState struct {
	values []float64 // by input, NaN while missing
	times  []int64
	from   []int32 // metric that gave the value
	dirty  bool
	sum    int
	miss   int
}

type totalAt struct {
	time  int64
	total int
}

const totalsKept = 48

// device is what the engine remembers of one device of a subject.
type device struct {
	id      vigil.DeviceID
	watched bool
	heard   int64 // receive clock
	gap     int64 // usual time between reports, learned; 0 while unknown
	conds   []cond
	leads   []lead
}

type lead struct {
	metric vigil.Metric
	off    bool
}

// act is one thing to tell the desk.
type act struct {
	step step
	rule *compiled
	dev  *device // nil for physiological rules
	cond cond    // as it was when the step was decided
	at   int64   // receive clock
	why  string  // of an end that the condition did not decide: a reason for people
}

func newSubject(p *Program, id vigil.Subject) *subject {
	st := &subject{
		id: id, patient: id.IsPatient(), prog: p, last: make([]reading, len(p.metrics)), limits: make([]float64, len(p.rules)), watched: make([]bool, len(p.rules)),
		conds: make([]cond, len(p.rules)), scores: make([]scoreState, len(p.scores)), devices: map[vigil.DeviceID]*device{},
		windows: p.layout.NewState(), touch: make([]bool, len(p.rules)),
	}
	st.ask = condition.Context{State: st.windows, Facts: &st.facts, Score: st.scoreFor}
	for i, s := range p.scores {
		n := len(s.inputs)
		st.scores[i] = scoreState{values: make([]float64, n), times: make([]int64, n), from: make([]int32, n)}
		for k := range st.scores[i].values {
			st.scores[i].values[k] = math.NaN()
		}
	}
	return st
}

func (e *Engine) device(st *subject, id vigil.DeviceID) *device {
	if st.spoke != nil && st.spoke.id == id {
		return st.spoke
	}
	d := st.devices[id]
	if d == nil {
		d = &device{id: id, conds: make([]cond, len(st.prog.rules))}
		st.devices[id] = d
	}
	st.spoke = d
	return d
}

// live returns the state that an act is about: a scratch one when its rule is no longer in force.
func (st *subject) live(a *act) *cond {
	if st.prog.rules[min(a.rule.pos, len(st.prog.rules)-1)] != a.rule {
		return &cond{}
	}
	return st.cond(a.rule, a.dev)
}

// cond returns the state of a rule: the device's for technical rules, else the subject's.
func (st *subject) cond(c *compiled, d *device) *cond {
	if d != nil {
		return &d.conds[c.pos]
	}
	return &st.conds[c.pos]
}

// do queues a step for the desk; an update that follows an update replaces it.
func (st *subject) do(a act) {
	if n := len(st.acts); a.step == update && n > 0 && st.acts[n-1].step == update && st.acts[n-1].rule == a.rule && st.acts[n-1].dev == a.dev {
		st.acts[n-1] = a
		return
	}
	st.acts = append(st.acts, a)
}

// covered reports whether an alarm that is open or being raised already speaks for the rule.
func (st *subject) covered(c *compiled, d *device) bool {
	for _, i := range c.covered {
		if o := &st.conds[i]; o.phase == active && !o.held {
			return true
		}
		if d != nil {
			if o := &d.conds[i]; o.phase == active && !o.held {
				return true
			}
		}
	}
	return false
}
