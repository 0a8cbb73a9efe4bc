package fhirapi_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/fhirapi"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// house is a door on the real stores.
type house struct {
	hospital
	telemetry *telemetry.Store
	records   *record.Store
}

func openHouse(t testing.TB) *house {
	t.Helper()
	dir := t.TempDir()
	db, err := relational.OpenSQLite(filepath.Join(dir, "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := telemetry.Open(t.Context(), telemetry.Config{Log: log, Series: rows, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	store.Start(context.Background())
	t.Cleanup(func() { store.Close(); rows.Close(); log.Close(); db.Close() })
	pipe := ingest.New(ingest.Config{Telemetry: store, Now: time.Now})
	n := 0
	h := &house{telemetry: store, records: record.New(record.Config{Backend: db.Records(), NewID: func() string { n++; return fmt.Sprint("id", n) }})}
	h.hospital = hospital{Handler: fhirapi.New(fhirapi.Config{Records: h.records, Telemetry: store, Intake: intake{pipe, store}, Version: "test"})}.as("n1", access.Nurse, "")
	return h
}

// say appends what a device measured and waits until it can be read.
func (h *house) say(t testing.TB, reports ...*vigil.Report) {
	t.Helper()
	for _, r := range reports {
		if r.Received == 0 {
			r.Received = time.Now().UnixNano()
		}
		if err := h.telemetry.AppendWait(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.telemetry.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// seconds is a measurement a second.
func seconds(subject vigil.Subject, dev vigil.DeviceID, metric vigil.Metric, n int, value func(i int) float64) *vigil.Report {
	r := &vigil.Report{Subject: subject, Device: dev, Protocol: "test"}
	for i := range n {
		r.Samples = append(r.Samples, vigil.Sample{Metric: metric, Time: start.Add(time.Duration(i) * time.Second).UnixNano(), Value: value(i)})
	}
	return r
}

// walkPages follows the next links and returns the ids in their order.
func (h hospital) walkPages(t testing.TB, path string) (ids []string) {
	t.Helper()
	for n := 0; path != "" && n < 1000; n++ {
		b := parse(t, h.do(t, "GET", path, ""))
		for _, e := range b.List("entry") {
			ids = append(ids, e.Str("resource.id"))
		}
		path = ""
		for _, l := range b.List("link") {
			if l.Str("relation") == "next" {
				path = strings.TrimPrefix(l.Str("url"), "http://vigil.test/fhir")
			}
		}
	}
	return ids
}

func manyPatients(t testing.TB) *house {
	h := openHouse(t)
	for i := range 4 {
		s := vigil.PatientSubject(fmt.Sprint("p", i))
		h.say(t, seconds(s, vigil.DeviceID(fmt.Sprint("mon-", i)), "heart-rate", 300, func(k int) float64 { return float64(60 + (k+i)%50) }))
		h.say(t, seconds(s, vigil.DeviceID(fmt.Sprint("mon-", i)), "spo2", 100, func(k int) float64 { return 95 }))
		h.say(t, seconds(s, "cuff", "bp-systolic", 10, func(k int) float64 { return float64(120 + k) }), seconds(s, "cuff", "bp-diastolic", 8, func(k int) float64 { return float64(70 + k) }))
	}
	if w := h.do(t, "PUT", "/Observation/o1", strings.Replace(obsJSON, "Patient/sara", "Patient/p1", 1)); w.Code != 201 {
		t.Fatal(w.Body)
	}
	return h
}

// TestEveryOrder pages through telemetry of several patients and a stored Observation: each comes once, whatever the order.
func TestEveryOrder(t *testing.T) {
	h := manyPatients(t)
	const all = 4*(300+100+10) + 1
	for _, sort := range []string{"-date", "date", "-_lastUpdated", "code,-date", "-value-quantity", "subject", "status", "device,-code", "category", "_id"} {
		ids := h.walkPages(t, "/Observation?_count=173&_sort="+sort)
		n := len(ids)
		slices.Sort(ids)
		if m := len(slices.Compact(ids)); n != all || m != all {
			t.Errorf("%s: %d Observations, %d different, want %d", sort, n, m, all)
		}
	}
	b := parse(t, h.do(t, "GET", "/Observation?code=8867-4&_sort=-value-quantity&_count=2", ""))
	if v := b.Str("entry.0.resource.valueQuantity.value"); v != "109" {
		t.Errorf("greatest value: %s", v)
	}
}

func TestNarrowed(t *testing.T) {
	h := manyPatients(t)
	for _, c := range []struct {
		query string
		n     int
	}{
		{"code=8867-4", 1200}, {"device=Device/mon-2", 400}, {"device=Device/none", 0}, {"code=8867-4&date=ge2026-03-01T10:04:00Z", 240},
		{"code=8867-4&date=gt2026-03-01T10:04:00Z", 236}, {"code=8867-4&date=2026-03-01T10:00:07Z", 4}, {"subject=Patient/p0,Patient/p1&code=8867-4", 600},
		{"code=85354-9", 32}, {"code=8480-6", 8}, {"component-code=8462-4", 32}, {"category=laboratory", 0}, {"category=vital-signs", 1640}, {"status=final", 1641},
		{"status=cancelled", 0}, {"code=8867-4&value-quantity=gt105", 96}, {"code=8867-4&value-quantity=gt500", 0}, {"encounter=Encounter/1", 0}, {"patient.name=x", 0},
		{"code=2524-7", 1}, {"patient=p1&code:missing=true", 0}, {"component-code-value-quantity=8480-6$gt125", 8},
	} {
		b := parse(t, h.do(t, "GET", "/Observation?_summary=count&"+c.query, ""))
		if b.Str("total") != fmt.Sprint(c.n) {
			t.Errorf("%s: counted %s, want %d", c.query, b.Str("total"), c.n)
		}
		if ids := h.walkPages(t, "/Observation?_count=500&"+c.query); len(ids) != c.n {
			t.Errorf("%s: found %d, want %d", c.query, len(ids), c.n)
		}
	}
	b := parse(t, h.do(t, "GET", "/Observation?code=8867-4&_count=3&_total=accurate", ""))
	if b.Str("total") != "1200" || len(b.List("entry")) != 3 {
		t.Errorf("total %s", b.Str("total"))
	}
	id := b.Str("entry.1.resource.id")
	if ids := h.walkPages(t, "/Observation?_id="+id); !slices.Equal(ids, []string{id}) {
		t.Errorf("by _id: %v", ids)
	}
	if ids := h.as("p", access.Patient, "Patient/p3").walkPages(t, "/Observation?_count=1000"); len(ids) != 410 {
		t.Errorf("a patient finds %d", len(ids))
	}
	if w := h.as("e", access.Engineer, "").do(t, "GET", "/Observation?code=8867-4", ""); w.Code != 403 {
		t.Errorf("an engineer reads charts: %d", w.Code)
	}
}

func TestWaveforms(t *testing.T) {
	h := openHouse(t)
	const rate = 250
	for i := range 25 { // a second at a time, a gap in the twelfth
		if i == 12 {
			continue
		}
		data := make([]int16, rate)
		for k := range data {
			data[k] = int16(i)
		}
		h.say(t, &vigil.Report{Subject: "Patient/p1", Device: "mon", Waveforms: []vigil.Waveform{{Metric: "ecg-ii", Start: start.Add(time.Duration(i) * time.Second).UnixNano(), Period: int64(time.Second) / rate, Scale: 0.005, Data: data}}})
	}
	if ids := h.walkPages(t, "/Observation?patient=p1"); len(ids) != 0 {
		t.Errorf("unasked: %v", ids)
	}
	for _, sort := range []string{"date", "-date"} {
		if ids := h.walkPages(t, "/Observation?patient=p1&code=131330&_count=2&_sort="+sort); len(ids) != 3 {
			t.Errorf("%s: %v", sort, ids)
		}
	}
	b := parse(t, h.do(t, "GET", "/Observation?code=urn:iso:std:iso:11073:10101|131330&date=ge2026-03-01T10:00:15Z&_sort=date", ""))
	if n := len(b.List("entry")); n != 2 {
		t.Fatalf("%d overlap the date", n)
	}
	o := fhir.Resource(b.List("entry")[0]["resource"].(map[string]any))
	for _, f := range fhir.Validate(o) {
		t.Errorf("%s: %s", f.Path, f.Msg)
	}
	values := strings.Fields(o.Str("valueSampledData.data"))
	if len(values) != 10*rate || values[0] != "10" || values[2*rate] != "E" || values[3*rate] != "13" || o.Str("valueSampledData.period") != "4" {
		t.Errorf("%d values: %s %s", len(values), values[0], o.Str("valueSampledData.period"))
	}
	read := parse(t, h.do(t, "GET", "/Observation/"+o.ID(), ""))
	if string(fhir.Encode(read)) != string(fhir.Encode(o)) {
		t.Errorf("read another than found")
	}
	if b := parse(t, h.do(t, "GET", "/Observation?patient=p1&code=131330&_elements=code", "")); strings.Contains(string(fhir.Encode(b)), "SampledData") {
		t.Errorf("_elements shows samples")
	}
}

// BenchmarkVitalsOfAll is the newest page of a ward's telemetry.
func BenchmarkVitalsOfAll(b *testing.B) {
	h := openHouse(b)
	for i := range 100 {
		h.say(b, seconds(vigil.PatientSubject(fmt.Sprint("p", i)), "mon", "heart-rate", 600, func(k int) float64 { return 60 }))
	}
	for b.Loop() {
		if w := h.do(b, "GET", "/Observation?code=8867-4&_count=20", ""); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
