package score_test

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"
)

// published is table 1 of Parshuram et al. 2009, the words of its cells: for 0, 1, 2 and 4 points. The test reads them by
// itself, so that neither the catalogue nor the evaluator is its own judge.
func published() map[string]map[string][4]string {
	return map[string]map[string][4]string{
		"hr": {
			"under-3-months": {">110 and <150", "≥150 or ≤110", "≥180 or ≤90", "≥190 or ≤80"}, "under-1-year": {">100 and <150", "≥150 or ≤100", "≥170 or ≤80", "≥180 or ≤70"},
			"under-4-years": {">90 and <120", "≥120 or ≤90", "≥150 or ≤70", "≥170 or ≤60"}, "under-12-years": {">70 and <110", "≥110 or ≤70", "≥130 or ≤60", ">150 or ≤50"},
			"": {">60 and <100", "≥100 or ≤60", "≥120 or <50", "≥140 or ≤40"},
		},
		"sbp": {
			"under-3-months": {">60 and <80", "≥80 or ≤60", "≥100 or ≤50", "≥130 or ≤45"}, "under-1-year": {">80 and <100", "≥100 or ≤80", "≥120 or ≤70", "≥150 or ≤60"},
			"under-4-years": {">90 and <110", "≥110 or ≤90", "≥125 or ≤75", "≥160 or ≤65"}, "under-12-years": {">90 and <120", "≥120 or ≤90", "≥140 or ≤80", "≥170 or ≤70"},
			"": {">100 and <130", "≥130 or ≤100", "≥150 or ≤85", "≥190 or ≤75"},
		},
		"rr": {
			"under-3-months": {">29 and <61", "≥61 or ≤29", "≥81 or ≤19", "≥91 or ≤15"}, "under-1-year": {">24 and <51", "≥51 or ≤24", "≥71 or ≤19", "≥81 or ≤15"},
			"under-4-years": {">19 and <41", "≥41 or ≤19", "≥61 or ≤15", "≥71 or ≤12"}, "under-12-years": {">19 and <31", "≥31 or ≤19", "≥41 or ≤14", "≥51 or ≤10"},
			"": {">11 and <17", "≥17 or ≤11", "≥23 or ≤10", "≥30 or ≤9"},
		},
	}
}

// fits reads a cell such as "≥150 or ≤110".
func fits(t *testing.T, cell string, v float64) bool {
	t.Helper()
	part := func(s string) bool {
		sign := []rune(s)[0]
		n, err := strconv.ParseFloat(strings.TrimPrefix(s, string(sign)), 64)
		if err != nil {
			t.Fatal(err)
		}
		return map[rune]bool{'>': v > n, '<': v < n, '≥': v >= n, '≤': v <= n}[sign]
	}
	if a, b, ok := strings.Cut(cell, " and "); ok {
		return part(a) && part(b)
	}
	a, b, _ := strings.Cut(cell, " or ")
	return part(a) || part(b)
}

func calmChild() map[string]float64 {
	return map[string]float64{"hr": 90, "sbp": 110, "crt": 1, "rr": 14, "effort": 0, "spo2": 98, "oxygen": 0, "much-oxygen": 0}
}

// TestPEWSVectors compares every value from 0 to 260 in half steps, in every age band, with the published cells.
func TestPEWSVectors(t *testing.T) {
	pews := tables(t)["pews"]
	bands := []string{"under-3-months", "under-1-year", "under-4-years", "under-12-years", ""}
	passed := 0
	for item, byAge := range published() {
		for i, age := range bands {
			flags := map[string]bool{} // a child under three months is under a year as well
			for _, older := range bands[i:] {
				flags[older] = older != ""
			}
			for v := 0.0; v <= 260; v += .5 {
				want := -1
				for col, points := range []int{0, 1, 2, 4} {
					if fits(t, byAge[age][col], v) {
						want = points // a worse column wins
					}
				}
				in := calmChild()
				in[item] = v
				got := -2
				for _, p := range pews.ScoreOf(in, flags, time.Time{}).Parts {
					if p.Key == item && p.Score != nil {
						got = *p.Score
					}
				}
				if got != want {
					t.Errorf("%s %g, %q: %d points, want %d", item, v, age, got, want)
					continue
				}
				passed++
			}
		}
	}
	t.Logf("passed %d of %d", passed, 3*5*521)
}

func TestPEWSWithoutAge(t *testing.T) {
	pews := tables(t)["pews"]
	for _, c := range []struct {
		set         map[string]float64
		total       int
		band, whose string
	}{
		{nil, 0, "low", "over 12 years, well"},
		{map[string]float64{"crt": 3}, 4, "low", "slow refill"},
		{map[string]float64{"effort": 2, "spo2": 91}, 3, "low", "works to breathe"},
		{map[string]float64{"oxygen": 1}, 2, "low", "a little oxygen"},
		{map[string]float64{"oxygen": 1, "much-oxygen": 1, "effort": 3}, 8, "high", "much oxygen"},
		{map[string]float64{"hr": 140, "sbp": 75, "crt": 5, "rr": 30, "effort": 3, "spo2": 90, "oxygen": 1, "much-oxygen": 1}, 26, "high", "the most there is"},
	} {
		in := calmChild()
		for k, v := range c.set {
			in[k] = v
		}
		if got := pews.ScoreOf(in, nil, time.Time{}); got.Total == nil || *got.Total != c.total || got.Band != c.band {
			t.Errorf("%s: %+v, want %d %s", c.whose, got, c.total, c.band)
		}
	}
	if !pews.ForAge("child", 5) || !pews.ForAge("adult", 15) || pews.ForAge("adult", 18) || pews.ForAge("adult", math.NaN()) {
		t.Error("the score is for children under 18 whose age is known")
	}
}

// TestEveryScoreSaysWhatIsMissing takes one input after the other away from every score of the catalogue.
func TestEveryScoreSaysWhatIsMissing(t *testing.T) {
	for key, table := range tables(t) {
		if table.Source == "" || table.Version == "" || table.Title == "" {
			t.Errorf("%s does not say where it comes from", key)
		}
		full := map[string]float64{}
		for _, in := range table.Inputs() {
			full[in.Key] = 1
		}
		if r := table.ScoreOf(full, nil, time.Time{}); r.Total == nil || len(r.Missing) != 0 {
			t.Errorf("%s: whole, and yet %v is missing", key, r.Missing)
		}
		for _, in := range table.Inputs() {
			if in.Key == "oxygen" && key == "pews" {
				continue // comes from the same values as much-oxygen
			}
			part := map[string]float64{}
			for k, v := range full {
				if k != in.Key {
					part[k] = v
				}
			}
			if r := table.ScoreOf(part, nil, time.Time{}); r.Total != nil || r.Band != "incomplete" || len(r.Missing) == 0 {
				t.Errorf("%s without %s: total %v, missing %v", key, in.Key, r.Total, r.Missing)
			}
		}
		if r := table.ScoreOf(nil, nil, time.Time{}); r.Total != nil || fmt.Sprint(len(r.Missing)) != fmt.Sprint(len(r.Parts)) {
			t.Errorf("%s of nothing: %v", key, r.Missing)
		}
	}
}
