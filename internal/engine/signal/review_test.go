package signal

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
)

func TestReview(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	noisy := func(level float64) []int16 {
		out := heart(30, steady(0.5, 30, 75))
		for i := range out {
			out[i] += int16(level * r.NormFloat64())
		}
		return out
	}
	alarmOn := func(m vigil.Metric, at time.Time) *vigil.Alarm {
		return &vigil.Alarm{
			Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh, Metric: m, Subject: "Patient/sara",
			State: vigil.AlarmPaged, Onset: at, Evidence: &vigil.Evidence{},
		}
	}
	for name, c := range map[string]struct {
		metric vigil.Metric
		data   []int16
		want   vigil.Priority
	}{
		"CleanStays":           {HeartRate, noisy(2), vigil.PriorityHigh},
		"UselessFallsTwo":      {"heart-rate", noisy(200), vigil.PriorityLow},
		"AsystoleFallsOne":     {Pause, noisy(200), vigil.PriorityMedium},
		"OtherSignalUntouched": {"bp-mean", noisy(200), vigil.PriorityHigh},
		"NoPulseWaveNoVerdict": {"spo2", noisy(200), vigil.PriorityHigh},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse()
			h.say("ecg-ii", testStart, c.data)
			a := alarmOn(c.metric, h.now.Add(-5*time.Second))
			h.Review(t.Context(), a)
			if a.Priority != c.want || (a.Demoted != nil) != (c.want != vigil.PriorityHigh) {
				t.Fatalf("priority %s, demoted %+v", a.Priority, a.Demoted)
			}
			if a.Demoted == nil {
				return
			}
			if a.Demoted.Reason != "ECG: "+Noise || a.Demoted.From != vigil.PriorityHigh {
				t.Errorf("demoted %+v", a.Demoted)
			}
			if _, ok := h.Redeemed(*a); ok {
				t.Error("redeemed while the signal is poor")
			}
			h.say("ecg-ii", h.now, heart(20, steady(0.5, 20, 75)))
			if _, ok := h.Redeemed(*a); !ok {
				t.Error("not redeemed by 20 s of good signal")
			}
			a.Ended = h.now
			if _, ok := h.Redeemed(*a); ok {
				t.Error("redeemed after its end")
			}
		})
	}
}
