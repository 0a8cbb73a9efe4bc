package fhirapi_test

import (
	"fmt"
	"strings"
	"testing"
)

// fillMany stores n Observations of 50 patients through the door.
func fillMany(b *testing.B, h hospital, n int) {
	b.Helper()
	var sb strings.Builder
	for i := 0; i < n; i += 500 {
		sb.Reset()
		sb.WriteString(`{"resourceType":"Bundle","type":"transaction","entry":[`)
		for j := i; j < min(n, i+500); j++ {
			if j > i {
				sb.WriteByte(',')
			}
			fmt.Fprintf(&sb, `{"resource":%s,"request":{"method":"POST","url":"Observation"}}`, vitalJSON(j))
		}
		sb.WriteString("]}")
		if w := h.do(b, "POST", "", sb.String()); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

func vitalJSON(i int) string {
	return fmt.Sprintf(`{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}]}],"code":{"coding":[{"system":"http://loinc.org","code":"8867-4","display":"Heart rate"}]},"subject":{"reference":"Patient/p%d"},"encounter":{"reference":"Encounter/e%d"},"effectiveDateTime":"2026-03-%02dT%02d:%02d:%02dZ","valueQuantity":{"value":%d,"unit":"bpm","system":"http://unitsofmeasure.org","code":"/min"}}`,
		i%50, i%50, 1+i/86400%28, i/3600%24, i/60%60, i%60, 50+i%70)
}

func BenchmarkCreate(b *testing.B) {
	h := open(b)
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if w := h.do(b, "POST", "/Observation", vitalJSON(7)); w.Code != 201 {
				b.Fatal(w.Body)
			}
		}
	})
}

func BenchmarkTransaction100(b *testing.B) {
	h := open(b)
	for b.Loop() {
		fillMany(b, h, 100)
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/100, "µs/resource")
}

func BenchmarkRead(b *testing.B) {
	h := filled(b)
	for b.Loop() {
		if w := h.do(b, "GET", "/Patient/sara", ""); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkSearch20Sorted(b *testing.B) {
	h := open(b)
	fillMany(b, h, 20_000)
	for b.Loop() {
		if w := h.do(b, "GET", "/Observation?subject=Patient/p7&_sort=-date&_count=20", ""); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}

func BenchmarkSearch20ByCode(b *testing.B) {
	h := open(b)
	fillMany(b, h, 20_000)
	for b.Loop() {
		if w := h.do(b, "GET", "/Observation?code=http://loinc.org|8867-4&_count=20&_total=none", ""); w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
}
