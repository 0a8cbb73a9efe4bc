package promapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// memory is the plainest storage there is: lists, filtered by every matcher.
type memory []*storage.SeriesEntry

func (m memory) Querier(int64, int64) (storage.Querier, error) { return m, nil }

func (m memory) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	var out list
	for _, s := range m {
		good := true
		for _, x := range matchers {
			good = good && x.Matches(s.Lset.Get(x.Name))
		}
		if good {
			out = append(out, s)
		}
	}
	return &set{out, -1}
}

func (memory) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (memory) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

func (memory) Close() error { return nil }

type list []*storage.SeriesEntry

type set struct {
	list list
	at   int
}

func (s *set) Next() bool                        { s.at++; return s.at < len(s.list) }
func (s *set) At() storage.Series                { return s.list[s.at] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }

type sample struct {
	t int64
	v float64
}

func (s sample) T() int64                      { return s.t }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// Over the same samples our storage and the plainest one give the same answer to every expression, whatever the gaps,
// late samples, window and chunk borders.
func TestAgreesWithPlainStorage(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	h := open(t)
	var plain memory
	for i, gap := range []time.Duration{time.Second, 13 * time.Second, 20 * time.Minute, 9 * time.Hour} {
		key := vigil.SeriesKey{Subject: vigil.PatientSubject(fmt.Sprint("p", i%2)), Device: vigil.DeviceID(fmt.Sprint("d", i)), Metric: "heart-rate"}
		var samples []chunks.Sample
		at := noon.Add(-7 * 24 * time.Hour)
		for at.Before(noon) && len(samples) < 20_000 {
			samples = append(samples, sample{at.UnixMilli(), float64(50 + rnd.IntN(500))})
			at = at.Add(gap/2 + time.Duration(rnd.Int64N(int64(gap)))).Truncate(time.Millisecond).Add(time.Millisecond)
			if rnd.IntN(500) == 0 {
				at = at.Add(11 * time.Hour)
			}
		}
		b := labels.NewScratchBuilder(8)
		for _, l := range coding.SeriesLabels(key) {
			b.Add(l.Name, l.Value)
		}
		plain = append(plain, storage.NewListSeries(b.Labels(), samples))
		feed(t, h, key, samples, rnd)
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 10_000_000, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{}), EnableAtModifier: true, EnableNegativeOffset: true, NoStepSubqueryIntervalFn: func(int64) int64 { return 60_000 }})
	for _, q := range []string{
		`vigil_heart_rate_per_minute`, `sum(vigil_heart_rate_per_minute)`, `max_over_time({metric="heart-rate"}[1h])`, `avg_over_time({subject="Patient/p0"}[90m])`,
		`changes({device=~"d[01]"}[10m])`, `quantile_over_time(0.9, {device="d1"}[2h])`, `rate({device="d0"}[5m])`, `stddev_over_time({metric="heart-rate",device!="d0"}[1d])`,
		`deriv(vigil_heart_rate_per_minute[30m])`, `min_over_time(sum(vigil_heart_rate_per_minute)[1h:7m])`, `vigil_heart_rate_per_minute offset 3h`,
		`timestamp(vigil_heart_rate_per_minute)`, `last_over_time(vigil_heart_rate_per_minute[1d])`, `count(vigil_heart_rate_per_minute offset -1h)`,
	} {
		start, step := noon.Add(-7*24*time.Hour+time.Duration(rnd.Int64N(int64(5*time.Hour)))).Truncate(time.Millisecond), time.Duration(7+rnd.IntN(300))*time.Second
		end := start.Add(300 * step)
		query, err := engine.NewRangeQuery(t.Context(), plain, nil, q, start, end, step)
		if err != nil {
			t.Fatal(q, err)
		}
		want := query.Exec(t.Context())
		if want.Err != nil {
			t.Fatal(q, want.Err)
		}
		w := h.do(t, "GET", "/api/v1/query_range", url.Values{"query": {q}, "start": {start.Format(time.RFC3339Nano)}, "end": {end.Format(time.RFC3339Nano)}, "step": {step.String()}})
		var got, expected any
		text := must(json.Marshal(want.Value))
		if err := json.Unmarshal(text, &expected); err != nil {
			t.Fatal(err)
		}
		var r struct {
			Data struct{ Result any }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		if got = r.Data.Result; len(text) < 100 {
			t.Errorf("%s from %s: nothing to compare", q, start)
		}
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%s from %s step %s: %.2000s", q, start, step, diff)
		}
		query.Close()
	}
}

// feed hands samples in, some of them late.
func feed(t *testing.T, h *house, key vigil.SeriesKey, samples []chunks.Sample, rnd *rand.Rand) {
	t.Helper()
	var late []chunks.Sample
	send := func(list []chunks.Sample) {
		r := &vigil.Report{Subject: key.Subject, Device: key.Device, Received: noon.UnixNano(), Protocol: "test"}
		for _, s := range list {
			r.Samples = append(r.Samples, vigil.Sample{Metric: key.Metric, Time: s.T() * 1e6, Value: s.F()})
		}
		if err := h.store.AppendWait(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	for len(samples) > 0 {
		n := min(len(samples), 1+rnd.IntN(900))
		if rnd.IntN(4) == 0 {
			late = append(late, samples[:n]...)
		} else {
			send(samples[:n])
		}
		samples = samples[n:]
		if rnd.IntN(4) == 0 && len(late) > 0 {
			send(late)
			late = nil
		}
	}
	if len(late) > 0 {
		send(late)
	}
	h.settle()
}
