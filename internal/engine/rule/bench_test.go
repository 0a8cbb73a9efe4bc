package rule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
)

// BenchmarkObserve evaluates the default rules on reports of five vitals, 2,000 patients in turn; ns/op is per sample.
func BenchmarkObserve(b *testing.B) {
	e := setUp(b, nil)
	const patients = 2000
	subjects := make([]vigil.Subject, patients)
	for i := range subjects {
		subjects[i] = vigil.PatientSubject(fmt.Sprintf("p%d", i))
	}
	r := &vigil.Report{Device: patch, Samples: make([]vigil.Sample, 5)}
	list := []*vigil.Report{r}
	start := e.now.UnixNano()
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 5 {
		round := int64(n / 5 / patients)
		at := start + round*int64(time.Second)
		r.Subject, r.Received = subjects[n/5%patients], at
		for k, m := range [...]vigil.Metric{"heart-rate", "spo2", "respiratory-rate", "art-mean", "temperature"} {
			r.Samples[k] = vigil.Sample{Metric: m, Time: at, Value: [...]float64{72, 97, 16, 85, 37}[k] + float64(round%3)}
		}
		e.Observe(list)
	}
}

func BenchmarkTick(b *testing.B) {
	e := setUp(b, nil)
	for i := range 2000 {
		s := vigil.PatientSubject(fmt.Sprintf("p%d", i))
		dev := vigil.DeviceID(fmt.Sprintf("d%d", i))
		e.Watch(s, dev, e.now)
		e.Observe([]*vigil.Report{{Subject: s, Device: dev, Received: e.now.UnixNano(), Samples: []vigil.Sample{{Metric: "heart-rate", Time: e.now.UnixNano(), Value: 70}}}})
	}
	b.ResetTimer()
	for range b.N {
		e.Tick(e.now)
	}
}
