package telemetry

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Block is a stretch of one series in ascending time: columns of equal length, at least one sample.
type Block struct {
	Times     []int64 // Unix nanoseconds
	Values    []float64
	Qualities []vigil.Quality
}

// Subjects returns whom the store knows telemetry of, as far as ctx may see them, in order. Signed out it is none.
func (s *Store) Subjects(ctx context.Context) []vigil.Subject {
	var out []vigil.Subject
	for _, sh := range s.shards {
		sh.mu.RLock()
		for name := range sh.subjects {
			if access.CheckSubject(ctx, name) == nil {
				out = append(out, name)
			}
		}
		sh.mu.RUnlock()
	}
	slices.Sort(out)
	return out
}

// Iterate calls fn with every sample of one series in [from, to), in order of time. It holds a chunk at a time: memory
// does not grow with the range. The block is valid during the call only. An error of fn ends it and is returned;
// ErrStop ends it without. It returns Denied for a subject that ctx may not see.
func (s *Store) Iterate(ctx context.Context, key vigil.SeriesKey, from, to time.Time, fn func(Block) error) error {
	if err := access.CheckSubject(ctx, key.Subject); err != nil {
		return err
	}
	lo, hi := nanos(from), nanos(to)
	if lo >= hi {
		return nil
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	for _, src := range s.sources(&Query{Subject: key.Subject, Metrics: []vigil.Metric{key.Metric}}, lo, hi) {
		if src.key != key {
			continue
		}
		out := &blockSink{fn: fn, stop: stop}
		err := s.read(ctx, &src, lo, hi, out, work)
		switch {
		case out.err == ErrStop:
			return nil
		case out.err != nil:
			return out.err
		}
		return err
	}
	return nil
}

// blockSink hands samples on until somebody has had enough.
type blockSink struct {
	fn   func(Block) error
	err  error
	stop context.CancelFunc
}

func (b *blockSink) whole(*summary) bool { return false }

func (b *blockSink) samples(c *columns) {
	if b.err != nil {
		return
	}
	if b.err = b.fn(Block{c.t, c.v, c.q}); b.err != nil {
		b.stop()
	}
}

// IterateWaveform calls fn with every block of one device's waveform that overlaps [from, to), in order of their start,
// whole: the first and the last may reach beyond. The block is fn's. An error of fn ends it and is returned.
// It returns Denied for a subject that ctx may not see.
func (s *Store) IterateWaveform(ctx context.Context, key vigil.SeriesKey, from, to time.Time, fn func(vigil.Waveform) error) error {
	if err := access.CheckSubject(ctx, key.Subject); err != nil {
		return err
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	lo, hi := nanos(from), nanos(to)
	for _, w := range s.waves(key.Subject, lo, hi) {
		if w.metric == key.Metric && w.device == key.Device {
			return s.iterateWave(ctx, &w, lo, hi, work, fn)
		}
	}
	return nil
}

// iterateWave reads the stored blocks one by one and puts the block that grows in its place.
func (s *Store) iterateWave(ctx context.Context, w *wave, lo, hi int64, work *scratch, fn func(vigil.Waveform) error) error {
	var before *vigil.Waveform
	emit := func(b *vigil.Waveform) error {
		if before != nil && !cutBehind(b, before) {
			return nil
		}
		before = &vigil.Waveform{Start: b.Start, Period: b.Period, Scale: b.Scale, Offset: b.Offset, Data: b.Data}
		return cmp.Or(fn(*b), ctx.Err())
	}
	open := w.open
	err := s.cfg.Series.Scan(ctx, timeKey(w.prefix, lo-int64(maxWaveSpan)), timeKey(w.prefix, hi), func(k, value []byte) error {
		block, err := decodeWave(value, work)
		if err != nil {
			s.quarantined.Add(1)
			return nil
		}
		block.Metric, block.Start = w.metric, keyTime(k[len(w.prefix):])
		if open != nil && open.Start <= block.Start {
			if err := emit(open); err != nil {
				return err
			}
			open = nil
		}
		if block.End() <= lo || w.open != nil && w.open.Start == block.Start {
			return nil
		}
		return emit(&block)
	})
	if err == nil && open != nil {
		err = emit(open)
	}
	return err
}

// Follow calls fn with the reports of every log record from the offset on, a record at a time in log order, up to what
// is durable now, and returns the offset to go on from. A first offset above from means that the log has forgotten what
// lay between (Config.Retention). The slice is reused, the reports are not. An error of fn ends it and is returned with
// the offset of the record it was called for. Only the house itself may follow.
func (s *Store) Follow(ctx context.Context, from uint64, fn func(offset uint64, reports []*vigil.Report) error) (next uint64, err error) {
	next = from
	if p, ok := access.From(ctx); !ok || !p.Has(access.System) {
		return next, vigil.Errorf(vigil.Denied, "telemetry.follow", "only the house itself follows the log")
	}
	end := s.committed.Load()
	if from > end {
		return next, nil
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	var reports []*vigil.Report
	err = s.cfg.Log.Read(ctx, from, func(rec Record) error {
		if rec.Offset > end {
			return ErrStop
		}
		reports = reports[:0]
		damaged, err := decodeRecord(rec.Data, work, func(r *vigil.Report, _ []byte) error {
			reports = append(reports, r)
			return nil
		})
		s.quarantined.Add(uint64(damaged))
		if err == nil {
			err = fn(rec.Offset, reports)
		}
		if err != nil {
			next = rec.Offset
			return err
		}
		next = rec.Offset + 1
		return ctx.Err()
	})
	return next, err
}
