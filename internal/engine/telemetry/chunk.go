package telemetry

import (
	"bytes"
	"math"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
)

// A chunk is a stretch of one series. Its key carries start; every sample of the series in [start, end) is in it, and
// none lies more than chunkSpan after start, so a reader finds all chunks of a range by looking chunkSpan back.
const (
	chunkSamples = 512           // an ordered stretch is closed here
	chunkMax     = 1024          // late samples may fill a chunk up to here, then it is split
	chunkSpan    = 2 * time.Hour // and here
	openEnd      = math.MaxInt64
)

// In memory a head is mostly coded: what the last checkpoint wrote stays as the bytes it wrote, and only the samples since
// then, all later, stand in columns.
type chunk struct {
	start, end int64
	frozen     []byte // coded samples before t, nil for none; never changed
	ice        int    // how many they are
	iceEnd     int64  // time of the last of them
	t          []int64
	v          []float64
	q          []vigil.Quality // nil while every sample is good
	dirty      bool            // holds what the store does not
	touched    int64           // when it last changed, server clock
}

type putResult uint8

const (
	putAdded putResult = iota
	putDuplicate
	putDiffers // another value stands there; nothing was changed
)

func (c *chunk) count() int { return c.ice + len(c.t) }

// last returns the time of the last sample; there is one.
func (c *chunk) last() int64 {
	if len(c.t) == 0 {
		return c.iceEnd
	}
	return c.t[len(c.t)-1]
}

// freeze replaces the columns by their coded form.
func (c *chunk) freeze(value []byte) {
	c.iceEnd, c.ice = c.last(), c.count()
	c.frozen = bytes.Clone(value)
	c.t, c.v, c.q = nil, nil, nil
}

// whole returns the chunk with everything in columns, which live in cols when it is frozen.
func (c *chunk) whole(cols *columns, s *scratch) (*chunk, error) {
	if c.frozen == nil {
		return c, nil
	}
	cols.reset()
	h, err := decodeHead(c.frozen, c.start)
	if err == nil {
		err = decodeChunk(&h, cols, s)
	}
	if err != nil {
		return nil, err
	}
	cols.t, cols.v = append(cols.t, c.t...), append(cols.v, c.v...)
	if c.q != nil {
		cols.q = append(cols.q, c.q...)
	} else {
		cols.q = append(cols.q, make([]vigil.Quality, len(c.t))...)
	}
	return &chunk{start: c.start, end: c.end, t: cols.t, v: cols.v, q: cols.q}, nil
}

// thaw puts everything into columns, for what changes the past.
func (c *chunk) thaw(s *scratch) error {
	var cols columns
	w, err := c.whole(&cols, s)
	if err == nil && w != c {
		c.t, c.v, c.q = w.t, w.v, w.q
		c.frozen, c.ice = nil, 0
	}
	return err
}

// closedTo reports whether a sample at t, which lies in [start, end), must go to a new chunk after this one.
func (c *chunk) closedTo(t int64) bool {
	return c.count() > 0 && t > c.last() && (c.count() >= chunkSamples || t-c.start > int64(chunkSpan))
}

// put places one sample, later than what is frozen, and returns where. The same time and value changes nothing, nor does the same time with another
// value: the caller decides.
func (c *chunk) put(t int64, v float64, q vigil.Quality) (putResult, int) {
	n := len(c.t)
	i := n
	if n > 0 && t <= c.t[n-1] {
		i, _ = slices.BinarySearch(c.t, t)
		if c.t[i] == t {
			if math.Float64bits(c.v[i]) == math.Float64bits(v) {
				return putDuplicate, i
			}
			return putDiffers, i
		}
	}
	c.dirty = true
	if c.q != nil || q != 0 {
		c.needQuality()
		c.q = slices.Insert(c.q, i, q)
	}
	if i == n {
		c.t, c.v = append(c.t, t), append(c.v, v)
		return putAdded, i
	}
	c.t, c.v = slices.Insert(c.t, i, t), slices.Insert(c.v, i, v)
	return putAdded, i
}

func (c *chunk) needQuality() {
	if c.q == nil {
		c.q = make([]vigil.Quality, len(c.t), max(cap(c.t), len(c.t)+1))
	}
}

func (c *chunk) setQuality(i int, q vigil.Quality) {
	c.needQuality()
	c.q[i] = q
}

// split moves the upper half into a chunk of its own.
func (c *chunk) split() *chunk {
	mid := len(c.t) / 2
	up := &chunk{start: c.t[mid], end: c.end, dirty: true, touched: c.touched}
	up.t, up.v = slices.Clone(c.t[mid:]), slices.Clone(c.v[mid:])
	c.t, c.v = c.t[:mid], c.v[:mid]
	if c.q != nil {
		up.q, c.q = slices.Clone(c.q[mid:]), c.q[:mid]
	}
	c.end, c.dirty = up.start, true
	return up
}

// summary is what a chunk keeps about its samples, so that long ranges are drawn without decoding.
type summary struct {
	count       int
	first, last int64 // times
	gap         int64 // longest time between neighbours, rounded up
	min, max    float64
	sum         float64
	open, close float64 // first and last value
	quality     vigil.Quality
}

func summarize(t []int64, v []float64, q []vigil.Quality) summary {
	n := len(t)
	if n == 0 {
		return summary{}
	}
	s := summary{count: n, first: t[0], last: t[n-1], min: v[0], max: v[0], open: v[0], close: v[n-1]}
	for i, x := range v {
		s.sum += x
		if x < s.min {
			s.min = x
		}
		if x > s.max {
			s.max = x
		}
		if i > 0 {
			s.gap = max(s.gap, t[i]-t[i-1])
		}
	}
	for _, x := range q {
		s.quality |= x
	}
	return s
}
