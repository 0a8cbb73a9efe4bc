package trend_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/engine/trend"
)

func TestWatcherKnowsTheWeekBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(51, 52))
		told := map[vigil.Metric][]vigil.Sample{}
		w := trend.NewWatcher(trend.Config{
			Now: time.Now,
			Tell: func(r *vigil.Report) {
				if r.Protocol != vigil.ProtocolDerived {
					t.Errorf("told by protocol %q", r.Protocol)
				}
				for _, s := range r.Samples {
					told[s.Metric] = append(told[s.Metric], s)
				}
			},
			History: func(_ context.Context, q telemetry.Query) ([]telemetry.Line, error) {
				l := telemetry.Line{Metric: "art-mean"}
				for at := q.From; at.Before(q.To); at = at.Add(15 * time.Minute) {
					l.Points = append(l.Points, telemetry.Point{Time: at.UnixNano(), Mean: 100 + 3*r.NormFloat64()})
				}
				return []telemetry.Line{l}, nil
			},
		})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Run(ctx) }()
		say := func(m vigil.Metric, v float64, q vigil.Quality) {
			now := time.Now().UnixNano()
			w.Observe([]*vigil.Report{{Device: "mon-1", Subject: "Patient/sara", Received: now, Samples: []vigil.Sample{{Metric: m, Time: now, Value: v, Quality: q}}}})
			synctest.Wait()
			time.Sleep(20 * time.Second)
		}
		say("art-mean", 100, 0) // meets the patient
		for i := range 120 {    // 40 minutes, down by 30 an hour
			say("art-mean", 100-float64(i)/6+r.NormFloat64(), 0)
			say("bp-mean", 40, 0)                          // a cuff is silent beside a line
			say("art-mean", 30, vigil.QualityQuestionable) // and doubt does not count
		}
		usual, slope := told[trend.OfUsual], told[trend.Trend]
		if len(usual) < 100 || len(usual) > 121 {
			t.Fatalf("told %d times in two hours of readings a minute apart", len(usual))
		}
		if first, last := usual[0].Value, usual[len(usual)-1].Value; first < 96 || first > 104 || last < 77 || last > 83 {
			t.Errorf("from %g %% to %g %% of usual, want 100 to 80", first, last)
		}
		if last := slope[len(slope)-1].Value; last > -7 || last < -10.5 {
			t.Errorf("goes by %g an hour, want a little less than 10 down", last)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
