package promapi_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil/coding"
)

// Every expression of the shipped dashboard is answered, and names metrics that exist.
func TestExampleDashboard(t *testing.T) {
	text, err := os.ReadFile("../../../docs/examples/grafana-patient.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	h := ward(t)
	known := map[string]bool{}
	for _, m := range coding.Metrics() {
		known[coding.SeriesName(m.Key)] = true
	}
	found := 0
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			q := strings.NewReplacer("$subject", "Patient/sara", "$__interval", "15s").Replace(target.Expr)
			status, r := h.get(t, "query_range", "query", q, "start", at(0), "end", at(20*time.Minute), "step", "15s")
			if status != 200 {
				t.Errorf("%s: %s: %+v", p.Title, q, r)
			}
			if strings.Contains(string(r.Data), "values") {
				found++
			}
			for _, name := range regexp.MustCompile(`vigil_[a-z0-9_]+`).FindAllString(q, -1) {
				if !known[name] {
					t.Errorf("%s: there is no metric %s", p.Title, name)
				}
			}
		}
	}
	if found < 4 { // two of heart rate, one of the cuff, one of ages
		t.Errorf("only %d expressions find the patient's series", found)
	}
}
