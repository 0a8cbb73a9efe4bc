package telemetry

import (
	"bytes"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// Keys of the series store, subject first, so that one patient lies together and is erased by one range delete:
//
//	d subject 0 n metric device 0 start        numeric chunk
//	d subject 0 s metric device 0 level start  block of summaries
//	d subject 0 c metric device 0 time receipt value that was replaced
//	d subject 0 w metric device 0 start        waveform block
//	d subject 0 e time kind 0 device 0 hash    event
//	l subject 0 shape metric device 0          last value of a series: the table read at start
//	h subject 0                                legal hold
//	m name                                     the store's own facts
//
// A metric is its catalogue number in two bytes, or zero and its key ended by a zero byte. Times are eight bytes that sort.
const (
	tableData = 'd'
	tableLast = 'l'
	tableHold = 'h'
	tableMeta = 'm'

	kindNumeric = 'n'
	kindSummary = 's'
	kindWave    = 'w'
	kindEvent   = 'e'

	kindCorrection = 'c'
)

var (
	keyCheckpoint = []byte{tableMeta, 'c', 'p'}
	keyPolicy     = []byte{tableMeta, 'r', 'p'}
	keyFloor      = []byte{tableMeta, 'r', 'f'} // and the class
)

func appendTime(dst []byte, t int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(t)^1<<63)
}

func keyTime(b []byte) int64 { return int64(binary.BigEndian.Uint64(b) ^ 1<<63) }

func appendKeyMetric(dst []byte, m vigil.Metric) []byte {
	num := metricNumbers[m]
	dst = binary.BigEndian.AppendUint16(dst, num)
	if num == 0 {
		dst = append(append(dst, m...), 0)
	}
	return dst
}

func subjectPrefix(table byte, s vigil.Subject) []byte {
	key := make([]byte, 0, len(s)+48)
	return append(append(append(key, table), s...), 0)
}

// seriesPrefix returns what stands before the time in the keys of one series.
func seriesPrefix(s vigil.Subject, kind byte, m vigil.Metric, dev vigil.DeviceID) []byte {
	key := append(subjectPrefix(tableData, s), kind)
	key = appendKeyMetric(key, m)
	return append(append(key, dev...), 0)
}

func lastKey(s vigil.Subject, kind byte, m vigil.Metric, dev vigil.DeviceID) []byte {
	key := append(subjectPrefix(tableLast, s), kind)
	key = appendKeyMetric(key, m)
	return append(append(key, dev...), 0)
}

// timeKey returns the key at t under a prefix, in new memory.
func timeKey(prefix []byte, t int64) []byte {
	return appendTime(append(make([]byte, 0, len(prefix)+8), prefix...), t)
}

// prefixEnd returns the first key after all keys with the prefix; a prefix never ends in 0xff here.
func prefixEnd(prefix []byte) []byte {
	end := slices.Clone(prefix)
	end[len(end)-1]++
	return end
}

func eventKey(s vigil.Subject, dev vigil.DeviceID, e *vigil.Event) []byte {
	h := fnv.New64a()
	for _, k := range slices.Sorted(maps.Keys(e.Data)) {
		h.Write(appendString(appendString(nil, k), e.Data[k]))
	}
	key := appendTime(append(subjectPrefix(tableData, s), kindEvent), e.Time)
	key = append(append(append(append(key, e.Kind...), 0), dev...), 0)
	return h.Sum(key)
}

// splitEventKey reads kind and device from what follows the time.
func splitEventKey(b []byte) (vigil.EventKind, vigil.DeviceID, bool) {
	kind, rest, ok := bytes.Cut(b, []byte{0})
	dev, _, ok2 := bytes.Cut(rest, []byte{0})
	return vigil.EventKind(kind), vigil.DeviceID(dev), ok && ok2
}

// splitLastKey reads subject, kind, metric and device from a key of the last table.
func splitLastKey(key []byte) (k vigil.SeriesKey, kind byte, ok bool) {
	subject, rest, ok := bytes.Cut(key[1:], []byte{0})
	if !ok || len(rest) < 4 {
		return k, 0, false
	}
	k.Subject, kind = vigil.Subject(subject), rest[0]
	num := binary.BigEndian.Uint16(rest[1:])
	rest = rest[3:]
	if num == 0 {
		var name []byte
		if name, rest, ok = bytes.Cut(rest, []byte{0}); !ok {
			return k, 0, false
		}
		k.Metric = vigil.Metric(name)
	} else if m, known := coding.ByNum(num); known {
		k.Metric = m.Key
	} else {
		return k, 0, false
	}
	k.Device = vigil.DeviceID(bytes.TrimSuffix(rest, []byte{0}))
	return k, kind, true
}

// storable returns an Invalid error for a report whose names cannot stand in a key.
func storable(r *vigil.Report) error {
	const op = "telemetry.append"
	if r == nil || !r.Subject.Valid() && !(r.Subject == "" && r.Empty()) { // an empty report only asks for its turn in the log
		return vigil.Errorf(vigil.Invalid, op, "a report needs a subject such as Patient/<id>")
	}
	if strings.IndexByte(string(r.Subject), 0) >= 0 || strings.IndexByte(string(r.Device), 0) >= 0 {
		return vigil.Errorf(vigil.Invalid, op, "subject and device must not contain a zero byte")
	}
	for i := range r.Samples {
		if m := r.Samples[i].Metric; !plainName(string(m)) {
			return vigil.Errorf(vigil.Invalid, op, "sample %d: metric %q is no name", i, m)
		}
		if !storableTime(r.Samples[i].Time) {
			return vigil.Errorf(vigil.Invalid, op, "sample %d: its time %s cannot be", i, r.Samples[i].At().UTC())
		}
	}
	for i := range r.Waveforms {
		w := &r.Waveforms[i]
		if w.Period <= 0 || w.Period > 3600e9 || len(w.Data) > maxWave || !storableTime(w.Start) || !plainName(string(w.Metric)) {
			return vigil.Errorf(vigil.Invalid, op, "waveform %d: needs a metric, a time, a period up to 1 h and at most %d samples", i, maxWave)
		}
	}
	for i := range r.Events {
		if e := &r.Events[i]; !plainName(string(e.Kind)) || !storableTime(e.Time) {
			return vigil.Errorf(vigil.Invalid, op, "event %d: needs a kind and a time, has %q, %s", i, e.Kind, e.At().UTC())
		}
	}
	return nil
}

func plainName(s string) bool { return s != "" && strings.IndexByte(s, 0) < 0 }
