package appraise_test

import (
	"math"
	"slices"
	"testing"

	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/appraise"
	"github.com/vigil-health/vigil/internal/engine/predict"
)

// TestTheRuleNotifiesWhereTheModelDoes holds the limit of the rule, in percent, to the cut of the model.
func TestTheRuleNotifiesWhereTheModelDoes(t *testing.T) {
	models, err := catalog.Models()
	if err != nil {
		t.Fatal(err)
	}
	rules, err := catalog.Rules()
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(rules, func(r catalog.Rule) bool { return slices.Contains(r.Metrics, appraise.RiskMetric) })
	k := slices.IndexFunc(models, func(m catalog.Model) bool { return m.Kind == appraise.Deterioration })
	if i < 0 || k < 0 {
		t.Fatal("no rule, or no model")
	}
	risk := 100 * predict.Curve(models[k].Calibration).At(models[k].Cut)
	if got := rules[i].Limits["adult"]; math.Abs(got-risk) > 0.5 {
		t.Errorf("the rule's limit is %v %%, the model notifies from %.1f %%", got, risk)
	}
}

func TestCatalogueIsWhole(t *testing.T) {
	models, err := catalog.Models()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		card, err := m.CardText()
		if err != nil || len(card) < 1000 {
			t.Errorf("%s: card of %d bytes, %v", m.Key, len(card), err)
		}
		keys := map[string]bool{}
		for _, f := range m.Figures {
			keys[f.Key] = true
		}
		if m.Kind == appraise.Deterioration && !(keys["auroc-strict"] && keys["auroc-shipped"] && keys["auroc-with"]) {
			t.Errorf("%s has no figures with and without time in the unit", m.Key)
		}
		if m.Local.Days < 7 || m.Local.Judged < 100 || m.Local.True < 30 || m.Local.AUROC < 0.7 {
			t.Errorf("%s asks for too little in a house: %+v", m.Key, m.Local)
		}
	}
}
