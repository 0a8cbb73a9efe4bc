package telemetrytest

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

const sara = vigil.Subject("Patient/sara")

// start is a time on the grid of chunks.
var start = time.Date(2025, 10, 9, 8, 0, 0, 0, time.UTC)

// RunStore examines a telemetry.Store on the ports: what is acknowledged stays, restarts replay, faults are told.
func RunStore(t *testing.T, newDisk func(t *testing.T) Disk) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Disk)
	}{
		{"KeepsEverything", keepsEverything},
		{"RestartsWithAndWithoutCheckpoint", restarts},
		{"PowerCutLosesNothingAcknowledged", powerCut},
		{"FailedSyncStopsAcknowledging", failedSync},
		{"DeniesStrangers", deniesStrangers},
		{"ConsumersSeeOrder", consumersSeeOrder},
		{"SubscriptionsDropTheOldest", subscriptionsDrop},
		{"SubscriptionsKeepToWhatOneMaySee", subscriptionsAsOne},
		{"RefusesWhatCannotBe", refusesWhatCannotBe},
		{"Erases", erases},
		{"BucketsKeepPeaks", bucketsKeepPeaks},
		{"TellsGaps", tellsGaps},
		{"ReplayHasNoFurtherEffect", replayTwice},
		{"AgreesWithModel", agreesWithModel},
		{"AgreesOnEverything", agreesOnEverything},
		{"ClockJumps", clockJumps},
		{"RetentionWaitsForASureClock", retentionWaits},
		{"SummariesAreUsedAndRight", summariesAreRight},
		{"CorrectionsKeepBothValues", correctionsKeepBoth},
		{"RetentionDropsWhatIsDue", retentionDrops},
		{"RetentionSurvivesPowerCuts", retentionSurvives},
		{"LegalHold", legalHold},
		{"BatchIsAcknowledgedWhole", batchWhole},
		{"WaveformsGrowTogether", wavesGrow},
		{"AnotherLogBeginsAnew", anotherLog},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, newDisk(t)) })
	}
}

// house is a running store on a disk.
type house struct {
	*telemetry.Store
	log    telemetry.Log
	series telemetry.Series
	now    atomic.Int64
	policy telemetry.Policy
	trust  time.Duration // of the clock, by retention; 0 believes it at once
}

type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func open(t *testing.T, d Disk, before ...func(*telemetry.Store)) *house {
	t.Helper()
	h := &house{}
	h.log, h.series = d.Open(t)
	h.now.Store(start.Add(24 * time.Hour).UnixNano())
	h.open(t, before...)
	return h
}

func (h *house) open(t fataler, before ...func(*telemetry.Store)) {
	t.Helper()
	s, err := telemetry.Open(context.Background(), telemetry.Config{
		Log: h.log, Series: h.series, CheckpointEvery: time.Hour, Policy: h.policy, ClockTrust: max(h.trust, 1),
		Now: func() time.Time { return time.Unix(0, h.now.Load()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	h.Store = s
	for _, fn := range before {
		fn(s)
	}
	s.Start(context.Background())
}

// stop closes store and ports.
func (h *house) stop(t *testing.T) {
	t.Helper()
	if err := h.Store.Close(); err != nil {
		t.Fatal(err)
	}
	shut(t, h.log, h.series)
}

func system() context.Context { return access.AsSystem(context.Background(), "telemetrytest") }

func (h *house) add(t fataler, reports ...*vigil.Report) {
	t.Helper()
	var wg sync.WaitGroup
	var bad atomic.Pointer[error]
	for _, r := range reports {
		wg.Add(1)
		h.Append(r, func(err error) {
			if err != nil {
				bad.Store(&err)
			}
			wg.Done()
		})
	}
	wg.Wait()
	if err := bad.Load(); err != nil {
		t.Fatalf("append: %v", *err)
	}
	h.settle(t)
}

// settle waits until everything acknowledged can be read.
func (h *house) settle(t fataler) {
	t.Helper()
	for range 10000 {
		if s := h.Health(); s.Applied == s.LogPosition {
			return
		}
		time.Sleep(100 * time.Microsecond)
	}
	t.Fatal("the series never caught up with the log")
}

func report(sub vigil.Subject, at time.Time, value float64) *vigil.Report {
	return &vigil.Report{Device: "monitor-7", Subject: sub, Received: at.UnixNano(), Protocol: "mqtt", Samples: []vigil.Sample{
		{Metric: "heart-rate", Time: at.UnixNano(), Value: value},
		{Metric: "spo2", Time: at.UnixNano(), Value: 97},
	}}
}

func series(sub vigil.Subject, n int) []*vigil.Report {
	var out []*vigil.Report
	for i := range n {
		out = append(out, report(sub, start.Add(time.Duration(i)*time.Second), float64(60+i%40)))
	}
	return out
}

func (h *house) raw(t fataler, q telemetry.Query) []telemetry.Line {
	t.Helper()
	if q.To.IsZero() {
		q.From, q.To = start.Add(-1000*time.Hour), start.Add(1000*time.Hour)
	}
	lines, err := h.Query(system(), q)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func full() *vigil.Report {
	r := report(sara, start, 72)
	r.Waveforms = []vigil.Waveform{
		{Metric: "ecg-ii", Start: start.UnixNano(), Period: 4e6, Scale: 0.01, Offset: 1, Data: []int16{1, 5, -7, vigil.WaveformMissing}},
		{Metric: "ecg-ii", Start: start.UnixNano() + 16e6, Period: 4e6, Scale: 0.01, Offset: 1, Data: []int16{3, 2, 1, 0}},
	}
	r.Events = []vigil.Event{
		{Kind: "dose-taken", Time: start.UnixNano(), Data: map[string]string{"medication": "metoprolol-25"}},
		{Kind: "dose-taken", Time: start.UnixNano(), Data: map[string]string{"medication": "aspirin-100"}},
		{Kind: "door-opened", Time: start.UnixNano() + 5},
	}
	return r
}

func keepsEverything(t *testing.T, d Disk) {
	h := open(t, d)
	h.add(t, full(), full())
	for range 2 {
		checkEverything(t, h)
		h.stop(t)
		h = open(t, d)
	}
	h.stop(t)
}

func checkEverything(t *testing.T, h *house) {
	t.Helper()
	ctx := system()
	last, err := h.Last(ctx, sara, "Patient/nobody")
	if err != nil || len(last) != 2 || last[0].Value != 72 || last[0].Metric != "heart-rate" || !last[0].Time.Equal(start) || !last[1].Received.Equal(start) {
		t.Errorf("Last = %+v, %v", last, err)
	}
	waves, err := h.Waveform(ctx, sara, "ecg-ii", start.Add(10*time.Millisecond), start.Add(time.Second))
	whole := full().Waveforms[0]
	whole.Data = append(whole.Data, full().Waveforms[1].Data...)
	if err != nil || !reflect.DeepEqual(waves, []vigil.Waveform{whole}) {
		t.Errorf("Waveform = %+v, %v", waves, err)
	}
	if waves, err = h.Waveform(ctx, sara, "ecg-ii", start.Add(32*time.Millisecond), start.Add(time.Second)); err != nil || len(waves) != 0 {
		t.Errorf("Waveform after its end = %+v, %v", waves, err)
	}
	infos, err := h.Waveforms(ctx, sara)
	want := []telemetry.WaveInfo{{Metric: "ecg-ii", Device: "monitor-7", End: start.Add(32 * time.Millisecond), Received: start, Period: 4 * time.Millisecond, Scale: 0.01, Offset: 1}}
	if err != nil || cmp.Diff(want, infos) != "" {
		t.Errorf("Waveforms: %v %s", err, cmp.Diff(want, infos))
	}
	events, err := h.Events(ctx, sara, nil, start, start.Add(time.Hour))
	if err != nil || len(events) != 3 || events[2].Kind != "door-opened" || events[0].Subject != sara || events[0].Data["medication"] == "" {
		t.Errorf("Events = %+v, %v", events, err)
	}
	if events, err = h.Events(ctx, sara, []vigil.EventKind{"door-opened"}, start, start.Add(time.Hour)); err != nil || len(events) != 1 || events[0].Device != "monitor-7" {
		t.Errorf("Events of a kind = %+v, %v", events, err)
	}
}

func restarts(t *testing.T, d Disk) {
	h := open(t, d)
	all := series(sara, 3000)
	h.add(t, all[:1700]...)
	if err := h.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.add(t, all[1700:]...)
	cut := open(t, d.PowerCut(t, 30)) // replays what came after the checkpoint
	h.stop(t)
	h = open(t, d) // replays nothing
	defer h.stop(t)
	defer cut.stop(t)
	if n := h.Health().Replayed; n != 0 {
		t.Errorf("after an orderly stop %d reports were replayed", n)
	}
	if n := cut.Health().Replayed; n != 1300 {
		t.Errorf("after a power cut %d reports were replayed, want 1300", n)
	}
	for name, x := range map[string]*house{"stopped": h, "cut": cut} {
		lines := x.raw(t, telemetry.Query{Subject: sara})
		if len(lines) != 2 || len(lines[0].Points) != 3000 || lines[0].Points[2999].Mean != float64(60+2999%40) {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		n := 0
		err := x.Recent(system(), start.Add(2000*time.Second), func(r *vigil.Report) error { n++; return nil })
		if err != nil || n != 1000 {
			t.Errorf("%s: Recent gave %d reports, %v", name, n, err)
		}
	}
}

func powerCut(t *testing.T, d Disk) {
	h := open(t, d)
	defer h.stop(t)
	var acked atomic.Int64
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			r := report(sara, start.Add(time.Duration(i)*time.Second), float64(i))
			h.Append(r, func(err error) {
				if err == nil {
					acked.Add(1)
				}
			})
			if i%1000 == 999 {
				_ = h.Checkpoint(context.Background())
			}
		}
	})
	for round := range 10 {
		time.Sleep(5 * time.Millisecond)
		before := acked.Load()
		cut := open(t, d.PowerCut(t, round*10))
		lines := cut.raw(t, telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}})
		if n := int64(len(lines[0].Points)); n < before {
			t.Errorf("round %d: %d acknowledged, %d found", round, before, n)
		}
		for i, p := range lines[0].Points {
			if p.Mean != float64(i) {
				t.Fatalf("round %d: sample %d is %v", round, i, p.Mean)
			}
		}
		cut.stop(t)
	}
	close(stop)
	writer.Wait()
}

func failedSync(t *testing.T, d Disk) {
	h := open(t, d)
	h.add(t, series(sara, 10)...)
	d.FailSync()
	for range 3 {
		if err := h.AppendWait(context.Background(), report(sara, start, 1)); vigil.KindOf(err) != vigil.Unavailable {
			t.Errorf("append after a failed sync: %v", err)
		}
	}
	if s := h.Health(); s.Acknowledging || s.Reason == "" || s.Appended != 10 {
		t.Errorf("Health = %+v", s)
	}
	if last, err := h.Last(system(), sara); err != nil || len(last) != 2 {
		t.Errorf("reading goes on: %v, %v", last, err)
	}
	cut := open(t, d.PowerCut(t, 0))
	defer cut.stop(t)
	if lines := cut.raw(t, telemetry.Query{Subject: sara}); len(lines) != 2 || len(lines[0].Points) != 10 {
		t.Errorf("after the restart: %+v", lines)
	}
	if !cut.Health().Acknowledging {
		t.Errorf("after the restart: %+v", cut.Health())
	}
	_ = h.Store.Close()
}

func deniesStrangers(t *testing.T, d Disk) {
	h := open(t, d)
	defer h.stop(t)
	h.add(t, full())
	other := access.With(context.Background(), access.Principal{Roles: []access.Role{access.Patient}, Subject: "Patient/otto"})
	for name, ctx := range map[string]context.Context{"Nobody": context.Background(), "AnotherPatient": other} {
		t.Run(name, func(t *testing.T) {
			_, last := h.Last(ctx, sara)
			_, query := h.Query(ctx, telemetry.Query{Subject: sara, From: start, To: start.Add(time.Hour)})
			_, wave := h.Waveform(ctx, sara, "ecg-ii", start, start.Add(time.Hour))
			_, waves := h.Waveforms(ctx, sara)
			_, events := h.Events(ctx, sara, nil, start, start.Add(time.Hour))
			recent := h.Recent(ctx, start, func(*vigil.Report) error { return fmt.Errorf("a report came out") })
			erase := h.Erase(ctx, sara)
			for what, err := range map[string]error{"Last": last, "Query": query, "Waveform": wave, "Waveforms": waves, "Events": events, "Recent": recent, "Erase": erase} {
				if vigil.KindOf(err) != vigil.Denied {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}
