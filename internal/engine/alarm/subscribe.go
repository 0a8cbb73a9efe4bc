package alarm

import (
	"sync"
	"sync/atomic"

	"github.com/vigil-health/vigil"
)

// Subscription delivers every change of every alarm. It checks no access: its reader decides who sees what.
type Subscription struct {
	// C carries the alarm after each change, in order per alarm. Evidence and history are shared: do not write to them.
	C <-chan vigil.Alarm

	c      chan vigil.Alarm
	missed atomic.Bool
	hub    *hub
}

// Missed reports whether changes were lost because C was full, and forgets it: the reader then lists anew.
// It is worth asking after each receive.
func (s *Subscription) Missed() bool { return s.missed.Swap(false) }

// Close ends the subscription. C is not closed.
func (s *Subscription) Close() {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	delete(s.hub.subs, s)
}

type hub struct {
	mu   sync.Mutex
	subs map[*Subscription]struct{}
}

// Subscribe returns a subscription that holds at most buf changes while its reader is busy (at least 1).
// When it is full the oldest change is dropped and Missed says so: nothing is lost unnoticed.
func (d *Desk) Subscribe(buf int) *Subscription {
	c := make(chan vigil.Alarm, max(buf, 1))
	s := &Subscription{C: c, c: c, hub: &d.hub}
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	d.hub.subs[s] = struct{}{}
	return s
}

func (h *hub) publish(a vigil.Alarm) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.subs {
		for {
			select {
			case s.c <- a:
			default:
				s.missed.Store(true)
				select {
				case <-s.c:
				default:
				}
				continue
			}
			break
		}
	}
}
