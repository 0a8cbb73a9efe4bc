package telemetry

import (
	"context"
	"sync"

	"github.com/vigil-health/vigil"
)

// queue gathers framed reports while the commit before is on its way to the disk.
type queue struct {
	mu       sync.Mutex
	room     sync.Cond // there is room, or no more is taken
	work     sync.Cond // something waits, or no more comes
	maxBytes int
	maxJobs  int
	data     []byte // a log record in the making
	jobs     []job
	inFlight int
	closed   bool
	failed   bool
}

type job struct {
	report *vigil.Report
	done   func(error) // nil when a later job of the same batch answers for it
}

func (j *job) answer(err error) {
	if j.done != nil {
		j.done(err)
	}
}

func (q *queue) init(maxBytes, maxJobs int) {
	q.room.L, q.work.L = &q.mu, &q.mu
	q.maxBytes, q.maxJobs = maxBytes, maxJobs
	q.data = []byte{recordVersion}
}

// put adds framed reports; it waits while the queue is full and returns false when nothing is accepted.
func (q *queue) put(frames []byte, jobs ...job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && !q.failed && len(q.jobs) > 0 && (len(q.data)+len(frames) > q.maxBytes || len(q.jobs) >= q.maxJobs) {
		q.room.Wait()
	}
	if q.closed || q.failed {
		return false
	}
	q.data = append(q.data, frames...)
	q.jobs = append(q.jobs, jobs...)
	if len(q.jobs) == len(jobs) {
		q.work.Signal()
	}
	return true
}

// take waits for reports and swaps them for the given empty buffers; no jobs mean the end.
func (q *queue) take(data []byte, jobs []job) ([]byte, []job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.inFlight = 0
	for len(q.jobs) == 0 && !q.closed {
		q.work.Wait()
	}
	full, fullJobs := q.data, q.jobs
	q.data, q.jobs = append(data[:0], recordVersion), jobs[:0]
	q.inFlight = len(fullJobs)
	q.room.Broadcast()
	return full, fullJobs
}

func (q *queue) shut() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.room.Broadcast()
	q.work.Broadcast()
}

func (q *queue) fail() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failed = true
	q.room.Broadcast()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs) + q.inFlight
}

func (q *queue) isShut() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// Append queues the report for the log and returns; done is called with nil once it would survive a power cut, in the
// order of the calls, from the commit goroutine: it must not block. The report must not be changed afterwards. When the
// queue is full Append waits. While the store does not acknowledge, done gets an Unavailable error at once; a report
// that cannot be stored gets Invalid.
func (s *Store) Append(r *vigil.Report, done func(error)) {
	if err := storable(r); err != nil {
		done(err)
		return
	}
	if !s.started.Load() || s.fault.Load() != nil {
		done(s.refusal())
		return
	}
	work := s.scratches.Get().(*scratch)
	work.frame = appendFrame(work.frame[:0], r, work)
	ok := s.queue.put(work.frame, job{r, done})
	s.scratches.Put(work)
	if !ok {
		done(s.refusal())
	}
}

// AppendAll queues the reports of one message together, in one record of the log as far as it goes: done is called once,
// when all of them would survive a power cut. It is otherwise as Append; nothing is queued when one of them is Invalid.
func (s *Store) AppendAll(reports []*vigil.Report, done func(error)) {
	for _, r := range reports {
		if err := storable(r); err != nil {
			done(err)
			return
		}
	}
	if len(reports) == 0 || !s.started.Load() || s.fault.Load() != nil {
		done(s.refusal())
		return
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	work.frame, work.jobs = work.frame[:0], work.jobs[:0]
	for i, r := range reports {
		j := job{report: r}
		work.frame = appendFrame(work.frame, r, work)
		work.jobs = append(work.jobs, j)
		if last := i == len(reports)-1; !last && len(work.frame) < s.cfg.BatchBytes/2 {
			continue
		} else if last {
			work.jobs[len(work.jobs)-1].done = done
		}
		if !s.queue.put(work.frame, work.jobs...) {
			done(s.refusal())
			break
		}
		clear(work.jobs)
		work.frame, work.jobs = work.frame[:0], work.jobs[:0]
	}
	clear(work.jobs)
}

// AppendWait appends the report and waits for the acknowledgement. When ctx ends first, the report may still be stored.
func (s *Store) AppendWait(ctx context.Context, r *vigil.Report) error {
	c := make(chan error, 1)
	s.Append(r, func(err error) { c <- err })
	select {
	case err := <-c:
		return err
	case <-ctx.Done():
		return vigil.Errorf(vigil.Unavailable, "telemetry.append", "gave up waiting for the disk: %w", ctx.Err())
	}
}

func (s *Store) refusal() error {
	reason := "the store is not running"
	if f := s.fault.Load(); f != nil {
		reason = *f
	}
	return vigil.Errorf(vigil.Unavailable, "telemetry.append", "%s", reason)
}

// commitLoop writes what gathered as one record, acknowledges it and hands it to the shards.
func (s *Store) commitLoop(ctx context.Context) {
	defer func() {
		for _, sh := range s.shards {
			close(sh.in)
		}
	}()
	var data []byte
	var jobs []job
	last := int64(0)
	for {
		data, jobs = s.queue.take(data, jobs)
		if len(jobs) == 0 {
			return
		}
		last = max(last, s.cfg.Now().UnixNano())
		s.commit(ctx, data, jobs, last)
		clear(jobs)
		if cap(data) > 4*s.cfg.BatchBytes {
			data = nil
		}
	}
}

func (s *Store) commit(ctx context.Context, data []byte, jobs []job, now int64) {
	var offset uint64
	// A checkpoint that the disk cannot keep up with slows the intake, so that a restart never has much to replay.
	if through := s.keeping.Load(); through != nil && s.bytes.Load()-s.keptBytes.Load() > 2*uint64(s.cfg.CheckpointBytes) {
		<-*through
	}
	if s.fault.Load() == nil {
		var err error
		if offset, err = s.cfg.Log.Append(ctx, now, data); err != nil {
			s.fail("the disk refused to make telemetry durable", err)
		}
	}
	if offset == 0 {
		err := s.refusal()
		for i := range jobs {
			jobs[i].answer(err)
		}
		return
	}
	s.appended.Add(uint64(len(jobs)))
	s.bytes.Add(uint64(len(data)))
	s.committed.Store(offset)
	for i := range jobs {
		jobs[i].answer(nil)
	}
	for _, sh := range s.shards {
		b := batch{offset: offset}
		for i := range jobs {
			if s.shardOf(jobs[i].report.Subject) == sh {
				b.reports = append(b.reports, jobs[i].report)
			}
		}
		sh.in <- b
	}
	if s.bytes.Load()-s.keptBytes.Load() > uint64(s.cfg.CheckpointBytes) {
		select {
		case s.due <- struct{}{}:
		default:
		}
	}
}
