package fhirapi_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// intake lets measurements be read as soon as they are acknowledged.
type intake struct {
	*ingest.Pipeline
	store *telemetry.Store
}

func (i intake) AcceptCoded(ctx context.Context, reports []*vigil.Report) error {
	if err := i.Pipeline.AcceptCoded(ctx, reports); err != nil {
		return err
	}
	return i.store.Settle(ctx)
}

// vitalSign is an Observation with more members after its own.
func vitalSign(loinc, value, unit, more string) string {
	return fmt.Sprintf(`{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"%s"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-01T10:00:00Z","valueQuantity":{"value":%s,"unit":"x","system":"http://unitsofmeasure.org","code":"%s"}%s}`, loinc, value, unit, more)
}

const panelJSON = `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"85354-9"}]},"subject":{"reference":"Patient/p1"},"effectiveDateTime":"2026-03-01T10:00:00Z","component":[
 {"code":{"coding":[{"system":"http://loinc.org","code":"8480-6"}]},"valueQuantity":{"value":120,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}},
 {"code":{"coding":[{"system":"http://loinc.org","code":"8462-4"}]},"valueQuantity":{"value":80,"system":"http://unitsofmeasure.org","code":"mm[Hg]"}}]}`

func (h *house) last(t testing.TB, metric vigil.Metric) (values []float64) {
	t.Helper()
	list, err := h.telemetry.Last(access.AsSystem(t.Context(), "test"), "Patient/p1")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		if v.Metric == metric {
			values = append(values, v.Value)
		}
	}
	return values
}

// TestMeasurements writes vital signs: each reaches telemetry, which rules and screens read, and a search shows it once.
func TestMeasurements(t *testing.T) {
	for _, c := range []struct {
		name, body string
		metric     vigil.Metric
		want       float64
		virtual    bool
	}{
		{"Plain", vitalSign("8867-4", "72", "/min", ""), "heart-rate", 72, true},
		{"OtherUnit", vitalSign("8310-5", "98.6", "[degF]", ""), "temperature", 37, true},
		{"Panel", panelJSON, "bp-systolic", 120, true},
		{"Device", vitalSign("8867-4", "72", "/min", `,"device":{"reference":"Device/cuff-7"}`), "heart-rate", 72, true},
		{"Note", vitalSign("8867-4", "72", "/min", `,"note":[{"text":"after stairs"}]`), "heart-rate", 72, false},
		{"Performer", vitalSign("8867-4", "72", "/min", `,"performer":[{"reference":"Practitioner/n1"}]`), "heart-rate", 72, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := openHouse(t)
			w := h.do(t, "POST", "/Observation", c.body)
			o := parse(t, w)
			if w.Code != 201 || strings.HasPrefix(o.ID(), "t-") != c.virtual || !strings.Contains(w.Header().Get("Location"), "/fhir/Observation/"+o.ID()) {
				t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if got := h.last(t, c.metric); len(got) != 1 || got[0] < c.want-1e-6 || got[0] > c.want+1e-6 {
				t.Errorf("telemetry has %v, want %v", got, c.want)
			}
			if ids := h.walkPages(t, "/Observation?patient=p1"); len(ids) != 1 || ids[0] != o.ID() {
				t.Errorf("a search shows %v", ids)
			}
			if b := parse(t, h.do(t, "GET", "/Observation?patient=p1&_summary=count", "")); b.Str("total") != "1" {
				t.Errorf("counted %s", b.Str("total"))
			}
			read := parse(t, h.do(t, "GET", "/Observation/"+o.ID(), ""))
			if string(fhir.Encode(read)) != string(fhir.Encode(o)) {
				t.Errorf("answered %s\nread %s", fhir.Encode(o), fhir.Encode(read))
			}
			if w := h.do(t, "POST", "/Observation", c.body, "If-None-Exist", "patient=p1"); w.Code != 200 || parse(t, w).ID() != o.ID() {
				t.Errorf("sent again: %d %s", w.Code, w.Body)
			}
		})
	}
}

// TestNoMeasurement writes what says nothing to rules: it stays a record, and telemetry hears nothing.
func TestNoMeasurement(t *testing.T) {
	h := openHouse(t)
	ahead := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	for _, body := range []string{
		vitalSign("718-7", "13", "g/dL", ""), vitalSign("8867-4", "9000", "/min", ""), vitalSign("8867-4", "72", "furlong", ""),
		strings.Replace(vitalSign("8867-4", "72", "/min", ""), "2026-03-01T10:00:00Z", "2026-03-01", 1),
		strings.Replace(vitalSign("8867-4", "72", "/min", ""), "2026-03-01T10:00:00Z", ahead, 1),
		strings.Replace(vitalSign("8867-4", "72", "/min", ""), "final", "entered-in-error", 1),
	} {
		if w := h.do(t, "POST", "/Observation", body); w.Code != 201 || strings.HasPrefix(parse(t, w).ID(), "t-") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if got := h.last(t, "heart-rate"); len(got) != 0 {
		t.Errorf("telemetry has %v", got)
	}
	if w := h.as("p", access.Patient, "Patient/p1").do(t, "POST", "/Observation", vitalSign("8867-4", "72", "/min", "")); w.Code != 403 {
		t.Errorf("a patient writes: %d", w.Code)
	}
	if w := h.do(t, "POST", "/Observation", vitalSign("8867-4", "72", "/min", `,"colour":"red"`)); w.Code != 400 {
		t.Errorf("an invalid one: %d %s", w.Code, w.Body)
	}
}

func TestCorrection(t *testing.T) {
	h := openHouse(t)
	o := parse(t, h.do(t, "POST", "/Observation", vitalSign("8867-4", "172", "/min", "")))
	fixed := strings.Replace(string(fhir.Encode(o)), `"value":172`, `"value":72`, 1)
	for _, c := range []struct {
		name, body string
		status     int
	}{
		{"EnteredInError", strings.Replace(fixed, `"final"`, `"entered-in-error"`, 1), 409}, {"OtherTime", strings.ReplaceAll(fixed, "10:00:00", "10:00:01"), 409},
		{"Note", strings.Replace(fixed, `"status"`, `"note":[{"text":"x"}],"status"`, 1), 409}, {"Corrected", strings.Replace(fixed, `"final"`, `"corrected"`, 1), 200},
	} {
		if w := h.do(t, "PUT", "/Observation/"+o.ID(), c.body); w.Code != c.status {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	read := parse(t, h.do(t, "GET", "/Observation/"+o.ID(), ""))
	if read.Str("status") != "corrected" || read.Str("valueQuantity.value") != "72" {
		t.Errorf("%s", fhir.Encode(read))
	}
	list, err := h.telemetry.Corrections(access.AsSystem(t.Context(), "test"), "Patient/p1", "heart-rate", start, start.Add(time.Second))
	if err != nil || len(list) != 1 || list[0].Old != 172 {
		t.Errorf("corrections %v %v", list, err)
	}
}

func TestSampledDataIn(t *testing.T) {
	h := openHouse(t)
	body := `{"resourceType":"Observation","status":"final","code":{"coding":[{"system":"urn:iso:std:iso:11073:10101","code":"131330"}]},"subject":{"reference":"Patient/p1"},"effectivePeriod":{"start":"2026-03-01T10:00:00Z","end":"2026-03-01T10:00:01Z"},
	 "valueSampledData":{"origin":{"value":0,"unit":"mV","system":"http://unitsofmeasure.org","code":"mV"},"period":4,"factor":0.005,"dimensions":1,"data":"1 2 3 E 5"}}`
	w := h.do(t, "POST", "/Observation", body)
	if w.Code != 201 {
		t.Fatal(w.Body)
	}
	read := parse(t, h.do(t, "GET", "/Observation/"+parse(t, w).ID(), ""))
	if read.Str("valueSampledData.data") != "1 2 3 E 5" || read.Str("valueSampledData.factor") != "0.005" {
		t.Errorf("%s", fhir.Encode(read))
	}
}

func TestMeasurementsInBundles(t *testing.T) {
	for _, typ := range []string{"batch", "transaction"} {
		h := openHouse(t)
		b := parse(t, h.do(t, "POST", "", `{"resourceType":"Bundle","type":"`+typ+`","entry":[
		 {"fullUrl":"urn:uuid:1","resource":`+vitalSign("8867-4", "72", "/min", "")+`,"request":{"method":"POST","url":"Observation"}},
		 {"fullUrl":"urn:uuid:2","resource":`+vitalSign("9279-1", "14", "/min", `,"note":[{"text":"x"}]`)+`,"request":{"method":"POST","url":"Observation"}},
		 {"fullUrl":"urn:uuid:3","resource":`+vitalSign("8310-5", "37", "Cel", "")+`,"request":{"method":"POST","url":"Observation"}},
		 {"resource":{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"},"result":[{"reference":"urn:uuid:3"}]},"request":{"method":"POST","url":"DiagnosticReport"}}]}`))
		for i, e := range b.List("entry") {
			if !strings.HasPrefix(e.Str("response.status"), "201") {
				t.Errorf("%s entry %d: %s", typ, i, fhir.Encode(e))
			}
		}
		if ids := h.walkPages(t, "/Observation?patient=p1"); len(ids) != 3 {
			t.Errorf("%s: %v", typ, ids)
		}
		for _, m := range []vigil.Metric{"heart-rate", "respiratory-rate", "temperature"} {
			if got := h.last(t, m); len(got) != 1 {
				t.Errorf("%s: %s has %v", typ, m, got)
			}
		}
		if typ == "transaction" {
			report := parse(t, h.do(t, "GET", "/DiagnosticReport?_include=DiagnosticReport:result", ""))
			if n := len(report.List("entry")); n != 2 {
				t.Errorf("the reference leads nowhere: %s", fhir.Encode(report))
			}
		}
	}
}

// BenchmarkMeasurements500 is a Bundle of 500 vital signs, from JSON to disk and answer.
func BenchmarkMeasurements500(b *testing.B) {
	h := openHouse(b)
	n := 0
	for b.Loop() {
		b.StopTimer()
		var sb strings.Builder
		sb.WriteString(`{"resourceType":"Bundle","type":"batch","entry":[`)
		for i := range 500 {
			if i > 0 {
				sb.WriteByte(',')
			}
			n++
			at := start.Add(time.Duration(n/50) * time.Second).Format(time.RFC3339)
			o := strings.NewReplacer("2026-03-01T10:00:00Z", at, "Patient/p1", fmt.Sprint("Patient/p", i%50)).Replace(vitalSign("8867-4", fmt.Sprint(50+i%70), "/min", ""))
			fmt.Fprintf(&sb, `{"resource":%s,"request":{"method":"POST","url":"Observation"}}`, o)
		}
		sb.WriteString("]}")
		body := sb.String()
		b.StartTimer()
		if w := h.do(b, "POST", "", body); w.Code != 200 || strings.Contains(w.Body.String(), "OperationOutcome") {
			b.Fatal(w.Body)
		}
	}
	b.ReportMetric(float64(b.N)*500/b.Elapsed().Seconds(), "Observations/s")
}
