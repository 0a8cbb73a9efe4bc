package rule

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Metrics that rules derive from one another: the mean from systolic and diastolic when a device sends no mean.
const (
	bpSys   = vigil.Metric("bp-systolic")
	bpDia   = vigil.Metric("bp-diastolic")
	bpMean  = vigil.Metric("bp-mean")
	artSys  = vigil.Metric("art-systolic")
	artDia  = vigil.Metric("art-diastolic")
	artMean = vigil.Metric("art-mean")
)

const (
	pairWithin  = int64(2 * time.Second) // systolic and diastolic this close belong together
	updateEvery = int64(time.Second)     // the desk hears of a new value at most so often
	tellers     = 64                     // subjects whose alarms are stored at once
	roomName    = "rule"
)

// Engine evaluates every rule for every subject.
//
//	Observe ─► newest values ─► derived mean ─► limit rules ─► scores ─► acts ─► Desk.Raise, Update, End
//	Tick ────► delays, clears and silence on the receive clock ──────────┘
//
// Subjects are independent: calls for different subjects may run side by side, reports of one subject must come in
// order from one goroutine at a time.
type Engine struct {
	cfg   Config
	prog  atomic.Pointer[Program]
	began int64

	subjects sync.Map // vigil.Subject → *subject
	mu       sync.Mutex
	watching map[vigil.DeviceID]*subject
}

// New compiles the rules. It returns Invalid with every fault when rules and tables do not fit together.
func New(cfg Config) (*Engine, error) {
	prog := cfg.Program
	if prog == nil {
		var err error
		if prog, err = Compile(Set{Rules: cfg.Rules, Scores: cfg.Scores}); err != nil {
			return nil, err
		}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	e := &Engine{cfg: cfg, began: cfg.Now().UnixNano(), watching: map[vigil.DeviceID]*subject{}}
	e.prog.Store(prog)
	return e, nil
}

func (e *Engine) subject(id vigil.Subject) *subject {
	if st, ok := e.subjects.Load(id); ok {
		return st.(*subject)
	}
	st, _ := e.subjects.LoadOrStore(id, newSubject(e.prog.Load(), id))
	return st.(*subject)
}

// Observe evaluates reports in their order and returns once every alarm that follows from them is on the desk, or is
// kept to be tried again. It consumes the telemetry store and may query it. Reports are not kept.
func (e *Engine) Observe(reports []*vigil.Report) {
	var telling []*subject
	for _, r := range reports {
		if !r.Subject.Valid() {
			continue
		}
		st := e.subject(r.Subject)
		st.mu.Lock()
		e.load(st, earliest(r))
		e.report(st, r)
		if len(st.acts) > 0 && !slices.Contains(telling, st) {
			telling = append(telling, st)
		}
		st.mu.Unlock()
	}
	e.tell(telling)
}

// earliest is the time of the oldest sample of a report, or when it was received.
func earliest(r *vigil.Report) int64 {
	at := r.Received
	for i := range r.Samples {
		at = min(at, r.Samples[i].Time)
	}
	return at
}

// load brings a subject to the program in force, fills its windows up to a time and asks for the profile once; a profile
// that cannot be read counts as an adult's until it can.
func (e *Engine) load(st *subject, until int64) {
	if p := e.prog.Load(); st.prog != p {
		e.migrate(st, p)
	}
	if !st.filled {
		e.fill(st, until)
	}
	if st.loaded {
		return
	}
	prof := Profile{AgeGroup: Adult}
	st.loaded = true
	if e.cfg.Limits != nil && st.patient {
		p, err := e.cfg.Limits.LimitsFor(access.AsSystem(context.Background(), roomName), st.id)
		if err != nil {
			e.cfg.Log.Warn("profile not readable, adult limits used", "subject", st.id, "error", err)
			st.loaded = false
			if st.profile.AgeGroup != "" {
				return // as it was known last
			}
		} else {
			prof = p
		}
	}
	e.adopt(st, prof)
}

func (e *Engine) adopt(st *subject, prof Profile) {
	if prof.AgeGroup == "" {
		prof.AgeGroup = Adult
	}
	st.profile = prof
	st.years, st.under = years(prof.Birth, e.cfg.Now()), younger(prof.Birth, e.cfg.Now())
	st.facts = prof.facts(e.cfg.Now(), st.prog.zone)
	for i, c := range st.prog.rules {
		st.watched[i] = c.watches(st)
		st.limits[i] = c.limit(prof)
		if !st.watched[i] {
			st.limits[i] = math.NaN()
			if !c.perDevice() {
				e.abandon(st, st.conds, nil, i, e.cfg.Now().UnixNano())
			}
		}
	}
	for _, pos := range st.prog.timed {
		st.noteTouched(pos)
	}
	for i := range st.scores {
		st.scores[i].dirty = true
	}
}

// report takes one report through the rules.
func (e *Engine) report(st *subject, r *vigil.Report) {
	d := e.device(st, r.Device)
	derived := r.Protocol == vigil.ProtocolDerived // the house spoke, not the device
	if !derived {
		e.heard(st, d, r.Received)
	}
	var sys, dia, mean uint8 // 1 cuff, 2 arterial
	doubt, sure := false, false
	newest := int64(0)
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Quality&vigil.QualityLate != 0 {
			continue
		}
		if s.Quality&vigil.QualityQuestionable != 0 {
			doubt = true
			continue
		}
		sure = true
		m, ok := st.prog.index[s.Metric]
		if !ok || math.IsNaN(s.Value) {
			continue
		}
		e.sample(st, d, m, *s, r.Received)
		newest = max(newest, s.Time)
		switch m { // the six pressures are the first metrics of every program
		case 0:
			sys |= 1
		case 1:
			dia |= 1
		case 2:
			mean |= 1
		case 3:
			sys |= 2
		case 4:
			dia |= 2
		case 5:
			mean |= 2
		}
	}
	if need := (sys | dia) &^ mean; need != 0 {
		if need&1 != 0 {
			e.derive(st, d, 0, r.Received)
		}
		if need&2 != 0 {
			e.derive(st, d, 3, r.Received)
		}
	}
	if newest > 0 && st.patient {
		e.score(st, newest, r.Received)
	}
	if len(st.touched) > 0 {
		e.judgeTouched(st, max(newest, st.ask.Now), r.Received)
	}
	if (doubt || sure) && !derived {
		e.technical(st, d, st.prog.quality, doubt && !sure, r.Received)
	}
	if len(r.Waveforms) > 0 {
		e.leads(st, d, r)
	}
}

// derive makes the mean from systolic and diastolic of the same moment: (systolic + 2 * diastolic) / 3.
func (e *Engine) derive(st *subject, d *device, sys int, received int64) {
	s, dia := st.last[sys], st.last[sys+1]
	if s.time == 0 || dia.time == 0 || s.device != dia.device || max(s.time-dia.time, dia.time-s.time) > pairWithin {
		return
	}
	e.sample(st, d, sys+2, vigil.Sample{Metric: st.prog.metrics[sys+2], Time: max(s.time, dia.time), Value: (s.value + 2*dia.value) / 3}, received)
}

// sample takes one trustworthy value through the limit rules and into the scores.
func (e *Engine) sample(st *subject, d *device, m int, s vigil.Sample, received int64) {
	last := &st.last[m]
	if s.Time < last.time && last.device == d.id {
		return // out of order: the store has it, the present is known better
	}
	if s.Time >= last.time {
		*last = reading{value: s.Value, time: s.Time, received: received, device: d.id}
	}
	for _, pos := range st.prog.byMet[m] {
		limit := st.limits[pos]
		if limit != limit { // NaN: not watched
			continue
		}
		c := st.prog.rules[pos]
		src, ok := st.speaks(c, m, s.Time)
		if !ok {
			continue
		}
		t := trial{value: s.Value, metric: int32(m), time: s.Time, received: received, delay: src.delay, hold: int64(c.Clear.Hold)}
		if t.judge(c, limit); !c.schedule.open(s.Time, st.prog.zone) {
			t.bad, t.good, t.hold = false, true, 0
		}
		dev := d
		if c.Class == vigil.Technical {
			t.time = received
		} else {
			dev = nil
		}
		e.look(st, c, dev, t)
	}
	if slot := st.prog.slots[m]; slot >= 0 {
		st.feed(slot, s)
	}
	if st.patient {
		for _, in := range st.prog.inputs[m] {
			st.setInput(in, m, s)
		}
	}
}

// speaks reports whether the metric may speak for the rule: no source before it is live.
func (st *subject) speaks(c *compiled, m int, at int64) (*source, bool) {
	for i := range c.sources {
		src := &c.sources[i]
		if src.metric == m {
			return src, true
		}
		if l := &st.last[src.metric]; l.time != 0 && at-l.time <= src.fresh {
			return nil, false
		}
	}
	return nil, false
}

// look moves one condition on and queues what the desk has to hear.
func (e *Engine) look(st *subject, c *compiled, d *device, t trial) {
	cd := st.cond(c, d)
	e.step(st, c, d, cd.look(t), t.received)
}

func (e *Engine) step(st *subject, c *compiled, d *device, s step, received int64) {
	cd := st.cond(c, d)
	switch s {
	case begin:
		dev := vigil.DeviceID("")
		if d != nil {
			dev = d.id
		}
		cd.id = alarm.ID(c.name(), st.id, dev, time.Unix(0, cd.since))
		st.do(act{step: begin, rule: c, dev: d, cond: *cd, at: received})
	case update:
		if cd.held || received-cd.sent < updateEvery {
			return
		}
		cd.sent = received
		st.do(act{step: update, rule: c, dev: d, cond: *cd, at: received})
	case end:
		done := *cd
		*cd = cond{}
		st.do(act{step: end, rule: c, dev: d, cond: done, at: received})
	}
}

// technical moves a condition of a device on by the receive clock.
func (e *Engine) technical(st *subject, d *device, c *compiled, bad bool, received int64) {
	if c == nil || !st.watched[c.pos] || !c.schedule.open(received, st.prog.zone) {
		return
	}
	e.look(st, c, d, trial{bad: bad, good: !bad, time: received, received: received, delay: int64(c.Delay), hold: int64(c.Clear.Hold)})
}

// leads looks for waveforms that carry nothing; the device's condition is true while one of them does.
func (e *Engine) leads(st *subject, d *device, r *vigil.Report) {
	for i := range r.Waveforms {
		w := &r.Waveforms[i]
		missing := 0
		for _, v := range w.Data {
			if v == vigil.WaveformMissing {
				missing++
			}
		}
		off := len(w.Data) > 0 && 2*missing > len(w.Data)
		k := slices.IndexFunc(d.leads, func(l lead) bool { return l.metric == w.Metric })
		if k < 0 {
			d.leads = append(d.leads, lead{metric: w.Metric})
			k = len(d.leads) - 1
		}
		d.leads[k].off = off
	}
	e.technical(st, d, st.prog.leadOff, slices.ContainsFunc(d.leads, func(l lead) bool { return l.off }), r.Received)
}

// Tick runs delays, clear holds and silence on the receive clock, and tells the desk again what it did not take.
// Call it about once a second.
func (e *Engine) Tick(now time.Time) {
	var telling []*subject
	at := now.UnixNano()
	e.subjects.Range(func(_, v any) bool {
		st := v.(*subject)
		st.mu.Lock()
		e.load(st, at)
		e.tickSubject(st, at)
		if len(st.acts) > 0 {
			telling = append(telling, st)
		}
		st.mu.Unlock()
		return true
	})
	e.tell(telling)
}

func (e *Engine) tickSubject(st *subject, at int64) {
	e.tickConditions(st, at)
	e.tickConds(st, st.conds, nil, at)
	for _, d := range st.devices {
		e.tickConds(st, d.conds, d, at)
		e.silence(st, d, at)
	}
	if st.patient {
		e.expire(st, at)
	}
	e.release(st, at)
}

func (e *Engine) tickConds(st *subject, conds []cond, d *device, at int64) {
	for i := range conds {
		if conds[i].phase == normal {
			continue
		}
		c := st.prog.rules[i]
		if c.Kind == KindNoData {
			continue
		}
		if conds[i].phase == active && !c.schedule.open(at, st.prog.zone) {
			e.step(st, c, d, end, at)
			continue
		}
		e.step(st, c, d, conds[i].wait(at, c.delayOf(conds[i].metric), int64(c.Clear.Hold)), at)
	}
}

// release raises what was covered once nothing covers it any more.
func (e *Engine) release(st *subject, at int64) {
	free := func(conds []cond, d *device) {
		for i := range conds {
			if c := st.prog.rules[i]; conds[i].held && !st.covered(c, d) {
				conds[i].held = false
				if conds[i].ended { // its alarm was ended: what comes back is an episode of its own
					dev := vigil.DeviceID("")
					if d != nil {
						dev = d.id
					}
					conds[i].since, conds[i].ended = at, false
					conds[i].id = alarm.ID(c.name(), st.id, dev, time.Unix(0, at))
				}
				st.do(act{step: begin, rule: c, dev: d, cond: conds[i], at: at})
			}
		}
	}
	free(st.conds, nil)
	for _, d := range st.devices {
		free(d.conds, d)
	}
}
