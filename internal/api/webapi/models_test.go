package webapi_test

import (
	"net/http"
	"strings"
	"testing"
)

func TestModels(t *testing.T) {
	h := shared()
	lee := h.visit(t, "physician")
	var list []struct {
		Key      string
		Standing struct{ State string }
	}
	lee.must(t, "GET", "/api/models", "", &list)
	if len(list) != 2 || list[0].Key != "deterioration" || list[1].Key != "false-alarm" || list[0].Standing.State != "off" {
		t.Fatalf("models %+v", list)
	}
	var m struct {
		Card     string
		Figures  []struct{ Key string }
		Standing struct{ State string }
	}
	lee.must(t, "GET", "/api/models/deterioration", "", &m)
	keys := ""
	for _, f := range m.Figures {
		keys += f.Key + " "
	}
	if !strings.Contains(m.Card, "## Time in the unit") || !strings.Contains(keys, "auroc-strict auroc-shipped auroc-with") {
		t.Errorf("card %q, figures %s", m.Card, keys)
	}
	lee.must(t, "POST", "/api/models/deterioration/shadow", `{}`, &m)
	if m.Standing.State != "shadow" {
		t.Errorf("state %s after shadow", m.Standing.State)
	}
	for path, c := range map[string]struct {
		status int
		says   string
	}{
		"/api/models/deterioration/approve": {http.StatusConflict, "nobody has proposed"},
		"/api/models/deterioration/propose": {http.StatusConflict, "days in shadow"},
		"/api/models/deterioration/burn":    {http.StatusNotFound, "burn"},
		"/api/models/none/off":              {http.StatusNotFound, "none"},
	} {
		if body := lee.refused(t, "POST", path, `{"reason":"test"}`, c.status); !strings.Contains(body, c.says) {
			t.Errorf("%s: %s, want %q", path, body, c.says)
		}
	}
	lee.must(t, "POST", "/api/models/deterioration/off", `{}`, &m)
	if m.Standing.State != "off" {
		t.Errorf("state %s after off", m.Standing.State)
	}
}
