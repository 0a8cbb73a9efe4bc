package appraise

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/predict"
	"github.com/vigil-health/vigil/internal/engine/predict/deterioration"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// RiskMetric is the calibrated probability of deterioration, in percent, written while the model notifies.
const RiskMetric = vigil.Metric("deterioration-risk")

// RiskDevice is who says it.
const RiskDevice = vigil.DeviceID("deterioration-model")

// riskRule is the rule of the catalogue that watches RiskMetric.
const riskRule = "deterioration-risk-high"

// Hourly scores every patient once within each hour of the clock; the schedule calls it more often, so that a restart or a
// switch does not leave an hour out. In shadow only the book knows. It returns the faults of single patients together; the
// others are scored.
func (r *Registry) Hourly(ctx context.Context, now time.Time) error {
	m, state := r.of(Deterioration)
	if m == nil {
		r.latest.Clear()
		return nil
	}
	if hour := now.Truncate(time.Hour).Unix(); r.hour.Swap(hour) == hour {
		return nil
	}
	ctx = access.AsSystem(ctx, roomName)
	var errs []error
	for _, p := range r.cfg.Patients() {
		if ctx.Err() != nil {
			break
		}
		if err := r.score(ctx, m, state, p, now); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", p.Subject, err))
		}
	}
	return errors.Join(errs...)
}

func (r *Registry) score(ctx context.Context, m *model, state State, p Person, now time.Time) error {
	chart, ok, err := r.chart(ctx, p, now)
	if err != nil || !ok {
		return err
	}
	v := m.risk(chart)
	v.Subject, v.At, v.State = p.Subject, now.UTC(), state
	v.ID = string(p.Subject) + "@" + now.UTC().Truncate(time.Hour).Format("2006-01-02T15")
	if err := r.cfg.Book.AddVerdict(ctx, v); err != nil {
		return err
	}
	if state != Notify {
		r.latest.Delete(p.Subject)
		return nil
	}
	r.latest.Store(p.Subject, v)
	return r.cfg.Telemetry.AppendWait(ctx, &vigil.Report{
		Device: RiskDevice, Subject: p.Subject, Received: now.UnixNano(), Protocol: roomName,
		Samples: []vigil.Sample{{Metric: RiskMetric, Time: now.UnixNano(), Value: math.Round(1000*v.Probability) / 10}},
	})
}

// risk evaluates a chart. The reasons are the features that raised the risk most.
func (m *model) risk(c deterioration.Chart) Verdict {
	row := deterioration.Features(nil, c)
	raw := predict.Probability(m.forest.Margin(row))
	v := Verdict{Model: m.Key, Version: m.Version, Raw: raw, Probability: m.curve.At(raw), Acts: raw >= m.Cut, Why: riskWords(m.forest, row)}
	for _, x := range c.Missing(24) {
		v.Missing = append(v.Missing, label(x.Metrics()[len(x.Metrics())-1]))
	}
	return v
}

// chart reads the hours that ended by now. It reports false when nothing was measured in the last 24.
func (r *Registry) chart(ctx context.Context, p Person, now time.Time) (deterioration.Chart, bool, error) {
	from := now.Add(-deterioration.History * time.Hour)
	c := deterioration.Chart{Hours: make([]deterioration.Hour, deterioration.History), Age: p.Age, Male: p.Male}
	for i := range c.Hours {
		c.Hours[i] = deterioration.NoHour()
	}
	for v := range deterioration.Vitals {
		lines, err := r.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: p.Subject, Metrics: v.Metrics(), From: from, To: now, Points: deterioration.History})
		if err != nil {
			return c, false, err
		}
		for _, metric := range v.Metrics() { // the first in order of trust stays
			for _, l := range lines {
				if l.Metric != metric {
					continue
				}
				for _, pt := range l.Points {
					k := int(time.Duration(pt.Time-from.UnixNano()) / time.Hour)
					if k >= 0 && k < len(c.Hours) && math.IsNaN(c.Hours[k][v]) {
						c.Hours[k][v] = pt.Mean
					}
				}
			}
		}
	}
	c.Hours = c.Hours[firstMeasured(c.Hours):] // the chart begins with the first hour in which anything was measured
	return c, len(c.Missing(24)) < int(deterioration.Vitals), nil
}

func firstMeasured(hours []deterioration.Hour) int {
	for i, h := range hours {
		for _, v := range h {
			if !math.IsNaN(v) {
				return i
			}
		}
	}
	return len(hours)
}

// Risk returns what the model said last of the patient, and false while it does not notify.
func (r *Registry) Risk(ctx context.Context, s vigil.Subject) (Verdict, bool) {
	if access.CheckSubject(ctx, s) != nil {
		return Verdict{}, false
	}
	v, ok := r.latest.Load(s)
	if !ok {
		return Verdict{}, false
	}
	return v.(Verdict), true
}

// Explain adds the reasons of a risk to its alarm.
func (r *Registry) Explain(a *vigil.Alarm) {
	v, ok := r.latest.Load(a.Subject)
	if a.Rule != riskRule || !ok || a.Evidence == nil {
		return
	}
	x := v.(Verdict)
	a.Evidence.Facts = append(a.Evidence.Facts, x.Why...)
	for _, missing := range x.Missing {
		a.Evidence.Facts = append(a.Evidence.Facts, missing+" not measured for a day")
	}
}

// riskWords says in words what raised the risk most: "respiratory rate 24, rising over 6 h". A signal is named once.
func riskWords(f *predict.Forest, row []float32) (out []string) {
	features := deterioration.Names()
	last := map[string]float32{}
	for i, x := range features {
		if x.Stat == "last" {
			last[x.Signal] = row[i]
		}
	}
	named := map[string]bool{}
	for _, s := range f.Top(row, 40, 1) {
		x := features[s.Feature]
		if words := phrase(x, s.Value, last); words != "" && !named[x.Signal] && len(out) < 3 {
			named[x.Signal] = true
			out = append(out, words)
		}
	}
	return out
}

func label(m vigil.Metric) string {
	if def, ok := coding.Lookup(m); ok {
		return def.Name
	}
	return string(m)
}
