package webapi

import (
	"context"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

type trendSeries struct {
	Metric   vigil.Metric `json:"metric"`
	Label    string       `json:"label"`
	Unit     string       `json:"unit"`
	Decimals int          `json:"decimals"`
	Low      *float64     `json:"low,omitempty"`
	High     *float64     `json:"high,omitempty"`
	Points   [][4]float64 `json:"points"` // time_ms, mean, min, max
	Gaps     [][2]int64   `json:"gaps"`

	Corrections []correctionView `json:"corrections,omitempty"`
}

// correctionView is a value that a later report replaced; the points show the new one.
type correctionView struct {
	TimeMS        int64          `json:"time_ms"`
	Old           float64        `json:"old"`
	New           float64        `json:"new"`
	OldReceivedMS int64          `json:"old_received_ms,omitempty"` // absent when no longer known
	ReceivedMS    int64          `json:"received_ms"`
	Device        vigil.DeviceID `json:"device"`
	Protocol      string         `json:"protocol"`
}

type trendEvent struct {
	TimeMS int64  `json:"time_ms"`
	Kind   string `json:"kind"`
	Text   string `json:"text"`
}

type trendView struct {
	FromMS int64         `json:"from_ms"`
	ToMS   int64         `json:"to_ms"`
	Series []trendSeries `json:"series"`
	Events []trendEvent  `json:"events"`
}

func (a *API) trend(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	from, to, err := c.span(a.cfg.Now(), 4*time.Hour)
	if err != nil {
		return nil, err
	}
	points, err := c.number("points", 500, 10, 5000)
	if err != nil {
		return nil, err
	}
	var metrics []vigil.Metric
	if s := c.query("metrics"); s != "" {
		for k := range strings.SplitSeq(s, ",") {
			if _, ok := coding.Lookup(vigil.Metric(k)); !ok {
				return nil, vigil.Errorf(vigil.Invalid, "webapi.trend", "%q is not in the metric catalogue", k)
			}
			metrics = append(metrics, vigil.Metric(k))
		}
	}
	return a.trendOf(c.ctx, telemetry.Query{Subject: subject, Metrics: metrics, From: from, To: to, Points: points})
}

func (a *API) trendOf(ctx context.Context, q telemetry.Query) (*trendView, error) {
	lines, err := a.cfg.Telemetry.Query(ctx, q)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Rules.LimitsOf(ctx, q.Subject)
	if err != nil {
		return nil, err
	}
	limits := map[vigil.Metric]rule.LimitView{}
	for _, l := range list {
		limits[l.Metric] = l
	}
	out := &trendView{q.From.UnixMilli(), q.To.UnixMilli(), []trendSeries{}, []trendEvent{}}
	for _, l := range lines {
		m, ok := coding.Lookup(l.Metric)
		if !ok || m.Shape != coding.Numeric {
			continue
		}
		lim := limitOf(l.Metric, limits)
		s := trendSeries{Metric: l.Metric, Label: m.Label, Unit: m.Unit, Decimals: m.Decimals, Low: lim.Low, High: lim.High, Points: make([][4]float64, 0, len(l.Points)), Gaps: [][2]int64{}}
		for _, p := range l.Points {
			s.Points = append(s.Points, [4]float64{float64(p.Time / 1e6), round(p.Mean, m.Decimals+1), round(p.Min, m.Decimals+1), round(p.Max, m.Decimals+1)})
		}
		for _, g := range l.Gaps {
			s.Gaps = append(s.Gaps, [2]int64{g.From / 1e6, g.To / 1e6})
		}
		if s.Corrections, err = a.correctionsOf(ctx, q, l); err != nil {
			return nil, err
		}
		out.Series = append(out.Series, s)
	}
	out.Events, err = a.trendEvents(ctx, q)
	return out, err
}

const maxCorrections = 200 // of a line, the newest

// correctionsOf returns what was replaced among the points of the line.
func (a *API) correctionsOf(ctx context.Context, q telemetry.Query, l telemetry.Line) ([]correctionView, error) {
	corrected := func(p telemetry.Point) bool { return p.Quality&vigil.QualityCorrected != 0 }
	if !slices.ContainsFunc(l.Points, corrected) {
		return nil, nil
	}
	list, err := a.cfg.Telemetry.Corrections(ctx, q.Subject, l.Metric, q.From, q.To)
	if err != nil {
		return nil, err
	}
	var out []correctionView
	for _, c := range list[max(0, len(list)-maxCorrections):] {
		v := correctionView{TimeMS: c.Time.UnixMilli(), Old: c.Old, New: c.New, ReceivedMS: c.Received.UnixMilli(), Device: c.Device, Protocol: c.Protocol}
		if !c.OldReceived.IsZero() {
			v.OldReceivedMS = c.OldReceived.UnixMilli()
		}
		out = append(out, v)
	}
	return out, nil
}

func round(v float64, decimals int) float64 {
	f := math.Pow10(decimals)
	return math.Round(v*f) / f
}

// trendEvents puts alarms and device events beside the lines.
func (a *API) trendEvents(ctx context.Context, q telemetry.Query) ([]trendEvent, error) {
	out := []trendEvent{}
	alarms, err := a.cfg.Desk.List(ctx, alarm.Query{Subject: q.Subject, From: q.From, To: q.To})
	if err != nil {
		return nil, err
	}
	for _, al := range alarms {
		if al.Kind == vigil.KindAlarm && al.Class == vigil.Physiological {
			out = append(out, trendEvent{al.Raised.UnixMilli(), "alarm", al.Title})
		}
	}
	events, err := a.cfg.Telemetry.Events(ctx, q.Subject, nil, q.From, q.To)
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		if name := firstOf(e.Data["medication"], e.Data["drug"]); name != "" {
			out = append(out, trendEvent{e.Time / 1e6, "medication", name})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].TimeMS < out[j].TimeMS })
	if len(out) > 200 {
		out = out[len(out)-200:]
	}
	return out, nil
}

func (a *API) waveform(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	from, to, err := c.span(a.cfg.Now(), 10*time.Second)
	if err != nil {
		return nil, err
	}
	if to.Sub(from) > time.Minute {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.waveform", "at most 60 s of waveform at once")
	}
	metric := vigil.Metric(c.query("metric"))
	blocks, err := a.cfg.Telemetry.Waveform(c.ctx, subject, metric, from, to)
	if err != nil {
		return nil, err
	}
	m, ok := coding.Lookup(metric)
	if !ok || m.Shape != coding.Waveform {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.waveform", "%q is no waveform", metric)
	}
	out := map[string]any{"metric": metric, "unit": m.Unit, "samples": []any{}}
	if len(blocks) == 0 {
		return out, nil
	}
	first := blocks[0]
	start := max(first.Start, from.UnixNano())
	samples := make([]*int16, max(0, (min(blocks[len(blocks)-1].End(), to.UnixNano())-start)/first.Period))
	for bi := range blocks {
		b := &blocks[bi]
		if b.Period != first.Period || b.Scale != first.Scale || b.Offset != first.Offset {
			continue // another device took over; its strip is asked for by itself
		}
		for i := range b.Data {
			at := (b.Start + int64(i)*b.Period - start) / first.Period
			if at >= 0 && at < int64(len(samples)) && b.Data[i] != vigil.WaveformMissing {
				samples[at] = &b.Data[i]
			}
		}
	}
	out["rate"], out["scale"], out["offset"], out["start_ms"], out["samples"] = first.Rate(), first.Scale, first.Offset, start/1e6, samples
	return out, nil
}

func (a *API) news2(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	from, to, err := c.span(a.cfg.Now(), 4*time.Hour)
	if err != nil {
		return nil, err
	}
	step, err := c.number("step_ms", int(to.Sub(from).Milliseconds()/12), 60_000, 24*3600_000)
	if err != nil {
		return nil, err
	}
	list, err := a.cfg.Rules.ScoreHistory(c.ctx, "news2", telemetry.Query{Subject: subject, From: from, To: to}, time.Duration(step)*time.Millisecond)
	if err != nil {
		return nil, err
	}
	type column struct {
		TimeMS int64      `json:"time_ms"`
		Score  *scoreView `json:"score"`
	}
	out := []column{}
	for _, r := range list {
		out = append(out, column{r.Time.UnixMilli(), viewScore(r)})
	}
	return map[string]any{"columns": out}, nil
}

func parseFloat(key, s string) (float64, error) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, vigil.Errorf(vigil.Invalid, "webapi.query", "%s=%q is not a number", key, s)
	}
	return v, nil
}
