package webapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

// administrator signs in as one by password; the simulated hospital lets nobody in by that role.
func (h *house) administrator(t *testing.T) *visitor {
	t.Helper()
	const login = `{"login":"ada-admin","password":"a long password"}`
	_, err := h.Engines.Accounts.Create(access.AsSystem(t.Context(), "test"), access.NewAccount{Login: "ada-admin", Name: "Ada Admin", Password: "a long password", Roles: []access.Role{access.Admin}})
	if err != nil && vigil.KindOf(err) != vigil.Conflict {
		t.Fatal(err)
	}
	v := h.stranger()
	v.must(t, "POST", "/api/session", login, nil)
	return v
}

func TestRetentionAndHolds(t *testing.T) {
	t.Parallel()
	h := shared()
	admin := h.administrator(t)
	type state struct {
		Policy map[string]struct{ Raw, Summaries string }
		Set    bool
		By     string
	}
	var now state
	admin.must(t, "GET", "/api/telemetry/retention", "", &now)
	if v := now.Policy["vitals"]; now.Set || v.Raw != "1y" || v.Summaries != "10y" || now.Policy["waveforms"].Raw != "30d" {
		t.Errorf("by default %+v", now)
	}
	for _, body := range []string{
		`{"policy":{"vitals":{"raw":"1h"}}}`, `{"policy":{"vitals":{"raw":"1y","summaries":"30d"}}}`, `{"policy":{"waveforms":{"raw":"30d","summaries":"1y"}}}`,
		`{"policy":{"gossip":{"raw":"30d"}}}`, `{"policy":{"vitals":{"raw":"a while"}}}`, `{"policy":{"vitals":{"raw":"-3d"}}}`,
	} {
		admin.refused(t, "PUT", "/api/telemetry/retention", body, http.StatusBadRequest)
	}
	admin.must(t, "PUT", "/api/telemetry/retention", `{"policy":{"vitals":{"raw":"2y","summaries":"forever"}}}`, &now)
	if v := now.Policy["vitals"]; !now.Set || now.By != "Ada Admin" || v.Raw != "2y" || v.Summaries != "forever" {
		t.Errorf("after the decision %+v", now)
	}
	now = state{}
	admin.must(t, "PUT", "/api/telemetry/retention", `{"policy":null}`, &now)
	if now.Set || now.Policy["vitals"].Raw != "1y" {
		t.Errorf("back to the configuration %+v", now)
	}

	const hold = "/api/telemetry/holds/Patient/moreau"
	admin.refused(t, "PUT", hold, `{"reason":" "}`, http.StatusBadRequest)
	admin.refused(t, "PUT", "/api/telemetry/holds/Bed/7", `{"reason":"case 12"}`, http.StatusBadRequest)
	admin.refused(t, "DELETE", hold, "", http.StatusNotFound)
	var list []struct{ Subject, By, Reason string }
	admin.must(t, "PUT", hold, `{"reason":"case 12/2026"}`, &list)
	if len(list) != 1 || list[0].Subject != "Patient/moreau" || list[0].By != "Ada Admin" {
		t.Errorf("holds %+v", list)
	}
	if m := admin.refused(t, "PUT", hold, `{"reason":"again"}`, http.StatusConflict); !strings.Contains(m, "case 12/2026") || !strings.Contains(m, "Ada Admin") {
		t.Errorf("%q does not say who and why", m)
	}
	err := h.Engines.Telemetry.Erase(access.AsSystem(t.Context(), "test"), "Patient/moreau")
	if vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("erased under a hold: %v", err)
	}
	admin.must(t, "DELETE", hold, "", nil)
	ctx := access.AsSystem(t.Context(), "test")
	if err := h.Engines.Audit.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	trail, err := h.Engines.Audit.List(ctx, audit.Filter{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, action := range []string{"telemetry.retention", "telemetry.hold", "telemetry.lift_hold"} {
		if !slices.ContainsFunc(trail, func(r audit.Record) bool { return r.Action == action }) {
			t.Errorf("%s is not on the trail", action)
		}
	}
}
