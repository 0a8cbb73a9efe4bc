package telemetry

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/vigil-health/vigil"
)

// Format of a numeric chunk, version 1:
//
//	version | crc32c of the rest | flags | count | first-start | span | gap | summary | [qualities] | codes | bits
//
// Times are counted in the coarsest of s, ms, µs, ns that is exact. Values are integers of 0 to 4 decimals when all of
// them are, else float bits XORed with the one before. Residuals are Rice coded; see timeModes and valueModes.
const (
	chunkVersion = 1
	scaleFloat   = 7
	flagQuality  = 1 << 3
	unitShift    = 4
	maxScaled    = 1 << 48 // so that the sum of a chunk stays exact
	maxCount     = 1 << 14
)

// Time residuals: against the period before, against the mean period, or against an even grid.
const (
	timeDeltaDelta = iota
	timePeriod
	timeGrid
)

// Value residuals: against the value before, or against the smallest.
const (
	valueDelta = iota
	valueRaw
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	timeUnits  = [4]int64{1e9, 1e6, 1e3, 1}
	pow10      = [5]float64{1, 10, 100, 1000, 10000}
	errChunk   = errors.New("telemetry: chunk is damaged")
)

// scratch is working memory of the codec, reused through a pool of the caller.
type scratch struct {
	a, b   [3][]uint64
	ints   []int64
	frame  []byte
	column []byte
	jobs   []job
	spoken spoken
}

// numbers returns n numbers that live until the next call.
func (s *scratch) numbers(n int) []int64 {
	s.ints = slices.Grow(s.ints[:0], n)[:n]
	return s.ints
}

func newScratchPool() *sync.Pool { return &sync.Pool{New: func() any { return new(scratch) }} }

func (s *scratch) words(p *[]uint64, n int) []uint64 {
	if cap(*p) < n {
		*p = make([]uint64, n)
	}
	*p = (*p)[:n]
	return *p
}

// encodeChunk appends the coded chunk to dst. Times are strictly ascending and there is at least one.
func encodeChunk(dst []byte, c *chunk, s *scratch) []byte {
	at := len(dst)
	n := len(c.t)
	sum := summarize(c.t, c.v, c.q)
	scale := findScale(c.v, s)
	unit := findUnit(c.t)
	u := timeUnits[unit]
	flags := byte(scale) | byte(unit)<<unitShift
	if c.q != nil && sum.quality != 0 {
		flags |= flagQuality
	}
	dst = append(dst, chunkVersion, 0, 0, 0, 0, flags)
	dst = binary.AppendUvarint(dst, uint64(n))
	dst = binary.AppendVarint(dst, sum.first-c.start)
	dst = binary.AppendUvarint(dst, uint64((sum.last-sum.first)/u))
	dst = binary.AppendUvarint(dst, uint64(sum.gap/u))
	dst = appendSummary(dst, &sum, scale, s.ints)
	if flags&flagQuality != 0 {
		dst = appendQualities(dst, c.q)
	}
	times, timeCode := timeResiduals(c.t, u, s)
	dst = append(dst, timeCode)
	w := bitWriter{}
	if scale == scaleFloat {
		w.buf = dst
		w.writeRice(times, uint(timeCode&63))
		w.floats(c.v)
	} else {
		values, valueCode := valueResiduals(s.ints, s)
		w.buf = append(dst, valueCode)
		w.writeRice(times, uint(timeCode&63))
		w.writeRice(values, uint(valueCode&63))
	}
	dst = w.finish()
	binary.LittleEndian.PutUint32(dst[at+1:], crc32.Checksum(dst[at+5:], castagnoli))
	return dst
}

// findScale returns the fewest decimals that hold every value exactly, with the integers left in s.ints, or scaleFloat.
func findScale(v []float64, s *scratch) int {
	if cap(s.ints) < len(v) {
		s.ints = make([]int64, len(v))
	}
	s.ints = s.ints[:len(v)]
	for d, p := range pow10 {
		ok := true
		for i, x := range v {
			m := math.RoundToEven(x * p)
			if !(math.Abs(m) < maxScaled) || math.Float64bits((m+0)/p) != math.Float64bits(x) {
				ok = false
				break
			}
			s.ints[i] = int64(m)
		}
		if ok {
			return d
		}
	}
	return scaleFloat
}

func findUnit(t []int64) int {
	for i, u := range timeUnits {
		ok := true
		for _, x := range t[1:] {
			if (x-t[0])%u != 0 {
				ok = false
				break
			}
		}
		if ok {
			return i
		}
	}
	return len(timeUnits) - 1
}

func appendSummary(dst []byte, s *summary, scale int, ints []int64) []byte {
	if scale == scaleFloat {
		for _, f := range [...]float64{s.open, s.close, s.min, s.max, s.sum} {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
		}
		return dst
	}
	lo, hi, sum := ints[0], ints[0], int64(0)
	for _, m := range ints {
		lo, hi, sum = min(lo, m), max(hi, m), sum+m
	}
	dst = binary.AppendVarint(dst, lo)
	dst = binary.AppendUvarint(dst, uint64(hi-lo))
	dst = binary.AppendUvarint(dst, uint64(ints[0]-lo))
	dst = binary.AppendUvarint(dst, uint64(ints[len(ints)-1]-lo))
	return binary.AppendUvarint(dst, uint64(sum-lo*int64(len(ints))))
}

// appendQualities writes the union, then runs of (flags, length).
func appendQualities(dst []byte, q []vigil.Quality) []byte {
	var all vigil.Quality
	for _, x := range q {
		all |= x
	}
	dst = append(dst, byte(all))
	for i := 0; i < len(q); {
		j := i
		for j < len(q) && q[j] == q[i] {
			j++
		}
		dst = append(dst, byte(q[i]))
		dst = binary.AppendUvarint(dst, uint64(j-i))
		i = j
	}
	return dst
}

// timeResiduals returns the cheapest residuals of t[1:] and their code: mode in the upper two bits, Rice parameter below.
func timeResiduals(t []int64, u int64, s *scratch) ([]uint64, byte) {
	n := len(t) - 1
	if n == 0 {
		return nil, riceNone
	}
	span := (t[n] - t[0]) / u
	period := span / int64(n)
	dd, pp, gg := s.words(&s.a[0], n), s.words(&s.a[1], n), s.words(&s.a[2], n)
	before, even := period, true
	for i := range n {
		delta := (t[i+1] - t[i]) / u
		even = even && delta == period
		dd[i] = zigzag(delta - before)
		pp[i] = zigzag(delta - period)
		gg[i] = zigzag((t[i+1]-t[0])/u - gridAt(i+1, span, n))
		before = delta
	}
	if even {
		return dd, riceNone
	}
	return cheapest(dd, pp, gg)
}

// gridAt returns where the i-th of n even steps over the span lies, without overflow.
func gridAt(i int, span int64, n int) int64 {
	hi, lo := bits.Mul64(uint64(span), uint64(i))
	q, _ := bits.Div64(hi, lo, uint64(n)) // hi < n because i <= n
	return int64(q)
}

func valueResiduals(m []int64, s *scratch) ([]uint64, byte) {
	n := len(m)
	dd, rr := s.words(&s.b[0], n-1), s.words(&s.b[1], n-1)
	lo := m[0]
	for _, x := range m {
		lo = min(lo, x)
	}
	for i := range n - 1 {
		dd[i] = zigzag(m[i+1] - m[i])
		rr[i] = uint64(m[i+1] - lo)
	}
	return cheapest(dd, rr)
}

func cheapest(choices ...[]uint64) ([]uint64, byte) {
	best, bestK, bestCost := 0, uint(0), -1
	for i, zs := range choices {
		k, cost := bestRice(zs)
		if bestCost < 0 || cost < bestCost {
			best, bestK, bestCost = i, k, cost
		}
	}
	return choices[best], byte(best)<<6 | byte(bestK)
}

// floats writes 64 bits, then per value a zero when it repeats, else a one, leading zeros (6), length-1 (6) and bits.
func (w *bitWriter) floats(v []float64) {
	before := math.Float64bits(v[0])
	w.write64(before)
	for _, f := range v[1:] {
		x := math.Float64bits(f) ^ before
		before ^= x
		if x == 0 {
			w.write(0, 1)
			continue
		}
		lead, trail := uint(bits.LeadingZeros64(x)), uint(bits.TrailingZeros64(x))
		width := 64 - lead - trail
		w.write(1|uint64(trail)<<1|uint64(width-1)<<7, 13)
		x >>= trail
		if width > 32 {
			w.write(x&0xffffffff, 32)
			x, width = x>>32, width-32
		}
		w.write(x, width)
	}
}

func (r *bitReader) floats(v []float64) {
	if len(v) == 0 {
		return
	}
	before := r.read64()
	v[0] = math.Float64frombits(before)
	for i := 1; i < len(v); i++ {
		if r.read(1) != 0 {
			trail := uint(r.read(6))
			width := uint(r.read(6)) + 1
			var x uint64
			if width > 32 {
				x = r.read(32)
				x |= r.read(width-32) << 32
			} else {
				x = r.read(width)
			}
			before ^= x << trail
		}
		v[i] = math.Float64frombits(before)
	}
}
