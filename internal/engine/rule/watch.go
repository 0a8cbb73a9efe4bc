package rule

import (
	"time"

	"github.com/vigil-health/vigil"
)

const silentFactor = 3 // missed reports before a device that speaks rarely counts as silent

// Watch begins to miss the device: it speaks for the subject since then. A device that is watched for another subject
// is moved.
func (e *Engine) Watch(s vigil.Subject, dev vigil.DeviceID, since time.Time) {
	st := e.subject(s)
	e.mu.Lock()
	old := e.watching[dev]
	e.watching[dev] = st
	e.mu.Unlock()
	if old != nil && old != st {
		e.leave(old, dev)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	d := e.device(st, dev)
	d.watched = true
	d.heard = max(d.heard, since.UnixNano(), e.began)
}

// Unwatch ends the binding: the device's technical alarms are over.
func (e *Engine) Unwatch(dev vigil.DeviceID) {
	e.mu.Lock()
	st := e.watching[dev]
	delete(e.watching, dev)
	e.mu.Unlock()
	if st != nil {
		e.leave(st, dev)
	}
}

// leave ends what only this device could say: its technical alarms, and vital signs that it was the last to measure.
// High alarms are latched, so they stay listed until somebody has seen them.
func (e *Engine) leave(st *subject, dev vigil.DeviceID) {
	at := e.cfg.Now().UnixNano()
	st.mu.Lock()
	for i := range st.conds {
		if m := st.conds[i].metric; m >= 0 && st.last[m].device == dev {
			e.abandon(st, st.conds, nil, i, at)
		}
	}
	if d := st.devices[dev]; d != nil {
		for i := range d.conds {
			e.abandon(st, d.conds, d, i, at)
		}
		delete(st.devices, dev)
		st.spoke = nil
	}
	st.mu.Unlock()
	e.tell([]*subject{st})
}

// abandon ends a condition that nobody can judge any more.
func (e *Engine) abandon(st *subject, conds []cond, d *device, i int, at int64) {
	switch conds[i].phase {
	case active:
		e.step(st, st.prog.rules[i], d, end, at)
	case pending:
		conds[i] = cond{}
	}
}

// Forget ends every condition of a subject and drops what is known of it, for example after a discharge. Its devices
// are no longer watched.
func (e *Engine) Forget(s vigil.Subject) {
	v, ok := e.subjects.Load(s)
	if !ok {
		return
	}
	st := v.(*subject)
	e.mu.Lock()
	for dev, of := range e.watching {
		if of == st {
			delete(e.watching, dev)
		}
	}
	e.mu.Unlock()
	at := e.cfg.Now().UnixNano()
	st.mu.Lock()
	for i := range st.conds {
		e.abandon(st, st.conds, nil, i, at)
	}
	for _, d := range st.devices {
		for i := range d.conds {
			e.abandon(st, d.conds, d, i, at)
		}
	}
	fresh := newSubject(st.prog, s)
	st.last, st.scores, st.totals, st.devices, st.spoke, st.loaded = fresh.last, fresh.scores, nil, fresh.devices, nil, false
	st.windows, st.touched, st.touch, st.ask.State, st.filled = fresh.windows, nil, fresh.touch, fresh.windows, false
	st.mu.Unlock()
	e.tell([]*subject{st})
}

// heard notes that a device spoke and learns how often it does. Time lost in an outage is not learned from.
func (e *Engine) heard(st *subject, d *device, received int64) {
	if d.heard != 0 && received > d.heard && d.watched && st.prog.noData != nil {
		if gap := received - d.heard; gap >= d.gap {
			if gap <= e.allowed(st, d) {
				d.gap = gap
			}
		} else {
			d.gap -= (d.gap - gap) / 16
		}
	}
	d.heard = max(d.heard, received)
	if c := st.prog.noData; c != nil && d.conds[c.pos].phase == active && received > d.conds[c.pos].since {
		e.step(st, c, d, end, received)
	}
}

// allowed returns how long the device may be silent, 0 for ever.
func (e *Engine) allowed(st *subject, d *device) int64 {
	delay := int64(st.prog.noData.Delay)
	usual := time.Duration(0)
	if e.cfg.Interval != nil {
		usual = e.cfg.Interval(d.id)
	}
	if usual < 0 {
		return 0
	}
	if usual == 0 {
		usual = time.Duration(d.gap)
	}
	return max(delay, silentFactor*int64(usual))
}

func (e *Engine) silence(st *subject, d *device, now int64) {
	c := st.prog.noData
	if c == nil || !d.watched || !st.watched[c.pos] || !c.schedule.open(now, st.prog.zone) {
		return
	}
	if st.profile.Flags[Standby] { // away from the bed: silence is expected, and counts anew when the patient is back
		if d.heard = now; d.conds[c.pos].phase == active {
			e.step(st, c, d, end, now)
			d.conds[c.pos] = cond{}
		}
		return
	}
	if d.conds[c.pos].phase == active {
		return
	}
	allowed := e.allowed(st, d)
	if allowed == 0 || now-d.heard < allowed {
		return
	}
	d.conds[c.pos] = cond{phase: active, since: d.heard, heard: now, metric: -1}
	e.step(st, c, d, begin, now)
}

// Restore seeds what is open on the desk, so that nothing is raised twice after a restart. Call it before the first
// Observe. What a retired rule left open is ended.
func (e *Engine) Restore(open []vigil.Alarm) {
	p := e.prog.Load()
	var telling []*subject
	for _, a := range open {
		if a.Kind != vigil.KindAlarm || !a.Active() {
			continue
		}
		restored := cond{phase: active, raised: true, metric: -1, since: a.Onset.UnixNano(), heard: a.Raised.UnixNano(), value: a.Value, peak: a.Value, id: a.ID}
		if m, ok := p.index[a.Metric]; ok {
			restored.metric = int32(m)
		}
		if why, ok := p.retired(a); ok {
			st := e.subject(a.Subject)
			st.mu.Lock()
			st.do(act{step: end, rule: &compiled{Rule: Rule{Key: a.Rule}}, cond: restored, at: e.cfg.Now().UnixNano(), why: why})
			st.mu.Unlock()
			telling = append(telling, st)
			continue
		}
		e.restore(a.Subject, a.Device, a.Rule, false, restored)
	}
	e.tell(telling)
}

// RestoreShadows seeds what rules on trial hold open.
func (e *Engine) RestoreShadows(open []Shadow) {
	for _, s := range open {
		metric := int32(-1)
		if m, ok := e.prog.Load().index[s.Metric]; ok {
			metric = int32(m)
		}
		e.restore(s.Subject, "", s.Rule, true, cond{phase: active, raised: true, metric: metric, since: s.Start.UnixNano(), heard: s.At.UnixNano(), value: s.Value, peak: s.Peak, id: s.ID})
	}
}

func (e *Engine) restore(id vigil.Subject, dev vigil.DeviceID, key string, shadow bool, cd cond) {
	st := e.subject(id)
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, c := range st.prog.rules {
		if c.Key != key || c.shadow != shadow {
			continue
		}
		var d *device
		if c.perDevice() {
			d = e.device(st, dev)
		}
		*st.cond(c, d) = cd
	}
}
