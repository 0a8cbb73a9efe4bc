package telemetry

import (
	"encoding/binary"
	"math/bits"
)

// Rice codes are written least significant bit first: quotient as zeros ended by a one, then k low bits. A quotient
// of riceEscape or more is riceEscape zeros and the plain 64 bits.
const (
	riceEscape = 20
	riceMaxK   = 32
	riceNone   = 63 // stands for k when every residual is zero: no bits are written
)

type bitWriter struct {
	buf []byte
	acc uint64
	n   uint
}

// write appends the low w bits of v, w <= 56; the bits above must be zero.
func (w *bitWriter) write(v uint64, width uint) {
	w.acc |= v << w.n
	w.n += width
	for w.n >= 8 {
		w.buf = append(w.buf, byte(w.acc))
		w.acc >>= 8
		w.n -= 8
	}
}

func (w *bitWriter) write64(v uint64) {
	w.write(v&0xffffffff, 32)
	w.write(v>>32, 32)
}

func (w *bitWriter) rice(z uint64, k uint) {
	q := z >> k
	if q >= riceEscape {
		w.write(0, riceEscape)
		w.write64(z)
		return
	}
	w.write((z&(1<<k-1))<<(q+1)|1<<q, uint(q)+1+k)
}

// finish pads the last byte with zeros and returns the buffer.
func (w *bitWriter) finish() []byte {
	if w.n > 0 {
		w.buf = append(w.buf, byte(w.acc))
		w.acc, w.n = 0, 0
	}
	return w.buf
}

// bitReader reads what bitWriter wrote. Past the end it yields zeros and sets short.
type bitReader struct {
	buf   []byte
	pos   int
	acc   uint64
	n     uint
	short bool
}

func (r *bitReader) fill() {
	if r.pos+8 <= len(r.buf) {
		r.acc |= binary.LittleEndian.Uint64(r.buf[r.pos:]) << r.n
		take := (63 - r.n) >> 3
		r.pos += int(take)
		r.n += take * 8
		return
	}
	for r.n <= 56 && r.pos < len(r.buf) {
		r.acc |= uint64(r.buf[r.pos]) << r.n
		r.pos++
		r.n += 8
	}
}

func (r *bitReader) skip(width uint) {
	if width > r.n {
		r.short = true
		r.acc, r.n = 0, 0
		return
	}
	r.acc >>= width
	r.n -= width
}

func (r *bitReader) read(width uint) uint64 {
	if r.n < width {
		r.fill()
	}
	v := r.acc & (1<<width - 1)
	r.skip(width)
	return v
}

func (r *bitReader) read64() uint64 {
	lo := r.read(32)
	return r.read(32)<<32 | lo
}

func (r *bitReader) rice(k uint) uint64 {
	if r.n < riceEscape+riceMaxK {
		r.fill()
	}
	q := uint(bits.TrailingZeros64(r.acc))
	if q >= riceEscape {
		r.skip(riceEscape)
		return r.read64()
	}
	v := uint64(q)<<k | r.acc>>(q+1)&(1<<k-1)
	r.skip(q + 1 + k)
	return v
}

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(z uint64) int64 { return int64(z>>1) ^ -int64(z&1) }

// bestRice returns the parameter for the residuals and about how many bits they will take.
func bestRice(zs []uint64) (k uint, cost int) {
	var hist [65]int
	top := 0
	for _, z := range zs {
		l := bits.Len64(z)
		hist[l]++
		top = max(top, l)
	}
	if top == 0 {
		return riceNone, 0
	}
	cost = -1
	for try := range min(top, riceMaxK) + 1 {
		sum := len(zs) * (1 + try)
		for l := try + 1; l <= top; l++ {
			quotient := 3 << max(l-1-try, 0) / 2 // mean of the numbers of this length
			if l-try > 5 {
				quotient = riceEscape + 64
			}
			sum += hist[l] * max(quotient, 1)
		}
		if cost < 0 || sum < cost {
			k, cost = uint(try), sum
		}
	}
	return k, cost
}

// writeRice appends the residuals with the parameter; riceNone writes nothing.
func (w *bitWriter) writeRice(zs []uint64, k uint) {
	if k == riceNone {
		return
	}
	for _, z := range zs {
		w.rice(z, k)
	}
}

// readRice fills zs.
func (r *bitReader) readRice(zs []uint64, k uint) {
	if k == riceNone {
		clear(zs)
		return
	}
	acc, n, mask := r.acc, r.n, uint64(1)<<k-1
	for i := range zs {
		if n < riceEscape+riceMaxK {
			r.acc, r.n = acc, n
			r.fill()
			acc, n = r.acc, r.n
		}
		q := uint(bits.TrailingZeros64(acc))
		if width := q + 1 + k; q < riceEscape && width <= n {
			zs[i] = uint64(q)<<k | acc>>(q+1)&mask
			acc >>= width
			n -= width
			continue
		}
		r.acc, r.n = acc, n
		zs[i] = r.rice(k)
		acc, n = r.acc, r.n
	}
	r.acc, r.n = acc, n
}
