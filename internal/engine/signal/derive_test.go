package signal

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

const testRate = 250

var testStart = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

// heart draws an ECG with beats at the given seconds: P, QRS and T as bells, 200 units a mV, with a little noise.
func heart(seconds float64, beats []float64) []int16 {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]int16, int(seconds*testRate))
	bells := [][3]float64{{-0.16, 0.12, 0.025}, {-0.025, -0.12, 0.008}, {0, 1.1, 0.011}, {0.028, -0.25, 0.010}, {0.27, 0.28, 0.045}}
	mv := make([]float64, len(out))
	for _, b := range beats {
		for i := max(0, int((b-0.4)*testRate)); i < min(len(out), int((b+0.6)*testRate)); i++ {
			t := float64(i)/testRate - b
			for _, w := range bells {
				mv[i] += w[1] * math.Exp(-(t-w[0])*(t-w[0])/2/w[2]/w[2])
			}
		}
	}
	for i := range out {
		out[i] = int16(math.Round(200 * (mv[i] + 0.01*r.NormFloat64())))
	}
	return out
}

// steady returns beats from one second to another, so many a minute.
func steady(from, to, rate float64) (out []float64) {
	for t := from; t < to; t += 60 / rate {
		out = append(out, t)
	}
	return out
}

// house is a deriver with a log in memory.
type house struct {
	*Deriver
	now time.Time
	log []*vigil.Report
}

func newHouse() *house {
	h := &house{now: testStart}
	h.Deriver = NewDeriver(Config{Now: func() time.Time { return h.now }, Append: func(r *vigil.Report, done func(error)) {
		h.log = append(h.log, r)
		done(nil)
	}})
	return h
}

// say sends a signal in blocks of a quarter of a second, as a monitor does.
func (h *house) say(m vigil.Metric, from time.Time, data []int16) {
	for block := range slices.Chunk(data, testRate/4) {
		h.now = from.Add(time.Duration(len(block)) * time.Second / testRate)
		r := &vigil.Report{
			Device: "mon-1", Subject: "Patient/sara", Received: h.now.UnixNano(), Protocol: "mqtt",
			Waveforms: []vigil.Waveform{{Metric: m, Start: from.UnixNano(), Period: int64(time.Second) / testRate, Scale: 0.005, Data: block}},
		}
		h.log = append(h.log, r)
		h.Observe([]*vigil.Report{r})
		h.flush()
		from = h.now
	}
}

// told returns the samples of a metric in the log.
func (h *house) told(m vigil.Metric) (out []vigil.Sample) {
	for _, r := range h.log {
		for _, s := range r.Samples {
			if s.Metric == m {
				out = append(out, s)
			}
		}
	}
	return out
}

func TestRateAndPause(t *testing.T) {
	h := newHouse()
	beats := append(steady(0.5, 20, 75), steady(26, 40, 75)...) // 6 s without a beat
	h.say("ecg-ii", testStart, heart(40, beats))
	for _, s := range h.told(HeartRate) {
		if math.Abs(s.Value-75) > 1 {
			t.Errorf("%s rate %g, want 75", s.At().Format("05"), s.Value)
		}
	}
	if n := len(h.told(HeartRate)); n < 25 {
		t.Errorf("%d rates told in 40 s", n)
	}
	first, longest := time.Time{}, 0.0
	for _, s := range h.told(Pause) {
		if s.Value >= 4 && first.IsZero() {
			first = s.At()
		}
		longest = max(longest, s.Value)
	}
	if d := first.Sub(testStart).Seconds(); d < 23.5 || d > 25 {
		t.Errorf("the pause of 4 s was told at %g s, want 24", d)
	}
	if longest < 5.8 || longest > 7 {
		t.Errorf("longest pause %g s, want about 6.5", longest)
	}
	if v, ok := h.Quality("Patient/sara", coding.SignalECG, testStart, testStart.Add(time.Minute)); !ok || v.Score < 0.9 {
		t.Errorf("a clean signal scored %+v, %v", v, ok)
	}
}

// TestStandstillWithPWaves: the atria go on while the ventricles stand still, and no P wave passes for a QRS.
func TestStandstillWithPWaves(t *testing.T) {
	h := newHouse()
	data := heart(35, steady(0.5, 20, 75))
	for i := 20 * testRate; i < len(data); i++ {
		d := math.Mod(float64(i)/testRate, 0.75) - 0.3
		data[i] += int16(200 * 0.2 * math.Exp(-d*d/2/0.025/0.025))
	}
	h.say("ecg-ii", testStart, data)
	longest := 0.0
	for _, s := range h.told(Pause) {
		longest = max(longest, s.Value)
	}
	if longest < 13 {
		t.Errorf("longest pause told %g s, the ventricles stood still for 15", longest)
	}
}

func TestRestartTellsNothingTwice(t *testing.T) {
	data := heart(60, steady(0.5, 60, 80))
	whole := newHouse()
	whole.say("ecg-ii", testStart, data)

	h := newHouse()
	cut := 31*testRate + 7*testRate/4 + 0
	cut -= cut % (testRate / 4)
	h.say("ecg-ii", testStart, data[:cut])
	old := h.log
	lostTail := slices.IndexFunc(old, func(r *vigil.Report) bool {
		return r.Protocol == vigil.ProtocolDerived && r.Samples[0].Time > testStart.Add(29*time.Second).UnixNano()
	})
	kept := slices.DeleteFunc(slices.Clone(old), func(r *vigil.Report) bool { // the kill came before these were on disk
		return r.Protocol == vigil.ProtocolDerived && slices.Index(old, r) >= lostTail
	})
	again := newHouse()
	again.now, again.log = h.now, kept
	if err := again.CatchUp(func(fn func(*vigil.Report) error) error {
		for _, r := range slices.Clone(kept) {
			if err := fn(r); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	again.flush()
	again.say("ecg-ii", testStart.Add(time.Duration(cut)*time.Second/testRate), data[cut:])
	for _, m := range []vigil.Metric{HeartRate, Pause, ECGTrust, SlowRate} {
		want, got := whole.told(m), again.told(m)
		if !slices.EqualFunc(want, got, func(a, b vigil.Sample) bool { return a.Time == b.Time && a.Value == b.Value }) {
			t.Errorf("%s: %d samples after a kill, %d without", m, len(got), len(want))
		}
	}
}

func TestQualityNamesItsReason(t *testing.T) {
	clean := heart(5, steady(0.3, 5, 70))
	beats := func(data []int16) []int64 {
		q, err := NewQRS(testRate, 0.005)
		if err != nil {
			t.Fatal(err)
		}
		var out []int64
		for _, b := range q.Feed(data, nil) {
			out = append(out, b.At)
		}
		return out
	}
	r := rand.New(rand.NewPCG(3, 4))
	change := func(f func(i int, v int16) int16) []int16 {
		out := slices.Clone(clean)
		for i, v := range out {
			out[i] = f(i, v)
		}
		return out
	}
	for reason, data := range map[string][]int16{
		"":         clean,
		FlatLine:   change(func(int, int16) int16 { return 12 }),
		NoSignal:   change(func(int, int16) int16 { return vigil.WaveformMissing }),
		Saturated:  change(func(_ int, v int16) int16 { return max(-10, min(10, 8*v)) }),
		Noise:      change(func(_ int, v int16) int16 { return v + int16(120*r.NormFloat64()) }),
		Motion:     change(func(i int, v int16) int16 { return v + int16(2600*(i/200%2)) }),
		Wander:     change(func(i int, v int16) int16 { return v + int16(1000*math.Sin(float64(i)/testRate)) }),
		"standing": heart(5, nil),
	} {
		v := ECGQuality(data, testRate, 0.005, beats(data))
		if reason == "" || reason == "standing" { // a heart that stands still leaves a quiet line, which is no fault
			if v.Score < 0.9 {
				t.Errorf("%q: %+v", reason, v)
			}
			continue
		}
		if v.Score >= Floor || v.Reason != reason {
			t.Errorf("%s: %+v", reason, v)
		}
	}
}

func TestBlocksDoNotMatter(t *testing.T) {
	data := heart(60, steady(0.4, 60, 91))
	want, err := NewQRS(testRate, 0.005)
	if err != nil {
		t.Fatal(err)
	}
	whole := want.Feed(data, nil)
	got, err := NewQRS(testRate, 0.005)
	if err != nil {
		t.Fatal(err)
	}
	var parts []Beat
	for block := range slices.Chunk(data, 17) {
		parts = got.Feed(block, parts)
	}
	if !slices.Equal(whole, parts) {
		t.Errorf("%d beats as one block, %d in small ones", len(whole), len(parts))
	}
	if n := testing.AllocsPerRun(5, func() { parts = got.Feed(data, parts[:0]) }); n != 0 {
		t.Errorf("%g allocations a minute of signal", n)
	}
}

func TestGapIsNoBeatAndNoPause(t *testing.T) {
	h := newHouse()
	data := heart(30, steady(0.5, 30, 60))
	h.say("ecg-ii", testStart, data)
	h.say("ecg-ii", testStart.Add(50*time.Second), data) // 20 s never came
	for _, s := range h.told(Pause) {
		if s.Value > 2.5 {
			t.Errorf("pause %g s at %s", s.Value, s.At().Format("05"))
		}
	}
	for _, s := range h.told(SlowRate) {
		if s.Value < 55 {
			t.Errorf("rate %g at %s", s.Value, s.At().Format("05"))
		}
	}
}

// TestLeadOffIsNoStandstill holds that samples which were not measured are told nothing of: no pause, no slow rate.
func TestLeadOffIsNoStandstill(t *testing.T) {
	h := newHouse()
	data := heart(90, steady(0.5, 90, 60))
	off := data[30*testRate : 60*testRate]
	for i := range off {
		off[i] = vigil.WaveformMissing
	}
	h.say("ecg-ii", testStart, data)
	on := 0
	for _, s := range h.told(Pause) {
		at := s.At().Sub(testStart)
		if s.Value > 2.5 {
			t.Errorf("pause %g s at %s", s.Value, at)
		}
		if at > 31*time.Second && at < 60*time.Second {
			t.Errorf("a pause of %g s is told at %s, while the lead is off", s.Value, at)
		}
		if at > 62*time.Second {
			on++
		}
	}
	if on < 20 {
		t.Errorf("%d seconds told of after the lead is on again", on)
	}
	for _, s := range h.told(SlowRate) {
		if s.Value < 55 {
			t.Errorf("rate %g at %s", s.Value, s.At().Sub(testStart))
		}
	}
}

func TestFibrillationBeginsAndEnds(t *testing.T) {
	a := NewAF()
	r := rand.New(rand.NewPCG(5, 6))
	on, off := 0, 0
	for i := range 1200 {
		rr := 0.8 + 0.02*math.Sin(float64(i)/4) + 0.01*r.NormFloat64()
		if i >= 400 && i < 800 {
			rr = 0.45 + 0.6*r.Float64()
		}
		was := a.On()
		a.Push(rr)
		if a.On() && !was {
			on = i
		}
		if was && !a.On() {
			off = i
		}
	}
	if on < 400 || on > 400+AFWindow+2*afStride || off < 800 || off > 800+AFWindow+2*afStride {
		t.Errorf("began after beat %d and ended after %d, want soon after 400 and 800", on, off)
	}
}

func BenchmarkQRS(b *testing.B) {
	data := heart(600, steady(0.4, 600, 80))
	q, err := NewQRS(testRate, 0.005)
	if err != nil {
		b.Fatal(err)
	}
	beats := make([]Beat, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		beats = q.Feed(data, beats[:0])
	}
	b.ReportMetric(float64(len(data))*float64(b.N)/b.Elapsed().Seconds()/1e6, "Msamples/s")
}

// BenchmarkThousandWaveforms derives from one second of 1,000 ECGs of 250 samples a second: its time is what that adds to
// one core each second.
func BenchmarkThousandWaveforms(b *testing.B) {
	h := newHouse()
	h.cfg.Append = func(_ *vigil.Report, done func(error)) { done(nil) }
	data := heart(60, steady(0.4, 60, 80))
	reports := make([]*vigil.Report, 1000)
	for i := range reports {
		reports[i] = &vigil.Report{Device: "mon", Subject: vigil.PatientSubject(string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676))), Waveforms: make([]vigil.Waveform, 1)}
	}
	sec := 0
	b.ReportAllocs()
	for b.Loop() {
		h.now = testStart.Add(time.Duration(sec+1) * time.Second)
		part := data[sec%60*testRate:][:testRate]
		for _, r := range reports {
			r.Received = h.now.UnixNano()
			r.Waveforms[0] = vigil.Waveform{Metric: "ecg-ii", Start: testStart.Add(time.Duration(sec) * time.Second).UnixNano(), Period: int64(time.Second) / testRate, Scale: 0.005, Data: part}
		}
		h.Observe(reports)
		h.flush()
		sec++
	}
}
