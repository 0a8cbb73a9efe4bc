package telemetry

import (
	"encoding/binary"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// Format of a log record, version 1: version | frames | per frame: length, crc32c, report.
// Format of a report:
//
//	received | subject | device | protocol | samples | waveforms | events
//
// A subject is a type byte and the id. A sample is a tag (decimals or 7 for float bits; quality follows; same time as the
// one before), the metric's number, the time as a difference in ms or ns, the value. A metric without number is 0 and its key.
const (
	recordVersion  = 1
	tagQuality     = 1 << 3
	tagSameTime    = 1 << 4
	maxPerReport   = 1 << 20
	subjectOther   = 0
	subjectPatient = 1
	subjectPlace   = 2
)

var (
	patientPrefix = string(vigil.PatientSubject(""))
	placePrefix   = string(vigil.LocationSubject(""))
	metricNumbers = indexMetrics()
)

func indexMetrics() map[vigil.Metric]uint16 {
	out := map[vigil.Metric]uint16{}
	for _, m := range coding.Metrics() {
		out[m.Key] = m.Num
	}
	return out
}

func appendString(dst []byte, s string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

// appendFrame appends one framed report.
func appendFrame(dst []byte, r *vigil.Report, s *scratch) []byte {
	const room = 3 + 4 // a length below 2 MB, padded, and the sum
	at := len(dst)
	dst = append(dst, make([]byte, room)...)
	dst = appendReport(dst, r, s)
	n := len(dst) - at - room
	if n >= 1<<21 { // rare: make room for a longer length
		body := slices.Clone(dst[at+room:])
		dst = binary.AppendUvarint(dst[:at], uint64(n))
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(body, castagnoli))
		return append(dst, body...)
	}
	dst[at], dst[at+1], dst[at+2] = byte(n)|0x80, byte(n>>7)|0x80, byte(n>>14)
	binary.LittleEndian.PutUint32(dst[at+3:], crc32.Checksum(dst[at+room:], castagnoli))
	return dst
}

func appendReport(dst []byte, r *vigil.Report, s *scratch) []byte {
	dst = binary.AppendVarint(dst, r.Received)
	subject := string(r.Subject)
	if id, ok := strings.CutPrefix(subject, patientPrefix); ok {
		dst = appendString(append(dst, subjectPatient), id)
	} else if id, ok := strings.CutPrefix(subject, placePrefix); ok {
		dst = appendString(append(dst, subjectPlace), id)
	} else {
		dst = appendString(append(dst, subjectOther), subject)
	}
	dst = appendString(dst, string(r.Device))
	dst = appendString(dst, r.Protocol)
	dst = binary.AppendUvarint(dst, uint64(len(r.Samples)))
	before := r.Received
	for i := range r.Samples {
		dst = appendSample(dst, &r.Samples[i], before, s.spoken.number(r.Samples[i].Metric))
		before = r.Samples[i].Time
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Waveforms)))
	for i := range r.Waveforms {
		w := &r.Waveforms[i]
		dst = appendMetric(dst, w.Metric)
		dst = binary.AppendVarint(dst, w.Start-r.Received)
		body := encodeWave(nil, w, s)
		dst = binary.AppendUvarint(dst, uint64(len(body)))
		dst = append(dst, body...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Events)))
	for i := range r.Events {
		dst = appendString(dst, string(r.Events[i].Kind))
		dst = binary.AppendVarint(dst, r.Events[i].Time-r.Received)
		dst = appendData(dst, r.Events[i].Data)
	}
	return dst
}

// spoken remembers the metrics of the samples before: reports look alike, and a comparison is cheaper than a look-up.
type spoken struct {
	names      [8]vigil.Metric
	nums       [8]uint16
	next, fill int
}

func (p *spoken) number(m vigil.Metric) uint16 {
	for range p.names {
		i := p.next % len(p.names)
		p.next++
		if p.names[i] == m && m != "" {
			return p.nums[i]
		}
	}
	i := p.fill % len(p.names)
	p.fill++
	p.next = p.fill
	p.names[i], p.nums[i] = m, metricNumbers[m]
	return p.nums[i]
}

func appendMetric(dst []byte, m vigil.Metric) []byte { return appendNumbered(dst, m, metricNumbers[m]) }

func appendNumbered(dst []byte, m vigil.Metric, num uint16) []byte {
	if num != 0 {
		return binary.AppendUvarint(dst, uint64(num))
	}
	return appendString(append(dst, 0), string(m))
}

func appendSample(dst []byte, x *vigil.Sample, before int64, num uint16) []byte {
	at := len(dst)
	tag := byte(scaleFloat)
	dst = append(dst, 0)
	dst = appendNumbered(dst, x.Metric, num)
	if x.Time == before {
		tag |= tagSameTime
	} else if d := x.Time - before; d%1e6 == 0 {
		dst = binary.AppendUvarint(dst, zigzag(d/1e6)<<1)
	} else {
		dst = binary.AppendUvarint(dst, 1)
		dst = binary.AppendVarint(dst, d)
	}
	scale, m := scaleOne(x.Value)
	if scale == scaleFloat {
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(x.Value))
	} else {
		tag = tag&^7 | byte(scale)
		dst = binary.AppendVarint(dst, m)
	}
	if x.Quality != 0 {
		tag |= tagQuality
		dst = append(dst, byte(x.Quality))
	}
	dst[at] = tag
	return dst
}

func scaleOne(v float64) (int, int64) {
	for d, p := range pow10 {
		m := math.RoundToEven(v * p)
		if !(math.Abs(m) < maxScaled) {
			break
		}
		if math.Float64bits((m+0)/p) == math.Float64bits(v) {
			return d, int64(m)
		}
	}
	return scaleFloat, 0
}

// appendData writes small facts in key order.
func appendData(dst []byte, data map[string]string) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(data)))
	if len(data) == 0 {
		return dst
	}
	for _, k := range slices.Sorted(maps.Keys(data)) {
		dst = appendString(appendString(dst, k), data[k])
	}
	return dst
}

// count reads how many things follow; each takes at least size bytes, so a damaged count cannot ask for much memory.
func (in *input) count(size int) int {
	n := in.uvarint()
	if n > maxPerReport || n*uint64(size) > uint64(len(in.b)) {
		in.bad, in.b = true, nil
		return 0
	}
	return int(n)
}

func (in *input) metric() vigil.Metric {
	num := in.uvarint()
	if num == 0 {
		return vigil.Metric(in.string())
	}
	m, ok := coding.ByNum(uint16(min(num, math.MaxUint16)))
	if !ok {
		in.bad = true
	}
	return m.Key
}

func (in *input) data() map[string]string {
	n := in.count(2)
	if n == 0 {
		return nil
	}
	out := make(map[string]string, n)
	for range n {
		k := in.string()
		out[k] = in.string()
	}
	return out
}

func (in *input) sample(before int64) vigil.Sample {
	tag := in.byte()
	x := vigil.Sample{Metric: in.metric(), Time: before}
	if tag&tagSameTime == 0 {
		z := in.uvarint()
		if z&1 == 0 {
			x.Time += unzigzag(z>>1) * 1e6
		} else {
			x.Time += in.varint()
		}
	}
	switch scale := tag & 7; {
	case scale == scaleFloat:
		x.Value = math.Float64frombits(in.fixed64())
	case int(scale) < len(pow10):
		x.Value = float64(in.varint()) / pow10[scale]
	default:
		in.bad = true
	}
	if tag&tagQuality != 0 {
		x.Quality = vigil.Quality(in.byte())
	}
	return x
}

// decodeReport reads one report; false means that the bytes are no report of this format.
func decodeReport(b []byte, s *scratch) (*vigil.Report, bool) {
	in := input{b: b}
	r := &vigil.Report{Received: in.varint()}
	switch in.byte() {
	case subjectPatient:
		r.Subject = vigil.PatientSubject(in.string())
	case subjectPlace:
		r.Subject = vigil.LocationSubject(in.string())
	case subjectOther:
		r.Subject = vigil.Subject(in.string())
	default:
		return nil, false
	}
	r.Device, r.Protocol = vigil.DeviceID(in.string()), in.string()
	if n := in.count(3); n > 0 {
		r.Samples = make([]vigil.Sample, n)
		before := r.Received
		for i := range r.Samples {
			r.Samples[i] = in.sample(before)
			before = r.Samples[i].Time
		}
	}
	if n := in.count(8); n > 0 {
		r.Waveforms = make([]vigil.Waveform, n)
		for i := range r.Waveforms {
			metric, start := in.metric(), r.Received+in.varint()
			body := in.bytes(in.uvarint())
			if in.bad {
				return nil, false
			}
			w, err := decodeWave(body, s)
			if err != nil {
				return nil, false
			}
			w.Metric, w.Start = metric, start
			r.Waveforms[i] = w
		}
	}
	if n := in.count(3); n > 0 {
		r.Events = make([]vigil.Event, n)
		for i := range r.Events {
			r.Events[i] = vigil.Event{Kind: vigil.EventKind(in.string()), Time: r.Received + in.varint(), Data: in.data()}
		}
	}
	return r, !in.bad && len(in.b) == 0
}

// decodeRecord calls fn with every sound report of a log record and returns how many frames were damaged.
// Raw is the frame as it stands, valid while b is.
func decodeRecord(b []byte, s *scratch, fn func(r *vigil.Report, raw []byte) error) (damaged int, err error) {
	in := input{b: b}
	if in.byte() != recordVersion {
		return 1, nil
	}
	for len(in.b) > 0 {
		frame := in.b
		n := in.uvarint()
		sum := in.bytes(4)
		body := in.bytes(n)
		if in.bad {
			return damaged + 1, nil
		}
		if binary.LittleEndian.Uint32(sum) != crc32.Checksum(body, castagnoli) {
			damaged++
			continue
		}
		r, ok := decodeReport(body, s)
		if !ok {
			damaged++
			continue
		}
		if err := fn(r, frame[:len(frame)-len(in.b)]); err != nil {
			return damaged, err
		}
	}
	return damaged, nil
}
