package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

// Replay says what a rule would have done with other limits. rule.Replays implements it.
type Replay interface {
	// WhatIf returns NotFound when the rule is no limit rule in force or does not watch the patient.
	WhatIf(ctx context.Context, q rule.WhatIf) (rule.WhatIfOutcome, error)
}

// Suggestion is a change of a limit or a delay that would have spared a patient, or a unit, alarms without losing one that
// staff found real. People decide; nothing is changed by itself.
type Suggestion struct {
	Rule      string        `json:"rule"`
	Title     string        `json:"title"`
	Subject   vigil.Subject `json:"subject,omitempty"` // "": for all patients tried
	Patients  int           `json:"patients"`
	Metric    vigil.Metric  `json:"metric"`
	Label     string        `json:"label"`
	Unit      string        `json:"unit"`
	Limit     float64       `json:"limit"` // in force; of a unit: of its first patient
	NewLimit  float64       `json:"new_limit"`
	DelayS    float64       `json:"delay_s"`
	NewDelayS float64       `json:"new_delay_s"`
	Alarms    int           `json:"alarms"` // replayed with the limits in force
	Would     int           `json:"would"`  // replayed with the change
	Fewer     float64       `json:"fewer"`
	Real      int           `json:"real"` // marked real in this time
	Kept      int           `json:"kept"` // of them still alarmed
	From      time.Time     `json:"from"` // time replayed
	To        time.Time     `json:"to"`
	Text      string        `json:"text"`           // "SpO₂ low 90 → 88 with 15 s delay: 61 % fewer, the 2 marked real are kept"
	Link      string        `json:"link,omitempty"` // where the limit is changed
}

const (
	replayed    = 7 * 24 * time.Hour // the end of the report's time
	mostPairs   = 12                 // rules of a patient that are replayed
	fewest      = 4                  // alarms that make a replay worth while
	enough      = .5                 // the smallest change that spares so many is the one
	worthwhile  = .2
	keptBefore  = 5 * time.Minute // an alarm is kept when it would have been open this near to it
	longerDelay = 15 * time.Second
	longDelay   = 30 * time.Second
)

// pair is a rule that troubles a patient.
type pair struct {
	rule, title string
	metric      vigil.Metric
	subject     vigil.Subject
	alarms      int
	trouble     int // artefacts, short and repeated ones
	real        []time.Time
}

// Changes replays the rules that make most false, short and repeated alarms with other limits and delays, over the last
// seven days of the time at most, and returns the changes that would have helped, the most helpful first. It returns
// Denied, Invalid, Unavailable without replays, and what Book and Replay return.
func (d *Desk) Changes(ctx context.Context, q Query) ([]Suggestion, error) {
	clinical, err := d.mayRead(ctx)
	if err != nil {
		return nil, err
	}
	if err := q.check(); err != nil {
		return nil, err
	}
	if d.cfg.Replay == nil {
		return nil, vigil.Errorf(vigil.Unavailable, "report.changes", "no telemetry to replay")
	}
	if !clinical { // replays name patients; who sees no charts reads what others found
		return nil, vigil.Errorf(vigil.Denied, "report.changes", "limits are proposed to clinical staff")
	}
	q.To = earlier(q.To, d.cfg.Now())
	if q.To.Sub(q.From) > replayed {
		q.From = q.To.Add(-replayed)
	}
	list, err := d.pairs(ctx, q)
	if err != nil {
		return nil, err
	}
	return d.advise(ctx, q, list)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// pairs returns the rules and patients with most trouble.
func (d *Desk) pairs(ctx context.Context, q Query) ([]*pair, error) {
	found, last := map[episode]*pair{}, map[episode]time.Time{}
	err := d.cfg.Book.Each(ctx, q, func(a *vigil.Alarm) error {
		if a.Kind != vigil.KindAlarm || a.Class != vigil.Physiological || !a.Subject.IsPatient() || a.Metric == "" {
			return nil
		}
		key := episode{a.Rule, a.Subject}
		p := found[key]
		if p == nil {
			p = &pair{rule: a.Rule, title: a.Title, metric: a.Metric, subject: a.Subject}
			found[key] = p
		}
		before, ok := last[key]
		last[key] = a.Raised
		p.alarms++
		switch {
		case a.Judged != nil && a.Judged.Truth == vigil.TruthReal:
			p.real = append(p.real, a.Raised)
		case a.Judged != nil, !a.Ended.IsZero() && a.Ended.Sub(a.Raised) < shortAlarm, ok && a.Raised.Sub(before) <= repeatedIn:
			p.trouble++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := []*pair{}
	for _, p := range found {
		if p.alarms >= fewest && p.trouble > 0 {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *pair) int {
		return cmp.Or(b.trouble-a.trouble, b.alarms-a.alarms, cmp.Compare(a.subject, b.subject), cmp.Compare(a.rule, b.rule))
	})
	return list[:min(len(list), mostPairs)], nil
}

// trialOf is what the variants gave for one pair.
type trialOf struct {
	*pair
	out  rule.WhatIfOutcome
	kept []int // of the real ones, by variant
}

func (d *Desk) advise(ctx context.Context, q Query, list []*pair) ([]Suggestion, error) {
	out, byRule := []Suggestion{}, map[string][]trialOf{}
	var order []string
	for _, p := range list {
		variants := variantsOf(p.metric)
		got, err := d.cfg.Replay.WhatIf(ctx, rule.WhatIf{Rule: p.rule, Subject: p.subject, From: q.From, To: q.To, Variants: variants})
		if vigil.KindOf(err) == vigil.NotFound {
			continue // retired, or a rule of another kind
		}
		if err != nil {
			return nil, err
		}
		t := trialOf{pair: p, out: got}
		for _, episodes := range got.Variants {
			t.kept = append(t.kept, keeps(episodes, p.real, q.To))
		}
		if byRule[p.rule] == nil {
			order = append(order, p.rule)
		}
		byRule[p.rule] = append(byRule[p.rule], t)
		if s, ok := best(q, variants, t); ok {
			s.Subject, s.Link = p.subject, "/patient/"+p.subject.ID()+"/alarms"
			out = append(out, s)
		}
	}
	for _, key := range order {
		if len(byRule[key]) < 2 {
			continue
		}
		if s, ok := best(q, variantsOf(byRule[key][0].metric), byRule[key]...); ok {
			s.Link = "/rules/" + key
			out = append(out, s)
		}
	}
	slices.SortStableFunc(out, func(a, b Suggestion) int { return cmp.Compare(b.Alarms-b.Would, a.Alarms-a.Would) })
	return out, nil
}

// keeps counts the real alarms near which an episode was open.
func keeps(list []rule.Episode, real []time.Time, until time.Time) (n int) {
	for _, at := range real {
		if slices.ContainsFunc(list, func(e rule.Episode) bool {
			return !e.Start.After(at.Add(keptBefore)) && !e.Start.Add(e.Lasted(until)).Before(at.Add(-keptBefore))
		}) {
			n++
		}
	}
	return n
}

// variantsOf returns the changes that are tried, the smallest first: a longer wait harms less than a wider limit.
func variantsOf(m vigil.Metric) []rule.Variant {
	step := stepOf(m)
	return []rule.Variant{
		{Delay: longerDelay}, {Widen: step}, {Widen: step, Delay: longerDelay}, {Delay: longDelay},
		{Widen: 2 * step}, {Widen: 2 * step, Delay: longerDelay}, {Widen: 2 * step, Delay: longDelay},
	}
}

// stepOf is by how much a limit of a metric is moved at once, in the metric's unit.
func stepOf(m vigil.Metric) float64 {
	switch m {
	case "spo2":
		return 1
	case "temperature":
		return .3
	case "respiratory-rate":
		return 2
	}
	return 5 // rates of the heart and pressures
}

// best chooses the smallest change that keeps every alarm that was found real and spares at least half, or else the one
// that spares most; false when none spares a fifth.
func best(q Query, variants []rule.Variant, trials ...trialOf) (Suggestion, bool) {
	first := trials[0]
	s := Suggestion{
		Rule: first.rule, Title: first.title, Patients: len(trials), Metric: first.out.Metric, Label: first.out.Label, Unit: first.out.Unit,
		Limit: first.out.Limit, DelayS: first.out.Delay.Seconds(), From: q.From, To: q.To,
	}
	for _, t := range trials {
		s.Alarms += len(t.out.Today)
		s.Real += len(t.real)
	}
	chosen := -1
	for i, v := range variants {
		would, kept := 0, 0
		for _, t := range trials {
			would, kept = would+len(t.out.Variants[i]), kept+t.kept[i]
		}
		fewer := 1 - share(would, s.Alarms)
		if s.Alarms < fewest || kept < s.Real || fewer < worthwhile || v.Widen == 0 && v.Delay <= first.out.Delay {
			continue
		}
		if chosen >= 0 && (s.Fewer >= enough || fewer <= s.Fewer) {
			continue
		}
		chosen, s.Would, s.Kept, s.Fewer = i, would, kept, fewer
		s.NewLimit, s.NewDelayS = s.Limit+v.Widen, max(first.out.Delay, v.Delay).Seconds()
		if first.out.Low {
			s.NewLimit = s.Limit - v.Widen
		}
	}
	s.Text = s.sentence()
	return s, chosen >= 0
}

func (s *Suggestion) sentence() string {
	text := s.Title
	if s.NewLimit != s.Limit {
		text += fmt.Sprintf(" %s → %s", trim(s.Limit), trim(s.NewLimit))
	}
	if s.NewDelayS != s.DelayS {
		text += fmt.Sprintf(" with %s s delay", trim(s.NewDelayS))
	}
	text += fmt.Sprintf(": %.0f %% fewer (%d instead of %d)", 100*s.Fewer, s.Would, s.Alarms)
	switch s.Real {
	case 0:
		return text + ", none was marked real"
	case 1:
		return text + ", the one marked real is kept"
	}
	return text + fmt.Sprintf(", the %d marked real are kept", s.Real)
}

func trim(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
