package rule

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

const (
	evidenceSpan   = 30 * time.Minute
	evidencePoints = 60
	evidenceWait   = time.Second // an alarm does not wait longer for its pictures
)

// companions are the metrics shown beside the one that alarms.
var companions = [...]vigil.Metric{"heart-rate", "art-mean", "bp-mean", "spo2", "respiratory-rate", "temperature"}

// explain writes why: the sentence, the metrics before the alarm, limits, delay, quality and facts.
func (e *Engine) explain(ctx context.Context, st *subject, a act, out *vigil.Alarm) {
	c := a.rule
	delay := c.Delay
	for _, s := range c.sources {
		if int32(s.metric) == a.cond.metric {
			delay = time.Duration(s.delay)
		}
	}
	ev := &vigil.Evidence{Sentence: sentence(c.Sentence, out.Limit, delay), Delay: delay, Limits: map[string]vigil.Limit{}, Lines: []vigil.EvidenceLine{}, Quality: "good"}
	if c.Sentence == "" {
		ev.Sentence = c.said
	}
	if c.Kind == KindNoData {
		delay = time.Duration(a.at - a.cond.since).Round(time.Second)
		ev.Sentence, ev.Delay = sentence(c.Sentence, 0, delay), delay
	}
	out.Evidence = ev
	if !st.patient {
		return
	}
	e.lines(ctx, st, a, out)
	for _, l := range ev.Lines {
		if lim, ok := e.limitOf(st, l.Metric); ok {
			ev.Limits[string(l.Metric)] = lim
		}
	}
	if fact := e.scoreFact(st, a.cond.since); fact != "" {
		ev.Facts = append(ev.Facts, fact)
	}
}

func (e *Engine) lines(ctx context.Context, st *subject, a act, out *vigil.Alarm) {
	if e.cfg.Telemetry == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, evidenceWait)
	defer cancel()
	metrics := slices.Clone(companions[:])
	if out.Metric != "" && !slices.Contains(metrics, out.Metric) {
		metrics = append(metrics, out.Metric)
	}
	to := time.Unix(0, max(a.cond.since, a.at)).Add(time.Millisecond)
	found, err := e.cfg.Telemetry.Query(ctx, telemetry.Query{Subject: st.id, Metrics: metrics, From: to.Add(-evidenceSpan), To: to, Points: evidencePoints})
	if err != nil {
		e.cfg.Log.Warn("evidence not readable", "rule", a.rule.Key, "subject", st.id, "error", err)
		return
	}
	slices.SortStableFunc(found, func(x, y telemetry.Line) int { return lineRank(x.Metric, out.Metric) - lineRank(y.Metric, out.Metric) })
	doubted, all, simulated := 0, 0, false
	for _, l := range found {
		if len(l.Points) == 0 {
			continue
		}
		ev := vigil.EvidenceLine{Metric: l.Metric, From: l.Points[0].Mean, To: l.Points[len(l.Points)-1].Mean, Points: make([][2]float64, 0, evidencePoints)}
		skip := (len(l.Points) + evidencePoints - 1) / evidencePoints
		for i, p := range l.Points {
			if (len(l.Points)-1-i)%skip == 0 {
				ev.Points = append(ev.Points, [2]float64{float64(p.Time / 1e6), p.Mean})
			}
			all++
			if p.Quality&vigil.QualityQuestionable != 0 {
				doubted++
			}
			simulated = simulated || p.Quality&vigil.QualitySimulated != 0
		}
		if l.Metric == out.Metric {
			out.Text = trendText(l.Points, a.rule.low)
		}
		out.Evidence.Lines = append(out.Evidence.Lines, ev)
	}
	if doubted > 0 {
		out.Evidence.Quality = fmt.Sprintf("%d of %d points questionable", doubted, all)
	}
	if simulated {
		out.Evidence.Quality += ", simulated"
	}
}

func lineRank(m, first vigil.Metric) int {
	if m == first {
		return -1
	}
	return slices.Index(companions[:], m)
}

// limitOf returns the limits in force of a metric: those of its rules that are not extreme.
func (e *Engine) limitOf(st *subject, m vigil.Metric) (vigil.Limit, bool) {
	var out vigil.Limit
	i, ok := st.prog.index[m]
	if !ok {
		return out, false
	}
	for _, pos := range st.prog.byMet[i] {
		c, v := st.prog.rules[pos], st.limits[pos]
		switch {
		case c.shadow || c.Extreme || math.IsNaN(v): // a rule on trial shows no limit to anybody
		case c.low:
			out.Low = &v
		default:
			out.High = &v
		}
	}
	return out, out.Low != nil || out.High != nil
}

// scoreFact says what NEWS2 is and what it was, "NEWS2 10, was 2, 60 min before".
func (e *Engine) scoreFact(st *subject, at int64) string {
	now, ok := e.scoreOf(st, "news2")
	if !ok {
		return ""
	}
	text := "NEWS2 at least " + strconv.Itoa(now.Known) + " (" + strings.Join(now.Missing, ", ") + " missing)"
	if now.Total != nil {
		text = "NEWS2 " + strconv.Itoa(*now.Total)
	}
	for _, was := range st.totals { // oldest first: the lowest the patient came from
		if age := time.Duration(at - was.time); now.Total != nil && was.total < *now.Total && age >= time.Minute {
			return fmt.Sprintf("%s, was %d, %s before", text, was.total, roughly(age))
		}
	}
	return text
}

func sentence(pattern string, limit float64, delay time.Duration) string {
	if delay == 0 {
		pattern = strings.NewReplacer(" for {delay}", "", "stayed ", "is ", "was ", "is ").Replace(pattern)
	}
	return strings.NewReplacer("{limit}", strconv.FormatFloat(limit, 'f', -1, 64), "{delay}", roughly(delay)).Replace(pattern)
}

func roughly(d time.Duration) string {
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%.0f h", d.Hours())
}

func leadNames(d *device) string {
	var names []string
	for _, l := range d.leads {
		if !l.off {
			continue
		}
		name := string(l.metric)
		if def, ok := coding.Lookup(l.metric); ok {
			name = def.Label
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}

// trendText says how long a metric has been moving towards the alarm, "falling for 6 min", or nothing. It works on
// medians of one minute, so that single readings do not matter: back from the newest as long as no earlier minute lies
// on the wrong side, then forward over the plateau the movement began from.
func trendText(pts []telemetry.Point, low bool) string {
	med := minutes(pts)
	if len(med) < 3 {
		return ""
	}
	sign, word := 1.0, "rising"
	if low {
		sign, word = -1, "falling"
	}
	last := len(med) - 1
	tol := max(1, 0.02*math.Abs(med[last]))
	if math.Abs(med[last]) < 60 && !low || math.Abs(med[last]) < 45 { // temperatures and breathing rates move less
		tol = max(0.1, 0.01*math.Abs(med[last]))
	}
	start := last
	for start > 0 && sign*(med[start]-med[start-1]) >= -tol {
		start--
	}
	top := start
	for i := start; i <= last; i++ {
		if sign*(med[i]-med[start]) <= tol {
			top = i
		}
	}
	if last-top < 2 || sign*(med[last]-med[top]) < 3*tol {
		return ""
	}
	return fmt.Sprintf("%s for %d min", word, last-top)
}

// minutes returns the median of every minute that has points, oldest first.
func minutes(pts []telemetry.Point) []float64 {
	var out, bin []float64
	flush := func() {
		if len(bin) > 0 {
			slices.Sort(bin)
			out = append(out, bin[len(bin)/2])
			bin = bin[:0]
		}
	}
	for i, p := range pts {
		if i > 0 && p.Time/int64(time.Minute) != pts[i-1].Time/int64(time.Minute) {
			flush()
		}
		bin = append(bin, p.Mean)
	}
	flush()
	return out
}
