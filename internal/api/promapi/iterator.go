package promapi

import (
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// The window of one read of the store in milliseconds: it grows while little is found and shrinks when much is, so that
// neither a month of seconds is held at once nor a year of daily weights is read in a thousand pieces.
const (
	firstWindow = int64(6 * time.Hour / time.Millisecond)
	leastWindow = int64(time.Minute / time.Millisecond)
	mostWindow  = int64(128 * 24 * time.Hour / time.Millisecond)
	fewSamples  = 4_000
	manySamples = 60_000
	firstTime   = -(int64(1) << 61) / 1_000_000 // nothing older is stored
)

// iterator walks over one series, window by window. Prometheus counts milliseconds: of samples within the same one the
// last stands. T is int64 always: go vet would take a method Seek(int64) for a misspelt io.Seeker.
type iterator[T int64] struct {
	series *series
	next   int64 // where the next window begins
	width  int64
	t      []int64
	v      []float64
	i      int
	err    error
}

// fill reads windows until one holds samples; false at the end.
func (it *iterator[T]) fill() bool {
	it.t, it.v, it.i = it.t[:0], it.v[:0], 0
	s := it.series
	for it.next <= s.to && it.err == nil {
		end := min(it.next+it.width, s.to+1)
		if it.err = s.ctx.Err(); it.err == nil {
			it.err = ours(s.store.Iterate(s.ctx, s.key, time.UnixMilli(it.next), time.UnixMilli(end), it.take))
		}
		it.next = end
		switch n := len(it.t); {
		case n < fewSamples:
			it.width = min(2*it.width, mostWindow)
		case n > manySamples:
			it.width = max(it.width/2, leastWindow)
		}
		if len(it.t) > 0 {
			return it.err == nil
		}
	}
	return false
}

func (it *iterator[T]) take(b telemetry.Block) error {
	n := len(it.t)
	it.t, it.v = slices.Grow(it.t, len(b.Times)), slices.Grow(it.v, len(b.Times))
	for i, t := range b.Times {
		ms := millis(t)
		if n > 0 && it.t[n-1] == ms {
			it.v[n-1] = b.Values[i]
			continue
		}
		it.t, it.v = append(it.t, ms), append(it.v, b.Values[i])
		n++
	}
	return nil
}

// Next implements chunkenc.Iterator.
func (it *iterator[T]) Next() chunkenc.ValueType {
	it.i++
	if it.i < len(it.t) || it.fill() {
		return chunkenc.ValFloat
	}
	return chunkenc.ValNone
}

// Seek implements chunkenc.Iterator.
func (it *iterator[T]) Seek(at T) chunkenc.ValueType {
	t := int64(at)
	if n := len(it.t); n > 0 && it.t[n-1] >= t {
		if it.i < n && it.t[it.i] < t {
			j, _ := slices.BinarySearch(it.t[it.i:], t)
			it.i += j
		}
		if it.i < n {
			return chunkenc.ValFloat
		}
	}
	it.next = max(it.next, t)
	if it.fill() {
		return chunkenc.ValFloat
	}
	return chunkenc.ValNone
}

// At implements chunkenc.Iterator.
func (it *iterator[T]) At() (int64, float64) { return it.t[it.i], it.v[it.i] }

// AtT implements chunkenc.Iterator.
func (it *iterator[T]) AtT() int64 { return it.t[it.i] }

// AtST implements chunkenc.Iterator: samples have no start.
func (it *iterator[T]) AtST() int64 { return 0 }

// AtHistogram implements chunkenc.Iterator; there are none.
func (it *iterator[T]) AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram) { return 0, nil }

// AtFloatHistogram implements chunkenc.Iterator; there are none.
func (it *iterator[T]) AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	return 0, nil
}

// Err implements chunkenc.Iterator.
func (it *iterator[T]) Err() error { return it.err }

// millis returns Unix nanoseconds as milliseconds, rounded down.
func millis(ns int64) int64 {
	ms := ns / 1e6
	if ns%1e6 < 0 {
		ms--
	}
	return ms
}
