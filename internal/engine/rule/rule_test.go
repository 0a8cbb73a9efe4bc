package rule_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// desk notes what it is told.
type desk struct {
	mu   sync.Mutex
	log  []string // "raise map-low", "end map-low"
	last map[string]vigil.Alarm
	fail error
}

func (d *desk) Raise(_ context.Context, a vigil.Alarm) (vigil.Alarm, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return a, d.fail
	}
	if d.last == nil {
		d.last = map[string]vigil.Alarm{}
	}
	d.last[a.Rule] = a
	d.log = append(d.log, "raise "+a.Rule)
	return a, nil
}

func (d *desk) Update(_ context.Context, id string, v float64, _ time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, a := range d.last {
		if a.ID == id {
			a.Value = v
			d.last[k] = a
		}
	}
}

func (d *desk) End(_ context.Context, id string, _ time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, "end "+strings.SplitN(id, ".", 2)[0])
	return nil
}

func (d *desk) Mark(_ context.Context, id string, step vigil.AlarmStep) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, step.What+" "+strings.SplitN(id, ".", 2)[0]+" "+step.Text)
	return nil
}

func (d *desk) told() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.log, ", ")
}

// series answers queries from what was observed.
type series struct {
	mu     sync.Mutex
	points map[vigil.Metric][]telemetry.Point
}

func (s *series) Query(_ context.Context, q telemetry.Query) ([]telemetry.Line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []telemetry.Line
	for _, m := range q.Metrics {
		l := telemetry.Line{Metric: m}
		for _, p := range s.points[m] {
			if p.Time >= q.From.UnixNano() && p.Time < q.To.UnixNano() {
				l.Points = append(l.Points, p)
			}
		}
		if len(l.Points) > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

type bench struct {
	*rule.Engine
	desk  *desk
	store *series
	now   time.Time
}

type profiles map[vigil.Subject]rule.Profile

func (p profiles) LimitsFor(_ context.Context, s vigil.Subject) (rule.Profile, error) {
	return p[s], nil
}

const (
	sara  = vigil.Subject("Patient/sara")
	patch = vigil.DeviceID("patch-031")
)

func setUp(t testing.TB, change func(*rule.Config)) *bench {
	t.Helper()
	rules, err := catalog.Rules()
	if err != nil {
		t.Fatal(err)
	}
	scores, err := catalog.Scores()
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{desk: &desk{}, store: &series{points: map[vigil.Metric][]telemetry.Point{}}, now: time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	cfg := rule.Config{Rules: rules, Scores: scores, Desk: b.desk, Telemetry: b.store, Now: func() time.Time { return b.now }}
	if change != nil {
		change(&cfg)
	}
	if b.Engine, err = rule.New(cfg); err != nil {
		t.Fatal(err)
	}
	return b
}

// say reports values at the present moment, "art-mean=60 spo2=97"; a trailing ! makes a value late, ? questionable.
func (b *bench) say(text string) {
	r := &vigil.Report{Device: patch, Subject: sara, Received: b.now.UnixNano()}
	for _, f := range strings.Fields(text) {
		name, val, _ := strings.Cut(f, "=")
		s := vigil.Sample{Metric: vigil.Metric(name), Time: b.now.UnixNano()}
		if strings.HasSuffix(val, "!") {
			s.Quality = vigil.QualityLate
		}
		if strings.HasSuffix(val, "?") {
			s.Quality = vigil.QualityQuestionable
		}
		fmt.Sscanf(strings.TrimRight(val, "!?"), "%g", &s.Value)
		r.Samples = append(r.Samples, s)
		b.store.mu.Lock()
		b.store.points[s.Metric] = append(b.store.points[s.Metric], telemetry.Point{Time: s.Time, Mean: s.Value, Min: s.Value, Max: s.Value, Count: 1, Device: patch, Quality: s.Quality})
		b.store.mu.Unlock()
	}
	b.Observe([]*vigil.Report{r})
}

// hold says the same once a second for so many seconds, with a tick after each.
func (b *bench) hold(text string, seconds int) {
	for range seconds {
		b.say(text)
		b.pass(1)
	}
}

func (b *bench) pass(seconds int) {
	for range seconds {
		b.now = b.now.Add(time.Second)
		b.Tick(b.now)
	}
}

func expect(t *testing.T, b *bench, want string) {
	t.Helper()
	if got := b.desk.told(); got != want {
		t.Errorf("at %s the desk was told %q, want %q", b.now.Format("15:04:05"), got, want)
	}
}

func TestDelayHysteresisAndClearHold(t *testing.T) {
	b := setUp(t, nil)
	b.hold("art-mean=80", 5)
	b.hold("art-mean=60", 9)
	b.say("art-mean=70")
	expect(t, b, "") // nine seconds are not ten
	b.hold("art-mean=60", 11)
	expect(t, b, "raise map-low")
	a := b.desk.last["map-low"]
	if a.Priority != vigil.PriorityHigh || a.Limit != 65 || a.Evidence.Sentence != "MAP stayed under 65 mmHg for 10 s" || !a.Latched {
		t.Errorf("alarm %+v", a)
	}
	b.hold("art-mean=66", 30) // over the limit, inside the hysteresis
	expect(t, b, "raise map-low")
	b.hold("art-mean=70", 8)
	b.hold("art-mean=64", 2) // bad again before the hold is over
	b.hold("art-mean=70", 9)
	expect(t, b, "raise map-low")
	b.hold("art-mean=70", 3)
	expect(t, b, "raise map-low, end map-low")
}

func TestLoneReadingAlarmsWhenNothingContradictsIt(t *testing.T) {
	b := setUp(t, nil)
	b.say("spo2=87")
	b.pass(9)
	expect(t, b, "")
	b.pass(2)
	expect(t, b, "raise spo2-low")
}

func TestMeanFromSystolicAndDiastolic(t *testing.T) {
	b := setUp(t, nil)
	b.say("bp-systolic=121 bp-diastolic=78")
	expect(t, b, "")
	b.pass(30)
	b.say("bp-systolic=84 bp-diastolic=48") // mean 60
	expect(t, b, "raise map-low")           // once: the systolic alarm is covered
	if a := b.desk.last["map-low"]; a.Value != 60 || a.Metric != "bp-mean" || a.Evidence.Sentence != "MAP is under 65 mmHg" {
		t.Errorf("alarm %+v", a)
	}
}

func TestCoveredAlarmSpeaksWhenTheOtherEnds(t *testing.T) {
	b := setUp(t, nil)
	b.hold("spo2=82", 15)
	expect(t, b, "raise spo2-extreme-low")
	b.hold("spo2=88", 15) // no longer extreme, still low
	expect(t, b, "raise spo2-extreme-low, end spo2-extreme-low, raise spo2-low")
	b.hold("spo2=96", 15)
	expect(t, b, "raise spo2-extreme-low, end spo2-extreme-low, raise spo2-low, end spo2-low")
}

func TestAlarmThatIsOvertakenComesBackAsItsOwn(t *testing.T) {
	b := setUp(t, nil)
	b.hold("spo2=88", 15)
	expect(t, b, "raise spo2-low")
	first := b.desk.last["spo2-low"].ID
	b.hold("spo2=82", 15)
	expect(t, b, "raise spo2-low, raise spo2-extreme-low, end spo2-low")
	b.hold("spo2=88", 15)
	expect(t, b, "raise spo2-low, raise spo2-extreme-low, end spo2-low, end spo2-extreme-low, raise spo2-low")
	if again := b.desk.last["spo2-low"].ID; again == first {
		t.Errorf("it came back under %s, which the desk has closed", again)
	}
	b.hold("spo2=96", 15)
	expect(t, b, "raise spo2-low, raise spo2-extreme-low, end spo2-low, end spo2-extreme-low, raise spo2-low, end spo2-low")
}

func TestLateAndQuestionableNeverRaise(t *testing.T) {
	b := setUp(t, nil)
	b.hold("spo2=60!", 30)
	b.hold("heart-rate=20?", 20)
	expect(t, b, "")
	b.hold("heart-rate=20?", 15)
	expect(t, b, "raise signal-poor")
}

func TestOutOfOrderDoesNotDisturb(t *testing.T) {
	b := setUp(t, nil)
	b.hold("heart-rate=80", 3)
	now := b.now
	b.now = now.Add(-10 * time.Second)
	b.say("heart-rate=20")
	b.now = now
	b.pass(10)
	expect(t, b, "")
}

func TestScoreAlarmFromKnownPartsOnly(t *testing.T) {
	b := setUp(t, nil)
	b.hold("respiratory-rate=26 heart-rate=112 temperature=38.5", 62) // 3 + 2 + 1 with the rest unknown
	expect(t, b, "raise news2-medium")
	a := b.desk.last["news2-medium"]
	if a.Value != 6 || len(a.Evidence.Facts) != 1 || !strings.HasPrefix(a.Evidence.Facts[0], "NEWS2 at least 6 (") {
		t.Errorf("alarm %+v, facts %v", a, a.Evidence.Facts)
	}
	if got, ok := b.ScoreOf(sara); !ok || got.Total != nil || got.Known != 6 || !slices.Contains(got.Missing, "ACVPU") {
		t.Errorf("ScoreOf = %+v, %v", got, ok)
	}
}

func TestScoreValuesGrowTooOld(t *testing.T) {
	b := setUp(t, nil)
	b.say("respiratory-rate=16 spo2=97 oxygen-flow=0 bp-systolic=121 bp-mean=90 heart-rate=72 consciousness=0 temperature=37")
	if got, _ := b.ScoreOf(sara); got.Total == nil || *got.Total != 0 {
		t.Fatalf("ScoreOf = %+v", got)
	}
	b.now = b.now.Add(61 * time.Minute)
	b.Tick(b.now)
	if got, _ := b.ScoreOf(sara); got.Total != nil || !slices.Equal(got.Missing, []string{"RR", "SpO₂", "Pulse"}) {
		t.Errorf("after an hour: %+v", got)
	}
}

func TestSilentDevice(t *testing.T) {
	b := setUp(t, nil)
	b.Watch(sara, patch, b.now)
	b.hold("heart-rate=80", 10)
	b.pass(58)
	expect(t, b, "")
	b.pass(3)
	expect(t, b, "raise no-data")
	if a := b.desk.last["no-data"]; a.Class != vigil.Technical || a.Device != patch || a.Evidence.Sentence != "Nothing came from the device for 60 s" {
		t.Errorf("alarm %+v, %v", a, a.Evidence)
	}
	b.pass(100)
	b.say("heart-rate=80")
	expect(t, b, "raise no-data, end no-data")
	b.Unwatch(patch)
	b.pass(300)
	expect(t, b, "raise no-data, end no-data")
}

func TestSilenceIsExpectedWhileThePatientIsAway(t *testing.T) {
	away := profiles{sara: {AgeGroup: rule.Adult, Flags: map[string]bool{rule.Standby: true}}}
	b := setUp(t, func(c *rule.Config) { c.Limits = away })
	b.Watch(sara, patch, b.now)
	b.say("heart-rate=80")
	b.pass(300)
	expect(t, b, "")
	away[sara] = rule.Profile{AgeGroup: rule.Adult}
	b.Refresh(sara)
	b.pass(50)
	expect(t, b, "")
	b.pass(20)
	expect(t, b, "raise no-data")
	away[sara] = rule.Profile{AgeGroup: rule.Adult, Flags: map[string]bool{rule.Standby: true}}
	b.Refresh(sara)
	b.pass(5)
	expect(t, b, "raise no-data, end no-data")
}

func TestUnboundDeviceLeavesNoAlarmBehind(t *testing.T) {
	b := setUp(t, nil)
	b.Watch(sara, patch, b.now)
	b.hold("art-mean=60 battery=10", 12)
	expect(t, b, "raise battery-low, raise map-low")
	b.Unwatch(patch)
	expect(t, b, "raise battery-low, raise map-low, end map-low, end battery-low")
	b.hold("spo2=80", 6)
	b.Forget(sara)
	expect(t, b, "raise battery-low, raise map-low, end map-low, end battery-low, raise spo2-extreme-low, end spo2-extreme-low")
	if _, ok := b.ScoreOf(sara); ok {
		t.Error("the score outlived the stay")
	}
	b.pass(300)
	b.hold("spo2=80", 6)
	if got := b.desk.told(); !strings.HasSuffix(got, "end spo2-extreme-low, raise spo2-extreme-low") {
		t.Errorf("after coming back: %q", got)
	}
}

func TestDeviceThatSpeaksRarely(t *testing.T) {
	b := setUp(t, func(c *rule.Config) {
		c.Interval = func(vigil.DeviceID) time.Duration { return 5 * time.Minute }
	})
	b.Watch(sara, patch, b.now)
	b.pass(14 * 60)
	expect(t, b, "")
	b.pass(2 * 60)
	expect(t, b, "raise no-data")
}

func TestBattery(t *testing.T) {
	b := setUp(t, nil)
	b.say("battery=50")
	b.say("battery=18")
	b.pass(1)
	b.say("battery=4")
	b.pass(1)
	b.say("battery=80")
	expect(t, b, "raise battery-low, raise battery-critical, end battery-critical, end battery-low")
}

func TestLeadOff(t *testing.T) {
	b := setUp(t, nil)
	block := func(v int16) {
		r := &vigil.Report{Device: patch, Subject: sara, Received: b.now.UnixNano(), Waveforms: []vigil.Waveform{
			{Metric: "ecg-patch", Period: 4e6, Data: slices.Repeat([]int16{v}, 250)}, {Metric: "pleth", Period: 8e6, Data: make([]int16, 125)}}}
		b.Observe([]*vigil.Report{r})
		b.pass(1)
	}
	for range 12 {
		block(vigil.WaveformMissing)
	}
	expect(t, b, "raise lead-off")
	if a := b.desk.last["lead-off"]; a.Title != "Lead off: ECG" {
		t.Errorf("title %q", a.Title)
	}
	for range 5 {
		block(7)
	}
	expect(t, b, "raise lead-off, end lead-off")
}

func TestRestoreRaisesNothingTwice(t *testing.T) {
	b := setUp(t, nil)
	b.Restore([]vigil.Alarm{
		{ID: "map-low.Patient.sara.1", Kind: vigil.KindAlarm, Class: vigil.Physiological, Rule: "map-low", Subject: sara, Metric: "art-mean", Value: 58, Onset: b.now},
		{ID: "no-data.Patient.sara.patch-031.1", Kind: vigil.KindAlarm, Class: vigil.Technical, Rule: "no-data", Subject: sara, Device: patch, Onset: b.now},
	})
	b.Watch(sara, patch, b.now.Add(-time.Hour))
	b.pass(120)
	expect(t, b, "")
	b.hold("art-mean=58", 30)
	expect(t, b, "end no-data")
	b.hold("art-mean=80", 12)
	expect(t, b, "end no-data, end map-low")
}

func TestCatchUpAfterARestart(t *testing.T) {
	said := func(b *bench, ago time.Duration, text string) *vigil.Report {
		at := b.now.Add(-ago).UnixNano()
		r := &vigil.Report{Device: patch, Subject: sara, Received: at}
		for _, f := range strings.Fields(text) {
			name, val, _ := strings.Cut(f, "=")
			s := vigil.Sample{Metric: vigil.Metric(name), Time: at}
			fmt.Sscanf(val, "%g", &s.Value)
			r.Samples = append(r.Samples, s)
		}
		return r
	}
	catchUp := func(b *bench, reports ...*vigil.Report) {
		err := b.CatchUp(func(fn func(*vigil.Report) error) error {
			for _, r := range reports {
				if err := fn(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("AcknowledgedButNotEvaluated", func(t *testing.T) {
		b := setUp(t, nil)
		catchUp(b, said(b, time.Minute, "bp-mean=80"), said(b, time.Second, "bp-mean=55"))
		expect(t, b, "raise map-low")
	})
	t.Run("OverBeforeTheEnd", func(t *testing.T) {
		b := setUp(t, nil)
		catchUp(b, said(b, time.Minute, "bp-mean=55"), said(b, 40*time.Second, "bp-mean=80"), said(b, time.Second, "bp-mean=80"))
		expect(t, b, "")
	})
	t.Run("OpenAndStillThere", func(t *testing.T) {
		b := setUp(t, nil)
		b.Restore([]vigil.Alarm{{ID: "map-low.Patient.sara.1", Kind: vigil.KindAlarm, Class: vigil.Physiological, Rule: "map-low", Subject: sara, Metric: "bp-mean", Onset: b.now.Add(-30 * time.Second)}})
		catchUp(b, said(b, time.Minute, "bp-mean=80"), said(b, 45*time.Second, "bp-mean=80"), said(b, 30*time.Second, "bp-mean=55"), said(b, time.Second, "bp-mean=55"))
		expect(t, b, "")
	})
	t.Run("EndedWhileNobodyLooked", func(t *testing.T) {
		b := setUp(t, nil)
		b.Restore([]vigil.Alarm{{ID: "map-low.Patient.sara.1", Kind: vigil.KindAlarm, Class: vigil.Physiological, Rule: "map-low", Subject: sara, Metric: "bp-mean", Onset: b.now.Add(-time.Minute)}})
		catchUp(b, said(b, 40*time.Second, "bp-mean=80"), said(b, 20*time.Second, "bp-mean=80"))
		expect(t, b, "end map-low")
	})
	t.Run("ScoresAreWholeAgain", func(t *testing.T) {
		b := setUp(t, nil)
		var values []telemetry.Value
		for m, v := range map[vigil.Metric]float64{"respiratory-rate": 16, "spo2": 97, "oxygen-flow": 0, "bp-systolic": 121, "heart-rate": 135, "consciousness": 0, "temperature": 37} {
			values = append(values, telemetry.Value{SeriesKey: vigil.SeriesKey{Subject: sara, Device: patch, Metric: m}, Time: b.now.Add(-time.Minute), Value: v})
		}
		b.Seed(values)
		if got, ok := b.ScoreOf(sara); !ok || got.Total == nil || *got.Total != 3 {
			t.Errorf("ScoreOf = %+v, %v", got, ok)
		}
		expect(t, b, "")
	})
}

func TestDeskThatCannotStoreIsAskedAgain(t *testing.T) {
	b := setUp(t, nil)
	b.desk.fail = vigil.Errorf(vigil.Unavailable, "desk.raise", "disk full")
	b.hold("art-mean=50", 12)
	expect(t, b, "")
	b.desk.fail = nil
	b.pass(1)
	expect(t, b, "raise map-low")
	if a := b.desk.last["map-low"]; a.Onset != time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC) {
		t.Errorf("onset %s", a.Onset)
	}
}

func nurse(t *testing.T) context.Context {
	return access.With(t.Context(), access.Principal{ID: "ruiz", Name: "Jo Ruiz", Roles: []access.Role{access.Nurse}})
}

func ptr(v float64) *float64 { return &v }

func TestAgeGroupsAndPersonalLimits(t *testing.T) {
	b := setUp(t, func(c *rule.Config) { c.Limits = profiles{sara: {AgeGroup: rule.Infant}} })
	b.hold("heart-rate=150", 20)
	expect(t, b, "") // high for an adult, not for an infant
	if err := b.SetLimits(nurse(t), sara, map[vigil.Metric]vigil.Limit{"heart-rate": {High: ptr(140)}}); err != nil {
		t.Fatal(err)
	}
	b.hold("heart-rate=150", 7)
	expect(t, b, "raise heart-rate-high")
	views, err := b.LimitsOf(nurse(t), sara)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(views, func(v rule.LimitView) bool { return v.Metric == "heart-rate" })
	if v := views[i]; *v.High != 140 || *v.DefaultHigh != 180 || *v.Low != 90 || !v.Personal || v.DelayS != 5 {
		t.Errorf("view %+v", v)
	}
	for name, bad := range map[string]map[vigil.Metric]vigil.Limit{
		"Unknown": {"mood": {High: ptr(1)}}, "Crossed": {"heart-rate": {Low: ptr(120), High: ptr(60)}}, "Impossible": {"spo2": {Low: ptr(140)}},
	} {
		if err := b.SetLimits(nurse(t), sara, bad); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.SetLimits(t.Context(), sara, nil); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("nobody: %v", err)
	}
}

func TestEstimateUsesTheSameEvaluator(t *testing.T) {
	b := setUp(t, nil)
	for range 3 {
		b.hold("heart-rate=125", 20)
		b.hold("heart-rate=90", 20)
	}
	expect(t, b, strings.TrimSuffix(strings.Repeat("raise heart-rate-high, end heart-rate-high, ", 3), ", "))
	now, would, err := b.Estimate(nurse(t), sara, "heart-rate", vigil.Limit{High: ptr(130)})
	if err != nil || now != 3 || would != 0 {
		t.Errorf("now %d, would %d, %v", now, would, err)
	}
	if _, would, _ = b.Estimate(nurse(t), sara, "heart-rate", vigil.Limit{High: ptr(85)}); would != 1 {
		t.Errorf("with 85: %d", would)
	}
}

func TestEvidence(t *testing.T) {
	b := setUp(t, nil)
	b.say("respiratory-rate=16 spo2=97 oxygen-flow=0 art-systolic=121 heart-rate=72 consciousness=0 temperature=37")
	for i := range 12 * 60 {
		b.say(fmt.Sprintf("art-mean=%g art-systolic=%g", min(90, 95-float64(i)/18), 130-float64(i)/18))
		b.pass(1)
	}
	b.hold("art-mean=54 art-systolic=82 heart-rate=118 respiratory-rate=23", 12)
	a := b.desk.last["map-low"]
	if a.Evidence == nil {
		t.Fatalf("told %s", b.desk.told())
	}
	if l := a.Evidence.Lines; len(l) == 0 || l[0].Metric != "art-mean" || len(l[0].Points) > 60 || l[0].From != 90 {
		t.Errorf("lines %+v", l)
	}
	if !strings.HasPrefix(a.Text, "falling for ") {
		t.Errorf("text %q", a.Text)
	}
	if lim := a.Evidence.Limits["art-mean"]; lim.Low == nil || *lim.Low != 65 || *lim.High != 110 {
		t.Errorf("limits %+v", a.Evidence.Limits)
	}
	if len(a.Evidence.Facts) != 1 || !strings.Contains(a.Evidence.Facts[0], "was 0") {
		t.Errorf("facts %v", a.Evidence.Facts)
	}
}

func TestScoreHistory(t *testing.T) {
	b := setUp(t, nil)
	from := b.now
	b.say("respiratory-rate=16 spo2=97 oxygen-flow=0 bp-systolic=121 heart-rate=72 consciousness=0 temperature=37")
	b.now = b.now.Add(30 * time.Minute)
	b.say("heart-rate=135")
	got, err := b.ScoreHistory(nurse(t), "news2", telemetry.Query{Subject: sara, From: from.Add(time.Minute), To: from.Add(60 * time.Minute)}, 29*time.Minute+30*time.Second)
	if err != nil || len(got) != 2 || got[0].Total == nil || *got[0].Total != 0 || got[1].Total == nil || *got[1].Total != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestRulesThatDoNotFitAreNamed(t *testing.T) {
	_, err := rule.New(rule.Config{Rules: []rule.Rule{
		{Key: "a", Title: "A", Kind: rule.KindLimit, Metrics: []vigil.Metric{"mood"}},
		{Key: "b", Title: "B", Kind: rule.KindScore, Score: "apgar"}, {Key: "c", Title: "C", Kind: "guess", CoveredBy: []string{"z"}},
	}})
	for _, want := range []string{`no metric "mood"`, "neither low nor high", `no score "apgar"`, `unknown kind "guess"`, `no rule "z"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %q", err, want)
		}
	}
}
