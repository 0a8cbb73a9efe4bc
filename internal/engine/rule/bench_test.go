package rule_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// BenchmarkObserve evaluates the default rules on reports of five vitals, 2,000 patients in turn; ns/op is per sample.
func BenchmarkObserve(b *testing.B) { observe(b, setUp(b, nil)) }

const mix = `
- {key: c1, kind: condition, title: C, priority: low, when: 'last("heart-rate") > 120 && mean("spo2", "5m") < 92 && score("news2") >= 5'}
- {key: c2, kind: condition, title: C, priority: low, when: 'slope("art-mean", "10m") < -2 && last("art-mean") < 75'}
- {key: c3, kind: condition, title: C, priority: low, when: 'count_under("spo2", 90, "10m") >= 3 || min("spo2", "1m") < 80'}
- {key: c4, kind: condition, title: C, priority: low, when: 'max("heart-rate", "5m") - min("heart-rate", "5m") > 60'}
- {key: c5, kind: condition, title: C, priority: low, when: 'duration_over("respiratory-rate", 25, "15m") > 300 && !flag("asleep")'}
- {key: c6, kind: condition, title: C, priority: low, when: 'delta("temperature", "1h") > 1 && hour >= 6'}
`

// BenchmarkObserveMixed has six conditions in CEL beside the default rules.
func BenchmarkObserveMixed(b *testing.B) {
	observe(b, setUp(b, func(c *rule.Config) { c.Rules, c.Telemetry = append(c.Rules, ruleFile(b, mix).Rules...), nil }))
}

func observe(b *testing.B, e *bench) {
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
