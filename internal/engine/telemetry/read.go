package telemetry

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// WaveInfo describes a waveform that a subject has, as last seen. The physical value is Offset + Scale*sample.
type WaveInfo struct {
	Metric        vigil.Metric
	Device        vigil.DeviceID
	End           time.Time     // just after the newest sample
	Received      time.Time     // when the server got it
	Period        time.Duration // between samples
	Scale, Offset float64
}

// Last returns the newest value of every series of the subjects, from memory, ordered by subject as asked, then by
// metric number and device. It returns Denied when ctx may not see one of the subjects.
func (s *Store) Last(ctx context.Context, subjects ...vigil.Subject) ([]Value, error) {
	for _, name := range subjects {
		if err := access.CheckSubject(ctx, name); err != nil {
			return nil, err
		}
	}
	out := make([]Value, 0, 8*len(subjects))
	for _, name := range subjects {
		sh := s.shardOf(name)
		sh.mu.RLock()
		if sub := sh.subjects[name]; sub != nil {
			for _, x := range sub.series {
				if x.has {
					out = append(out, Value{SeriesKey: x.key, Time: at(x.last.time), Received: at(x.last.received), Value: x.last.value, Quality: x.last.quality})
				}
			}
		}
		sh.mu.RUnlock()
	}
	return out, nil
}

// Waveforms returns the waveforms the subject has, newest end first for each metric, ordered by metric.
func (s *Store) Waveforms(ctx context.Context, name vigil.Subject) ([]WaveInfo, error) {
	if err := access.CheckSubject(ctx, name); err != nil {
		return nil, err
	}
	var out []WaveInfo
	for _, w := range s.waves(name, 0, 0) {
		out = append(out, WaveInfo{w.metric, w.device, at(w.end), at(w.received), time.Duration(w.period), w.scale, w.offset})
	}
	slices.SortStableFunc(out, func(a, b WaveInfo) int {
		return cmp.Or(cmp.Compare(metricNumbers[a.Metric], metricNumbers[b.Metric]), cmp.Compare(a.Metric, b.Metric), b.End.Compare(a.End))
	})
	return out, nil
}

// waves returns copies; of the block that grows each holds what overlaps [lo, hi).
func (s *Store) waves(name vigil.Subject, lo, hi int64) []wave {
	sh := s.shardOf(name)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	sub := sh.subjects[name]
	if sub == nil {
		return nil
	}
	out := make([]wave, 0, len(sub.waves))
	for _, w := range sub.waves {
		c := *w
		c.open = w.openWave(lo, hi)
		out = append(out, c)
	}
	return out
}

// Waveform returns the blocks of the metric that overlap [from, to), in order of their start, whole: the first and the
// last may reach beyond. Pieces that follow each other are one block of up to half a minute. The blocks are the caller's.
func (s *Store) Waveform(ctx context.Context, name vigil.Subject, metric vigil.Metric, from, to time.Time) ([]vigil.Waveform, error) {
	if err := access.CheckSubject(ctx, name); err != nil {
		return nil, err
	}
	work := s.scratches.Get().(*scratch)
	defer s.scratches.Put(work)
	var out []vigil.Waveform
	lo, hi := nanos(from), nanos(to)
	for _, w := range s.waves(name, lo, hi) {
		if w.metric != metric {
			continue
		}
		blocks, err := s.blocks(ctx, &w, lo, hi, work)
		if err != nil {
			return nil, err
		}
		out = append(out, blocks...)
	}
	slices.SortStableFunc(out, func(a, b vigil.Waveform) int { return cmp.Compare(a.Start, b.Start) })
	return out, nil
}

// blocks returns what a copy of a waveform and the store hold in [lo, hi), in order of their start.
func (s *Store) blocks(ctx context.Context, w *wave, lo, hi int64, work *scratch) ([]vigil.Waveform, error) {
	var blocks []vigil.Waveform
	err := s.cfg.Series.Scan(ctx, timeKey(w.prefix, lo-int64(maxWaveSpan)), timeKey(w.prefix, hi), func(key, value []byte) error {
		block, err := decodeWave(value, work)
		if err != nil {
			s.quarantined.Add(1)
			return nil
		}
		block.Metric, block.Start = w.metric, keyTime(key[len(w.prefix):])
		if block.End() > lo && (w.open == nil || w.open.Start != block.Start) {
			blocks = append(blocks, block)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if w.open != nil {
		blocks = append(blocks, *w.open)
	}
	return untangle(blocks), nil
}

// Events returns the subject's events of the kinds in [from, to), in order of time; no kinds mean all.
func (s *Store) Events(ctx context.Context, name vigil.Subject, kinds []vigil.EventKind, from, to time.Time) ([]StoredEvent, error) {
	if err := access.CheckSubject(ctx, name); err != nil {
		return nil, err
	}
	var out []StoredEvent
	prefix := append(subjectPrefix(tableData, name), kindEvent)
	err := s.cfg.Series.Scan(ctx, timeKey(prefix, nanos(from)), timeKey(prefix, nanos(to)), func(key, value []byte) error {
		kind, dev, ok := splitEventKey(key[len(prefix)+8:])
		if ok && len(kinds) > 0 && !slices.Contains(kinds, kind) {
			return nil
		}
		data, sound := decodeEvent(value)
		if !ok || !sound {
			s.quarantined.Add(1)
			return nil
		}
		out = append(out, StoredEvent{Event: vigil.Event{Kind: kind, Time: keyTime(key[len(prefix):]), Data: data}, Subject: name, Device: dev})
		return nil
	})
	return out, err
}

// source is one series as a query finds it: what memory holds, copied, over what the store holds.
type source struct {
	key    vigil.SeriesKey
	prefix []byte
	open   []*chunk // ascending; each stands for everything in [start, end)
	sparse bool     // summaries are made however few samples there are
}

// sources copies the parts of the subject's series that memory holds.
func (s *Store) sources(q *Query, from, to int64) []source {
	sh := s.shardOf(q.Subject)
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	sub := sh.subjects[q.Subject]
	if sub == nil {
		return nil
	}
	var out []source
	for _, x := range sub.series {
		if len(q.Metrics) > 0 && !slices.Contains(q.Metrics, x.key.Metric) {
			continue
		}
		src := source{key: x.key, prefix: x.prefix}
		for _, c := range x.late {
			src.add(c, from, to)
		}
		if x.head != nil {
			src.add(x.head, from, to)
		}
		slices.SortFunc(src.open, func(a, b *chunk) int { return cmp.Compare(a.start, b.start) })
		out = append(out, src)
	}
	return out
}

func (src *source) add(c *chunk, from, to int64) {
	if c.start >= to || c.end <= from {
		return
	}
	src.open = append(src.open, &chunk{start: c.start, end: c.end, frozen: c.frozen, ice: c.ice, iceEnd: c.iceEnd, t: slices.Clone(c.t), v: slices.Clone(c.v), q: slices.Clone(c.q)})
}

// sink takes the parts of a series in order of time: whole chunks by their summary when it wants no samples, else samples.
type sink interface {
	whole(h *summary) bool // false: it wants the samples
	samples(c *columns)    // ascending, inside the range
}

// read hands everything of the source in [from, to) to the sink.
func (s *Store) read(ctx context.Context, src *source, from, to int64, out sink, work *scratch) error {
	var cols, thawed columns
	open := src.open
	emitOpen := func(upTo int64) {
		for len(open) > 0 && open[0].start <= upTo {
			if all, err := open[0].whole(&thawed, work); err != nil {
				s.quarantined.Add(1)
			} else {
				cols.reset()
				cols.clip(all, from, to)
				if len(cols.t) > 0 {
					out.samples(&cols)
				}
			}
			open = open[1:]
		}
	}
	covered := int64(openStart) // stored chunks that start before it are replaced by an open one
	err := s.cfg.Series.Scan(ctx, timeKey(src.prefix, from-int64(chunkSpan)), timeKey(src.prefix, to), func(key, value []byte) error {
		start := keyTime(key[len(src.prefix):])
		for len(open) > 0 && open[0].start <= start {
			covered = max(covered, open[0].end)
			emitOpen(open[0].start)
		}
		if start < covered {
			return nil
		}
		h, err := decodeHead(value, start)
		if err != nil {
			s.quarantined.Add(1)
			return nil
		}
		if h.last < from || h.first >= to {
			return nil
		}
		if h.first >= from && h.last < to && out.whole(&h.summary) {
			return nil
		}
		cols.reset()
		if err := decodeChunk(&h, &cols, work); err != nil {
			s.quarantined.Add(1)
			return nil
		}
		cols.gap = h.gap
		cols.cut(from, to)
		if len(cols.t) > 0 {
			out.samples(&cols)
		}
		return ctx.Err()
	})
	emitOpen(openEnd)
	return err
}

const openStart = -1 << 63

// clip copies the samples of the chunk in [from, to).
func (c *columns) clip(ch *chunk, from, to int64) {
	i, _ := slices.BinarySearch(ch.t, from)
	j, _ := slices.BinarySearch(ch.t, to)
	c.t, c.v = append(c.t, ch.t[i:j]...), append(c.v, ch.v[i:j]...)
	if ch.q != nil {
		c.q = append(c.q, ch.q[i:j]...)
		return
	}
	c.q = slices.Grow(c.q, j-i)[:j-i]
	clear(c.q)
}

// cut keeps the samples in [from, to).
func (c *columns) cut(from, to int64) {
	i, j := 0, len(c.t)
	if j > 0 && (c.t[0] < from || c.t[j-1] >= to) {
		i, _ = slices.BinarySearch(c.t, from)
		j, _ = slices.BinarySearch(c.t, to)
	}
	c.t, c.v, c.q = c.t[i:j], c.v[i:j], c.q[i:j]
}
