package gate

import (
	"slices"
	"time"
)

// A device may go on with a message while its deficit covers the price; every turn adds a quantum for each of its
// weight (Shreedhar and Varghese, Efficient Fair Queuing using Deficit Round Robin, 1995). Prices are bounded, so that
// the largest message has its turn after a few rounds.
const (
	quantum   = 2048
	basePrice = 256
	mostPrice = 16 << 10
)

func (t *Ticket) price() int { return basePrice + min(t.Cost.Bytes, mostPrice) }

// ring is a queue of devices.
type ring struct {
	list []*flow
	head int
}

func (r *ring) len() int { return len(r.list) - r.head }

func (r *ring) push(f *flow) { r.list = append(r.list, f) }

func (r *ring) pop() *flow {
	f := r.list[r.head]
	r.list[r.head] = nil
	if r.head++; r.head > 64 && r.head*2 > len(r.list) {
		r.list, r.head = slices.Delete(r.list, 0, r.head), 0
	}
	return f
}

// pick returns the next ticket, by the share of the classes and the weight of the devices, or nil when none may go.
func (g *Gate) pick(at int64) *Ticket {
	for range 2 {
		for c := range classes {
			if g.credit[c] <= 0 || g.ready[c] == 0 || g.level.sheds(c) {
				continue
			}
			if t := g.pickOf(c, at); t != nil {
				g.credit[c]--
				return t
			}
		}
		g.credit = shares
	}
	if g.level.stage == busy && g.ready[Bulk] > 0 && g.away*8 < g.cfg.WindowCount && g.awayB*8 < g.cfg.WindowBytes {
		return g.pickOf(Bulk, at) // there is time between the others
	}
	return nil
}

// pickOf takes the next ticket of one class. Devices that are found over their quota are laid to rest.
func (g *Gate) pickOf(c Class, at int64) *Ticket {
	for r := &g.rings[c]; r.len() > 0; {
		f := r.list[r.head]
		l := &f.lanes[c]
		if l.n == 0 || f.resting && c != Events {
			r.pop()
			f.inRing[c], f.visited[c], f.deficit[c] = false, false, 0
			continue
		}
		if c != Events && f.meter.until(f.quota) > at {
			g.rest(f, at)
			continue
		}
		if f.deficit[c] < l.head.price() {
			if !f.visited[c] {
				f.visited[c] = true
				f.deficit[c] += quantum * max(f.quota.Weight, 1)
			} else {
				f.visited[c] = false
				r.push(r.pop())
			}
			continue
		}
		f.deficit[c] -= l.head.price()
		t := l.take()
		g.ready[c]--
		return t
	}
	return nil
}

// rest takes a device that is over its quota out of the turns until it is within it again.
func (g *Gate) rest(f *flow, at int64) {
	f.resting = true
	f.over(at)
	for c := Vitals; c < classes; c++ {
		g.ready[c] -= f.lanes[c].n
	}
	g.resting = append(g.resting, f)
}

// rouse brings back who is within his quota again, and returns when the next one will be, 0 when nobody rests.
func (g *Gate) rouse(at int64) (next time.Duration) {
	g.resting = slices.DeleteFunc(g.resting, func(f *flow) bool {
		if until := f.meter.until(f.quota); until > at {
			if d := time.Duration(until - at); next == 0 || d < next {
				next = d
			}
			return false
		}
		f.resting, f.roused = false, at
		for c := Vitals; c < classes; c++ {
			if g.ready[c] += f.lanes[c].n; f.lanes[c].n > 0 {
				g.join(f, c)
			}
		}
		return true
	})
	return next
}
