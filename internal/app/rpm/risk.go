package rpm

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/score"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// Risk says whom to look at first. It orders a worklist; it is no validated score and predicts nothing.
type Risk struct {
	Level   string   `json:"level"` // high, medium, low
	Score   int      `json:"score"` // 0 to 100
	Reasons []string `json:"reasons"`
}

// Facts are what the risk is counted from.
type Facts struct {
	Alarms   []vigil.Alarm // open, of kind alarm or call
	NEWS2    int           // the sum of the parts that are known
	Unknown  int           // parts of NEWS2 that are not
	HasNEWS2 bool
	Systolic *float64      // latest
	Usual    *float64      // median of the own week before
	Silent   time.Duration // since the last reading; negative when there never was one
	Missed   int           // doses in the last seven days
	Extreme  bool          // one part of NEWS2 scores 3
}

// Count adds up the points of the facts:
//
//	open alarm or call   high 40, medium 20, low 8; two of the most urgent count
//	NEWS2                4 a point from 3 on; 12 more when one parameter scores 3 (RCP 2017: urgent review)
//	systolic             20 when it is 20 mmHg or more off the own week's median
//	no reading           10 a day from the second day, at most 30; 20 when there never was one
//	missed doses         4 each in a week, at most 16
//
// High is 40 and more, medium 15 and more.
func Count(f Facts) Risk {
	r := Risk{Level: "low", Reasons: []string{}}
	add := func(points int, format string, args ...any) {
		r.Score += points
		r.Reasons = append(r.Reasons, fmt.Sprintf(format, args...))
	}
	for i, a := range f.Alarms {
		if i == 2 {
			break
		}
		if p := map[vigil.Priority]int{vigil.PriorityHigh: 40, vigil.PriorityMedium: 20, vigil.PriorityLow: 8}[a.Priority]; p > 0 {
			add(p, "%s", a.Title)
		}
	}
	if f.HasNEWS2 && (f.NEWS2 >= 3 || f.Extreme) {
		points, most := 4*f.NEWS2, ""
		if f.Extreme {
			points += 12
		}
		if f.Unknown > 0 {
			most = "at least "
		}
		add(points, "NEWS2 %s%d", most, f.NEWS2)
	}
	if f.Systolic != nil && f.Usual != nil {
		if off := *f.Systolic - *f.Usual; math.Abs(off) >= 20 {
			side := "above"
			if off < 0 {
				side = "below"
			}
			add(20, "Systolic %.0f, %.0f %s own week", *f.Systolic, math.Abs(off), side)
		}
	}
	switch days := int(f.Silent / day); {
	case f.Silent < 0:
		add(20, "No reading yet")
	case days >= 2:
		add(min(10*(days-1), 30), "No reading for %s", count(days, "day"))
	}
	if f.Missed > 0 {
		add(min(4*f.Missed, 16), "%s missed this week", count(f.Missed, "dose"))
	}
	r.Score = min(r.Score, 100)
	switch {
	case r.Score >= 40:
		r.Level = "high"
	case r.Score >= 15:
		r.Level = "medium"
	}
	return r
}

// news2 scores the newest values, none older than the table allows. Without any value there is no score.
func news2(t *score.Table, last []telemetry.Value, f *Facts, now time.Time) {
	inputs := t.Inputs()
	values := make([]float64, len(inputs))
	for i, in := range inputs {
		values[i] = math.NaN()
		var newest time.Time
		for _, v := range last {
			if slices.Contains(in.Metrics, v.Metric) && now.Sub(v.Time) <= in.MaxAge && v.Time.After(newest) {
				newest, values[i] = v.Time, in.Of(v.Metric, v.Value)
				f.HasNEWS2 = true
			}
		}
	}
	res := t.Score(values, nil, now)
	f.NEWS2, f.Unknown = res.Known, len(res.Missing)
	for _, p := range res.Parts {
		if p.Score != nil && *p.Score >= 3 {
			f.Extreme = true
		}
	}
}

// Adherence is counted from what a dispenser says, day by day: asked is what it dispensed, or what was taken or missed
// when that is more. It is a simple view; the medication application knows the prescriptions.
type Adherence struct {
	Days    int // with a dose
	Covered int // days on which every dose was taken
	Missed  int // doses in the last seven days
}

// Adhere counts the whole days before today.
func Adhere(events []telemetry.StoredEvent, today time.Time) (a Adherence) {
	type tally struct{ dispensed, taken, missed int }
	days := map[time.Time]*tally{}
	for _, e := range events {
		y, m, d := e.At().In(today.Location()).Date()
		key := time.Date(y, m, d, 0, 0, 0, 0, today.Location())
		if !key.Before(today) {
			continue
		}
		if days[key] == nil {
			days[key] = &tally{}
		}
		switch e.Kind {
		case "dose-dispensed":
			days[key].dispensed++
		case "dose-taken":
			days[key].taken++
		case "dose-missed":
			days[key].missed++
		}
	}
	for key, d := range days {
		asked := max(d.dispensed, d.taken+d.missed)
		if asked == 0 {
			continue
		}
		a.Days++
		if d.taken >= asked {
			a.Covered++
		} else if !key.Before(today.AddDate(0, 0, -7)) {
			a.Missed += asked - d.taken
		}
	}
	return a
}

// Median returns the middle of the values; false when there are fewer than three.
func Median(values []float64) (float64, bool) {
	if len(values) < 3 {
		return 0, false
	}
	v := slices.Sorted(slices.Values(values))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2, true
	}
	return v[len(v)/2], true
}
