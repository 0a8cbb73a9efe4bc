package condition

import "math"

const (
	second     = int64(1e9)
	minute     = 60 * second
	longWindow = 2 * 60 * minute // longer windows look at one value every span/longPoints
	longPoints = 8192
	maxWindow  = 24 * 60 * minute
	minWindow  = second
	refresh    = 4096 // values that leave a window before its sums are made anew, against rounding
)

// ringDef is the values of one metric that windows look at.
type ringDef struct {
	slot  int
	long  bool
	span  int64 // longest window
	gap   int64 // least distance between values kept
	views []int
}

// viewKind is what is kept of a window.
type viewKind uint8

const (
	edges    viewKind = iota // its first and last value
	moments                  // sums, for mean and slope
	lowest                   // its smallest value
	highest                  // its largest value
	counting                 // values, and time, on one side of a bound
)

// viewDef is one window as conditions ask for it. Equal ones are kept once.
type viewDef struct {
	ring   int
	window int64
	kind   viewKind
	over   bool
	bound  float64
	hold   int64 // counting: a value stands for at most so long
}

// point is one value.
type point struct {
	t int64
	v float64
}

// ring keeps the newest values in order. Sequence numbers grow for ever, first ≤ n < next are kept.
type ring struct {
	buf         []point // its length is a power of two
	first, next uint64
}

func (r *ring) at(n uint64) *point { return &r.buf[n&uint64(len(r.buf)-1)] }

func (r *ring) push(p point) {
	if r.next-r.first == uint64(len(r.buf)) {
		grown := make([]point, max(16, 2*len(r.buf)))
		for n := r.first; n < r.next; n++ {
			grown[n&uint64(len(grown)-1)] = *r.at(n)
		}
		r.buf = grown
	}
	*r.at(r.next) = p
	r.next++
}

// view is one window: what lies in (now-window, now].
type view struct {
	head  uint64   // first value inside
	base  int64    // sums count seconds from here
	sum   float64  // of values
	sumT  float64  // of seconds
	sumTT float64  // of seconds squared
	sumTV float64  // of seconds times value
	queue []uint64 // lowest, highest: candidates, best first
	count int      // counting: values beyond the bound
	dwell int64    // counting: time beyond the bound, up to the newest value
	left  int      // values that left since the sums were made
}

// State is the windows of one subject. It is not safe for concurrent use.
type State struct {
	Since  int64 // since when the subject is known, Unix nanoseconds; 0 is never
	layout *Layout
	last   []point // by slot; t 0 is never
	rings  []ring
	views  []view
}

// NewState returns empty windows.
func (l *Layout) NewState() *State {
	return &State{layout: l, last: make([]point, len(l.metrics)), rings: make([]ring, len(l.rings)), views: make([]view, len(l.views))}
}

// Push takes one value of a slot. A value that is not newer than the newest of its slot is left out of the windows.
func (s *State) Push(slot int, t int64, v float64) {
	if last := &s.last[slot]; t > last.t {
		*last = point{t, v}
	} else if t < last.t {
		return
	} else {
		last.v = v // a correction of the newest; windows keep the first
		return
	}
	for _, i := range s.layout.bySlot[slot] {
		def, r := &s.layout.rings[i], &s.rings[i]
		if r.next > r.first && t-r.at(r.next-1).t < def.gap {
			continue
		}
		r.push(point{t, v})
		for _, k := range def.views {
			d := &s.layout.views[k]
			s.enter(k, d, r)
			s.leave(k, d, r, t)
		}
		for r.first < r.next && r.at(r.first).t <= t-def.span {
			r.first++
		}
	}
}

// enter adds the newest value of the ring to a view.
func (s *State) enter(k int, d *viewDef, r *ring) {
	w, n := &s.views[k], r.next-1
	p := r.at(n)
	switch d.kind {
	case moments:
		if n == w.head {
			w.base, w.sum, w.sumT, w.sumTT, w.sumTV = p.t, 0, 0, 0, 0
		}
		w.add(p, 1)
	case lowest, highest:
		for len(w.queue) > 0 {
			worst := r.at(w.queue[len(w.queue)-1]).v
			if d.kind == lowest && worst < p.v || d.kind == highest && worst > p.v {
				break
			}
			w.queue = w.queue[:len(w.queue)-1]
		}
		w.queue = append(w.queue, n)
	case counting:
		if d.beyond(p.v) {
			w.count++
		}
		if n > w.head {
			w.dwell += d.dwelt(r, n-1)
		}
	}
}

// leave takes the values out of a view that its window has passed.
func (s *State) leave(k int, d *viewDef, r *ring, now int64) {
	w := &s.views[k]
	for w.head < r.next && r.at(w.head).t <= now-d.window {
		p := r.at(w.head)
		switch d.kind {
		case moments:
			w.add(p, -1)
			w.left++
		case lowest, highest:
			if len(w.queue) > 0 && w.queue[0] == w.head {
				w.queue = w.queue[1:]
			}
		case counting:
			if d.beyond(p.v) {
				w.count--
			}
			if w.head+1 < r.next {
				w.dwell -= d.dwelt(r, w.head)
			}
		}
		w.head++
	}
	if w.left < refresh {
		return
	}
	w.left, w.sum, w.sumT, w.sumTT, w.sumTV = 0, 0, 0, 0, 0
	for n := w.head; n < r.next; n++ {
		if n == w.head {
			w.base = r.at(n).t
		}
		w.add(r.at(n), 1)
	}
}

func (w *view) add(p *point, sign float64) {
	x := float64(p.t-w.base) / float64(second)
	w.sum += sign * p.v
	w.sumT += sign * x
	w.sumTT += sign * x * x
	w.sumTV += sign * x * p.v
}

func (d *viewDef) beyond(v float64) bool {
	if d.over {
		return v > d.bound
	}
	return v < d.bound
}

// dwelt is how long the value before the next one stood beyond the bound.
func (d *viewDef) dwelt(r *ring, n uint64) int64 {
	if !d.beyond(r.at(n).v) {
		return 0
	}
	return min(r.at(n+1).t-r.at(n).t, d.hold)
}

// look brings a view up to now and returns it with its ring, and how many values it holds.
func (s *State) look(k int, now int64) (*view, *ring, int) {
	d := &s.layout.views[k]
	r := &s.rings[d.ring]
	s.leave(k, d, r, now)
	w := &s.views[k]
	return w, r, int(r.next - w.head)
}

// covered reports whether the values in a view say enough of its window: the first lies in its older half and the newest
// is not stale.
func (s *State) covered(w *view, r *ring, now, window, stale int64) bool {
	return r.at(w.head).t <= now-window/2 && now-r.at(r.next-1).t <= stale
}

// slope is the least-squares line through the values, in units a minute; NaN when they lie at one moment.
func (w *view) slope(n int) float64 {
	fn := float64(n)
	den := fn*w.sumTT - w.sumT*w.sumT
	if den <= 0 {
		return math.NaN()
	}
	return 60 * (fn*w.sumTV - w.sumT*w.sum) / den
}

// Take fills the windows with the values of another state, as far as it has them.
func (s *State) Take(from *State) {
	for slot, m := range s.layout.metrics {
		other := from.layout.find(m)
		if other < 0 {
			continue
		}
		best := -1
		for _, i := range from.layout.bySlot[other] {
			if r := &from.rings[i]; r.next > r.first && (best < 0 || r.at(r.first).t < from.rings[best].at(from.rings[best].first).t) {
				best = i
			}
		}
		if best < 0 {
			if p := from.last[other]; p.t != 0 {
				s.Push(slot, p.t, p.v)
			}
			continue
		}
		r := &from.rings[best]
		for n := r.first; n < r.next; n++ {
			s.Push(slot, r.at(n).t, r.at(n).v)
		}
	}
}
