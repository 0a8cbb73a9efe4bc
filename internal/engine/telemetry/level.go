package telemetry

import (
	"cmp"
	"context"
	"slices"
	"time"
)

// Kept summaries make long ranges cheap. A block is one stretch of one series cut into even entries, each with count,
// minimum, maximum, sum and flags. Blocks are a pure function of the samples: whoever writes a chunk removes, in the
// same write, the blocks that stood for its time, so that late samples, corrections, repeats and a crash cannot leave a
// summary that says something else than the samples. They are made again in the background, see seal.go.
type level struct {
	width int64 // of an entry, nanoseconds
	span  int64 // of a block, a multiple of the width; blocks lie on a grid from 1970
}

const (
	minute = int64(time.Minute)
	hour   = int64(time.Hour)
	day    = 24 * hour
)

// levels ascend; each is made from the one before, the first from the samples.
var levels = [...]level{{minute, hour}, {15 * minute, day}, {6 * hour, 30 * day}}

const rawLevel = -1 // of a reader: no summaries

// floorTo returns the greatest multiple of width at or before t.
func floorTo(t, width int64) int64 {
	f := t - t%width
	if f > t {
		f -= width
	}
	return f
}

func ceilTo(t, width int64) int64 {
	f := floorTo(t, width)
	if f < t {
		f += width
	}
	return f
}

// blockPrefix returns what stands before the time in the keys of the series' blocks of a level.
func (src *source) blockPrefix(k int) []byte { return append(src.otherPrefix(kindSummary), byte(k)) }

// coarsest returns the level whose entries are at most half as wide as a bucket, so that rounding the bucket to whole
// entries costs little of the resolution asked for.
func coarsest(width int64) int {
	for k := len(levels) - 1; k >= 0; k-- {
		if levels[k].width <= width/2 {
			return k
		}
	}
	return rawLevel
}

// stretch is a row of summaries in order of time.
type stretch struct {
	from, to int64 // what the entries cover
	entries  []summary
}

// levelReader hands a source's samples to a sink, from summaries as far as they are there.
type levelReader struct {
	store *Store
	src   *source
	out   sink
	work  *scratch
}

// read hands [from, to) to the sink: whole entries of the level, finer ones where they are missing and at the edges,
// samples where nothing is kept.
func (r *levelReader) read(ctx context.Context, k int, from, to int64) error {
	if from >= to {
		return nil
	}
	if k == rawLevel {
		return r.store.read(ctx, r.src, from, to, r.out, r.work)
	}
	width := levels[k].width
	lo, hi := ceilTo(from, width), floorTo(to, width)
	if lo >= hi {
		return r.read(ctx, k-1, from, to)
	}
	found, err := r.blocks(ctx, k, lo, hi)
	if err != nil {
		return err
	}
	at := from
	for _, s := range found {
		if err := r.read(ctx, k-1, at, s.from); err != nil {
			return err
		}
		for i := range s.entries {
			r.out.whole(&s.entries[i])
		}
		at = s.to
	}
	return r.read(ctx, k-1, at, to)
}

// blocks reads what is kept of [lo, hi), which lies on the grid of entries.
func (r *levelReader) blocks(ctx context.Context, k int, lo, hi int64) ([]stretch, error) {
	span := levels[k].span
	prefix := r.src.blockPrefix(k)
	var out []stretch
	err := r.store.cfg.Series.Scan(ctx, timeKey(prefix, floorTo(lo, span)), timeKey(prefix, hi), func(key, value []byte) error {
		start := keyTime(key[len(prefix):])
		if r.src.changes(start, start+span) {
			return nil
		}
		entries, err := decodeBlock(value, k, start, r.work)
		if err != nil {
			r.store.quarantined.Add(1)
			return nil
		}
		s := stretch{from: max(lo, start), to: min(hi, start+span)}
		i, _ := slices.BinarySearchFunc(entries, s.from, byFirst)
		j, _ := slices.BinarySearchFunc(entries, s.to, byFirst)
		s.entries = entries[i:j]
		out = append(out, s)
		return ctx.Err()
	})
	return out, err
}

func byFirst(e summary, t int64) int { return cmp.Compare(e.first, t) }

// changes reports whether memory holds samples of [from, to) that a block in the store may not know.
func (src *source) changes(from, to int64) bool {
	for _, c := range src.open {
		if c.start < to && (c.count() == 0 || c.last() >= from) {
			return true
		}
	}
	return false
}

// gatherer is a sink that makes the entries of a level.
type gatherer struct {
	width   int64
	entries []summary
	count   int // samples
}

func (g *gatherer) whole(h *summary) bool {
	if floorTo(h.first, g.width) != floorTo(h.last, g.width) {
		return false
	}
	g.count += h.count
	if n := len(g.entries); n > 0 && floorTo(g.entries[n-1].first, g.width) == floorTo(h.first, g.width) {
		g.entries[n-1].join(h)
	} else {
		g.entries = append(g.entries, *h)
	}
	return true
}

func (g *gatherer) samples(c *columns) {
	for i := 0; i < len(c.t); {
		end := floorTo(c.t[i], g.width) + g.width
		j := i + 1
		for j < len(c.t) && c.t[j] < end {
			j++
		}
		h := summarize(c.t[i:j], c.v[i:j], c.q[i:j])
		g.whole(&h)
		i = j
	}
}

// join adds what follows in time.
func (s *summary) join(next *summary) {
	s.gap = max(s.gap, next.gap, next.first-s.last)
	s.count += next.count
	s.last, s.close = next.last, next.close
	s.sum += next.sum
	s.min, s.max = min(s.min, next.min), max(s.max, next.max)
	s.quality |= next.quality
}
