package ingest

import (
	"context"
	"sync/atomic"

	"github.com/vigil-health/vigil"
)

// asideJob is one message's rejected parts on their way to the quarantine.
type asideJob struct {
	items []Quarantined
	done  func(error)
}

// asideRoom is more than the gate lets on its way at once, so that giving turns never waits for the quarantine.
const asideRoom = 8192

// setAside queues the rejected parts for the quarantine. When the message has usable parts too, it is acknowledged
// after both are on disk. The queue is bounded: a flood of unusable messages slows its senders, not the others' disk.
func (p *Pipeline) setAside(w *work) bool {
	if len(w.rejected) == 0 || w.release {
		return true
	}
	w.outcome = OutcomeQuarantined
	p.note(w)
	usable := false
	for i := range w.mapped {
		usable = usable || !w.mapped[i].Report.Empty()
	}
	done := w.done
	if usable {
		done = join(w.done)
		w.done = done
	}
	p.aside <- asideJob{w.rejected, done}
	return true
}

// join returns a function that calls done at its second call, with the first error.
func join(done func(error)) func(error) {
	var calls atomic.Int32
	var first atomic.Pointer[error]
	return func(err error) {
		if err != nil {
			first.CompareAndSwap(nil, &err)
		}
		if calls.Add(1) < 2 {
			return
		}
		if e := first.Load(); e != nil {
			err = *e
		}
		done(err)
	}
}

func (p *Pipeline) runAside(ctx context.Context) error {
	for {
		select {
		case j := <-p.aside:
			p.storeAside(ctx, j)
		case <-ctx.Done():
			for {
				select {
				case j := <-p.aside:
					p.storeAside(context.WithoutCancel(ctx), j)
				default:
					return nil
				}
			}
		}
	}
}

func (p *Pipeline) storeAside(ctx context.Context, first asideJob) {
	jobs, items := []asideJob{first}, append([]Quarantined(nil), first.items...)
gather:
	for len(jobs) < 256 {
		select {
		case j := <-p.aside:
			jobs, items = append(jobs, j), append(items, j.items...)
		default:
			break gather
		}
	}
	err := p.cfg.Quarantine.Put(ctx, items)
	if err != nil {
		err = vigil.Errorf(vigil.Unavailable, "ingest.quarantine", "the quarantine could not be written: %w", err)
	}
	for _, j := range jobs {
		j.done(err)
	}
}

// Release runs a quarantined message again. It is removed from the quarantine once everything of it that waited for
// the same reason is on disk; otherwise it stays and the error, Conflict, says what is still wrong.
func (p *Pipeline) Release(ctx context.Context, id int64) error {
	q, err := p.cfg.Quarantine.Get(ctx, id)
	if err != nil {
		return err
	}
	answer := make(chan error, 1)
	w := &work{Message: Message{Device: q.Device, Protocol: q.Protocol, Payload: q.Payload, Received: q.At}, release: true,
		done: func(err error) { answer <- err }}
	for _, s := range p.steps[:3] { // identify, map, bind
		if !s.run(p, w) {
			break
		}
	}
	for _, r := range w.rejected {
		if r.Reason == q.Reason || len(w.mapped) == 0 {
			return vigil.Errorf(vigil.Conflict, "ingest.release", "still unusable, %s: %s", r.Reason, r.Detail)
		}
	}
	w.rejected = nil
	p.append(w)
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	return p.cfg.Quarantine.Remove(ctx, id)
}
