package telemetry

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"github.com/vigil-health/vigil"
)

// chunkHead is what stands before the bits of a coded chunk.
type chunkHead struct {
	summary
	scale int
	unit  int64
	lo    int64  // smallest scaled value
	open  int64  // first scaled value
	rest  []byte // from the qualities on
	flags byte
}

// columns receive decoded samples; they are appended to.
type columns struct {
	t   []int64
	v   []float64
	q   []vigil.Quality
	gap int64 // no two neighbours are further apart; openEnd when that is not known
}

func (c *columns) reset() { c.t, c.v, c.q, c.gap = c.t[:0], c.v[:0], c.q[:0], openEnd }

// input walks over bytes from outside; it never panics and turns bad at the first fault.
type input struct {
	b   []byte
	bad bool
}

func (in *input) byte() byte {
	if len(in.b) == 0 {
		in.bad = true
		return 0
	}
	x := in.b[0]
	in.b = in.b[1:]
	return x
}

func (in *input) uvarint() uint64 {
	x, n := binary.Uvarint(in.b)
	if n <= 0 {
		in.bad, in.b = true, nil
		return 0
	}
	in.b = in.b[n:]
	return x
}

func (in *input) varint() int64 { return unzigzag(in.uvarint()) }

func (in *input) fixed64() uint64 {
	if len(in.b) < 8 {
		in.bad, in.b = true, nil
		return 0
	}
	x := binary.LittleEndian.Uint64(in.b)
	in.b = in.b[8:]
	return x
}

func (in *input) bytes(n uint64) []byte {
	if n > uint64(len(in.b)) {
		in.bad, in.b = true, nil
		return nil
	}
	x := in.b[:n]
	in.b = in.b[n:]
	return x
}

func (in *input) string() string { return string(in.bytes(in.uvarint())) }

// decodeHead checks the sum and reads the summary; start is the time in the key.
func decodeHead(b []byte, start int64) (chunkHead, error) {
	var h chunkHead
	if len(b) < 8 || b[0] != chunkVersion || binary.LittleEndian.Uint32(b[1:]) != crc32.Checksum(b[5:], castagnoli) {
		return h, errChunk
	}
	in := input{b: b[5:]}
	h.flags = in.byte()
	h.scale, h.unit = int(h.flags&7), timeUnits[h.flags>>unitShift&3]
	count := in.uvarint()
	h.first = start + in.varint()
	span, gap := in.uvarint(), in.uvarint()
	if count == 0 || count > maxCount || span > math.MaxInt64/uint64(h.unit) || gap > span || h.scale > 4 && h.scale != scaleFloat {
		return h, errChunk
	}
	h.count = int(count)
	h.last, h.gap = h.first+int64(span)*h.unit, int64(gap)*h.unit
	h.readValues(&in)
	if h.flags&flagQuality != 0 {
		h.quality = vigil.Quality(in.byte())
	}
	if in.bad || h.last < h.first {
		return h, errChunk
	}
	h.rest = in.b
	return h, nil
}

func (h *chunkHead) readValues(in *input) {
	s := &h.summary
	if h.scale == scaleFloat {
		for _, f := range [...]*float64{&s.open, &s.close, &s.min, &s.max, &s.sum} {
			*f = math.Float64frombits(in.fixed64())
		}
		return
	}
	p := pow10[h.scale]
	h.lo = in.varint()
	hi := h.lo + int64(in.uvarint())
	h.open = h.lo + int64(in.uvarint())
	s.min, s.max, s.open = float64(h.lo)/p, float64(hi)/p, float64(h.open)/p
	s.close = float64(h.lo+int64(in.uvarint())) / p
	s.sum = float64(h.lo*int64(h.count)+int64(in.uvarint())) / p
}

// decodeChunk appends the samples of a chunk whose head was read.
func decodeChunk(h *chunkHead, dst *columns, s *scratch) error {
	in := input{b: h.rest}
	n, at := h.count, len(dst.t)
	if h.flags&flagQuality != 0 {
		for left := n; left > 0 && !in.bad; {
			q, run := vigil.Quality(in.byte()), in.uvarint()
			if run == 0 || run > uint64(left) {
				return errChunk
			}
			for range run {
				dst.q = append(dst.q, q)
			}
			left -= int(run)
		}
	} else {
		dst.q = slices.Grow(dst.q, n)[:at+n]
		clear(dst.q[at:])
	}
	timeCode := in.byte()
	valueCode := byte(riceNone)
	if h.scale != scaleFloat {
		valueCode = in.byte()
	}
	if in.bad || !validRice(timeCode) || !validRice(valueCode) || len(dst.q) != at+n {
		return errChunk
	}
	r := bitReader{buf: in.b}
	dst.t = slices.Grow(dst.t, n)[:at+n]
	dst.v = slices.Grow(dst.v, n)[:at+n]
	h.readTimes(&r, dst.t[at:], timeCode, s)
	if h.scale == scaleFloat {
		r.floats(dst.v[at:])
	} else {
		h.readScaled(&r, dst.v[at:], valueCode, s)
	}
	if r.short || dst.t[at+n-1] != h.last {
		dst.t, dst.v, dst.q = dst.t[:at], dst.v[:at], dst.q[:at]
		return errChunk
	}
	return nil
}

func validRice(code byte) bool { return code&63 <= riceMaxK || code&63 == riceNone }

func (h *chunkHead) readTimes(r *bitReader, t []int64, code byte, s *scratch) {
	t[0] = h.first
	n := len(t) - 1
	if n == 0 {
		return
	}
	u, span := h.unit, (h.last-h.first)/h.unit
	period := span / int64(n)
	if code == riceNone {
		for i := range t {
			t[i] = h.first + int64(i)*period*u
		}
		return
	}
	zs := s.words(&s.a[0], n)
	r.readRice(zs, uint(code&63))
	switch code >> 6 {
	case timeDeltaDelta:
		now, delta := h.first, period
		for i, z := range zs {
			delta += unzigzag(z)
			now += delta * u
			t[i+1] = now
		}
	case timePeriod:
		now := h.first
		for i, z := range zs {
			now += (period + unzigzag(z)) * u
			t[i+1] = now
		}
	default:
		for i, z := range zs {
			t[i+1] = h.first + (gridAt(i+1, span, n)+unzigzag(z))*u
		}
	}
}

func (h *chunkHead) readScaled(r *bitReader, v []float64, code byte, s *scratch) {
	p := pow10[h.scale]
	v[0] = float64(h.open) / p
	zs := s.words(&s.b[0], len(v)-1)
	r.readRice(zs, uint(code&63))
	m, v := h.open, v[1:1+len(zs)]
	switch {
	case code>>6 != valueDelta:
		for i, z := range zs {
			v[i] = float64(h.lo+int64(z)) / p
		}
	case h.scale == 0:
		for i, z := range zs {
			m += unzigzag(z)
			v[i] = float64(m)
		}
	default:
		for i, z := range zs {
			m += unzigzag(z)
			v[i] = float64(m) / p
		}
	}
}
