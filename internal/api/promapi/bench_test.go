package promapi_test

import (
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
)

var five = []vigil.Metric{"heart-rate", "spo2", "respiratory-rate", "art-systolic", "art-diastolic"}

// BenchmarkRange measures what a dashboard asks: a day of five metrics at one sample a second, 432,000 samples.
func BenchmarkRange(b *testing.B) {
	h := open(b)
	for i := 0; i < 86_400; i += 600 {
		r := &vigil.Report{Subject: sara, Device: "monitor-7", Received: noon.UnixNano(), Protocol: "test"}
		for k := range 600 {
			for j, m := range five {
				r.Samples = append(r.Samples, vigil.Sample{Metric: m, Time: noon.Add(time.Duration(i+k) * time.Second).UnixNano(), Value: float64(60 + j*10 + (i+k)*7%23)})
			}
		}
		if err := h.store.AppendWait(b.Context(), r); err != nil {
			b.Fatal(err)
		}
	}
	h.settle()
	for _, q := range []string{`{subject="Patient/sara"}`, `max_over_time({subject="Patient/sara"}[1m])`, `avg_over_time({subject="Patient/sara"}[5m])`} {
		for _, step := range []string{"15s", "60s"} {
			b.Run(fmt.Sprintf("%s/%s", q, step), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					w := h.do(b, "GET", "/api/v1/query_range", url.Values{"query": {q}, "start": {at(0)}, "end": {at(24*time.Hour - time.Second)}, "step": {step}})
					if w.Code != 200 || w.Body.Len() < 10_000 {
						b.Fatal(w.Code, w.Body.String()[:200])
					}
				}
			})
		}
	}
}

// BenchmarkSelectOne measures finding one patient's series among a thousand patients.
func BenchmarkSelectOne(b *testing.B) {
	h := open(b)
	for i := range 1000 {
		for _, m := range five {
			r := &vigil.Report{Subject: vigil.PatientSubject(fmt.Sprint("p", i)), Device: "d", Received: noon.UnixNano(), Protocol: "test", Samples: []vigil.Sample{{Metric: m, Time: noon.UnixNano(), Value: 60}}}
			h.store.Append(r, func(error) {})
		}
	}
	h.say(b, vigil.SeriesKey{Subject: sara, Device: "d", Metric: "spo2"}, noon, time.Second, 97)
	for _, q := range []string{`vigil_spo2_percent{subject="Patient/sara"}`, `count(vigil_spo2_percent)`} {
		b.Run(q, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if status, r := h.get(b, "query", "query", q, "time", at(0)); status != 200 {
					b.Fatal(r)
				}
			}
		})
	}
}
