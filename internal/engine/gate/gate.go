// Package gate decides which message goes next: quotas of devices and connections, fair turns between devices, and what
// has to wait or go when more comes than the disk takes.
//
// It knows nothing of telemetry: a message is a ticket with a class and a cost, and what runs when its turn comes.
// Nothing that is on its way to the desk passes here: alarms, calls and pages are never held. Start at Gate.
package gate

import (
	"context"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
)

// Class ranks what a message carries. A lower number goes first and is shed last.
type Class uint8

// The classes of message.
const (
	Events Class = iota // calls and other events: never shed
	Vitals              // numbers of now: never shed
	Waves               // waveforms
	Bulk                // what was measured long ago and is sent again, and what cannot be used
	classes
)

var classNames = [...]string{"events", "vitals", "waveforms", "bulk"}

// String returns the class as configuration and metrics write it.
func (c Class) String() string { return classNames[c] }

// shares is how many turns a class has before the next lower one has its own: lower classes are slow, never starved.
var shares = [classes]int{64, 16, 4, 1}

// Ticket is one message at the gate. The gate holds it from Enter to Leave.
type Ticket struct {
	Device  vigil.DeviceID
	Speaker vigil.DeviceID // the connected device, "" for the house itself
	Class   Class
	Cost    Cost
	Refuse  bool   // answer with an error instead of waiting when no more of the device may wait
	Go      func() // runs the rest of the way, when the turn comes later
	flow    *flow
	next    *Ticket
	since   int64
}

// Config is what a gate needs. Zero bounds have defaults.
type Config struct {
	Now         func() time.Time
	Quota       func(id vigil.DeviceID) *Quota // of a device; its answer is kept until Forget
	Connection  *Quota                         // of what a connection says in all
	WindowBytes int                            // on the way to the disk at once, default 2 MiB
	WindowCount int                            // messages on the way to the disk at once, default 4096
	WaitBytes   int                            // waiting for a turn in all, default 64 MiB
	FlowBytes   int                            // waiting of one device, default 1 MiB
	FlowCount   int                            // messages waiting of one device, default 256
	FlowCallers int                            // callers of one device that wait for room to wait, default 16
}

// Gate gives every device its turn.
//
//	Enter ─► within quota, room on the way, nobody waits? ─────────────────────► go at once
//	           │ no                                                                 │
//	           ▼                                                                    ▼
//	         line of the device, by class ─► turns: classes by share, devices by weight (deficit round robin) ─► Go
//	           │ full                                                               │
//	           ▼                                                                    ▼
//	         the caller waits, or is refused                                      Leave makes room
//
// Memory is bounded by WaitBytes and by one message of each caller that waits. It is safe for concurrent use.
type Gate struct {
	cfg   Config
	mu    sync.Mutex
	room  sync.Cond // there is room to wait again, or the gate closed
	flows map[vigil.DeviceID]*flow
	conns map[vigil.DeviceID]*meter // by the device that is connected

	rings   [classes]ring
	credit  [classes]int
	ready   [classes]int // messages whose device is within its quota
	resting []*flow      // over their quota
	waiting int          // bytes
	away    int          // messages on the way to the disk
	awayB   int
	moved   int64 // when one of them last arrived
	closed  bool
	wake    chan struct{}

	level  level
	counts counts
}

// flow is what is known of one device.
type flow struct {
	id      vigil.DeviceID
	quota   *Quota
	meter   meter
	lanes   [classes]lane
	deficit [classes]int
	visited [classes]bool // has had its quantum of this round
	inRing  [classes]bool
	calls   meter     // of its events that are let through over the quota
	room    sync.Cond // its line got shorter
	resting bool
	running int // of its messages, taken from a lane and not yet on the way
	count   int
	bytes   int
	callers int
	roused  int64 // when it was last within its quota again
	overAt  int64 // since when it is over its quota, 0 when it is not
	last    int64 // when it was last held or refused
	taken   uint64
	held    uint64
	refused uint64
}

// lane is a first-in first-out list of tickets.
type lane struct {
	head, tail *Ticket
	n, bytes   int
}

func (l *lane) put(t *Ticket) {
	if l.tail == nil {
		l.head = t
	} else {
		l.tail.next = t
	}
	l.tail = t
	l.n++
	l.bytes += t.Cost.Bytes
}

func (l *lane) take() *Ticket {
	t := l.head
	if l.head = t.next; l.head == nil {
		l.tail = nil
	}
	t.next = nil
	l.n--
	l.bytes -= t.Cost.Bytes
	return t
}

// New returns a gate; Run must be running for what waits to get its turn.
func New(cfg Config) *Gate {
	for _, d := range []struct {
		to  *int
		def int
	}{
		{&cfg.WindowBytes, 2 << 20}, {&cfg.WindowCount, 4096}, {&cfg.WaitBytes, 64 << 20}, {&cfg.FlowBytes, 1 << 20}, {&cfg.FlowCount, 256}, {&cfg.FlowCallers, 16},
	} {
		if *d.to == 0 {
			*d.to = d.def
		}
	}
	g := &Gate{cfg: cfg, flows: map[vigil.DeviceID]*flow{}, conns: map[vigil.DeviceID]*meter{}, credit: shares, wake: make(chan struct{}, 1)}
	g.room.L = &g.mu
	g.moved = cfg.Now().UnixNano()
	return g
}

// Enter asks for a turn. True means go at once, on the caller's own account; false without an error means that Go will
// run when the turn comes. Either way Leave follows when the message is on disk or has failed. An error, *Limited, means
// that the message was not taken. Enter waits while the line of the device is full, unless the ticket says Refuse or
// its class is being shed. Tickets of one device and class keep their order.
func (g *Gate) Enter(t *Ticket) (now bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.cfg.Now().UnixNano()
	f := g.flowOf(t.Device)
	t.flow, t.since = f, at
	if t.Class == Events && !g.calls(f, at) {
		t.Class = Vitals
	}
	if m := g.conns[t.Speaker]; m != nil {
		m.charge(g.cfg.Connection, Cost{Values: t.Cost.Values}, at)
	}
	if (f.count+f.running == 0 || t.Class == Events) && g.mayPass(f, t.Class, at) {
		g.send(t, at)
		return true, nil
	}
	for !g.closed && g.full(f, t) {
		if t.Refuse || g.level.sheds(t.Class) || f.callers >= g.cfg.FlowCallers {
			return false, g.refuse(f, t, at)
		}
		f.callers++
		if g.lineFull(f, t) {
			f.room.Wait()
		} else {
			g.room.Wait()
		}
		f.callers--
		at = g.cfg.Now().UnixNano()
	}
	if g.closed {
		return false, vigil.Errorf(vigil.Unavailable, "gate.enter", "the server is stopping; send it again")
	}
	g.queue(f, t)
	return false, nil
}

// mayPass reports whether a message may go past the lines: its device within quota, nobody ready who would be passed over.
func (g *Gate) mayPass(f *flow, c Class, at int64) bool {
	if g.closed || g.level.sheds(c) || !g.hasRoom() || c != Events && (f.resting || f.meter.until(f.quota) > at) {
		return false
	}
	for k := range classes {
		if g.ready[k] > 0 && !g.level.sheds(k) {
			return false
		}
	}
	return true
}

func (g *Gate) hasRoom() bool {
	return g.away == 0 || g.away < g.cfg.WindowCount && g.awayB < g.cfg.WindowBytes
}

// callQuota is how many events of a device are let through whatever else it sends.
var callQuota = Quota{Messages: 1, Burst: 30 * time.Second}

// calls reports whether an event of the device goes before everything, and counts it.
func (g *Gate) calls(f *flow, at int64) bool {
	if f.calls.until(&callQuota) > at {
		return false
	}
	f.calls.charge(&callQuota, Cost{Messages: 1}, at)
	return true
}

// full reports whether the ticket may not join its line. Events are few by callQuota and always may.
func (g *Gate) full(f *flow, t *Ticket) bool {
	return g.lineFull(f, t) || t.Class != Events && g.waiting > 0 && g.waiting+t.Cost.Bytes > g.cfg.WaitBytes
}

func (g *Gate) lineFull(f *flow, t *Ticket) bool {
	return t.Class != Events && (f.count >= g.cfg.FlowCount || f.count > 0 && f.bytes+t.Cost.Bytes > g.cfg.FlowBytes)
}

func (g *Gate) flowOf(id vigil.DeviceID) *flow {
	f := g.flows[id]
	if f == nil {
		f = &flow{id: id, quota: g.cfg.Quota(id)}
		f.room.L = &g.mu
		g.flows[id] = f
	}
	return f
}

func (g *Gate) queue(f *flow, t *Ticket) {
	f.lanes[t.Class].put(t)
	f.count++
	f.bytes += t.Cost.Bytes
	f.held++
	f.last = t.since
	g.waiting += t.Cost.Bytes
	g.counts.held[t.Class]++
	if f.resting && t.Class != Events {
		return
	}
	g.ready[t.Class]++
	g.join(f, t.Class)
	g.nudge()
}

func (g *Gate) join(f *flow, c Class) {
	if !f.inRing[c] {
		f.inRing[c] = true
		g.rings[c].push(f)
	}
}

func (g *Gate) nudge() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *Gate) send(t *Ticket, at int64) {
	if g.away == 0 {
		g.moved = at
	}
	g.away++
	g.awayB += t.Cost.Bytes
	t.flow.taken++
	t.flow.meter.charge(t.flow.quota, t.Cost, at)
}

// Leave says that a message that Enter let in has arrived, or failed. It never blocks.
func (g *Gate) Leave(t *Ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.away--
	g.awayB -= t.Cost.Bytes
	g.moved = g.cfg.Now().UnixNano()
	if g.waiting > 0 {
		g.nudge()
	}
}

// Forget drops what is known of a device's quota, after it was changed.
func (g *Gate) Forget(id vigil.DeviceID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.flows[id]; f != nil {
		f.quota = g.cfg.Quota(id)
	}
}

// assessEvery is how often the level is looked at.
const assessEvery = 250 * time.Millisecond

// Run gives turns until ctx ends; then everybody who waits is refused.
func (g *Gate) Run(ctx context.Context) error {
	timer := time.NewTicker(assessEvery)
	defer timer.Stop()
	rest := time.NewTimer(time.Hour)
	defer rest.Stop()
	for {
		if next := g.Turn(); next > 0 {
			rest.Reset(next)
		}
		select {
		case <-g.wake:
		case <-rest.C:
		case <-timer.C:
			g.Assess()
		case <-ctx.Done():
			g.shut()
			return nil
		}
	}
}

// Turn lets go everything whose turn has come and returns after how long the next device is within its quota again, 0
// when none is over it. It is Run's step, and may be called by itself, from one goroutine at a time.
func (g *Gate) Turn() (next time.Duration) {
	for {
		t, next := g.take()
		if t == nil {
			return next
		}
		t.Go()
		g.mu.Lock()
		t.flow.running--
		g.mu.Unlock()
	}
}

func (g *Gate) take() (*Ticket, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, 0
	}
	at := g.cfg.Now().UnixNano()
	next := g.rouse(at)
	if !g.hasRoom() {
		return nil, next
	}
	t := g.pick(at)
	if t == nil {
		return nil, next
	}
	f := t.flow
	f.count--
	f.bytes -= t.Cost.Bytes
	f.running++
	g.waiting -= t.Cost.Bytes
	g.send(t, at)
	f.room.Signal()
	if g.waiting < g.cfg.WaitBytes*3/4 {
		g.room.Broadcast()
	}
	return t, 0
}

// shut takes nothing more and lets go what waits, so that everybody hears what became of his message.
func (g *Gate) shut() {
	g.mu.Lock()
	g.closed = true
	g.room.Broadcast()
	var left []*Ticket
	for _, f := range g.flows {
		f.room.Broadcast()
		for c := range f.lanes {
			for l := &f.lanes[c]; l.n > 0; {
				t := l.take()
				g.away++
				g.awayB += t.Cost.Bytes
				left = append(left, t)
			}
		}
		f.count, f.bytes = 0, 0
	}
	g.waiting, g.ready = 0, [classes]int{}
	g.mu.Unlock()
	for _, t := range left {
		t.Go()
	}
}
