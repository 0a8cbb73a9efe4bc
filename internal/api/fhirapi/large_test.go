package fhirapi_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var largeCount = flag.Int("fhir.resources", 0, "fill a store with so many Observations and time searches in it")

// TestLargeStore is a large regime, run by hand: docs/reference/benchmarks.md has its figures.
func TestLargeStore(t *testing.T) {
	if *largeCount == 0 {
		t.Skip("a large regime: -fhir.resources=1000000")
	}
	dir := t.TempDir()
	h := openIn(t, dir)
	patients := max(*largeCount/1000, 1)
	for i := 0; i < patients; i += 500 {
		post(t, h, i, min(i+500, patients), func(n int) (id, body string) {
			id = fmt.Sprint("p", n)
			return id, fmt.Sprintf(`{"resourceType":"Patient","id":"%s","name":[{"family":"Family%d","given":["Given%d"]}],"birthDate":"19%02d-03-09","identifier":[{"system":"urn:mrn","value":"%d"}]}`, id, n, n%97, n%100, n)
		})
	}
	began := time.Now()
	for i := 0; i < *largeCount; i += 500 {
		post(t, h, i, min(i+500, *largeCount), func(n int) (id, body string) { return "", largeObservation(n, patients) })
	}
	took := time.Since(began)
	var size int64
	files, err := filepath.Glob(filepath.Join(dir, "vigil.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			size += st.Size()
		}
	}
	t.Logf("%d Observations in %s, %.0f µs each, %d bytes each with index, history and audit trail", *largeCount, took.Round(time.Second), float64(took.Microseconds())/float64(*largeCount), size/int64(*largeCount))
	for _, q := range []string{
		"/Observation?subject=Patient/p%d&_sort=-date&_count=20",
		"/Observation?patient=p%d&code=http://loinc.org|8867-4&_sort=-date&_count=20",
		"/Observation?patient=p%d&date=ge2026-02-01&date=lt2026-02-03&_count=20",
		"/Observation?code=http://loinc.org|9279-1&_count=20&_id:not=x%d",
		"/Observation?code=http://loinc.org|9279-1&value-quantity=gt%d&_count=20",
		"/Observation?patient.identifier=urn:mrn|%d&_count=20",
		"/Observation?subject:Patient.name=family%d&_count=20",
		"/Observation?patient=p%d&_include=Observation:patient&_count=20",
		"/Patient?identifier=urn:mrn|%d",
		"/Patient?family=family%d&_sort=birthdate&_count=20",
		"/Patient?_id=p%d&_revinclude=Observation:patient",
		"/Patient?identifier=urn:mrn|%d&_has:Observation:patient:code=http://loinc.org|2339-0",
		"/Observation?_lastUpdated=gt2020-01-01&_count=20&status:not=x%d",
	} {
		timeQuery(t, h, q, patients)
	}
}

func largeObservation(n, patients int) string {
	code := [...]string{"8867-4", "9279-1", "59408-5", "2339-0", "29463-7"}[n%5]
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(n/patients) * time.Hour)
	return fmt.Sprintf(`{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"%s","display":"A vital sign"}]},"subject":{"reference":"Patient/p%d"},"encounter":{"reference":"Encounter/e%d"},"effectiveDateTime":"%s","valueQuantity":{"value":%d,"unit":"x","system":"http://unitsofmeasure.org","code":"/min"}}`,
		code, n%patients, n%patients, at.Format(time.RFC3339), 50+n%70)
}

// post stores patients, which have an id, or Observations.
func post(t *testing.T, h hospital, from, to int, make func(n int) (id, body string)) {
	t.Helper()
	var b strings.Builder
	b.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
	for n := from; n < to; n++ {
		if n > from {
			b.WriteByte(',')
		}
		id, body := make(n)
		method, url := "POST", "Observation"
		if id != "" {
			method, url = "PUT", "Patient/"+id
		}
		fmt.Fprintf(&b, `{"resource":%s,"request":{"method":"%s","url":"%s"}}`, body, method, url)
	}
	b.WriteString("]}")
	if w := h.do(t, "POST", "", b.String()); w.Code != 200 {
		t.Fatal(w.Body)
	}
}

func timeQuery(t *testing.T, h hospital, query string, patients int) {
	t.Helper()
	var took []time.Duration
	entries := 0
	for i := range 300 {
		path := fmt.Sprintf(query, i*7919%patients)
		began := time.Now()
		w := h.do(t, "GET", path, "")
		took = append(took, time.Since(began))
		if w.Code != 200 {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		entries += strings.Count(w.Body.String(), `"fullUrl"`)
	}
	slices.Sort(took)
	t.Logf("%-90s p50 %8.3f ms  p99 %8.3f ms  %.1f entries", query, float64(took[150].Microseconds())/1000, float64(took[297].Microseconds())/1000, float64(entries)/300)
}
