package sim_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/sim"
)

// TestWardSpeaksItsProfiles lets the ward live for two minutes and holds that every message maps without a problem.
func TestWardSpeaksItsProfiles(t *testing.T) {
	profiles, err := catalog.Devices()
	if err != nil {
		t.Fatal(err)
	}
	mappers := map[string]*ingest.Mapper{}
	for device, profile := range map[string]string{"monitor": "bedside-monitor", "patch": "smart-patch", "climate": "room-climate"} {
		if mappers[device], err = ingest.Compile(profiles[profile]); err != nil {
			t.Fatal(err)
		}
	}
	h, err := sim.LoadHospital()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
		defer cancel()
		samples, waves, lowest := 0, 0, math.Inf(1)
		w := sim.NewWard(h, time.Now, func(_ context.Context, device string, payload []byte) error {
			kind, _, _ := strings.Cut(device, "-")
			got, err := mappers[kind].Map(payload, time.Now())
			if err != nil {
				t.Fatalf("%s: %v: %s", device, err, payload)
			}
			for _, m := range got {
				for _, p := range m.Problems {
					t.Fatalf("%s: %+v: %s", device, p, payload)
				}
				samples, waves = samples+len(m.Report.Samples), waves+len(m.Report.Waveforms)
				for _, s := range m.Report.Samples {
					if device == "monitor-07" && s.Metric == "art-mean" {
						lowest = math.Min(lowest, s.Value)
					}
				}
			}
			return nil
		})
		if err := w.Backfill(ctx, 2*time.Hour, nil); err != nil {
			t.Fatal(err)
		}
		if lowest < 65 {
			t.Errorf("bed 7 fell to %g before the ward opened: the alarm would be old when somebody looks", lowest)
		}
		if err := w.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if samples < 15000 || waves < 5000 {
			t.Errorf("%d samples and %d waveform blocks", samples, waves)
		}
		if lowest > 60 {
			t.Errorf("bed 7 fell to %g only: its story does not happen", lowest)
		}
	})
}

func TestBodyFollowsItsTarget(t *testing.T) {
	b := sim.NewBody(1, sim.Vitals{HR: 70, SpO2: 97, RR: 14, Sys: 120, Dia: 80, Temp: 36.8})
	b.Target.HR = 130
	for range 120 {
		b.Step(time.Second)
	}
	if hr := b.Vitals().HR; hr < 122 || hr > 138 {
		t.Errorf("heart rate %g after two minutes, want about 130", hr)
	}
	s := b.Record(10*time.Second, 250)
	beats, above := 0, false
	for _, v := range s.ECG {
		if v > 0.7 && !above {
			beats++
		}
		above = v > 0.7
	}
	if beats < 20 || beats > 24 {
		t.Errorf("%d R peaks in 10 s at 130/min", beats)
	}
	if len(s.ECG) != 2500 || len(s.Art) != 1250 || len(s.Resp) != 625 {
		t.Errorf("strip of %d, %d, %d samples", len(s.ECG), len(s.Art), len(s.Resp))
	}
}
