package app

import (
	"context"
	"sync"

	"github.com/vigil-health/vigil/internal/engine/record"
)

// feed hands reports or records to one function of an application, one at a time and in order. Reports wait in a
// bounded queue and then hold up their sender; records are kept in their newest version only, so that a function that
// writes records never waits for itself.
type feed struct {
	room  *Room
	match func(x any) bool
	fn    func(x any)

	mu    sync.Mutex
	space sync.Cond // there is space, or the room is closed
	work  chan struct{}
	queue []any
	shut  bool
}

func (r *Room) newFeed(match func(x any) bool, fn func(x any)) *feed {
	f := &feed{room: r, match: match, fn: fn, work: make(chan struct{}, 1)}
	f.space.L = &f.mu
	r.Go("feed", f.run)
	return f
}

func (f *feed) put(x any) {
	if !f.match(x) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	rec, isRecord := x.(record.Record)
	if isRecord {
		for i, y := range f.queue {
			if old := y.(record.Record); old.Type == rec.Type && old.ID == rec.ID {
				f.queue[i] = x
				return
			}
		}
	}
	for !isRecord && len(f.queue) >= queueLen && !f.shut {
		f.space.Wait()
	}
	if f.shut {
		return
	}
	f.queue = append(f.queue, x)
	f.room.add(1)
	select {
	case f.work <- struct{}{}:
	default:
	}
}

func (f *feed) run(ctx context.Context) error {
	defer f.close()
	select {
	case <-f.room.ready:
	case <-ctx.Done():
		return nil
	}
	for {
		f.mu.Lock()
		batch := f.queue
		f.queue = nil
		f.space.Broadcast()
		f.mu.Unlock()
		for i, x := range batch {
			if ctx.Err() != nil {
				f.room.add(i - len(batch))
				return nil
			}
			f.fn(x)
			f.room.add(-1)
		}
		if len(batch) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.work:
		}
	}
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shut = true
	f.room.add(-len(f.queue))
	f.queue = nil
	f.space.Broadcast()
}
