package relational_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

const ownRule = `
rules:
- key: heart-rate-high
  kind: limit
  title: HR high
  priority: medium
  chain: medium
  metrics: [heart-rate]
  side: high
  limits: {adult: 130}
tests:
- name: over 130
  rules: [heart-rate-high]
  series: [{metric: heart-rate, from: 0s, to: 10s, value: 131}]
  expect: [{rule: heart-rate-high, start: 0s}]
`

// rulebook opens the book anew and counts what was put in force.
func rulebook(t *testing.T, h *house) (book *rule.Rulebook, store *relational.Rulebook, adopted *int) {
	t.Helper()
	db := h.open(t)
	rules, err := catalog.Rules()
	if err != nil {
		t.Fatal(err)
	}
	scores, err := catalog.Scores()
	if err != nil {
		t.Fatal(err)
	}
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	adopted = new(int)
	store = db.Rulebook()
	return rule.NewRulebook(rule.RulebookConfig{
		Book: store, Catalogue: rules, Scores: scores, Chains: chains, Now: time.Now,
		Adopt: func(*rule.Program) { *adopted++ },
	}), store, adopted
}

func stateOf(t *testing.T, b *rule.Rulebook, key string) string {
	t.Helper()
	list, err := b.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Key == key {
			out := e.Origin + " " + e.Version + " " + string(e.State)
			for _, w := range e.Waiting {
				out += ", " + string(w.State)
			}
			return out
		}
	}
	return "none"
}

func TestRuleFromDraftToLiveAndBack(t *testing.T) { each(t, draftToLive) }

func draftToLive(t *testing.T, h *house) {
	b, store, adopted := rulebook(t, h)
	engineer, lee, kim := as(t, "ann", access.Engineer), as(t, "dr-lee", access.Physician), as(t, "dr-kim", access.Physician)
	write := func(ctx context.Context, text string) int {
		v, err := b.Draft(ctx, rule.DraftRequest{Text: text, Note: "too many alarms"})
		if err != nil {
			t.Fatal(err)
		}
		return v.Number
	}
	do := func(ctx context.Context, number int, action string, want vigil.Kind) {
		t.Helper()
		if _, err := b.Do(ctx, rule.Step{Key: "heart-rate-high", Number: number, Action: action}); vigil.KindOf(err) != want {
			t.Errorf("%s: %v, want %q", action, err, want)
		}
	}
	n := write(lee, ownRule)
	do(lee, n, "approve", vigil.Conflict) // not proposed yet
	do(engineer, n, "propose", "")
	do(lee, n, "approve", vigil.Denied)      // his own
	do(engineer, n, "approve", vigil.Denied) // not his right
	do(kim, n, "enable", vigil.Conflict)     // not approved
	do(kim, n, "approve", "")
	do(kim, n, "shadow", "")
	if got := stateOf(t, b, "heart-rate-high"); got != "catalogue 1 live, shadow" || *adopted != 1 {
		t.Errorf("on trial: %s, %d adopted", got, *adopted)
	}
	at := time.Now().UTC()
	trial := rule.Shadow{ID: "s1", Rule: "heart-rate-high", Version: "site-1", Subject: "Patient/sara", Value: 131, Peak: 131, Start: at, At: at}
	for range 2 {
		if err := store.BeginShadow(t.Context(), trial); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.EndShadow(t.Context(), "s1", at.Add(time.Minute), 140); err != nil {
		t.Fatal(err)
	}
	shown, err := b.Shadows(kim, rule.ShadowQuery{Rule: "heart-rate-high"})
	if err != nil || len(shown) != 1 || shown[0].Peak != 140 || shown[0].End.IsZero() {
		t.Errorf("%+v, %v", shown, err)
	}
	do(kim, n, "enable", "")
	second := write(kim, strings.ReplaceAll(ownRule, "130}", "128}"))
	do(kim, second, "propose", "")
	do(lee, second, "approve", "")
	do(lee, second, "enable", "")
	if got := stateOf(t, b, "heart-rate-high"); got != "site site-2 live" {
		t.Errorf("second version: %s", got)
	}
	for _, want := range []string{"site site-1 live", "catalogue 1 live"} {
		if _, err := b.Rollback(kim, "heart-rate-high", "missed a patient"); err != nil {
			t.Fatal(err)
		}
		if got := stateOf(t, b, "heart-rate-high"); got != want {
			t.Errorf("rolled back to %s, want %s", got, want)
		}
	}
	if _, err := b.Rollback(kim, "heart-rate-high", "again"); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("nothing to roll back: %v", err)
	}
	versions, steps, err := b.History(kim, "heart-rate-high")
	if err != nil || len(versions) != 2 || versions[1].ApproverName == "" || len(steps) != 13 {
		t.Errorf("%d versions, %d steps, %v", len(versions), len(steps), err)
	}
}

func TestRuleSwitchedOffSurvivesARestart(t *testing.T) { each(t, switchedOff) }

func switchedOff(t *testing.T, h *house) {
	b, _, _ := rulebook(t, h)
	lee, kim := as(t, "dr-lee", access.Physician), as(t, "dr-kim", access.Physician)
	v, err := b.Draft(lee, rule.DraftRequest{Off: "spo2-extreme-low", Note: "we have another"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []struct {
		ctx    context.Context
		action string
	}{{lee, "propose"}, {kim, "approve"}, {kim, "enable"}} {
		if _, err := b.Do(s.ctx, rule.Step{Key: v.Key, Number: v.Number, Action: s.action}); err != nil {
			t.Fatal(err)
		}
	}
	again, _, _ := rulebook(t, h)
	if got := stateOf(t, again, "spo2-extreme-low"); got != "site site-1 retired" {
		t.Errorf("after a restart: %s", got)
	}
	if _, err := again.Program(t.Context()); err != nil {
		t.Errorf("the rules that it covered do not compile: %v", err)
	}
}

func TestDraftsThatAreRefused(t *testing.T) {
	b, _, _ := rulebook(t, sqlite(t))
	lee := as(t, "dr-lee", access.Physician)
	for name, d := range map[string]rule.DraftRequest{
		"does not pass its tests": {Text: strings.ReplaceAll(ownRule, "value: 131", "value: 129"), Note: "n"},
		"say in a note":           {Text: ownRule},
		"cannot be used":          {Text: strings.ReplaceAll(ownRule, "[heart-rate]\n  side", "[hart-rate]\n  side"), Note: "n"},
		"holds 2 rules":           {Text: "[{key: a}, {key: b}]", Note: "n"},
		"in the catalogue":        {Off: "no-such", Note: "n"},
	} {
		if _, err := b.Draft(lee, d); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.Draft(as(t, "nia", access.Nurse), rule.DraftRequest{Text: ownRule, Note: "n"}); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a nurse: %v", err)
	}
}

func TestReplaysAreKept(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		store := h.open(t).Rulebook()
		at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
		for i, id := range []string{"r1", "r2"} {
			for _, s := range []rule.ReplayState{rule.ReplayQueued, rule.ReplayDone} {
				if err := store.PutReplay(t.Context(), rule.Replay{ID: id, State: s, At: at.Add(time.Duration(i)), Outcome: &rule.Outcome{Subjects: 3}}); err != nil {
					t.Fatal(err)
				}
			}
		}
		store = h.open(t).Rulebook()
		list, err := store.ListReplays(t.Context(), 10)
		if err != nil || len(list) != 2 || list[0].ID != "r2" || list[0].State != rule.ReplayDone || list[0].Outcome.Subjects != 3 {
			t.Errorf("%+v, %v", list, err)
		}
		if _, err := store.GetReplay(t.Context(), "r9"); vigil.KindOf(err) != vigil.NotFound {
			t.Errorf("no such replay: %v", err)
		}
	})
}
