package rpm_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app/rpm"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

func TestCount(t *testing.T) {
	num := func(v float64) *float64 { return &v }
	al := func(p vigil.Priority, title string) vigil.Alarm { return vigil.Alarm{Priority: p, Title: title} }
	const day = 24 * time.Hour
	for _, c := range []struct {
		name  string
		facts rpm.Facts
		want  rpm.Risk
	}{
		{"Nothing", rpm.Facts{}, rpm.Risk{Level: "low", Reasons: []string{}}},
		{"HighAlarm", rpm.Facts{Alarms: []vigil.Alarm{al(vigil.PriorityHigh, "Systolic low")}}, rpm.Risk{"high", 40, []string{"Systolic low"}}},
		{"TwoAlarmsCount", rpm.Facts{Alarms: []vigil.Alarm{al(vigil.PriorityMedium, "A"), al(vigil.PriorityLow, "B"), al(vigil.PriorityHigh, "C")}}, rpm.Risk{"medium", 28, []string{"A", "B"}}},
		{"SmallScore", rpm.Facts{HasNEWS2: true, NEWS2: 2}, rpm.Risk{Level: "low", Reasons: []string{}}},
		{"Score", rpm.Facts{HasNEWS2: true, NEWS2: 5, Unknown: 1}, rpm.Risk{"medium", 20, []string{"NEWS2 at least 5"}}},
		{"SingleThree", rpm.Facts{HasNEWS2: true, NEWS2: 3, Extreme: true}, rpm.Risk{"medium", 24, []string{"NEWS2 3"}}},
		{"BelowOwnWeek", rpm.Facts{Systolic: num(98), Usual: num(121)}, rpm.Risk{"medium", 20, []string{"Systolic 98, 23 below own week"}}},
		{"NearOwnWeek", rpm.Facts{Systolic: num(140), Usual: num(121)}, rpm.Risk{Level: "low", Reasons: []string{}}},
		{"ADayIsNothing", rpm.Facts{Silent: 47 * time.Hour}, rpm.Risk{Level: "low", Reasons: []string{}}},
		{"Silent", rpm.Facts{Silent: 3 * day}, rpm.Risk{"medium", 20, []string{"No reading for 3 days"}}},
		{"LongSilent", rpm.Facts{Silent: 30 * day}, rpm.Risk{"medium", 30, []string{"No reading for 30 days"}}},
		{"Never", rpm.Facts{Silent: -1}, rpm.Risk{"medium", 20, []string{"No reading yet"}}},
		{"Missed", rpm.Facts{Missed: 1}, rpm.Risk{"low", 4, []string{"1 dose missed this week"}}},
		{"Everything", rpm.Facts{Alarms: []vigil.Alarm{al(vigil.PriorityHigh, "A"), al(vigil.PriorityHigh, "B")}, HasNEWS2: true, NEWS2: 9, Missed: 9},
			rpm.Risk{"high", 100, []string{"A", "B", "NEWS2 9", "9 doses missed this week"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, rpm.Count(c.facts)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAdhere(t *testing.T) {
	today := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	// a word per day, oldest first, the last is today: d dispensed, t taken, m missed
	for _, c := range []struct {
		name string
		days []string
		want rpm.Adherence
	}{
		{"Nothing", nil, rpm.Adherence{}},
		{"AllTaken", []string{"dtdt", "dt", ""}, rpm.Adherence{Days: 2, Covered: 2}},
		{"DispensedOnly", []string{"dtd", "dt", ""}, rpm.Adherence{Days: 2, Covered: 1, Missed: 1}},
		{"SaysMissed", []string{"tm", ""}, rpm.Adherence{Days: 1, Missed: 1}},
		{"TodayIsNotOver", []string{"dt", "d"}, rpm.Adherence{Days: 1, Covered: 1}},
		{"LastWeekOnly", []string{"m", "t", "t", "t", "t", "t", "t", "t", "d"}, rpm.Adherence{Days: 8, Covered: 7}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var events []telemetry.StoredEvent
			for i, word := range c.days {
				for n, l := range word {
					kind := map[rune]vigil.EventKind{'d': "dose-dispensed", 't': "dose-taken", 'm': "dose-missed"}[l]
					at := today.AddDate(0, 0, i+1-len(c.days)).Add(time.Duration(8+n) * time.Hour)
					events = append(events, telemetry.StoredEvent{Event: vigil.Event{Kind: kind, Time: at.UnixNano()}})
				}
			}
			if got := rpm.Adhere(events, today); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
		ok   bool
	}{{nil, 0, false}, {[]float64{1, 2}, 0, false}, {[]float64{9, 1, 5}, 5, true}, {[]float64{4, 1, 3, 2}, 2.5, true}} {
		if got, ok := rpm.Median(c.in); got != c.want || ok != c.ok {
			t.Errorf("median %v = %v, %v", c.in, got, ok)
		}
	}
}
