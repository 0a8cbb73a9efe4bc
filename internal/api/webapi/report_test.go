package webapi_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestAlarmReport(t *testing.T) {
	h := shared()
	lee, engineer := h.visit(t, "physician"), h.visit(t, "engineer")
	h.cuff(t, h.monitorOf(t, "tan"), 78, 40, 50)
	id := h.alarmOf(t, lee, "tan", "map-low")
	if body := lee.refused(t, "POST", "/api/alarms/"+id+"/judge", `{"truth":"artefact"}`, http.StatusConflict); !strings.Contains(body, "acknowledged") {
		t.Errorf("judged before anybody had it: %s", body)
	}
	lee.must(t, "POST", "/api/alarms/"+id+"/acknowledge", `{}`, nil)
	lee.refused(t, "POST", "/api/alarms/"+id+"/judge", `{"truth":"perhaps"}`, http.StatusBadRequest)
	var a struct {
		Judged *struct{ Truth, By string }
	}
	lee.must(t, "POST", "/api/alarms/"+id+"/judge", `{"truth":"artefact"}`, &a)
	if a.Judged == nil || a.Judged.Truth != "artefact" || a.Judged.By == "" {
		t.Errorf("judged %+v", a.Judged)
	}

	var r struct {
		Alarms int
		Rules  []struct {
			Key      string
			Artefact int
		}
		Worst  []struct{ Subject string }
		People map[string]struct{ Family string }
	}
	lee.must(t, "GET", "/api/reports/alarms", "", &r)
	found := false
	for _, x := range r.Rules {
		found = found || x.Key == "map-low" && x.Artefact >= 1
	}
	if !found || len(r.Worst) == 0 || r.People[r.Worst[0].Subject].Family == "" {
		t.Errorf("report %+v", r)
	}
	r.People = nil
	engineer.must(t, "GET", "/api/reports/alarms", "", &r)
	if len(r.People) != 0 || !strings.HasPrefix(r.Worst[0].Subject, "P") || strings.Contains(r.Worst[0].Subject, "/") {
		t.Errorf("an engineer reads names: %+v, %+v", r.Worst, r.People)
	}
	engineer.refused(t, "GET", "/api/reports/alarms/changes", "", http.StatusForbidden)
	lee.must(t, "GET", "/api/reports/alarms/changes", "", nil)
	lee.refused(t, "GET", "/api/reports/alarms?from=2026-03-02&to=2026-03-01", "", http.StatusBadRequest)

	if a := lee.ask(t, "GET", "/api/reports/alarms.pdf", ""); a.status != http.StatusOK || !strings.HasPrefix(a.body, "%PDF-") || a.header.Get("Content-Type") != "application/pdf" {
		t.Errorf("PDF: %d %s", a.status, a.header.Get("Content-Type"))
	}
	if a := lee.ask(t, "GET", "/api/reports/alarms.csv", ""); !strings.Contains(a.body, id) || !strings.Contains(a.body, "artefact") {
		t.Errorf("CSV: %d %s", a.status, a.body)
	}
	if a := engineer.ask(t, "GET", "/api/reports/alarms.csv", ""); a.status != http.StatusOK || strings.Contains(a.body, id) || strings.Contains(a.body, "Patient/tan") {
		t.Errorf("CSV of an engineer: %d %s", a.status, a.body)
	}
	h.stranger().refused(t, "GET", "/api/reports/alarms.pdf", "", http.StatusUnauthorized)
}
