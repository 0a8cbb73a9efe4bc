package telemetry

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Subscription receives live reports. It may lose some: when its buffer is full the oldest goes and Dropped counts it.
type Subscription struct {
	C <-chan *vigil.Report // closed by Close

	c       chan *vigil.Report
	match   func(*vigil.Report) bool
	dropped atomic.Uint64
	mu      sync.Mutex
	closed  bool
	leave   func(*Subscription)
}

// Subscribe delivers the reports that match to a buffer of at least one, from now on, after they are on disk and in the
// series. Match runs on the path of every report: it must be quick; a nil match means everything. It is for the house
// itself, which delivers to each reader only what he may see; for one reader there is SubscribeAs.
func (s *Store) Subscribe(buf int, match func(*vigil.Report) bool) *Subscription {
	c := make(chan *vigil.Report, max(buf, 1))
	sub := &Subscription{C: c, c: c, match: match, leave: s.unsubscribe}
	s.subsMu.Lock()
	defer s.subsMu.Unlock()
	subs := append(slices.Clone(s.subscriptions()), sub)
	s.subs.Store(&subs)
	return sub
}

// SubscribeAs is Subscribe for what the principal of ctx may see: reports of other subjects are left out. It returns Denied
// when nobody is signed in. Who loses a role or is signed out keeps what ctx says: close the subscription then.
func (s *Store) SubscribeAs(ctx context.Context, buf int, match func(*vigil.Report) bool) (*Subscription, error) {
	p, ok := access.From(ctx)
	if !ok {
		return nil, vigil.Errorf(vigil.Denied, "telemetry.subscribe", "not signed in")
	}
	if p.Clinical() {
		return s.Subscribe(buf, match), nil
	}
	return s.Subscribe(buf, func(r *vigil.Report) bool {
		return (match == nil || match(r)) && access.CheckSubject(ctx, r.Subject) == nil
	}), nil
}

// Dropped returns how many reports were lost because the reader was slow.
func (s *Subscription) Dropped() uint64 { return s.dropped.Load() }

// Close ends the subscription and closes C. It may be called more than once.
func (s *Subscription) Close() {
	s.leave(s)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.closed = true
		close(s.c)
	}
}

func (s *Subscription) send(r *vigil.Report) {
	if s.match != nil && !s.match(r) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed {
		select {
		case s.c <- r:
			return
		default:
		}
		select {
		case <-s.c:
			s.dropped.Add(1)
		default:
		}
	}
}

func (s *Store) subscriptions() []*Subscription {
	if p := s.subs.Load(); p != nil {
		return *p
	}
	return nil
}

func (s *Store) unsubscribe(sub *Subscription) {
	s.subsMu.Lock()
	defer s.subsMu.Unlock()
	subs := slices.DeleteFunc(slices.Clone(s.subscriptions()), func(x *Subscription) bool { return x == sub })
	s.subs.Store(&subs)
}

func (s *Store) publish(reports []*vigil.Report) {
	subs := s.subscriptions()
	if len(subs) == 0 {
		return
	}
	for _, r := range reports {
		for _, sub := range subs {
			sub.send(r)
		}
	}
}
