package promapi_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/api/promapi"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Whatever a client sends, it gets an answer in Prometheus' shape and no fault of ours.
func FuzzRequest(f *testing.F) {
	h := ward(f, func(c *promapi.Config) { c.MaxSamples, c.Timeout = 10_000, 100*time.Millisecond })
	for _, s := range []string{
		"query?query=vigil_spo2_percent&time=1772366400", `query_range?query=rate({metric="heart-rate"}[5m])&start=1772366400&end=1772370000&step=15s`,
		"series?match[]={subject=~\"Patient/.*\"}&start=-1e300&end=1e300", "labels?limit=1", "label/U__a_2e_b/values", "label/\xff/values", "metadata?limit=x",
		"query?query=up@end()&time=2026-03-01T12:00:00+24:00", "query?query=1&timeout=1e400&lookback_delta=9999999y", "format_query?query=a+b%00", "query?query=%f0%28",
		`query_range?query=max_over_time({metric="heart-rate"}[100y:1ms])&start=0&end=1&step=1ms`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, query, _ := strings.Cut(s, "?")
		r := httptest.NewRequest("GET", "/", nil)
		r.URL = &url.URL{Path: "/api/v1/" + path, RawQuery: query}
		w := httptest.NewRecorder()
		h.door.ServeHTTP(w, r.WithContext(access.With(r.Context(), nurse)))
		if w.Code/100 == 3 || w.Code == 405 {
			return // of the multiplexer: a path that is not clean
		}
		var a reply
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || w.Code == 500 || (a.Status == "success") != (w.Code == 200) {
			t.Errorf("%q: %d %s (%v)", s, w.Code, w.Body, err)
		}
	})
}
