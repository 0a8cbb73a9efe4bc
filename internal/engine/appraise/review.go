package appraise

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/predict"
	"github.com/vigil-health/vigil/internal/engine/predict/falsealarm"
)

const (
	reviewWait = 500 * time.Millisecond // an alarm does not wait longer for a model; then it is raised as it is
	modelName  = "false-alarm-model"    // Demotion.By
)

// curveKinds are the waveforms that are read, in order of use.
var curveKinds = []struct {
	metric vigil.Metric
	kind   falsealarm.Kind
}{
	{"ecg-ii", falsealarm.ECG}, {"ecg-v", falsealarm.ECG}, {"ecg-avr", falsealarm.ECG}, {"ecg-patch", falsealarm.ECG},
	{"pleth", falsealarm.Pleth}, {"art-wave", falsealarm.Pressure},
}

// Review judges an alarm before it goes to the desk (rule.Config.Review). While the model notifies, what is very likely
// artefact is demoted to low, with the reason; in shadow the judgement is made beside the path and only kept. What no
// channel can be trusted on is left as it is.
func (r *Registry) Review(ctx context.Context, a *vigil.Alarm) {
	m, state := r.of(FalseAlarm)
	if m == nil || !a.Subject.IsPatient() {
		return
	}
	kind, ok := m.kindOf(a.Rule)
	if !ok {
		return
	}
	id, subject, at := a.ID, a.Subject, r.cfg.Now()
	if state == Shadow {
		r.later(func(ctx context.Context) {
			if v, err := r.judge(ctx, m, kind, subject, at); err == nil {
				v.ID, v.State = id, Shadow
				r.store(ctx, v)
			}
		})
		return
	}
	ctx, cancel := context.WithTimeout(access.AsSystem(ctx, roomName), reviewWait)
	defer cancel()
	v, err := r.judge(ctx, m, kind, subject, at)
	if err != nil {
		return // nothing to judge by: the alarm stands
	}
	v.ID, v.State = id, Notify
	r.later(func(ctx context.Context) { r.store(ctx, v) })
	if v.Acts && a.Priority > vigil.PriorityLow {
		reason := fmt.Sprintf("looks like an artefact: %.2f", 1-v.Probability)
		if len(v.Why) > 0 {
			reason += ", " + strings.Join(v.Why, ", ")
		}
		from := a.Priority
		if d := a.Demoted; d != nil { // another reviewer went part of the way
			from, reason = d.From, d.Reason+"; "+reason
		}
		a.Demoted = &vigil.Demotion{From: from, By: modelName, Reason: reason}
		a.Priority = vigil.PriorityLow
	}
}

func (m *model) kindOf(rule string) (falsealarm.Alarm, bool) {
	name, ok := m.Rules[rule]
	if !ok {
		return 0, false
	}
	for k := falsealarm.Asystole; k <= falsealarm.VentricularFib; k++ {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// judge reads the last half minute of the patient's curves. It returns NotFound when there is no ECG among them.
func (r *Registry) judge(ctx context.Context, m *model, kind falsealarm.Alarm, s vigil.Subject, at time.Time) (Verdict, error) {
	strip := falsealarm.Strip{Alarm: kind}
	leads := 0
	for _, c := range curveKinds {
		blocks, err := r.cfg.Telemetry.Waveform(ctx, s, c.metric, at.Add(-falsealarm.Seconds*time.Second), at)
		if err != nil {
			return Verdict{}, err
		}
		curve, ok := curveOf(blocks, at)
		if !ok {
			continue
		}
		curve.Kind = c.kind
		strip.Curves = append(strip.Curves, curve)
		if c.kind == falsealarm.ECG {
			leads++
		}
	}
	if leads == 0 {
		return Verdict{}, vigil.Errorf(vigil.NotFound, "appraise.review", "no ECG in the half minute before the alarm")
	}
	row := falsealarm.Features(strip)
	raw := predict.Probability(m.forest.Margin(row))
	v := Verdict{Model: m.Key, Version: m.Version, Subject: s, At: at.UTC(), Raw: raw, Probability: m.curve.At(raw)}
	trusted := trust(m.forest.Names(), row)
	v.Acts = trusted >= m.Trust && raw < m.Cut
	if trusted < m.Trust {
		v.Missing = append(v.Missing, "a channel that can be trusted")
	}
	v.Why = artefactWords(m.forest.Names(), row)
	return v, nil
}

func trust(names []string, row []float32) (best float64) {
	for i, n := range names {
		if strings.HasSuffix(n, "/trust") && float64(row[i]) > best { // NaN is greater than nothing
			best = float64(row[i])
		}
	}
	return best
}

// curveOf lays the blocks of a waveform on one line that ends at the given time, or a moment before: what is still on its
// way does not count as missing. Blocks of another rate than the newest are left out.
func curveOf(blocks []vigil.Waveform, at time.Time) (falsealarm.Curve, bool) {
	if len(blocks) == 0 {
		return falsealarm.Curve{}, false
	}
	newest := blocks[len(blocks)-1]
	end := min(newest.End(), at.UnixNano())
	if newest.Period <= 0 || at.UnixNano()-end > int64(5*time.Second) {
		return falsealarm.Curve{}, false
	}
	n := int(int64(falsealarm.Seconds*time.Second) / newest.Period)
	data := slices.Repeat([]float64{math.NaN()}, n)
	start := end - int64(n)*newest.Period
	for _, b := range blocks {
		if b.Period != newest.Period {
			continue
		}
		shift := int((b.Start - start) / b.Period)
		for i, v := range b.Data {
			if k := shift + i; k >= 0 && k < n && v != vigil.WaveformMissing {
				data[k] = b.Offset + b.Scale*float64(v)
			}
		}
	}
	return falsealarm.Curve{Rate: newest.Rate(), Data: data}, true
}

// artefactWords says what of the curves speaks for an artefact, as far as a person can see it on the strip too.
func artefactWords(names []string, row []float32) (out []string) {
	get := func(name string) float64 {
		if i := slices.Index(names, name); i >= 0 {
			return float64(row[i])
		}
		return math.NaN()
	}
	for _, c := range []struct{ key, title string }{{"ecg", "ECG"}, {"ecg-2", "second ECG lead"}} {
		switch {
		case get(c.key+"/dead") > 0.3:
			out = append(out, c.title+" flat or off the scale")
		case get(c.key+"/trust") < 0.5:
			out = append(out, c.title+" unsteady")
		case get(c.key+"/noise") > 1:
			out = append(out, c.title+" noisy")
		}
	}
	for _, c := range []struct{ key, title string }{{"pleth", "pleth"}, {"pressure", "arterial pressure"}} {
		if rate := get(c.key + "/rate"); get(c.key+"/trust") > 0.85 && get(c.key+"/longest-pause") < 2 {
			out = append(out, fmt.Sprintf("%s beats on at %.0f/min", c.title, rate))
		}
	}
	if get("leads/agree") < 0.7 {
		out = append(out, "the leads see different beats")
	}
	return out
}
