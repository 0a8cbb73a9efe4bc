package condition_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil/internal/engine/condition"
)

const sec = int64(time.Second)

var words = condition.Vocabulary{Scores: []string{"news2", "qsofa"}} //nolint:gochecknoglobals // never changed

func compile(t testing.TB, l *condition.Layout, text string) *condition.Expr {
	t.Helper()
	e, faults := condition.Compile(l, words, text)
	if len(faults) > 0 {
		t.Fatalf("%s: %v", text, faults)
	}
	return e
}

// ask evaluates one expression on values "metric@second=value".
func ask(t *testing.T, text string, now int64, facts condition.Facts, values map[string][][2]float64) condition.Truth {
	t.Helper()
	l := &condition.Layout{}
	e := compile(t, l, text)
	s := l.NewState()
	s.Since = 1
	for slot, m := range l.Metrics() {
		for _, v := range values[string(m)] {
			s.Push(slot, int64(v[0])*sec, v[1])
		}
	}
	score := func(i int) condition.Score {
		return map[string]condition.Score{"news2": {Known: 5, Missing: 1, Live: true}, "qsofa": {}}[l.Scores()[i]]
	}
	return e.Eval(&condition.Context{State: s, Now: now * sec, Facts: &facts, Score: score})
}

func TestEval(t *testing.T) {
	day := time.Date(2026, 3, 2, 23, 30, 0, 0, time.UTC) // a Monday
	facts := condition.Facts{Unit: "icu", AgeGroup: "adult", AgeYears: 70, Flags: map[string]bool{"asleep": true}, Programmes: map[string]bool{"heart": true}, Surgery: day.AddDate(0, 0, -2).Add(-20 * time.Hour)}
	now := day.Unix()
	at := func(ago float64, v float64) [2]float64 { return [2]float64{float64(now) - ago, v} }
	ramp := [][2]float64{}
	for i := range 301 {
		ramp = append(ramp, at(float64(300-i), 80+float64(i)/10))
	}
	values := map[string][][2]float64{
		"heart-rate": ramp, "spo2": {at(240, 95), at(120, 90), at(60, 88), at(0, 86)}, "glucose": {at(3600*80, 90)},
	}
	tests := map[string]condition.Truth{
		`last("heart-rate") > 109`: condition.Yes,
		`last("heart-rate") > 120 && mean("spo2", "5m") < 92 && score("news2")>=5`: condition.No,
		`mean("spo2", "5m") < 92`:                                              condition.Yes,
		`mean("spo2", "5m") == 89.75`:                                          condition.Yes,
		`min("spo2", "5m") == 86 && max("spo2", "5m") == 95`:                   condition.Yes,
		`min("spo2", "1h") == 86`:                                              condition.Undecided, // four minutes are not half an hour
		`slope("heart-rate", "5m") > 5.99 && slope("heart-rate", "5m") < 6.01`: condition.Yes,
		`rate("heart-rate", "5m") > 5.99 && rate("heart-rate", "5m") < 6.01`:   condition.Yes,
		`delta("spo2", "5m") == -9`:                                            condition.Yes,
		`count_under("spo2", 90, "5m") == 2`:                                   condition.Yes,
		`count_over("spo2", 90, "5m") == 1`:                                    condition.Yes,
		`duration_under("spo2", 90, "5m") == 60`:                               condition.Yes,
		`duration_over("spo2", 94, "5m") == 120`:                               condition.Yes,
		`age("spo2") == 0 && age("glucose") > 3600`:                            condition.Yes,
		`last("glucose") < 100`:                                                condition.Undecided, // stale
		`last("lactate") > 2`:                                                  condition.Undecided, // never
		`last("lactate") > 2 || last("heart-rate") > 100`:                      condition.Yes,
		`last("lactate") > 2 && last("heart-rate") > 200`:                      condition.No,
		`!(last("lactate") > 2)`:                                               condition.Undecided,
		`missing("lactate", "1h") && !missing("spo2", "1m")`:                   condition.Yes,
		`score("news2") >= 5`:                                                  condition.Yes,
		`score("news2") > 5`:                                                   condition.Undecided, // a part is missing
		`5 <= score("news2")`:                                                  condition.Yes,
		`score("news2") < 7`:                                                   condition.Undecided,
		`score_known("news2") == 5`:                                            condition.Yes,
		`score("qsofa") >= 1`:                                                  condition.Undecided,
		`flag("asleep") && !flag("on-oxygen") && programme("heart")`:           condition.Yes,
		`unit in ["icu", "hdu"] && age_group == "adult" && age_years >= 65`:    condition.Yes,
		`weekday == "mon" && hour >= 22`:                                       condition.Yes,
		`postop_day == 2`:                                                      condition.Yes,
		`(hour >= 22 ? last("heart-rate") : 0) > 100`:                          condition.Yes,
		`last("heart-rate") / 0 > 1`:                                           condition.Undecided,
		`abs(delta("spo2", "5m")) * 2 - 1 == 17.0`:                             condition.Yes,
	}
	for text, want := range tests {
		if got := ask(t, text, now, facts, values); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

func TestEveryFaultWithItsPlace(t *testing.T) {
	_, faults := condition.Compile(&condition.Layout{}, words, "last(\"hart-rate\") > 120 &&\n  mean(\"spo2\", \"3d\") < 92 && flag(\"asleeep\")\n  || score(\"news3\") >= 5")
	want := []condition.Fault{
		{1, 6, `no metric "hart-rate"; did you mean "heart-rate"?`},
		{2, 16, `the window "3d" must be from 1s to 24h`},
		{2, 35, `no flag "asleeep"; did you mean "asleep"?`},
		{3, 12, `no score "news3"; did you mean "news2"?`},
	}
	if diff := cmp.Diff(want, faults); diff != "" {
		t.Error(diff)
	}
	for text, part := range map[string]string{
		`last("spo2")`:        "must be yes or no",
		`last("spo2") > "a"`:  "no matching overload",
		`nothing("spo2") > 1`: "undeclared",
		`last("spo2"`:         "missing",
		`last("spo2") > 1 && [1].exists(x, x > 1)`:         "language of rules",
		`last("sp"+"o2") > 1`:                              "",
		strings.Repeat(`flag("asleep") && `, 150) + `true`: "",
		strings.Repeat("(", 300):                           "",
		`count_over("spo2", last("spo2"), "1m") > 1`:       "must be a number",
		`"a" in unit`: "",
		``:            "",
	} {
		e, faults := condition.Compile(&condition.Layout{}, words, text)
		if e != nil || len(faults) == 0 {
			t.Errorf("%.60s: accepted", text)
			continue
		}
		found := false
		for _, f := range faults {
			found = found || strings.Contains(f.Msg, part)
		}
		if !found {
			t.Errorf("%.60s: %v does not say %q", text, faults, part)
		}
	}
}

// TestWindowsAgainstTheirDefinition compares the windows, kept as values come, with the same made from all values anew.
func TestWindowsAgainstTheirDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const window = 300 * sec
	fns := []string{"mean", "min", "max", "slope", "delta", "rate", "count_over", "duration_over"}
	l := &condition.Layout{}
	exprs := map[string]*condition.Expr{}
	for _, fn := range fns {
		args := `"5m"`
		if strings.HasSuffix(fn, "over") {
			args = `97, "5m"`
		}
		exprs[fn] = compile(t, l, fn+`("temperature", `+args+`) > 0 || true`)
	}
	s := l.NewState()
	s.Since = 1
	var all [][2]float64
	at := int64(1_760_000_000) * sec
	for range 20_000 {
		at += rng.Int64N(9*sec) + 1
		v := 96 + 2*rng.NormFloat64()
		s.Push(0, at, v)
		all = append(all, [2]float64{float64(at), v})
		for len(all) > 0 && int64(all[0][0]) <= at-2*window {
			all = all[1:]
		}
		if rng.IntN(10) > 0 {
			continue
		}
		now := at + rng.Int64N(20*sec)
		for _, fn := range fns {
			got := condition.Number(l, s, fn, now)
			want := naive(fn, all, now, window)
			if math.IsNaN(want) != math.IsNaN(got) || math.Abs(got-want) > 1e-5*max(1, math.Abs(want)) {
				t.Fatalf("%s at %d: %g, want %g", fn, now, got, want)
			}
		}
		at = now // time does not go back
	}
}

func naive(fn string, all [][2]float64, now, window int64) float64 {
	var in [][2]float64
	for _, p := range all {
		if int64(p[0]) > now-window {
			in = append(in, p)
		}
	}
	counts := strings.HasSuffix(fn, "over")
	if len(in) == 0 || !counts && (len(in) < 2 || int64(in[0][0]) > now-window/2) {
		return math.NaN()
	}
	first, last := in[0], in[len(in)-1]
	sum, low, high, count, dwell := 0.0, math.Inf(1), math.Inf(-1), 0.0, 0.0
	for i, p := range in {
		sum, low, high = sum+p[1], min(low, p[1]), max(high, p[1])
		if p[1] > 97 {
			count++
			end := float64(now)
			if i+1 < len(in) {
				end = in[i+1][0]
			}
			dwell += (end - p[0]) / 1e9
		}
	}
	mean := sum / float64(len(in))
	switch fn {
	case "mean":
		return mean
	case "min":
		return low
	case "max":
		return high
	case "delta":
		return last[1] - first[1]
	case "rate":
		return (last[1] - first[1]) / ((last[0] - first[0]) / 60e9)
	case "count_over":
		return count
	case "duration_over":
		return dwell
	}
	xm := 0.0
	for _, p := range in {
		xm += (p[0] - first[0]) / 60e9 / float64(len(in))
	}
	num, den := 0.0, 0.0
	for _, p := range in {
		x := (p[0]-first[0])/60e9 - xm
		num, den = num+x*(p[1]-mean), den+x*x
	}
	return num / den
}

func TestLongWindowsStayBounded(t *testing.T) {
	l := &condition.Layout{}
	e := compile(t, l, `mean("heart-rate", "24h") > 69 && min("heart-rate", "24h") > 1`)
	s := l.NewState()
	for i := range int64(3 * 86400) {
		s.Push(0, (1+i)*sec, 70)
	}
	if got := e.Eval(&condition.Context{State: s, Now: 3 * 86400 * sec, Facts: &condition.Facts{}}); got != condition.Yes {
		t.Errorf("%d, want yes", got)
	}
	if kept := condition.Kept(s); kept > 10_000 {
		t.Errorf("%d values kept", kept)
	}
}

func BenchmarkEval(b *testing.B) {
	l := &condition.Layout{}
	e := compile(b, l, `last("heart-rate") > 120 && mean("spo2", "5m") < 92 && slope("heart-rate", "10m") > 2`)
	s := l.NewState()
	c := &condition.Context{State: s, Facts: &condition.Facts{}}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := int64(i+1) * sec
		s.Push(0, at, 130+float64(i%7))
		s.Push(1, at, 88+float64(i%5))
		c.Now = at
		e.Eval(c)
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(`last("heart-rate") > 120 && mean("spo2", "5m") < 92 && score("news2") >= 5`)
	f.Add(`(hour >= 22 ? last("heart-rate") : -1.5e3) > 1u || unit in ["a", 'b']`)
	f.Add(`count_over("spo2", 90, "1d") != 0x1F`)
	f.Add(`!(missing("spo2", "1m")) == true`)
	f.Fuzz(func(t *testing.T, text string) {
		l := &condition.Layout{}
		e, faults := condition.Compile(l, words, text)
		if (e == nil) != (len(faults) > 0) {
			t.Fatalf("expression %v, faults %v", e, faults)
		}
		if e == nil {
			return
		}
		s := l.NewState()
		for slot := range l.Metrics() {
			s.Push(slot, sec, 1)
			s.Push(slot, 100*sec, 2)
		}
		e.Eval(&condition.Context{State: s, Now: 101 * sec, Facts: &condition.Facts{}, Score: func(int) condition.Score { return condition.Score{} }})
	})
}
