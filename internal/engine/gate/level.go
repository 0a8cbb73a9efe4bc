package gate

import (
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

// The stages of pressure. What is shed grows with them: bulk, then dashboards, then waveforms; never vitals or events.
const (
	healthy = iota
	busy
	overloaded
	severe // overloaded, and waveforms are shed too
	stages
)

// A stage begins when the oldest ready message has waited so long, or the disk has not moved for so long, or so much of
// the room to wait is taken. It ends, one stage at a time, after settle of staying below half of that.
var (
	stageAge  = [stages]time.Duration{0, 250 * time.Millisecond, time.Second, 3 * time.Second}
	stageFill = [stages]float64{0, 0.25, 0.5, 0.75}
)

const settle = 5 * time.Second

type level struct {
	stage int
	fell  int64 // when it last became better
	calm  int64 // since when it is below half of the stage's threshold, 0 when it is not
}

func (l *level) sheds(c Class) bool {
	return c == Bulk && l.stage >= busy || c == Waves && l.stage >= severe
}

func (l *level) name() string {
	return [...]string{"healthy", "busy", "overloaded", "overloaded"}[l.stage]
}

// counts is what the gate did since the start.
type counts struct {
	held    [classes]uint64
	refused [classes]uint64
	paused  uint64
	rises   uint64
}

// Assess sets the level by what waits now. It is called by Run, every quarter of a second.
func (g *Gate) Assess() {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.cfg.Now().UnixNano()
	age, fill := g.pressure(at)
	l := &g.level
	for s := stages - 1; s > l.stage; s-- {
		if age >= stageAge[s] || fill >= stageFill[s] {
			l.stage, l.calm = s, 0
			g.counts.rises++
			return
		}
	}
	if l.stage == healthy || age >= stageAge[l.stage]/2 || fill >= stageFill[l.stage]/2 {
		l.calm = 0
		return
	}
	if l.calm == 0 {
		l.calm = at
		return
	}
	if at-l.calm >= int64(settle) {
		l.stage--
		l.calm, l.fell = at, at
		g.nudge() // what was shed may go again
	}
}

// pressure returns how long the oldest message that may go has waited, or the disk has not moved, and which part of the
// room to wait is taken by what may go. What is shed or over its quota waits for another reason, and bulk has time.
func (g *Gate) pressure(at int64) (age time.Duration, fill float64) {
	oldest := at
	if g.away > 0 {
		oldest = g.moved
	}
	bytes := 0
	seen := func(f *flow, c Class) {
		if f.lanes[c].n == 0 || c != Events && (f.resting || f.meter.until(f.quota) > at) {
			return
		}
		oldest = min(oldest, max(f.lanes[c].head.since, f.roused, g.level.fell)) // it could not go before
		bytes += f.lanes[c].bytes
	}
	for c := range Bulk { // bulk has time
		if g.level.sheds(c) {
			continue
		}
		for _, f := range g.rings[c].list[g.rings[c].head:] {
			seen(f, c)
		}
	}
	return time.Duration(at - oldest), float64(bytes) / float64(g.cfg.WaitBytes)
}

// State is how the gate stands, for people and metrics.
type State struct {
	Level    string            `json:"level"`    // healthy, busy, overloaded
	Shedding []string          `json:"shedding"` // bulk, dashboards, waveforms
	Waiting  int               `json:"waiting_bytes"`
	Messages int               `json:"waiting_messages"`
	Away     int               `json:"on_the_way"` // messages that are not on disk yet
	Over     int               `json:"over_quota"` // devices
	Held     map[string]uint64 `json:"held"`       // messages that had to wait, by class, since the start
	Refused  map[string]uint64 `json:"refused"`    // messages that were not taken, by class, since the start
	Paused   uint64            `json:"paused"`     // times that a connection was left alone for a while
}

// State returns how the gate stands.
func (g *Gate) State() State {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := State{Level: g.level.name(), Shedding: []string{}, Waiting: g.waiting, Away: g.away, Over: len(g.resting),
		Held: map[string]uint64{}, Refused: map[string]uint64{}, Paused: g.counts.paused}
	for i, what := range []string{"bulk", "dashboards", "waveforms"} {
		if g.level.stage > i {
			s.Shedding = append(s.Shedding, what)
		}
	}
	for c := range classes {
		s.Held[c.String()], s.Refused[c.String()] = g.counts.held[c], g.counts.refused[c]
		s.Messages += g.ready[c]
	}
	for _, f := range g.resting {
		s.Messages += f.count
	}
	return s
}

// Crowded reports whether screens and readers should ask for less: the level is overloaded.
func (g *Gate) Crowded() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.level.stage >= overloaded
}

// Line is how one device stands.
type Line struct {
	Device  vigil.DeviceID `json:"-"`
	Over    bool           `json:"over_quota"`
	Waiting int            `json:"waiting"`
	Taken   uint64         `json:"taken"`   // messages that had their turn since the start
	Held    uint64         `json:"held"`    // of them and of those that still wait, those that had to wait
	Refused uint64         `json:"refused"` // messages that were not taken
	Since   time.Time      `json:"-"`       // since when it is over its quota
}

// over notes that the device is over its quota, wherever that shows first.
func (f *flow) over(at int64) {
	if f.overAt == 0 {
		f.overAt = at
	}
}

func (f *flow) line() Line {
	l := Line{Device: f.id, Over: f.overAt != 0, Waiting: f.count, Taken: f.taken, Held: f.held, Refused: f.refused}
	if l.Over {
		l.Since = time.Unix(0, f.overAt)
	}
	return l
}

// Line returns how a device stands.
func (g *Gate) Line(id vigil.DeviceID) Line {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f := g.flows[id]; f != nil {
		return f.line()
	}
	return Line{Device: id}
}

// quiet is how long a device must not have been held or refused to be within its quota again.
const quiet = 30 * time.Second

// Over returns the devices that send more than their quota, in order. A device leaves it after half a minute in which
// nothing of it had to wait.
func (g *Gate) Over() []Line {
	g.mu.Lock()
	defer g.mu.Unlock()
	at := g.cfg.Now().UnixNano()
	var out []Line
	for _, f := range g.flows {
		if f.overAt == 0 {
			continue
		}
		if !f.resting && at-f.last > int64(quiet) {
			f.overAt = 0
			continue
		}
		out = append(out, f.line())
	}
	slices.SortFunc(out, func(a, b Line) int {
		if a.Device < b.Device {
			return -1
		}
		return 1
	})
	return out
}
