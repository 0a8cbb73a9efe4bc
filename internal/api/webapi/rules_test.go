package webapi_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/engine/access"
)

const fastAndLow = `
rules:
  - key: fast-and-low
    kind: condition
    title: Fast heart and low oxygen
    priority: medium
    chain: medium
    when: last("heart-rate") > 120 && mean("spo2", "5m") < 92
tests:
  - name: both
    series:
      - {metric: heart-rate, from: 0s, to: 5m, value: 130}
      - {metric: spo2, from: 0s, to: 5m, value: 88}
    expect: [{rule: fast-and-low, start: 2m30s}]
`

func body(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// second signs in as a physician who is not the visitor.
func (h *house) second(t *testing.T) *visitor {
	t.Helper()
	if _, err := h.Engines.Accounts.Create(access.AsSystem(t.Context(), "test"), access.NewAccount{Login: "dr-two", Name: "Dr Two", Password: "a long password", Roles: []access.Role{access.Physician}}); err != nil {
		t.Fatal(err)
	}
	v := h.stranger()
	v.must(t, "POST", "/api/session", `{"login":"dr-two","password":"a long password"}`, nil)
	return v
}

func TestRuleFromTheEditorToTheWard(t *testing.T) {
	h := shared()
	author, engineer, other := h.visit(t, "physician"), h.visit(t, "engineer"), h.second(t)
	var said struct {
		OK     bool
		Faults []struct{ Path, Message string }
		Rules  []struct {
			Sentence []struct{ Kind, Text string }
			Edit     struct {
				Model struct {
					All []struct{ Fn, Metric, Unit string }
				}
			}
		}
	}
	author.must(t, "POST", "/api/rules/check", body(t, map[string]string{"text": fastAndLow}), &said)
	if !said.OK || len(said.Rules) != 1 || len(said.Rules[0].Edit.Model.All) != 2 || said.Rules[0].Edit.Model.All[1].Unit != "%" {
		t.Errorf("%+v", said)
	}
	said.Rules = nil
	author.must(t, "POST", "/api/rules/check", body(t, map[string]string{"text": strings.ReplaceAll(fastAndLow, `"heart-rate"`, `"hart-rate"`)}), &said)
	if said.OK || len(said.Faults) != 1 || !strings.HasPrefix(said.Faults[0].Message, "line 8, column 16: no metric") {
		t.Errorf("with a fault: %+v", said)
	}
	var v struct {
		Key, State string
		Version    int
	}
	author.refused(t, "POST", "/api/rules", body(t, map[string]any{"text": strings.ReplaceAll(fastAndLow, "2m30s", "9m"), "note": "x"}), http.StatusBadRequest)
	author.must(t, "POST", "/api/rules", body(t, map[string]any{"text": fastAndLow, "note": "sepsis ward asked for it", "propose": true}), &v)
	if v.State != "proposed" || v.Version != 1 {
		t.Fatalf("%+v", v)
	}
	step := func(who *visitor, action string, status int) {
		t.Helper()
		if status != 0 {
			who.refused(t, "POST", "/api/rules/fast-and-low/"+action, `{"version":1}`, status)
			return
		}
		who.must(t, "POST", "/api/rules/fast-and-low/"+action, `{"version":1,"note":"seen"}`, &v)
	}
	step(author, "approve", http.StatusForbidden)
	step(engineer, "approve", http.StatusForbidden)
	step(other, "approve", 0)
	step(other, "shadow", 0)
	step(other, "enable", 0)
	if v.State != "live" {
		t.Errorf("%+v", v)
	}
	var one struct {
		Origin, State, Text string
		By, At              string
		Steps               []struct{ To string }
	}
	engineer.must(t, "GET", "/api/rules/fast-and-low", "", &one)
	if one.By == "" || one.At == "" || one.Origin != "site" || one.State != "live" || len(one.Steps) != 5 || !strings.Contains(one.Text, "mean(") {
		t.Errorf("%+v", one)
	}
	other.must(t, "POST", "/api/rules/fast-and-low/rollback", `{"note":"end of the test"}`, &v)
	if v.State != "retired" {
		t.Errorf("rolled back: %+v", v)
	}
}

func TestReplayOverTheDoor(t *testing.T) {
	h := shared()
	lee := h.visit(t, "physician")
	type job struct {
		ID, State, Error string
		Outcome          *struct {
			Subjects int
			After    struct{ Alarms int }
		}
	}
	var got job
	lee.must(t, "POST", "/api/rules/replays", body(t, map[string]any{"text": fastAndLow, "days": 1, "events": []map[string]string{{"subject": "Patient/okafor", "at": "2026-03-01T08:00:00Z", "what": "code"}}}), &got)
	for deadline := time.Now().Add(patience); got.State == "queued" || got.State == "running"; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still %s", got.State)
		}
		lee.must(t, "GET", "/api/rules/replays/"+got.ID, "", &got)
	}
	if got.State != "done" || got.Outcome == nil {
		t.Errorf("%+v", got)
	}
	h.visit(t, "engineer").refused(t, "GET", "/api/rules/replays/"+got.ID, "", http.StatusForbidden)
	lee.refused(t, "DELETE", "/api/rules/replays/"+got.ID, "", http.StatusConflict)
	h.visit(t, "nurse").refused(t, "POST", "/api/rules/replays", body(t, map[string]any{"text": fastAndLow}), http.StatusForbidden)
}

func TestAlarmsOfRulesAreCounted(t *testing.T) {
	h := shared()
	var got struct {
		Rules map[string]int
		Days  []struct {
			Day    string
			Alarms int
		}
	}
	sum := func() (n int) {
		for _, d := range got.Days {
			n += d.Alarms
		}
		return n
	}
	lee := h.visit(t, "physician")
	h.cuff(t, h.monitorOf(t, "okafor"), 71, 41, 51)
	h.alarmOf(t, lee, "okafor", "map-low")
	h.visit(t, "engineer").must(t, "GET", "/api/rules/alarms?days=1", "", &got)
	if got.Rules["map-low"] == 0 || sum() == 0 {
		t.Errorf("%+v", got)
	}
	all := sum()
	got.Days = nil
	lee.must(t, "GET", "/api/rules/alarms?days=1&rule=map-low", "", &got)
	if n := sum(); n == 0 || n > all {
		t.Errorf("%d of %d alarms are of map-low", n, all)
	}
	lee.refused(t, "GET", "/api/rules/alarms?days=99", "", http.StatusBadRequest)
}
