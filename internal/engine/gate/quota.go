package gate

import (
	"time"

	"github.com/vigil-health/vigil"
)

// Cost is what a message takes of a quota.
type Cost struct{ Messages, Values, Bytes int }

// Quota is what a device or a connection may send for as long as it likes; 0 is without bound. Within Burst it may run
// ahead by what the rate gives in that time. Weight is its part of the turns beside others of the same class, 0 means 1.
type Quota struct {
	Messages float64       // per second
	Values   float64       // per second
	Bytes    float64       // of payload, per second
	Burst    time.Duration // 0 means 10 s
	Weight   int
}

const defaultBurst = 10 * time.Second

func (q *Quota) burst() int64 {
	if q.Burst == 0 {
		return int64(defaultBurst)
	}
	return int64(q.Burst)
}

// meter is the generic cell rate algorithm (ITU-T I.371), once for each kind of cost: the time until which what came so
// far is paid for, Unix nanoseconds. A message may go while that is at most a burst ahead, and may cost more than is
// left: the debt is waited for afterwards, so that no message is too large to ever go.
type meter [3]int64

// until returns from when on a message may go.
func (m *meter) until(q *Quota) int64 { return max(m[0], m[1], m[2]) - q.burst() }

func (m *meter) charge(q *Quota, c Cost, now int64) {
	for i, x := range [3]struct {
		n    int
		rate float64
	}{{c.Messages, q.Messages}, {c.Values, q.Values}, {c.Bytes, q.Bytes}} {
		if x.rate > 0 && x.n > 0 {
			m[i] = max(m[i], now) + int64(float64(x.n)/x.rate*1e9)
		}
	}
}

// Limited is why a message was not taken. It is a vigil.Error of kind Unavailable.
type Limited struct {
	After time.Duration // try again no sooner
	cause *vigil.Error
}

// Error returns the reason.
func (l *Limited) Error() string {
	if l.cause == nil {
		return "gate: over its quota"
	}
	return l.cause.Error()
}

// Unwrap returns the domain error.
func (l *Limited) Unwrap() error {
	if l.cause == nil {
		return nil
	}
	return l.cause
}

func limited(after int64, format string, args ...any) *Limited {
	return &Limited{After: max(time.Duration(after), time.Second), cause: vigil.Errorf(vigil.Unavailable, "gate.enter", format, args...)}
}

func (g *Gate) refuse(f *flow, t *Ticket, at int64) error {
	f.refused++
	f.last = at
	g.counts.refused[t.Class]++
	switch until := f.meter.until(f.quota); {
	case until > at:
		f.over(at)
		return limited(until-at, "device %s is over its quota and %d of its messages wait already; send slower, or raise quotas.devices.%s in vigil.yaml", f.id, f.count, f.id)
	case g.level.sheds(t.Class):
		return limited(int64(settle), "the server is %s and takes no %s now; send it again later", g.level.name(), t.Class)
	}
	return limited(0, "%d messages of device %s wait already; send it again", f.count, f.id)
}

// Admit reports whether a request of the connected device for the devices may be taken now: nil, or *Limited with when
// to try again. Bulk says that it is a batch. Nothing is charged; it is for doors that can say no before they read.
func (g *Gate) Admit(connected vigil.DeviceID, bulk bool, devices ...vigil.DeviceID) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.cfg.Now().UnixNano()
	if m := g.conns[connected]; m != nil {
		if until := m.until(g.cfg.Connection); until > at {
			g.counts.paused++
			return limited(until-at, "%s is over the quota of a connection; send slower, or raise quotas.connection in vigil.yaml", connected)
		}
	}
	if bulk && g.level.sheds(Bulk) {
		g.counts.refused[Bulk]++
		return limited(int64(settle), "the server is %s and takes no batches now; send it again later", g.level.name())
	}
	for _, id := range devices {
		f := g.flows[id]
		if f == nil {
			continue
		}
		if until := f.meter.until(f.quota); until > at {
			f.refused++
			f.last = at
			f.over(at)
			g.counts.refused[Vitals]++
			return limited(until-at, "device %s is over its quota; send slower, or raise quotas.devices.%s in vigil.yaml", id, id)
		}
	}
	return nil
}

// Pace charges a connection and returns how long it must be left alone before more of it is read, 0 in the usual case.
func (g *Gate) Pace(connected vigil.DeviceID, c Cost) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.conns[connected]
	if m == nil {
		m = &meter{}
		g.conns[connected] = m
	}
	at := g.cfg.Now().UnixNano()
	m.charge(g.cfg.Connection, c, at)
	wait := m.until(g.cfg.Connection) - at
	if wait > 0 {
		g.counts.paused++
	}
	return time.Duration(max(wait, 0))
}
