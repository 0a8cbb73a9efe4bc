package telemetry

import (
	"context"
	"testing"

	"github.com/vigil-health/vigil"
)

// nothing is a series store that forgets, so that the benchmark measures the store's own work.
type nothing struct{}

func (nothing) Write(context.Context, []Entry) error                                { return nil }
func (nothing) Scan(context.Context, []byte, []byte, func(_, _ []byte) error) error { return nil }
func (nothing) Last(context.Context, []byte, []byte) ([]byte, []byte, error)        { return nil, nil, nil }
func (nothing) DeleteRange(context.Context, []byte, []byte) error                   { return nil }
func (nothing) Drop(context.Context, []byte, []byte) error                          { return nil }
func (nothing) Flush(context.Context) error                                         { return nil }
func (nothing) Stats() SeriesStats                                                  { return SeriesStats{} }
func (nothing) Close() error                                                        { return nil }

// BenchmarkCodecAndApply measures coding, decoding and applying 5-value reports on one core.
func BenchmarkCodecAndApply(b *testing.B) {
	sh := newShard(nothing{}, func() {})
	var work scratch
	var frame []byte
	metrics := []vigil.Metric{"heart-rate", "spo2", "respiratory-rate", "art-systolic", "art-diastolic"}
	r := &vigil.Report{Device: "monitor-7", Subject: "Patient/sara", Protocol: "mqtt", Samples: make([]vigil.Sample, len(metrics))}
	list := []*vigil.Report{r}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		at := int64(n) * 1e9
		r.Received = at + 5e6
		for k, m := range metrics {
			r.Samples[k] = vigil.Sample{Metric: m, Time: at, Value: float64(60 + (n*7+k)%5)}
		}
		frame = appendFrame(frame[:0], r, &work)
		if err := sh.apply(b.Context(), list, at); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n*len(metrics))/b.Elapsed().Seconds(), "values/s")
}

func benchChunk() *chunk {
	c := &chunk{}
	for i := range chunkSamples {
		c.t, c.v = append(c.t, int64(i)*1e9), append(c.v, float64(60+(i*7)%5))
	}
	return c
}

func BenchmarkEncodeChunk(b *testing.B) {
	c, buf := benchChunk(), []byte(nil)
	var s scratch
	for b.Loop() {
		buf = encodeChunk(buf[:0], c, &s)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunkSamples, "ns/sample")
}

func BenchmarkDecodeChunk(b *testing.B) {
	var s scratch
	buf := encodeChunk(nil, benchChunk(), &s)
	var cols columns
	for b.Loop() {
		cols.reset()
		h, err := decodeHead(buf, 0)
		if err != nil || decodeChunk(&h, &cols, &s) != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/chunkSamples, "ns/sample")
}
