package catalog_test

import (
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
)

func TestRulesAreSound(t *testing.T) {
	rules, err := catalog.Rules()
	if err != nil {
		t.Fatal(err)
	}
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, c := range chains {
		known[c.Key] = len(c.Steps) > 0
		for i := 1; i < len(c.Steps); i++ {
			if c.Steps[i].After < c.Steps[i-1].After {
				t.Errorf("chain %s: step %d comes before step %d", c.Key, i+1, i)
			}
		}
	}
	low, high := map[string]float64{}, map[string]float64{}
	for _, r := range rules {
		if r.Version == "" || r.Sentence == "" || r.Priority == vigil.PriorityNone || !known[r.Chain] || r.Class == "" {
			t.Errorf("%s: incomplete, or its chain %q is unknown", r.Key, r.Chain)
		}
		if r.Kind != "limit" || r.Class != vigil.Physiological {
			continue
		}
		for _, age := range []string{"neonate", "infant", "child", "adult"} {
			v, ok := r.Limits[age]
			if !ok {
				t.Errorf("%s: no limit for %s", r.Key, age)
			}
			key := string(r.Metrics[0]) + " " + age
			if r.Extreme {
				key += " extreme"
			}
			if r.Side == "low" {
				low[key] = v
			} else {
				high[key] = v
			}
		}
	}
	for key, l := range low {
		if h, ok := high[key]; ok && l >= h {
			t.Errorf("%s: low %g is not under high %g", key, l, h)
		}
		if x, ok := low[key+" extreme"]; ok && x >= l {
			t.Errorf("%s: extreme low %g is not under %g", key, x, l)
		}
	}
	for key, h := range high {
		if x, ok := high[key+" extreme"]; ok && x <= h {
			t.Errorf("%s: extreme high %g is not over %g", key, x, h)
		}
	}
}
