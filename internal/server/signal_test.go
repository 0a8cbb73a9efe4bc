package server_test

import (
	"math"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/signal"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/server"
)

const ecgRate = 250

// ecg draws a heart of 75 beats a minute that stands still from a second on.
func ecg(seconds, until float64) []int16 {
	out := make([]int16, int(seconds*ecgRate))
	for i := range out {
		at := float64(i) / ecgRate
		since := math.Mod(at, 0.8) - 0.4
		out[i] = int16(i*7919%5) - 2
		if at < until {
			out[i] += int16(220*math.Exp(-since*since/0.0003) - 40*math.Exp(-(since-0.03)*(since-0.03)/0.0003))
		}
	}
	return out
}

func stream(t *testing.T, s *server.Server, from time.Time, data []int16) {
	t.Helper()
	for i := 0; i < len(data); i += ecgRate {
		at := from.Add(time.Duration(i) * time.Second / ecgRate)
		r := &vigil.Report{
			Device: "mon-77", Subject: "Patient/heart", Received: time.Now().UnixNano(), Protocol: "test",
			Waveforms: []vigil.Waveform{{Metric: "ecg-ii", Start: at.UnixNano(), Period: int64(time.Second) / ecgRate, Scale: 0.005, Data: data[i : i+ecgRate]}},
		}
		if err := s.Engines.Telemetry.AppendWait(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWaveformsBecomeMetricsAndAlarms streams an ECG over a restart: each second is told once, and a heart that stands
// still is an alarm.
func TestWaveformsBecomeMetricsAndAlarms(t *testing.T) {
	dir := t.TempDir()
	ctx := access.AsSystem(t.Context(), "test")
	data := ecg(27, 18)
	from := time.Now().Add(-27 * time.Second).Truncate(time.Second)
	pauses := func(s *server.Server) (out []telemetry.Point) {
		lines, err := s.Engines.Telemetry.Query(ctx, telemetry.Query{Subject: "Patient/heart", Metrics: []vigil.Metric{signal.Pause}, From: from, To: from.Add(time.Hour)})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			out = append(out, l.Points...)
		}
		return out
	}

	s, stop := start(t, dir)
	stream(t, s, from, data[:12*ecgRate])
	until(t, "the first ten seconds", func() bool { return len(pauses(s)) >= 10 })
	stop()

	s, stop = start(t, dir)
	defer stop()
	stream(t, s, from.Add(12*time.Second), data[12*ecgRate:])
	until(t, "asystole", func() bool {
		open, err := s.Engines.Desk.Open(ctx, alarm.Filter{Subject: "Patient/heart"})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range open {
			if a.Rule == "asystole" {
				return a.Priority == vigil.PriorityHigh && a.Value >= 4 && a.Demoted == nil
			}
		}
		return false
	})
	until(t, "every second", func() bool { return len(pauses(s)) >= 26 })
	for i, p := range pauses(s) {
		if want := from.Add(time.Duration(i+1) * time.Second).UnixNano(); p.Time != want || p.Count > 1 {
			t.Fatalf("second %d is told at %s, %d times", i+1, time.Unix(0, p.Time).Sub(from), p.Count)
		}
	}
}
