package telemetry

import (
	"encoding/binary"
	"hash/crc32"
	"math"

	"github.com/vigil-health/vigil"
)

// Format of a block of summaries, version 1:
//
//	version | crc32c of the rest | flags | count of entries | columns | [floats] | [qualities]
//
// Flags are as in a chunk: decimals or 7 for float bits, qualities follow, time unit. The columns are place in the
// block, samples, first and last time after the start of the entry, longest gap, minimum, range, and sum less
// samples*minimum; floats keep minimum, maximum and sum as bits. A column is its first number, a code and the residuals,
// Rice coded against the number before or the first. A sum is kept to nine digits or better.
const (
	blockVersion = 1
	maxEntries   = 1 << 10
)

// blockColumns are the integer columns of a block in their order.
type blockColumns [8][]int64

const (
	colPlace = iota
	colCount
	colFirst
	colLast
	colGap
	colMin
	colRange
	colSum
)

// encodeBlock appends the coded block that starts at start. There is at least one entry.
func encodeBlock(dst []byte, k int, start int64, entries []summary, s *scratch) []byte {
	at := len(dst)
	scale, unit := blockScale(entries), blockUnit(entries, levels[k].width)
	flags := byte(scale) | byte(unit)<<unitShift
	var all vigil.Quality
	for i := range entries {
		all |= entries[i].quality
	}
	if all != 0 {
		flags |= flagQuality
	}
	dst = append(dst, blockVersion, 0, 0, 0, 0, flags)
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	columns := colGap + 1
	var cols blockColumns
	for i := range cols {
		cols[i] = make([]int64, len(entries))
	}
	width, u := levels[k].width, timeUnits[unit]
	for i := range entries {
		e := &entries[i]
		base := floorTo(e.first, width)
		cols[colPlace][i], cols[colCount][i] = (base-start)/width, int64(e.count)
		cols[colFirst][i], cols[colLast][i], cols[colGap][i] = (e.first-base)/u, (e.last-base)/u, e.gap/u
		if scale != scaleFloat {
			p := pow10[scale]
			lo := int64(math.RoundToEven(e.min * p))
			cols[colMin][i], cols[colRange][i] = lo, int64(math.RoundToEven(e.max*p))-lo
			cols[colSum][i] = int64(math.RoundToEven(e.sum*p)) - lo*int64(e.count)
		}
	}
	if scale != scaleFloat {
		columns = len(cols)
	}
	for _, c := range cols[:columns] {
		dst = appendColumn(dst, c, s)
	}
	for i := range entries {
		if e := &entries[i]; scale == scaleFloat {
			for _, f := range [...]float64{e.min, e.max, e.sum} {
				dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(f))
			}
		}
	}
	for i := range entries {
		if all != 0 {
			dst = append(dst, byte(entries[i].quality))
		}
	}
	binary.LittleEndian.PutUint32(dst[at+1:], crc32.Checksum(dst[at+5:], castagnoli))
	return dst
}

// blockScale returns the fewest decimals that hold every entry, or scaleFloat.
func blockScale(entries []summary) int {
	for d, p := range pow10 {
		ok := true
		for i := range entries {
			e := &entries[i]
			if !scales(e.min, p) || !scales(e.max, p) || !sumScales(e, p) {
				ok = false
				break
			}
		}
		if ok {
			return d
		}
	}
	return scaleFloat
}

func scales(x, p float64) bool {
	m := math.RoundToEven(x * p)
	return math.Abs(m) < maxScaled && math.Float64bits((m+0)/p) == math.Float64bits(x)
}

// sumScales allows for what adding floats has lost: a sum of decimals is a decimal.
func sumScales(e *summary, p float64) bool {
	m := e.sum * p
	return math.Abs(m) < 1<<52 && math.Abs(e.min*p)*float64(e.count) < 1<<52 && math.Abs(m-math.RoundToEven(m)) <= 1e-10*math.Abs(m)+1e-9
}

func blockUnit(entries []summary, width int64) int {
	for i, u := range timeUnits {
		ok := true
		for j := range entries {
			e := &entries[j]
			base := floorTo(e.first, width)
			if (e.first-base)%u != 0 || (e.last-base)%u != 0 || e.gap%u != 0 {
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

// appendColumn writes the first number, the code, the length of the bits and the bits.
func appendColumn(dst []byte, m []int64, s *scratch) []byte {
	n := len(m) - 1
	delta, plain := s.words(&s.b[0], n), s.words(&s.b[1], n)
	for i := range n {
		delta[i], plain[i] = zigzag(m[i+1]-m[i]), zigzag(m[i+1]-m[0])
	}
	zs, code := cheapest(delta, plain)
	dst = binary.AppendVarint(dst, m[0])
	dst = append(dst, code)
	w := bitWriter{buf: s.column[:0]}
	w.writeRice(zs, uint(code&63))
	s.column = w.finish()
	dst = binary.AppendUvarint(dst, uint64(len(s.column)))
	return append(dst, s.column...)
}

// column reads n numbers.
func (in *input) column(m []int64, s *scratch) {
	m[0] = in.varint()
	code := in.byte()
	r := bitReader{buf: in.bytes(in.uvarint())}
	if !validRice(code) || code>>6 > 1 {
		in.bad = true
		return
	}
	zs := s.words(&s.b[0], len(m)-1)
	r.readRice(zs, uint(code&63))
	for i, z := range zs {
		if code>>6 == valueDelta {
			m[i+1] = m[i] + unzigzag(z)
		} else {
			m[i+1] = m[0] + unzigzag(z)
		}
	}
	in.bad = in.bad || r.short
}

// decodeBlock reads the entries of a block of the level that starts at start.
func decodeBlock(b []byte, k int, start int64, s *scratch) ([]summary, error) {
	if len(b) < 8 || b[0] != blockVersion || binary.LittleEndian.Uint32(b[1:]) != crc32.Checksum(b[5:], castagnoli) {
		return nil, errChunk
	}
	in := input{b: b[5:]}
	flags := in.byte()
	scale, u := int(flags&7), timeUnits[flags>>unitShift&3]
	n := in.uvarint()
	if n == 0 || n > maxEntries || scale > 4 && scale != scaleFloat {
		return nil, errChunk
	}
	columns := len(blockColumns{})
	if scale == scaleFloat {
		columns = colGap + 1
	}
	var cols blockColumns
	numbers := s.numbers(int(n) * columns)
	for i := range columns {
		cols[i] = numbers[i*int(n) : (i+1)*int(n)]
		in.column(cols[i], s)
	}
	entries := make([]summary, n)
	width, span := levels[k].width, levels[k].span
	for i := range entries {
		place, first, last, gap := cols[colPlace][i], cols[colFirst][i], cols[colLast][i], cols[colGap][i]
		if place < 0 || place >= span/width || i > 0 && place <= cols[colPlace][i-1] || first < 0 || first > last || last > (width-1)/u || gap < 0 || gap > last-first || cols[colCount][i] < 1 {
			return nil, errChunk
		}
		base := start + place*width
		entries[i] = summary{count: int(cols[colCount][i]), first: base + first*u, last: base + last*u, gap: gap * u}
		if scale != scaleFloat {
			entries[i].scaled(cols[colMin][i], cols[colRange][i], cols[colSum][i], pow10[scale])
		}
	}
	in.blockRest(entries, scale, flags)
	if in.bad || len(in.b) > 0 {
		return nil, errChunk
	}
	return entries, nil
}

func (s *summary) scaled(lo, width, sum int64, p float64) {
	s.min, s.max = float64(lo)/p, float64(lo+width)/p
	s.sum = float64(sum+lo*int64(s.count)) / p
}

// blockRest reads floats and qualities.
func (in *input) blockRest(entries []summary, scale int, flags byte) {
	for i := range entries {
		if e := &entries[i]; scale == scaleFloat {
			e.min, e.max, e.sum = math.Float64frombits(in.fixed64()), math.Float64frombits(in.fixed64()), math.Float64frombits(in.fixed64())
		}
	}
	for i := range entries {
		if flags&flagQuality != 0 {
			entries[i].quality = vigil.Quality(in.byte())
		}
	}
}
