package webapi_test

import (
	"slices"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

// TestChartIsOnTheTrail holds that opening a chart is noted with who opened whose.
func TestChartIsOnTheTrail(t *testing.T) {
	t.Parallel()
	h := shared()
	h.visit(t, "dr-lee").must(t, "GET", "/api/patients/yilmaz", "", nil)
	ctx := access.AsSystem(t.Context(), "test")
	if err := h.Engines.Audit.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	list, err := h.Engines.Audit.List(ctx, audit.Filter{What: "Patient/yilmaz"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list, func(r audit.Record) bool { return r.Action == "webapi.chart" && r.What == "Patient/yilmaz" }) {
		t.Errorf("the trail of %d entries does not say that the chart was opened", len(list))
	}
}
