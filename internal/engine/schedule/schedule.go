// Package schedule does things at a time: durable deadlines by name, and intervals.
//
// A deadline survives a restart and is handed to its handler at least once; an interval is a habit of the running
// process and is not stored. It knows nothing of what is due (medication doses, reviews). Start at Schedule.
package schedule

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
)

// Deadline is something due at a time. Key is unique; its part before the first "/" names the handler,
// for example "medication/dose-7/late".
type Deadline struct {
	Key     string
	At      time.Time
	Payload []byte
}

// Book keeps deadlines. Calls may be concurrent.
type Book interface {
	// Put stores a deadline, in place of one with the same key.
	Put(ctx context.Context, d Deadline) error
	// Delete removes the deadline if it is still due at that time; a zero time removes it whatever its time.
	Delete(ctx context.Context, key string, at time.Time) error
	// Due returns deadlines up to and including t, earliest first, at most limit.
	Due(ctx context.Context, t time.Time, limit int) ([]Deadline, error)
	// Next returns the time of the earliest deadline, zero when there is none.
	Next(ctx context.Context) (time.Time, error)
}

// Handler does what is due. An error makes the deadline come again later; a handler must bear a repeat.
type Handler func(ctx context.Context, d Deadline) error

const (
	tick      = time.Second // how soon a clock that jumped is noticed
	retry     = 10 * time.Second
	retryMax  = 10 * time.Minute
	batch     = 256
	errorWait = 5 * time.Second
)

// Schedule runs deadlines and intervals.
type Schedule struct {
	book Book
	now  func() time.Time
	log  *slog.Logger

	mu       sync.Mutex
	handlers map[string]Handler
	habits   []*habit
	later    map[string]again // deadlines whose handler failed
	wake     chan struct{}
}

type habit struct {
	name  string
	every time.Duration
	next  time.Time
	fn    func(ctx context.Context, now time.Time) error
}

type again struct {
	at    time.Time // of the deadline it belongs to
	after time.Time
	wait  time.Duration
}

// New returns a schedule without handlers. A nil log is silent.
func New(book Book, now func() time.Time, log *slog.Logger) *Schedule {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Schedule{book: book, now: now, log: log, handlers: map[string]Handler{}, later: map[string]again{}, wake: make(chan struct{}, 1)}
}

// Handle names the handler of all keys that begin with room and a slash. It returns Conflict when there is one.
func (s *Schedule) Handle(room string, h Handler) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handlers[room] != nil {
		return vigil.Errorf(vigil.Conflict, "schedule.handle", "%q has a handler already", room)
	}
	s.handlers[room] = h
	s.nudge()
	return nil
}

// Every calls fn once per interval while the schedule runs, first after one interval. Calls of one name never overlap;
// those that were slept through are not made up for.
func (s *Schedule) Every(name string, interval time.Duration, fn func(ctx context.Context, now time.Time) error) error {
	if interval <= 0 {
		return vigil.Errorf(vigil.Invalid, "schedule.every", "the interval of %q is not positive", name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.habits = append(s.habits, &habit{name: name, every: interval, next: s.now().Add(interval), fn: fn})
	s.nudge()
	return nil
}

// At stores a deadline, in place of one with the same key, and returns once it is on disk. A time in the past is due
// at once.
func (s *Schedule) At(ctx context.Context, key string, at time.Time, payload []byte) error {
	if room, _, ok := strings.Cut(key, "/"); !ok || room == "" {
		return vigil.Errorf(vigil.Invalid, "schedule.at", "key %q does not begin with a room and a slash", key)
	}
	if err := s.book.Put(ctx, Deadline{Key: key, At: at, Payload: payload}); err != nil {
		return err
	}
	s.nudge()
	return nil
}

// Cancel removes a deadline; one that is not there is no error.
func (s *Schedule) Cancel(ctx context.Context, key string) error {
	return s.book.Delete(ctx, key, time.Time{})
}

func (s *Schedule) nudge() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run does what is due until ctx ends. Handlers run one after the other, in the order of their deadlines.
func (s *Schedule) Run(ctx context.Context) error {
	for {
		next := s.Tick(ctx)
		wait := tick
		if !next.IsZero() {
			wait = min(max(next.Sub(s.now()), time.Millisecond), tick)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-time.After(wait):
		}
	}
}

// Tick does what is due now and returns when something is due next, zero for nothing.
func (s *Schedule) Tick(ctx context.Context) time.Time {
	now := s.now()
	next := s.runHabits(ctx, now)
	due, err := s.book.Due(ctx, now, batch)
	if err != nil {
		s.log.Error("deadlines not readable", "error", err)
		return now.Add(errorWait)
	}
	done := 0
	for _, d := range due {
		if ctx.Err() != nil {
			return now
		}
		if s.do(ctx, d, now) {
			done++
		}
	}
	if done == batch {
		return now
	}
	if at, err := s.book.Next(ctx); err == nil && !at.IsZero() {
		if !at.After(now) { // held back: no handler yet, or it failed
			at = now.Add(tick)
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// do hands a deadline to its handler and forgets it once that is done.
func (s *Schedule) do(ctx context.Context, d Deadline, now time.Time) bool {
	room, _, _ := strings.Cut(d.Key, "/")
	s.mu.Lock()
	h, held := s.handlers[room], s.later[d.Key]
	s.mu.Unlock()
	if h == nil || held.at.Equal(d.At) && held.after.After(now) {
		return false
	}
	if err := h(ctx, d); err != nil {
		held.at, held.wait = d.At, min(max(2*held.wait, retry), retryMax)
		held.after = now.Add(held.wait)
		s.log.Warn("deadline will be tried again", "room", room, "error", err)
		s.mu.Lock()
		s.later[d.Key] = held
		s.mu.Unlock()
		return false
	}
	s.mu.Lock()
	delete(s.later, d.Key)
	s.mu.Unlock()
	// A handler may have set the same key anew: only the deadline that was handled goes.
	if err := s.book.Delete(ctx, d.Key, d.At); err != nil {
		s.log.Error("deadline not removed", "room", room, "error", err)
		return false
	}
	return true
}

func (s *Schedule) runHabits(ctx context.Context, now time.Time) (next time.Time) {
	s.mu.Lock()
	habits := append([]*habit(nil), s.habits...)
	s.mu.Unlock()
	for _, h := range habits {
		if !h.next.After(now) {
			if err := h.fn(ctx, now); err != nil {
				s.log.Warn("habit had an error", "name", h.name, "error", err)
			}
			h.next = h.next.Add(h.every)
			if !h.next.After(now) {
				h.next = now.Add(h.every)
			}
		}
		if next.IsZero() || h.next.Before(next) {
			next = h.next
		}
	}
	return next
}
