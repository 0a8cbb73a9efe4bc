package rule

import (
	"context"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// WhatIf asks what a limit rule would have done for one patient with other limits and delays.
type WhatIf struct {
	Rule     string
	Subject  vigil.Subject
	From, To time.Time
	Variants []Variant
}

// Variant is a change of a limit rule: the limit moved outwards by Widen (in the metric's unit), and a delay of at least
// Delay for every metric.
type Variant struct {
	Widen float64
	Delay time.Duration
}

// WhatIfOutcome is what a rule did, and would have done with each variant, in the order asked for.
type WhatIfOutcome struct {
	Metric   vigil.Metric
	Label    string // "SpO₂"
	Unit     string
	Low      bool    // the limit is a lower one
	Limit    float64 // in force for the patient
	Delay    time.Duration
	Samples  int
	Today    []Episode
	Variants [][]Episode
}

// WhatIf plays kept telemetry through the rule as it is and in each variant, by the evaluator of the stream. It returns
// Denied to who may not see the patient, NotFound when no limit rule in force has the key or it does not watch the patient.
func (r *Replays) WhatIf(ctx context.Context, q WhatIf) (WhatIfOutcome, error) {
	var out WhatIfOutcome
	if err := access.CheckSubject(ctx, q.Subject); err != nil {
		return out, err
	}
	set, _, err := r.cfg.Rules.sets(ctx, catalog.RuleFile{})
	if err != nil {
		return out, err
	}
	at := slices.IndexFunc(set.Rules, func(x Rule) bool { return x.Key == q.Rule && x.Kind == KindLimit && !x.Extreme })
	if at < 0 {
		return out, vigil.Errorf(vigil.NotFound, "rule.what_if", "no limit rule %q is in force", q.Rule)
	}
	prof, err := r.profile(ctx, q.Subject)
	if err != nil {
		return out, err
	}
	p := &play{keys: []string{q.Rule}, metrics: map[vigil.Metric]bool{}, raw: r.cfg.Raw, from: q.From, to: q.To, breathe: r.breathe}
	base := set.Rules[at]
	players := make([]*player, 0, len(q.Variants)+1)
	for _, v := range append([]Variant{{}}, q.Variants...) {
		set.Rules = slices.Clone(set.Rules)
		set.Rules[at] = v.of(base)
		prog, err := Compile(narrow(set, p.keys))
		if err != nil {
			return out, err
		}
		prog.reads(p.metrics)
		players = append(players, newPlayer(prog, q.Subject, v.person(base, prof), q.From.UnixNano()))
	}
	if err := out.name(players[0].st.prog, q.Rule, prof); err != nil {
		return out, err
	}
	if out.Samples, err = p.playAll(ctx, q.Subject, players); err != nil {
		return out, err
	}
	out.Today = keyed(players[0].list, p.keys)
	for _, w := range players[1:] {
		out.Variants = append(out.Variants, keyed(w.list, p.keys))
	}
	return out, nil
}

// playAll takes the kept values of a subject through all players at once.
func (p *play) playAll(ctx context.Context, id vigil.Subject, players []*player) (samples int, err error) {
	values, err := p.raw.Last(ctx, id)
	if err != nil {
		return 0, err
	}
	var list []*cursor
	for _, v := range values {
		if p.metrics[v.Metric] && v.Time.After(p.from) {
			list = append(list, &cursor{key: v})
		}
	}
	for from := p.from; from.Before(p.to) && len(list) > 0; from = from.Add(stretch) {
		to := from.Add(stretch)
		if to.After(p.to) {
			to = p.to
		}
		n, err := p.stretch(ctx, players, list, from, to)
		if samples += n; err != nil {
			return samples, err
		}
	}
	for _, w := range players {
		w.advance(p.to.UnixNano())
	}
	return samples, nil
}

func (o *WhatIfOutcome) name(prog *Program, key string, prof Profile) error {
	for _, c := range prog.rules {
		if c.Key != key {
			continue
		}
		if o.Limit = c.limit(prof); math.IsNaN(o.Limit) {
			break
		}
		o.Metric, o.Low, o.Delay = c.Metrics[0], c.low, c.Delay
		def, _ := coding.Lookup(o.Metric)
		o.Label, o.Unit = def.Label, def.Unit
		return nil
	}
	return vigil.Errorf(vigil.NotFound, "rule.what_if", "the rule %q does not watch this patient", key)
}

// of returns the rule with the change.
func (v Variant) of(r Rule) Rule {
	r.Limits, r.Delays = maps.Clone(r.Limits), maps.Clone(r.Delays)
	for group := range r.Limits {
		r.Limits[group] = v.moved(r, r.Limits[group])
	}
	r.Delay = max(r.Delay, v.Delay)
	for m := range r.Delays {
		r.Delays[m] = max(r.Delays[m], v.Delay)
	}
	return r
}

// person returns the profile with the patient's own limit of the rule moved as well.
func (v Variant) person(r Rule, prof Profile) Profile {
	prof.Personal = maps.Clone(prof.Personal)
	for _, m := range r.Metrics {
		own, ok := prof.Personal[m]
		if !ok {
			continue
		}
		side := &own.High
		if r.Side == "low" {
			side = &own.Low
		}
		if *side != nil {
			moved := v.moved(r, **side)
			*side = &moved
		}
		prof.Personal[m] = own
	}
	return prof
}

func (v Variant) moved(r Rule, limit float64) float64 {
	if r.Side == "low" {
		return limit - v.Widen
	}
	return limit + v.Widen
}
