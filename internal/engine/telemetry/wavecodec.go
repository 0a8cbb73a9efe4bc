package telemetry

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"slices"

	"github.com/vigil-health/vigil"
)

// Format of a waveform block, version 1:
//
//	version | crc32c of the rest | count | period | scale | offset | first sample | bits
//
// The bits hold partitions of wavePartition samples: a byte (order of differences in the upper two bits, Rice parameter
// below) and the residuals. Before the first sample the signal is taken as constant. A missing sample is coded as any other.
const (
	waveVersion   = 1
	wavePartition = 256
	waveOrders    = 4
	maxWave       = 1 << 16 // samples in a stored block
	maxWaveSpan   = 60e9    // nanoseconds in a stored block; a reader looks so far back
)

func encodeWave(dst []byte, w *vigil.Waveform, s *scratch) []byte {
	at := len(dst)
	dst = append(dst, waveVersion, 0, 0, 0, 0)
	dst = binary.AppendUvarint(dst, uint64(len(w.Data)))
	dst = binary.AppendVarint(dst, w.Period)
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(w.Scale))
	dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(w.Offset))
	if len(w.Data) > 0 {
		dst = binary.AppendVarint(dst, int64(w.Data[0]))
		bw := bitWriter{buf: dst}
		x := int64(w.Data[0])
		var d1, d2 int64 // last first and second difference
		for from := 0; from < len(w.Data); from += wavePartition {
			part := w.Data[from:min(from+wavePartition, len(w.Data))]
			z := [waveOrders][]uint64{s.words(&s.a[0], len(part)), s.words(&s.a[1], len(part)), s.words(&s.a[2], len(part)), s.words(&s.b[0], len(part))}
			first := int64(w.Data[0])
			for i, y := range part {
				e1 := int64(y) - x
				e2 := e1 - d1
				z[0][i], z[1][i], z[2][i], z[3][i] = zigzag(int64(y)-first), zigzag(e1), zigzag(e2), zigzag(e2-d2)
				x, d1, d2 = int64(y), e1, e2
			}
			zs, code := cheapest(z[:]...)
			bw.write(uint64(code), 8)
			bw.writeRice(zs, uint(code&63))
		}
		dst = bw.finish()
	}
	binary.LittleEndian.PutUint32(dst[at+1:], crc32.Checksum(dst[at+5:], castagnoli))
	return dst
}

// decodeWave reads a block; metric and start come from the key.
func decodeWave(b []byte, s *scratch) (vigil.Waveform, error) {
	var w vigil.Waveform
	if len(b) < 6 || b[0] != waveVersion || binary.LittleEndian.Uint32(b[1:]) != crc32.Checksum(b[5:], castagnoli) {
		return w, errChunk
	}
	in := input{b: b[5:]}
	count := in.uvarint()
	w.Period = in.varint()
	w.Scale, w.Offset = math.Float64frombits(in.fixed64()), math.Float64frombits(in.fixed64())
	if in.bad || count > maxWave {
		return w, errChunk
	}
	if count == 0 {
		return w, nil
	}
	first := in.varint()
	r := bitReader{buf: in.b}
	w.Data = slices.Grow(w.Data, int(count))[:count]
	x, d1, d2 := first, int64(0), int64(0)
	for from := 0; from < len(w.Data); from += wavePartition {
		part := w.Data[from:min(from+wavePartition, len(w.Data))]
		code := byte(r.read(8))
		if !validRice(code) || r.short {
			return w, errChunk
		}
		zs := s.words(&s.a[0], len(part))
		r.readRice(zs, uint(code&63))
		for i, z := range zs {
			e := unzigzag(z)
			y := x
			switch code >> 6 {
			case 0:
				y = first + e
			case 1:
				y = x + e
			case 2:
				y = x + d1 + e
			default:
				y = x + d1 + d2 + e
			}
			e1 := y - x
			x, d1, d2 = y, e1, e1-d1
			part[i] = int16(y)
		}
	}
	if r.short || in.bad {
		return w, errChunk
	}
	return w, nil
}
