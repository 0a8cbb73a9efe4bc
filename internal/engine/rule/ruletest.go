package rule

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
)

// TestResult is what came of one test. It passed when Faults is empty.
type TestResult struct {
	Name   string    `json:"name"`
	Faults []string  `json:"faults"`
	Alarms []Episode `json:"alarms"`
	From   time.Time `json:"from"` // of the virtual clock
}

// testFrom is a Monday morning.
func testFrom() time.Time { return time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC) }

const (
	testDevice   = vigil.DeviceID("test")
	longestTest  = 31 * 24 * time.Hour
	mostSamples  = 2_000_000
	testTolerant = time.Second
)

// RunFile runs the tests of a file. A test that names no rules looks at the alarms of the file's own.
func RunFile(p *Program, file catalog.RuleFile) ([]TestResult, error) {
	tests := slices.Clone(file.Tests)
	for i := range tests {
		if len(tests[i].Rules) == 0 {
			tests[i].Rules = keysOf(file)
		}
	}
	return RunTests(p, tests)
}

// RunTests runs the tests of a rule file on virtual time by the evaluator of the stream, against the rules of a program.
// A test that names rules looks at their alarms only. Its Invalid error says which test cannot be run.
func RunTests(p *Program, tests []catalog.RuleTest) ([]TestResult, error) {
	out := make([]TestResult, 0, len(tests))
	for i, t := range tests {
		if t.Name == "" {
			t.Name = fmt.Sprintf("test %d", i+1)
		}
		r, err := runTest(p, &t)
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "rule.test", "%s: %s", t.Name, vigil.Message(err))
		}
		out = append(out, r)
	}
	return out, nil
}

func runTest(p *Program, t *catalog.RuleTest) (TestResult, error) {
	if t.Start.IsZero() {
		t.Start = testFrom()
	}
	from := t.Start.UnixNano()
	reports, end, err := course(t)
	if err != nil {
		return TestResult{}, err
	}
	subject := vigil.PatientSubject("test")
	if t.Profile.Patient != "" {
		subject = vigil.PatientSubject(t.Profile.Patient)
	}
	prof := profileOf(t)
	w := newPlayer(p, subject, prof, from)
	flags := slices.SortedStableFunc(slices.Values(t.Flags), func(a, b catalog.TestFlag) int { return int(a.At - b.At) })
	for _, r := range reports {
		flags = w.flags(flags, r.Received)
		w.report(r)
	}
	w.flags(flags, end)
	w.advance(end + 1)
	res := TestResult{Name: t.Name, From: t.Start, Faults: []string{}, Alarms: w.list}
	if len(t.Rules) > 0 {
		res.Alarms = slices.DeleteFunc(w.list, func(e Episode) bool { return !slices.Contains(t.Rules, e.Rule) })
	}
	res.compare(t)
	return res, nil
}

// flags sets and lifts what is due before a time and returns what is not.
func (w *player) flags(list []catalog.TestFlag, before int64) []catalog.TestFlag {
	for len(list) > 0 && w.e.began+int64(list[0].At) <= before {
		w.advance(w.e.began + int64(list[0].At))
		w.now = max(w.now, w.e.began+int64(list[0].At))
		prof := w.st.profile
		prof.Flags = map[string]bool{}
		for k, v := range w.st.profile.Flags {
			prof.Flags[k] = v
		}
		prof.Flags[list[0].Set] = true
		delete(prof.Flags, list[0].Lift)
		w.e.adopt(w.st, prof)
		w.e.tellOne(w.st)
		list = list[1:]
	}
	return list
}

func profileOf(t *catalog.RuleTest) Profile {
	in := t.Profile
	out := Profile{AgeGroup: in.AgeGroup, Unit: in.Unit, Flags: map[string]bool{}, Programmes: map[string]bool{}, Personal: map[vigil.Metric]vigil.Limit{}}
	for _, f := range in.Flags {
		out.Flags[f] = true
	}
	for _, p := range in.Programmes {
		out.Programmes[p] = true
	}
	for m, l := range in.Personal {
		out.Personal[vigil.Metric(m)] = vigil.Limit{Low: l.Low, High: l.High}
	}
	if in.AgeYears != nil {
		out.Birth = t.Start.Add(-time.Duration(*in.AgeYears * 365.25 * 24 * float64(time.Hour)))
		if out.AgeGroup == "" {
			out.AgeGroup = AgeGroup(out.Birth, t.Start)
		}
	}
	if in.PostopDay != nil {
		out.Surgery = t.Start.AddDate(0, 0, -int(*in.PostopDay))
	}
	return out
}

// course lays the values of a test out in time; end is when it is over.
func course(t *catalog.RuleTest) ([]*vigil.Report, int64, error) {
	from := t.Start.UnixNano()
	byTime := map[int64]*vigil.Report{}
	last, n := from, 0
	for i, s := range t.Series {
		if def, ok := coding.Lookup(s.Metric); !ok || def.Shape != coding.Numeric {
			return nil, 0, vigil.Errorf(vigil.Invalid, "rule.test", "series %d: no metric %q", i+1, s.Metric)
		}
		every := time.Duration(s.Every)
		if every <= 0 {
			every = time.Second
		}
		end := max(time.Duration(s.To), time.Duration(s.From)+1)
		if end > longestTest {
			return nil, 0, vigil.Errorf(vigil.Invalid, "rule.test", "series %d: a test is at most 31 days long", i+1)
		}
		if n += int((end - min(time.Duration(s.From), end)) / every); n > mostSamples {
			return nil, 0, vigil.Errorf(vigil.Invalid, "rule.test", "the test has more than %d values", mostSamples)
		}
		for at := time.Duration(s.From); at < end; at += every {
			v := s.Value
			if s.ToValue != nil {
				v += (*s.ToValue - s.Value) * float64(at-time.Duration(s.From)) / float64(end-time.Duration(s.From))
			}
			q := vigil.Quality(0)
			if s.Late {
				q |= vigil.QualityLate
			}
			if s.Doubted {
				q |= vigil.QualityQuestionable
			}
			when := from + int64(at)
			r := byTime[when]
			if r == nil {
				r = &vigil.Report{Device: testDevice, Received: when}
				byTime[when] = r
			}
			r.Samples = append(r.Samples, vigil.Sample{Metric: s.Metric, Time: when, Value: v, Quality: q})
			last = max(last, when)
		}
	}
	out := make([]*vigil.Report, 0, len(byTime))
	for _, r := range byTime {
		out = append(out, r)
	}
	slices.SortFunc(out, func(a, b *vigil.Report) int { return int(min(max(a.Received-b.Received, -1), 1)) })
	end := last
	if t.Run > 0 {
		if time.Duration(t.Run) > longestTest {
			return nil, 0, vigil.Errorf(vigil.Invalid, "rule.test", "a test is at most 31 days long")
		}
		end = from + int64(t.Run)
		out = slices.DeleteFunc(out, func(r *vigil.Report) bool { return r.Received > end })
	}
	return out, end, nil
}

// compare names what was expected and did not come, and what came and was not expected.
func (r *TestResult) compare(t *catalog.RuleTest) {
	left := slices.Clone(r.Alarms)
	for _, want := range t.Expect {
		i := slices.IndexFunc(left, func(e Episode) bool {
			return e.Rule == want.Rule && near(e.Start.Sub(r.From), time.Duration(want.Start))
		})
		if i < 0 {
			r.Faults = append(r.Faults, fmt.Sprintf("expected %s at %s: %s", want.Rule, time.Duration(want.Start), r.instead(want.Rule)))
			continue
		}
		e := left[i]
		left = slices.Delete(left, i, i+1)
		if want.Priority != vigil.PriorityNone && e.Priority != want.Priority {
			r.Faults = append(r.Faults, fmt.Sprintf("%s at %s has priority %s, expected %s", e.Rule, time.Duration(want.Start), e.Priority, want.Priority))
		}
		switch end := e.End.Sub(r.From); {
		case want.End == 0 && !e.End.IsZero():
			r.Faults = append(r.Faults, fmt.Sprintf("%s at %s ended at %s, expected to be open", e.Rule, time.Duration(want.Start), end))
		case want.End != 0 && e.End.IsZero():
			r.Faults = append(r.Faults, fmt.Sprintf("%s at %s is still open, expected to end at %s", e.Rule, time.Duration(want.Start), time.Duration(want.End)))
		case want.End != 0 && !near(end, time.Duration(want.End)):
			r.Faults = append(r.Faults, fmt.Sprintf("%s at %s ended at %s, expected %s", e.Rule, time.Duration(want.Start), end, time.Duration(want.End)))
		}
	}
	for _, e := range left {
		r.Faults = append(r.Faults, fmt.Sprintf("%s was raised at %s and nobody expected it", e.Rule, e.Start.Sub(r.From)))
	}
}

func near(a, b time.Duration) bool { return (a - b).Abs() <= testTolerant }

func (r *TestResult) instead(rule string) string {
	var at []string
	for _, e := range r.Alarms {
		if e.Rule == rule {
			at = append(at, e.Start.Sub(r.From).String())
		}
	}
	if len(at) == 0 {
		return "it was not raised"
	}
	return "it was raised at " + strings.Join(at, ", ")
}

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }
