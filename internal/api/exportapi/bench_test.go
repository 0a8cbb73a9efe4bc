package exportapi_test

import (
	"net/http/httptest"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/access"
)

// BenchmarkExport writes two hours of a patient: 14,400 numbers.
func BenchmarkExport(b *testing.B) {
	h := open(b)
	for _, format := range []string{"csv", "parquet", "ndjson"} {
		b.Run(format, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest("GET", "/api/patients/sara/telemetry/export?format="+format, nil)
				w := httptest.NewRecorder()
				h.mux.ServeHTTP(w, r.WithContext(access.AsSystem(r.Context(), "test")))
				b.SetBytes(int64(w.Body.Len()))
			}
			b.ReportMetric(float64(b.N)*14_416/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
