package ingest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/ingest"
)

var update = flag.Bool("update", false, "write the expected results anew")

// TestCatalogue holds every shipped profile to its sample and expected result.
func TestCatalogue(t *testing.T) {
	profiles, err := catalog.Devices()
	if err != nil {
		t.Fatal(err)
	}
	if len(profiles) < 12 {
		t.Fatalf("%d profiles", len(profiles))
	}
	for key, p := range profiles {
		t.Run(key, func(t *testing.T) {
			dir := "../../../catalog/devices"
			sample, err := os.ReadFile(filepath.Join(dir, key+".sample.json"))
			if err != nil {
				t.Fatal(err)
			}
			res, err := ingest.Try(p, sample)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range res.Messages {
				if len(m.Samples)+len(m.Waveforms)+len(m.Events) == 0 || len(m.Problems) > 0 {
					t.Errorf("the sample shows nothing or has problems: %+v", m)
				}
			}
			got, _ := json.MarshalIndent(res, "", "  ")
			got = append(got, '\n')
			golden := filepath.Join(dir, key+".expected.json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), string(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

const testProfile = `
profile: test
title: Test
kind: wearable
time: {field: ts, unit: ms}
fields:
  - {from: hr, metric: heart-rate}
  - {from: t.f, metric: temperature, unit: "[degF]"}
  - {from: awake, metric: consciousness, words: {"true": 0, V: 2}}
waveforms:
  - {from: ecg, metric: ecg-patch, rate: 250, scale: 0.005}
events:
  - {from: ev, map: {fall: fall-detected}, data: [where]}
questionable:
  - {from: motion, over: 80}
ignore: [fw]
`

func mapper(t testing.TB) *ingest.Mapper {
	t.Helper()
	p, err := catalog.ParseProfile("test.yaml", []byte(testProfile))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ingest.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMap(t *testing.T) {
	now := time.UnixMilli(1_790_000_000_000)
	m := mapper(t)
	for _, c := range []struct {
		name, payload string
		samples       []vigil.Sample
		events        int
		problems      []ingest.Reason
		err           string
	}{
		{name: "OK", payload: `{"ts":1790000000000,"hr":72.5,"t":{"f":98.6},"fw":"1.2"}`, samples: []vigil.Sample{{Metric: "heart-rate", Time: now.UnixNano(), Value: 72.5}, {Metric: "temperature", Time: now.UnixNano(), Value: 37}}},
		{name: "NoClock", payload: `{"hr":72}`, samples: []vigil.Sample{{Metric: "heart-rate", Time: now.UnixNano(), Value: 72}}},
		{name: "Late", payload: `{"hr":72,"ts":1789999000000}`, samples: []vigil.Sample{{Metric: "heart-rate", Time: now.UnixNano() - 1e12, Value: 72, Quality: vigil.QualityLate}}},
		{name: "ClockAhead", payload: `{"hr":72,"ts":1790009000000}`, samples: []vigil.Sample{{Metric: "heart-rate", Time: now.UnixNano(), Value: 72, Quality: vigil.QualityClockSkew}}},
		{name: "Clock1970", payload: `{"hr":72,"ts":12}`, samples: []vigil.Sample{{Metric: "heart-rate", Time: now.UnixNano(), Value: 72, Quality: vigil.QualityClockSkew}}},
		{name: "Doubt", payload: `{"hr":72,"motion":91}`, samples: []vigil.Sample{{Metric: "heart-rate", Time: now.UnixNano(), Value: 72, Quality: vigil.QualityQuestionable}}},
		{name: "Words", payload: `{"awake":true}`, samples: []vigil.Sample{{Metric: "consciousness", Time: now.UnixNano(), Value: 0}}},
		{name: "Event", payload: `{"ev":"fall","where":"stairs"}`, events: 1},
		{name: "Null", payload: `{"hr":null}`},
		{name: "Unmapped", payload: `{"hr":72,"mood":{"a":[1,2,{"b":null}]}}`, samples: []vigil.Sample{{Metric: "heart-rate", Time: now.UnixNano(), Value: 72}}, problems: []ingest.Reason{ingest.UnmappedField}},
		{name: "Implausible", payload: `{"hr":720}`, problems: []ingest.Reason{ingest.Implausible}},
		{name: "NotANumber", payload: `{"hr":"fast"}`, problems: []ingest.Reason{ingest.BadValue}},
		{name: "BadTime", payload: `{"ts":"noon","hr":72}`, samples: []vigil.Sample{{Metric: "heart-rate", Time: now.UnixNano(), Value: 72}}, problems: []ingest.Reason{ingest.BadValue}},
		{name: "UnknownEvent", payload: `{"ev":"jump"}`, problems: []ingest.Reason{ingest.BadValue}},
		{name: "Empty", payload: ``, err: "expected a JSON object"},
		{name: "Trailing", payload: `{"hr":72}x`, err: "more text after the end"},
		{name: "Cut", payload: `{"hr":72`, err: "at byte 8"},
		{name: "BadLiteral", payload: `{"hr":07x}`, err: "expected a value"},
		{name: "Deep", payload: `{"mood":` + strings.Repeat("[", 100), err: "nested too deeply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := m.Map([]byte(c.payload), now)
			if c.err != "" {
				if vigil.KindOf(err) != vigil.Invalid || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v, want one with %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 {
				t.Fatalf("%d messages", len(got))
			}
			if d := cmp.Diff(c.samples, got[0].Report.Samples, cmp.Comparer(func(a, b []vigil.Sample) bool {
				return len(a) == 0 && len(b) == 0 || cmp.Equal([]vigil.Sample(a), []vigil.Sample(b))
			})); d != "" {
				t.Error(d)
			}
			if len(got[0].Report.Events) != c.events {
				t.Errorf("events %v", got[0].Report.Events)
			}
			var reasons []ingest.Reason
			for _, p := range got[0].Problems {
				reasons = append(reasons, p.Reason)
			}
			if d := cmp.Diff(c.problems, reasons); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMapBatchAndWaveform(t *testing.T) {
	m := mapper(t)
	got, err := m.Map([]byte(`[{"hr":70},{"ecg":[1,-2,null,40000,0.5],"hr":71}]`), time.Now())
	if err != nil || len(got) != 2 {
		t.Fatalf("%v %v", got, err)
	}
	w := got[1].Report.Waveforms[0]
	want := []int16{1, -2, vigil.WaveformMissing, vigil.WaveformMissing, vigil.WaveformMissing}
	if d := cmp.Diff(want, w.Data); d != "" || w.Period != 4e6 {
		t.Errorf("%s period %d", d, w.Period)
	}
	if len(got[1].Problems) != 1 || got[1].Problems[0].Reason != ingest.Implausible {
		t.Errorf("problems %v", got[1].Problems)
	}
}

// FuzzMap holds that any bytes give reports or an Invalid error, and that what encoding/json accepts as an object is not called malformed.
func FuzzMap(f *testing.F) {
	for _, s := range []string{`{"hr":72}`, `[{"ecg":[1,2,null]}]`, `{"t":{"f":1e2}}`, `{"a\u0041":"\n"}`, `{`, `[[[[`, `{"hr":-0.0e-3}`, `{"ts":1e300}`} {
		f.Add([]byte(s))
	}
	m := mapper(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := m.Map(b, time.UnixMilli(1_790_000_000_000))
		if err != nil {
			if vigil.KindOf(err) != vigil.Invalid {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		for _, mp := range got {
			for _, s := range mp.Report.Samples {
				if s.Value != s.Value || s.Time <= 0 {
					t.Fatalf("sample %+v", s)
				}
			}
		}
	})
}

func BenchmarkMap(b *testing.B) {
	p, err := catalog.Devices()
	if err != nil {
		b.Fatal(err)
	}
	m, err := ingest.Compile(p["smart-patch"])
	if err != nil {
		b.Fatal(err)
	}
	payload := []byte(`{"ts":1790000000000,"hr":72,"spo2":97,"rr":14,"sys":128,"dia":74,"temp":36.8,"seq":12345}`)
	now := time.UnixMilli(1_790_000_000_000)
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Map(bytes.Clone(payload), now); err != nil {
			b.Fatal(err)
		}
	}
}
