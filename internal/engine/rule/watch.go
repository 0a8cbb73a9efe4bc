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
		e.step(st, e.prog.rules[i], d, end, at)
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
	fresh := e.newSubject(s)
	st.last, st.scores, st.totals, st.devices, st.spoke, st.loaded = fresh.last, fresh.scores, nil, fresh.devices, nil, false
	st.mu.Unlock()
	e.tell([]*subject{st})
}

// heard notes that a device spoke and learns how often it does. Time lost in an outage is not learned from.
func (e *Engine) heard(st *subject, d *device, received int64) {
	if d.heard != 0 && received > d.heard && d.watched && e.prog.noData != nil {
		if gap := received - d.heard; gap >= d.gap {
			if gap <= e.allowed(d) {
				d.gap = gap
			}
		} else {
			d.gap -= (d.gap - gap) / 16
		}
	}
	d.heard = max(d.heard, received)
	if c := e.prog.noData; c != nil && d.conds[c.pos].phase == active && received > d.conds[c.pos].since {
		e.step(st, c, d, end, received)
	}
}

// allowed returns how long the device may be silent, 0 for ever.
func (e *Engine) allowed(d *device) int64 {
	delay := int64(e.prog.noData.Delay)
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
	c := e.prog.noData
	if c == nil || !d.watched {
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
	allowed := e.allowed(d)
	if allowed == 0 || now-d.heard < allowed {
		return
	}
	d.conds[c.pos] = cond{phase: active, since: d.heard, heard: now, metric: -1}
	e.step(st, c, d, begin, now)
}

// Restore seeds what is open on the desk, so that nothing is raised twice after a restart. Call it before the first
// Observe.
func (e *Engine) Restore(open []vigil.Alarm) {
	for _, a := range open {
		if a.Kind != vigil.KindAlarm || !a.Active() {
			continue
		}
		for _, c := range e.prog.rules {
			if c.Key != a.Rule {
				continue
			}
			st := e.subject(a.Subject)
			st.mu.Lock()
			var d *device
			if c.Class == vigil.Technical {
				d = e.device(st, a.Device)
			}
			metric := int32(-1)
			if m, ok := e.prog.index[a.Metric]; ok {
				metric = int32(m)
			}
			*st.cond(c, d) = cond{phase: active, raised: true, metric: metric, since: a.Onset.UnixNano(), heard: a.Raised.UnixNano(), value: a.Value, peak: a.Value, id: a.ID}
			st.mu.Unlock()
		}
	}
}
