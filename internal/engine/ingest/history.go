package ingest

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
)

// Outcome is what became of a message.
type Outcome string

// The outcomes.
const (
	OutcomeStored      Outcome = "stored"
	OutcomeDuplicate   Outcome = "duplicate"
	OutcomeQuarantined Outcome = "quarantined"
)

// Heard is one recent message of a device as the engineer sees it.
type Heard struct {
	Device   vigil.DeviceID
	At       time.Time
	Protocol string
	Size     int
	Payload  []byte // at most previewBytes of it
	Outcome  Outcome
	Reason   Reason
	Detail   string
	Samples  []vigil.Sample
	AckAfter time.Duration // receipt to durable acknowledgement; 0 while it waits
}

const (
	historyDepth = 32
	previewBytes = 2048
	stripes      = 64
)

// history keeps the last messages of every device, for the eyes of engineers.
type history struct {
	stripe   [stripes]historyStripe
	mu       sync.Mutex
	watchers map[*Watcher]bool
	watched  atomic.Int32
}

type historyStripe struct {
	mu  sync.Mutex
	dev map[vigil.DeviceID]*ring
}

type ring struct {
	items [historyDepth]*Heard
	next  int
}

func newHistory() *history {
	h := &history{watchers: map[*Watcher]bool{}}
	for i := range h.stripe {
		h.stripe[i].dev = map[vigil.DeviceID]*ring{}
	}
	return h
}

func stripeOf(id vigil.DeviceID) uint32 {
	h := uint32(2166136261) // FNV-1a
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return h % stripes
}

// note remembers the message and stamps the time of its acknowledgement when it comes. Messages of unknown devices
// are not remembered here, so that invented ids cannot fill the memory; the quarantine has them.
func (p *Pipeline) note(w *work) {
	if w.device == nil {
		return
	}
	e := &Heard{Device: w.Device, At: w.Received, Protocol: w.Protocol, Size: len(w.Payload), Payload: preview(w.Payload), Outcome: w.outcome}
	if len(w.rejected) > 0 {
		e.Reason, e.Detail = w.rejected[0].Reason, w.rejected[0].Detail
	}
	if len(w.mapped) > 0 {
		e.Samples = w.mapped[0].Report.Samples
		if len(w.mapped) > 1 {
			e.Samples = slices.Clone(e.Samples) // the others share its memory
		}
	}
	h := p.history
	s := &h.stripe[stripeOf(w.Device)]
	s.mu.Lock()
	r := s.dev[w.Device]
	if r == nil {
		r = &ring{}
		s.dev[w.Device] = r
	}
	r.items[r.next%historyDepth] = e
	r.next++
	s.mu.Unlock()
	if h.watched.Load() == 0 {
		return
	}
	done := w.done
	w.done = func(err error) {
		told := *e
		told.AckAfter = p.cfg.Now().Sub(e.At)
		h.tell(told)
		done(err)
	}
}

// preview returns what is remembered of a payload, without holding on to a large one.
func preview(payload []byte) []byte {
	if len(payload) > previewBytes {
		return bytes.Clone(payload[:previewBytes])
	}
	return payload
}

// Recent returns the last messages of a device, newest first.
func (p *Pipeline) Recent(id vigil.DeviceID) []Heard {
	s := &p.history.stripe[stripeOf(id)]
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.dev[id]
	if r == nil {
		return nil
	}
	var out []Heard
	for i := r.next - 1; i >= 0 && i >= r.next-historyDepth; i-- {
		out = append(out, *r.items[i%historyDepth])
	}
	return out
}

// Watcher receives the messages of one device as they are acknowledged; a slow one misses some.
type Watcher struct {
	C      <-chan Heard
	c      chan Heard
	ended  chan struct{}
	device vigil.DeviceID
	h      *history
}

// Done is closed by Close.
func (w *Watcher) Done() <-chan struct{} { return w.ended }

// Watch follows one device until Close.
func (p *Pipeline) Watch(id vigil.DeviceID) *Watcher {
	c := make(chan Heard, 64)
	w := &Watcher{C: c, c: c, ended: make(chan struct{}), device: id, h: p.history}
	p.history.mu.Lock()
	defer p.history.mu.Unlock()
	p.history.watchers[w] = true
	p.history.watched.Add(1)
	return w
}

// Close ends the watch. C is not closed, since a message may be on its way.
func (w *Watcher) Close() {
	w.h.mu.Lock()
	defer w.h.mu.Unlock()
	if w.h.watchers[w] {
		delete(w.h.watchers, w)
		close(w.ended)
		w.h.watched.Add(-1)
	}
}

func (h *history) tell(e Heard) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for w := range h.watchers {
		if w.device != e.Device {
			continue
		}
		select {
		case w.c <- e:
		default: // slow eyes miss a message; the list has it
		}
	}
}

// recent remembers the fingerprints of each device's last messages.
type recent struct {
	stripe [stripes]struct {
		mu  sync.Mutex
		dev map[vigil.DeviceID]*prints
	}
}

const printDepth = 64

type prints struct {
	sum  [printDepth]uint64
	next int
}

func newRecent() *recent {
	r := &recent{}
	for i := range r.stripe {
		r.stripe[i].dev = map[vigil.DeviceID]*prints{}
	}
	return r
}

// repeat reports whether the device sent the same bytes lately, and remembers them.
func (r *recent) repeat(id vigil.DeviceID, sum uint64) bool {
	s := &r.stripe[stripeOf(id)]
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.dev[id]
	if p == nil {
		p = &prints{}
		s.dev[id] = p
	}
	if slices.Contains(p.sum[:min(p.next, printDepth)], sum) {
		return true
	}
	p.sum[p.next%printDepth] = sum
	p.next++
	return false
}

func (r *recent) forget(id vigil.DeviceID) {
	s := &r.stripe[stripeOf(id)]
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.dev, id)
}
