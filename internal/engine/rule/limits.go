package rule

import (
	"context"
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// LimitView is the limits of one metric as a person sets them.
type LimitView struct {
	Metric      vigil.Metric   `json:"metric"`
	Label       string         `json:"label"`
	Unit        string         `json:"unit"`
	Low         *float64       `json:"low,omitempty"`
	High        *float64       `json:"high,omitempty"`
	DefaultLow  *float64       `json:"default_low,omitempty"`
	DefaultHigh *float64       `json:"default_high,omitempty"`
	Priority    vigil.Priority `json:"priority"`
	Delay       time.Duration  `json:"-"`
	DelayS      float64        `json:"delay_s"`
	Personal    bool           `json:"personal"`
}

// LimitsOf returns the limits in force of a patient in the order of the rules. It is Denied to who may not see him.
func (e *Engine) LimitsOf(ctx context.Context, s vigil.Subject) ([]LimitView, error) {
	if err := access.CheckSubject(ctx, s); err != nil {
		return nil, err
	}
	st := e.subject(s)
	st.mu.Lock()
	defer st.mu.Unlock()
	e.load(st, e.cfg.Now().UnixNano())
	out := []LimitView{}
	at := map[vigil.Metric]int{}
	for pos, c := range st.prog.rules {
		if c.shadow || c.Kind != KindLimit || c.Extreme || c.Class != vigil.Physiological || math.IsNaN(st.limits[pos]) {
			continue
		}
		m := c.Metrics[0]
		i, ok := at[m]
		if !ok {
			def, _ := coding.Lookup(m)
			i = len(out)
			at[m] = i
			out = append(out, LimitView{Metric: m, Label: def.Label, Unit: def.Unit})
		}
		v := &out[i]
		own, def := st.limits[pos], c.limit(Profile{AgeGroup: st.profile.AgeGroup})
		if c.low {
			v.Low, v.DefaultLow = &own, &def
		} else {
			v.High, v.DefaultHigh = &own, &def
		}
		v.Personal = v.Personal || own != def
		v.Priority = max(v.Priority, c.Priority)
		v.Delay = max(v.Delay, c.Delay)
		v.DelayS = v.Delay.Seconds()
	}
	return out, nil
}

// SetLimits changes personal limits: of each metric given, a nil side goes back to the default. Once it returns the
// limits are on disk and in force. It returns Invalid with every fault, Denied, or what the Keeper returns.
func (e *Engine) SetLimits(ctx context.Context, s vigil.Subject, limits map[vigil.Metric]vigil.Limit) error {
	p, ok := access.From(ctx)
	if !ok || !p.Clinical() || !s.IsPatient() {
		return vigil.Errorf(vigil.Denied, "rule.set_limits", "limits are set by clinical staff, for patients")
	}
	if err := e.checkLimits(limits); err != nil {
		return err
	}
	if e.cfg.Keeper != nil {
		if err := e.cfg.Keeper.PutLimits(ctx, s, limits); err != nil {
			return err
		}
	}
	st := e.subject(s)
	st.mu.Lock()
	defer st.mu.Unlock()
	e.load(st, e.cfg.Now().UnixNano())
	prof := st.profile
	prof.Personal = map[vigil.Metric]vigil.Limit{}
	for m, l := range st.profile.Personal {
		prof.Personal[m] = l
	}
	for m, l := range limits {
		if l.Low == nil && l.High == nil {
			delete(prof.Personal, m)
			continue
		}
		prof.Personal[m] = l
	}
	e.adopt(st, prof)
	return nil
}

func (e *Engine) checkLimits(limits map[vigil.Metric]vigil.Limit) error {
	prog := e.prog.Load()
	bad := vigil.Errorf(vigil.Invalid, "rule.set_limits", "these limits cannot be used")
	for m, l := range limits {
		fault := func(msg string) {
			bad.Faults = append(bad.Faults, vigil.Fault{Path: "/" + string(m), Msg: msg})
		}
		def, ok := coding.Lookup(m)
		i, watched := prog.index[m]
		if !ok || !watched || len(prog.byMet[i]) == 0 {
			fault("has no limits")
			continue
		}
		for _, side := range []*float64{l.Low, l.High} {
			if side != nil && (math.IsNaN(*side) || *side < def.Low || *side > def.High) {
				fault("is outside of what can be measured")
			}
		}
		if l.Low != nil && l.High != nil && *l.Low >= *l.High {
			fault("low is not under high")
		}
	}
	if len(bad.Faults) > 0 {
		return bad
	}
	return nil
}

// Refresh reads the subject's profile anew, for example after its birth date or its oxygen scale changed.
func (e *Engine) Refresh(s vigil.Subject) {
	if v, ok := e.subjects.Load(s); ok {
		st := v.(*subject)
		st.mu.Lock()
		st.loaded = false
		st.mu.Unlock()
	}
}

const estimateSpan = 24 * time.Hour

// Estimate counts the alarms of a metric in the last 24 hours with the limits in force and with others (nil: default),
// by the evaluator of the stream on raw telemetry. It returns Denied, Invalid and Unavailable.
func (e *Engine) Estimate(ctx context.Context, s vigil.Subject, m vigil.Metric, other vigil.Limit) (now, would int, err error) {
	if err := access.CheckSubject(ctx, s); err != nil {
		return 0, 0, err
	}
	if err := e.checkLimits(map[vigil.Metric]vigil.Limit{m: other}); err != nil {
		return 0, 0, err
	}
	if e.cfg.Telemetry == nil {
		return 0, 0, vigil.Errorf(vigil.Unavailable, "rule.estimate", "no telemetry to read from")
	}
	st := e.subject(s)
	st.mu.Lock()
	e.load(st, e.cfg.Now().UnixNano())
	today := st.profile
	st.mu.Unlock()
	changed := today
	changed.Personal = map[vigil.Metric]vigil.Limit{}
	for k, l := range today.Personal {
		changed.Personal[k] = l
	}
	changed.Personal[m] = other
	if other.Low == nil && other.High == nil {
		delete(changed.Personal, m)
	}
	to := e.cfg.Now()
	lines, err := e.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: s, Metrics: []vigil.Metric{m}, From: to.Add(-estimateSpan), To: to})
	if err != nil {
		return 0, 0, err
	}
	for _, l := range lines {
		if l.Metric == m {
			now += e.replay(l, today)
			would += e.replay(l, changed)
		}
	}
	return now, would, nil
}

// replay counts the episodes of every limit rule of one line; what would have been covered is not counted.
func (e *Engine) replay(l telemetry.Line, prof Profile) int {
	st := newSubject(e.prog.Load(), "")
	st.profile = prof
	total := 0
	rules := st.prog.byMet[st.prog.index[l.Metric]]
	for _, p := range l.Points {
		if p.Quality&(vigil.QualityLate|vigil.QualityQuestionable) != 0 {
			continue
		}
		for _, pos := range rules {
			c := st.prog.rules[pos]
			limit := c.limit(prof)
			if c.shadow || math.IsNaN(limit) {
				continue
			}
			delay := int64(c.Delay)
			if d, ok := c.Delays[l.Metric]; ok {
				delay = int64(d)
			}
			t := trial{value: p.Mean, time: p.Time, received: p.Time, delay: delay, hold: int64(c.Clear.Hold)}
			t.judge(c, limit)
			cd := &st.conds[pos]
			switch cd.look(t) {
			case begin:
				cd.held = st.covered(c, nil)
				if !cd.held {
					total++
				}
			case end:
				*cd = cond{}
			}
		}
	}
	return total
}
