package remotewrite

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

type sample struct {
	ms    int64
	value float64
}

// timeSeries is one series of a request, its samples in order of time.
type timeSeries struct {
	labels  []coding.Label
	samples []sample
}

// batch gathers what log records say.
type batch struct {
	series   map[vigil.SeriesKey][]sample
	samples  int
	received int64 // Unix nanoseconds, the newest
}

func (b *batch) add(reports []*vigil.Report) {
	for _, r := range reports {
		b.received = max(b.received, r.Received)
		if r.Subject == "" {
			continue // a heartbeat
		}
		for i := range r.Samples {
			s := &r.Samples[i]
			key := vigil.SeriesKey{Subject: r.Subject, Device: r.Device, Metric: s.Metric}
			b.series[key] = append(b.series[key], sample{millis(s.Time), s.Value})
			b.samples++
		}
	}
}

// millis returns Unix nanoseconds as milliseconds, rounded down.
func millis(ns int64) int64 {
	ms := ns / 1e6
	if ns%1e6 < 0 {
		ms--
	}
	return ms
}

// requests splits the batch into requests of at most so many samples, each series in order of time. Of samples within
// the same millisecond the last that was said stands.
func (b *batch) requests(most int, extra map[string]string) (out [][]timeSeries) {
	keys := slices.SortedFunc(maps.Keys(b.series), func(x, y vigil.SeriesKey) int {
		return cmp.Or(cmp.Compare(x.Subject, y.Subject), cmp.Compare(x.Metric, y.Metric), cmp.Compare(x.Device, y.Device))
	})
	var request []timeSeries
	room := most
	for _, k := range keys {
		labels, list := labelsOf(k, extra), inOrder(b.series[k])
		for len(list) > 0 {
			n := min(room, len(list))
			request = append(request, timeSeries{labels, list[:n]})
			list = list[n:]
			if room -= n; room == 0 {
				out, request, room = append(out, request), nil, most
			}
		}
	}
	if len(request) > 0 {
		out = append(out, request)
	}
	return out
}

func inOrder(list []sample) []sample {
	slices.SortStableFunc(list, func(a, b sample) int { return cmp.Compare(a.ms, b.ms) })
	out := list[:0]
	for _, s := range list {
		if n := len(out); n > 0 && out[n-1].ms == s.ms {
			out[n-1] = s
			continue
		}
		out = append(out, s)
	}
	return out
}

// labelsOf returns the labels in order of their names; what the series says itself wins over the extra ones.
func labelsOf(k vigil.SeriesKey, extra map[string]string) []coding.Label {
	out := coding.SeriesLabels(k)
	for name, value := range extra {
		if value != "" && !slices.ContainsFunc(out, func(l coding.Label) bool { return l.Name == name }) {
			out = append(out, coding.Label{Name: name, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b coding.Label) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func count(list []timeSeries) (n int) {
	for _, s := range list {
		n += len(s.samples)
	}
	return n
}

// encode writes a WriteRequest of remote write 1.0:
//
//	WriteRequest { repeated TimeSeries timeseries = 1 }    Label  { string name = 1; string value = 2 }
//	TimeSeries { repeated Label labels = 1; repeated Sample samples = 2 }    Sample { double value = 1; int64 timestamp = 2 }
func encode(list []timeSeries) []byte {
	var out, one, part []byte
	for _, s := range list {
		one = one[:0]
		for _, l := range s.labels {
			part = protowire.AppendString(protowire.AppendTag(part[:0], 1, protowire.BytesType), l.Name)
			part = protowire.AppendString(protowire.AppendTag(part, 2, protowire.BytesType), l.Value)
			one = protowire.AppendBytes(protowire.AppendTag(one, 1, protowire.BytesType), part)
		}
		for _, x := range s.samples {
			part = protowire.AppendFixed64(protowire.AppendTag(part[:0], 1, protowire.Fixed64Type), math.Float64bits(x.value))
			part = protowire.AppendVarint(protowire.AppendTag(part, 2, protowire.VarintType), uint64(x.ms))
			one = protowire.AppendBytes(protowire.AppendTag(one, 2, protowire.BytesType), part)
		}
		out = protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), one)
	}
	return out
}
