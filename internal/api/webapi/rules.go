package webapi

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/condition"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// ruleRoutes are the rules of the site: list, write, try, approve, replay. Who may do what beyond the role is the
// rulebook's to say.
func (a *API) ruleRoutes(staff []access.Role) []route {
	return []route{
		{"GET /api/rules", staff, a.rules},
		{"GET /api/rules/vocabulary", staff, a.ruleWords},
		{"GET /api/rules/alarms", staff, a.ruleAlarms},
		{"POST /api/rules/check", staff, a.checkRule},
		{"POST /api/rules/test", staff, a.testRule},
		{"POST /api/rules", staff, a.draftRule},
		{"GET /api/rules/replays", staff, a.replays},
		{"POST /api/rules/replays", staff, a.startReplay},
		{"GET /api/rules/replays/{id}", staff, a.replay},
		{"DELETE /api/rules/replays/{id}", staff, a.cancelReplay},
		{"GET /api/rules/shadows", staff, a.ruleShadows},
		{"GET /api/rules/{key}", staff, a.rule},
		{"POST /api/rules/{key}/{action}", staff, a.stepRule},
	}
}

func (a *API) rules(c *call) (any, error) {
	list, err := a.cfg.Rulebook.List(c.ctx)
	return map[string]any{"rules": list}, err
}

// ruleView is one rule with all that was ever done to it.
type ruleView struct {
	rule.Entry
	Edit     *rule.Form        `json:"edit"` // what is in force, or the newest version, in the editor's form
	Text     string            `json:"text"` // the same as YAML
	Versions []rule.Version    `json:"versions"`
	Steps    []rule.Transition `json:"steps"`
}

func (a *API) rule(c *call) (any, error) {
	key := c.r.PathValue("key")
	versions, steps, err := a.cfg.Rulebook.History(c.ctx, key)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Rulebook.List(c.ctx)
	if err != nil {
		return nil, err
	}
	for _, e := range list {
		if e.Key != key {
			continue
		}
		out := ruleView{Entry: e, Versions: versions, Steps: steps, Edit: formOf(e.Rule)}
		out.Text, err = catalog.FormatRule(e.Rule)
		return out, err
	}
	return nil, vigil.Errorf(vigil.NotFound, "webapi.rule", "no rule %q", key)
}

// ruleWords is what an editor offers.
func (a *API) ruleWords(*call) (any, error) {
	type metricWord struct {
		Key  vigil.Metric `json:"key"`
		Name string       `json:"name"`
		Unit string       `json:"unit"`
		Low  float64      `json:"low"`
		High float64      `json:"high"`
	}
	metrics := []metricWord{}
	for _, m := range coding.Metrics() {
		if m.Shape == coding.Numeric {
			metrics = append(metrics, metricWord{m.Key, condition.MetricName(m.Key), m.Unit, m.Low, m.High})
		}
	}
	scores, err := catalog.Scores()
	if err != nil {
		return nil, err
	}
	chains, err := catalog.Chains()
	if err != nil {
		return nil, err
	}
	keys := map[string]string{}
	for _, s := range scores {
		keys[s.Key] = s.Title
	}
	chainKeys := map[string]string{}
	for _, s := range chains {
		chainKeys[s.Key] = s.Title
	}
	return map[string]any{"functions": condition.Functions(), "variables": condition.Variables(), "flags": condition.Flags(), "metrics": metrics, "scores": keys, "chains": chainKeys}, nil
}

func formOf(r rule.Rule) *rule.Form {
	f := rule.FormOf(r)
	return &f
}

// ruleText is a rule as YAML, as a sentence laid over a YAML, or in the editor's form.
type ruleText struct {
	Text     string     `json:"text"`
	Sentence string     `json:"sentence"`
	Edit     *rule.Form `json:"edit"`
}

// yaml returns the text of what was sent.
func (t ruleText) yaml() (string, error) {
	switch {
	case t.Edit != nil:
		r, err := t.Edit.Rule()
		if err != nil {
			return "", err
		}
		return catalog.FormatRule(r)
	case t.Sentence == "":
		return t.Text, nil
	}
	file, err := catalog.ParseRules("rule", []byte(t.Text))
	if err != nil {
		return "", err
	}
	if len(file.Rules) != 1 {
		return "", vigil.Errorf(vigil.Invalid, "webapi.rule", "a sentence goes with the text of one rule")
	}
	r, err := rule.ParseSentence(t.Sentence, file.Rules[0])
	if err != nil {
		return "", err
	}
	return catalog.FormatRule(r)
}

// checkRule answers what an editor shows while somebody types; faults are an answer, not an error.
func (a *API) checkRule(c *call) (any, error) {
	var in ruleText
	if err := c.body(&in); err != nil {
		return nil, err
	}
	out := map[string]any{"ok": false, "faults": []vigil.Fault{}}
	text, err := in.yaml()
	var file catalog.RuleFile
	if err == nil {
		out["text"] = text
		_, file, err = a.cfg.Rulebook.TryText(c.ctx, text)
	}
	if err != nil {
		if vigil.KindOf(err) != vigil.Invalid {
			return nil, err
		}
		out["message"] = vigil.Message(err)
		if e, ok := errors.AsType[*vigil.Error](err); ok && e.Faults != nil {
			out["faults"] = e.Faults
		}
		if file.Rules == nil {
			return out, nil
		}
	} else {
		out["ok"] = true
	}
	type said struct {
		Key      string      `json:"key"`
		Sentence []rule.Slot `json:"sentence"`
		Edit     *rule.Form  `json:"edit"`
	}
	list := []said{}
	for _, r := range file.Rules {
		list = append(list, said{r.Key, rule.Sentence(r), formOf(r)})
	}
	out["rules"] = list
	return out, nil
}

func (a *API) testRule(c *call) (any, error) {
	var in ruleText
	if err := c.body(&in); err != nil {
		return nil, err
	}
	text, err := in.yaml()
	if err != nil {
		return nil, err
	}
	results, _, err := a.cfg.Rulebook.TryText(c.ctx, text)
	if err != nil {
		return nil, err
	}
	passed := true
	for _, r := range results {
		passed = passed && len(r.Faults) == 0
	}
	return map[string]any{"passed": passed, "tests": results}, nil
}

// draftRule writes a version; with propose it is proposed at once.
func (a *API) draftRule(c *call) (any, error) {
	var in struct {
		ruleText
		Off     string `json:"off"`
		Note    string `json:"note"`
		Propose bool   `json:"propose"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	text, err := in.yaml()
	if err != nil {
		return nil, err
	}
	v, err := a.cfg.Rulebook.Draft(c.ctx, rule.DraftRequest{Text: text, Off: in.Off, Note: in.Note})
	if err != nil || !in.Propose {
		return v, err
	}
	return a.cfg.Rulebook.Do(c.ctx, rule.Step{Key: v.Key, Number: v.Number, Action: "propose", Note: in.Note})
}

func (a *API) stepRule(c *call) (any, error) {
	var in struct {
		Version int    `json:"version"`
		Note    string `json:"note"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	key, action := c.r.PathValue("key"), c.r.PathValue("action")
	if action == "rollback" {
		return a.cfg.Rulebook.Rollback(c.ctx, key, in.Note)
	}
	return a.cfg.Rulebook.Do(c.ctx, rule.Step{Key: key, Number: in.Version, Action: action, Note: in.Note})
}

func (a *API) ruleShadows(c *call) (any, error) {
	limit, err := c.number("limit", 200, 1, 5000)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Rulebook.Shadows(c.ctx, rule.ShadowQuery{Rule: c.query("rule"), Version: strings.TrimSpace(c.query("version")), Limit: limit})
	return map[string]any{"shadows": list}, err
}

func (a *API) replays(c *call) (any, error) {
	list, err := a.cfg.Replays.List(c.ctx)
	return map[string]any{"replays": list}, err
}

func (a *API) startReplay(c *call) (any, error) {
	var in struct {
		ruleText
		Days   int             `json:"days"`
		Note   string          `json:"note"`
		Events json.RawMessage `json:"events"`
		Units  []string        `json:"units"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	text, err := in.yaml()
	if err != nil {
		return nil, err
	}
	q := rule.ReplayRequest{Text: text, Days: in.Days, Note: in.Note, Units: in.Units}
	if len(in.Events) > 0 {
		if err := json.Unmarshal(in.Events, &q.Events); err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "webapi.replay", "events are a list of {subject, at, what}: %w", err)
		}
	}
	return a.cfg.Replays.Start(c.ctx, q)
}

func (a *API) replay(c *call) (any, error) { return a.cfg.Replays.Get(c.ctx, c.r.PathValue("id")) }

func (a *API) cancelReplay(c *call) (any, error) {
	return nil, a.cfg.Replays.Cancel(c.ctx, c.r.PathValue("id"))
}
