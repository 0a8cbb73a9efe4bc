package telemetry

import (
	"context"
	"hash/fnv"
	"slices"
	"time"
)

// Sealing makes blocks of summaries out of samples that the store holds, behind the head of a series:
//
//	look (shared lock) ─► read and sum up (no lock) ─► write, if nothing older changed meanwhile (lock)
//
// A seal that is missing costs a reader time, never truth, so nothing has to be remembered over a crash but how far a
// series is sealed, which stands beside its last value.

const (
	sealAtOnce = day                     // of one series in one go
	sealSpread = int64(30 * time.Minute) // series seal their hours at different minutes
	sealTime   = 2 * time.Second         // a pass ends, the next checkpoint goes on
	denseEntry = 4                       // samples an entry from which a block is worth its room
	maxStale   = 32                      // hours a series remembers to seal again
)

// sealJob is one series with what is to be sealed of it.
type sealJob struct {
	sh       *shard
	s        *series
	src      source
	from, to int64
	again    bool // an hour that was sealed before
	through  int64
	floor    int64 // before it samples may be gone
	changes  uint32
}

// seal makes what blocks it can until the time is up.
func (s *Store) seal(ctx context.Context) error {
	began := s.cfg.Now()
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	for _, sh := range s.shards {
		for _, job := range sh.sealable() {
			for ok := true; ok; {
				if err := s.sealOne(ctx, &job, work); err != nil {
					return err
				}
				if s.cfg.Now().Sub(began) > sealTime {
					return nil
				}
				sh.mu.RLock()
				ok = job.next()
				sh.mu.RUnlock()
			}
		}
	}
	return nil
}

// sealable returns the series that have whole hours behind their head.
func (sh *shard) sealable() []sealJob {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	var jobs []sealJob
	for _, sub := range sh.subjects {
		for _, s := range sub.series {
			job := sealJob{sh: sh, s: s, src: source{key: s.key, prefix: s.prefix}}
			if job.next() {
				jobs = append(jobs, job)
			}
		}
	}
	return jobs
}

// next looks what is to be sealed of the series. The shard is locked by the caller.
func (j *sealJob) next() bool {
	s := j.s
	if s.head == nil || len(s.late) > 0 {
		return false
	}
	j.changes, j.again, j.through = s.changes, false, s.sealed
	if n := len(s.stale); n > 0 {
		j.from, j.to, j.again = s.stale[n-1], s.stale[n-1]+hour, true
		return true
	}
	if s.sealed != 0 && s.head.start-s.sealed < hour {
		return false
	}
	j.from, j.to = s.sealed, floorTo(s.head.start-spread(s.prefix), hour)
	j.floor = j.sh.edit.floors[s.class].Load()
	if s.sealed != 0 {
		j.from = max(j.from, j.floor)
		j.to = min(j.to, j.from+sealAtOnce)
	}
	return j.from < j.to
}

// spread returns how long after its end the series seals an hour.
func spread(prefix []byte) int64 {
	h := fnv.New32a()
	h.Write(prefix) //nolint:errcheck // never fails
	return int64(h.Sum32()) % sealSpread
}

func (s *Store) sealOne(ctx context.Context, j *sealJob, work *scratch) error {
	if j.from == 0 { // never sealed: begin where the samples begin
		first, err := s.firstChunk(ctx, &j.src)
		if err != nil {
			return err
		}
		j.from = min(max(floorTo(first, hour), j.floor), j.to)
		j.to = min(j.to, j.from+sealAtOnce)
	}
	done := true
	for k := range levels {
		from, to := j.from, j.to
		if span := levels[k].span; j.again && floorTo(from, span)+span <= j.through {
			from = floorTo(from, span)
			to = from + span
		}
		blocks, err := s.summarise(ctx, &j.src, k, Span{from, to}, work)
		if err != nil {
			return err
		}
		if done, err = j.write(ctx, blocks); err != nil || !done {
			return err
		}
	}
	return nil
}

func (s *Store) firstChunk(ctx context.Context, src *source) (first int64, err error) {
	first = openEnd
	err = s.cfg.Series.Scan(ctx, timeKey(src.prefix, openStart), prefixEnd(src.prefix), func(key, _ []byte) error {
		first = keyTime(key[len(src.prefix):])
		return ErrStop
	})
	return first, err
}

// summarise makes the blocks of the level that end in the range. Those that would hardly be smaller than the samples are left out,
// unless the source asks for them.
func (s *Store) summarise(ctx context.Context, src *source, k int, in Span, work *scratch) ([]Entry, error) {
	span := levels[k].span
	lo, hi := floorTo(in.From, span), floorTo(in.To, span)
	if lo >= hi {
		return nil, nil
	}
	gather := gatherer{width: levels[k].width}
	reader := levelReader{store: s, src: src, out: &gather, work: work}
	if err := reader.read(ctx, k-1, lo, hi); err != nil {
		return nil, err
	}
	prefix := src.blockPrefix(k)
	var out []Entry
	for rest := gather.entries; len(rest) > 0; {
		start := floorTo(rest[0].first, span)
		n, samples := 0, 0
		for n < len(rest) && rest[n].first < start+span {
			samples += rest[n].count
			n++
		}
		if src.sparse || samples >= denseEntry*n {
			value := encodeBlock(make([]byte, 0, 32+8*n), k, start, rest[:n], work)
			out = append(out, Entry{timeKey(prefix, start), value})
		}
		rest = rest[n:]
	}
	return out, nil
}

// write stores the blocks unless the series changed behind its head since the job was made. How far the series is sealed
// stands in the same write: no block is ever in the store that a chunk written later would not know to remove.
func (j *sealJob) write(ctx context.Context, blocks []Entry) (bool, error) {
	j.sh.mu.Lock()
	defer j.sh.mu.Unlock()
	s, e := j.s, &j.sh.edit
	sub := j.sh.subjects[s.key.Subject]
	if sub == nil || s.changes != j.changes || len(s.late) > 0 || !slices.Contains(sub.series, s) {
		return false, nil // changed, or erased
	}
	if j.again {
		s.stale = slices.DeleteFunc(s.stale, func(t int64) bool { return t == j.from })
	}
	if s.sealed < j.to {
		s.sealed = j.to
		e.writeLast(s)
	}
	e.pending = append(e.pending, blocks...)
	return true, e.flush(ctx)
}

// unseal removes the blocks that stand for [first, last], in the write that changes the samples.
func (e *editor) unseal(s *series, first, last int64) {
	// Before the floor samples may be gone and nothing changes: what is summed up there is all that is left.
	first = max(first, e.floors[s.class].Load())
	if first >= s.sealed {
		return
	}
	src := source{key: s.key, prefix: s.prefix}
	for k, l := range levels {
		prefix := src.blockPrefix(k)
		for t := floorTo(first, l.span); t <= last; t += l.span {
			e.pending = append(e.pending, Entry{timeKey(prefix, t), nil})
		}
	}
	for t := floorTo(first, hour); t <= last && t < s.sealed; t += hour {
		if len(s.stale) < maxStale && !slices.Contains(s.stale, t) {
			s.stale = append(s.stale, t)
		}
	}
}
