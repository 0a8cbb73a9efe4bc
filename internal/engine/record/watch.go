package record

import (
	"context"
	"slices"
	"sync"
)

// watch hands committed records to watchers in the order of their Seq, although writers come back in any order.
type watch struct {
	mu      sync.Mutex
	fns     []func(Record)
	next    int64 // the Seq to hand out next; 0 before the first write
	flying  int   // writes between begin and end
	waiting []Record
	busy    bool // somebody is handing out
}

// Watch calls fn for every record that is written from now on, deletions too, after its commit and in the order of
// commits. fn runs on a writer's goroutine and must be quick; it may write to the store.
func (s *Store) Watch(fn func(Record)) {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	s.watch.fns = append(s.watch.fns, fn)
}

func (w *watch) begin(ctx context.Context, b Backend) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.next == 0 {
		last, err := b.Last(ctx)
		if err != nil {
			return err
		}
		w.next = last + 1
	}
	w.flying++
	return nil
}

// end takes what a write has committed. When no write is under way, nothing earlier can come any more and a gap (a
// write of another process) holds nothing up.
func (w *watch) end(done []Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flying--
	w.waiting = append(w.waiting, done...)
	slices.SortFunc(w.waiting, func(a, b Record) int { return int(a.Seq - b.Seq) })
	if w.busy {
		return
	}
	w.busy = true
	for len(w.waiting) > 0 && (w.waiting[0].Seq <= w.next || w.flying == 0) {
		r := w.waiting[0]
		w.waiting = w.waiting[1:]
		w.next = max(w.next, r.Seq+1)
		fns := w.fns
		w.mu.Unlock()
		for _, fn := range fns {
			fn(r)
		}
		w.mu.Lock()
	}
	w.busy = false
}
