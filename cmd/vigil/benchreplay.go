package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/pprof"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// benchReplayCmd measures a replay of changed rules over telemetry that it makes first.
type benchReplayCmd struct {
	benchFlags `embed:""`
	Patients   int           `help:"How many patients." default:"100"`
	Days       int           `help:"How many days of telemetry." default:"30"`
	Every      time.Duration `help:"One value of each of five metrics so often." default:"1m"`
	Rules      string        `help:"Rule file; two rules of its own when absent." type:"existingfile" placeholder:"FILE"`
}

// benchRules change a limit and add a condition over windows.
const benchRules = `
- {key: heart-rate-high, kind: limit, title: HR high, priority: medium, chain: medium, metrics: [heart-rate, pulse-rate], side: high, delay: 10s, clear: {hold: 10s, hysteresis: 3}, limits: {adult: 125}, covered_by: [heart-rate-extreme-high]}
- {key: fast-and-low, kind: condition, title: Fast and low, priority: high, chain: high, when: 'last("heart-rate") > 110 && mean("spo2", "5m") < 94 && slope("art-mean", "10m") < 0 && max("respiratory-rate", "10m") > 15 && last("temperature") > 36', delay: 30s, clear: {hold: 10s}}
`

// Run implements the command.
func (c *benchReplayCmd) Run(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp(c.Dir, "vigil-replay")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	text := []byte(benchRules)
	if c.Rules != "" {
		if text, err = os.ReadFile(c.Rules); err != nil {
			return err
		}
	}
	to := time.Date(2026, 3, 31, 0, 0, 0, 0, time.UTC)
	store, closeAll, err := openBench(ctx, dir, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	began := time.Now()
	n, err := c.fill(ctx, store, to)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%d values stored in %.1f s\n", n, time.Since(began).Seconds())
	before := cpuTime()
	stop, err := c.profile()
	if err != nil {
		return err
	}
	took, out, err := c.replay(ctx, store, dir, string(text), to)
	stop()
	if err != nil {
		return err
	}
	rate := float64(out.Samples) / took.Seconds()
	fmt.Printf("%d patients, %d days, every %s: %d values in %.2f s (%.2f s of CPU), %.1f million a second; %d alarms, today %d\n",
		c.Patients, c.Days, c.Every, out.Samples, took.Seconds(), (cpuTime() - before).Seconds(), rate/1e6, out.After.Alarms, out.Today.Alarms)
	return nil
}

// cpuTime is what the process has used of all cores.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// profile begins the CPU profile that was asked for and returns what ends it.
func (c *benchReplayCmd) profile() (stop func(), err error) {
	if c.Profile == "" {
		return func() {}, nil
	}
	f, err := os.Create(c.Profile)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() {
		pprof.StopCPUProfile()
		f.Close() //nolint:errcheck // a profile is no data
	}, nil
}

func openBench(ctx context.Context, dir string, to time.Time) (*telemetry.Store, func() error, error) {
	logger := slog.New(slog.DiscardHandler)
	log, err := pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{Logger: logger})
	if err != nil {
		return nil, nil, err
	}
	series, err := pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{Logger: logger})
	if err != nil {
		return nil, nil, errors.Join(err, log.Close())
	}
	store, err := telemetry.Open(ctx, telemetry.Config{Log: log, Series: series, Now: func() time.Time { return to }, Logger: logger})
	if err != nil {
		return nil, nil, errors.Join(err, series.Close(), log.Close())
	}
	store.Start(context.WithoutCancel(ctx))
	return store, func() error { return errors.Join(store.Close(), series.Close(), log.Close()) }, nil
}

// fill stores values that wander about what adults have, a day of a patient at a time.
func (c *benchReplayCmd) fill(ctx context.Context, store *telemetry.Store, to time.Time) (int, error) {
	metrics := [...]vigil.Metric{"heart-rate", "spo2", "respiratory-rate", "art-mean", "temperature"}
	base, sway := [...]float64{95, 95, 18, 80, 37.2}, [...]float64{12, 2, 4, 8, 0.4}
	from := to.AddDate(0, 0, -c.Days)
	perDay := int(24 * time.Hour / c.Every)
	n := 0
	walks := make([][5]float64, c.Patients)
	rng := rand.New(rand.NewPCG(1, 1))
	for day := range c.Days {
		for p := range c.Patients {
			reports := make([]*vigil.Report, perDay)
			for i := range reports {
				at := from.AddDate(0, 0, day).Add(time.Duration(i) * c.Every).UnixNano()
				r := &vigil.Report{Subject: vigil.PatientSubject(fmt.Sprintf("p%d", p)), Device: vigil.DeviceID(fmt.Sprintf("patch-%d", p)), Received: at, Samples: make([]vigil.Sample, len(metrics))}
				for k, m := range metrics {
					w := &walks[p][k]
					*w = 0.99*(*w) + 0.14*rng.NormFloat64()
					r.Samples[k] = vigil.Sample{Metric: m, Time: at, Value: float64(int(10*(base[k]+sway[k]**w))) / 10}
				}
				reports[i] = r
				n += len(metrics)
			}
			if err := appendAll(ctx, store, reports); err != nil {
				return n, err
			}
		}
	}
	if err := store.Settle(ctx); err != nil {
		return n, err
	}
	return n, store.Checkpoint(ctx)
}

func appendAll(ctx context.Context, store *telemetry.Store, reports []*vigil.Report) error {
	const batch = 2000
	for len(reports) > 0 {
		k := min(batch, len(reports))
		done := make(chan error, 1)
		store.AppendAll(reports[:k], func(err error) { done <- err })
		select {
		case err := <-done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		reports = reports[k:]
	}
	return nil
}

// replay runs one replay as the house does.
func (c *benchReplayCmd) replay(ctx context.Context, store *telemetry.Store, dir, text string, to time.Time) (took time.Duration, out *rule.Outcome, err error) {
	db, err := relational.OpenSQLite(filepath.Join(dir, "records.db"))
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	rules, err := catalog.Rules()
	if err != nil {
		return 0, nil, err
	}
	scores, err := catalog.Scores()
	if err != nil {
		return 0, nil, err
	}
	now := atomic.Pointer[time.Time]{}
	now.Store(&to)
	clock := func() time.Time { return *now.Load() }
	book := rule.NewRulebook(rule.RulebookConfig{Book: db.Rulebook(), Catalogue: rules, Scores: scores, Now: clock})
	runner := rule.NewReplays(rule.ReplaysConfig{Book: db.Rulebook(), Rules: book, Raw: store, NewID: func() string { return "bench" }, Now: clock})
	lee := access.With(ctx, access.Principal{ID: "lee", Name: "Dr Lee", Roles: []access.Role{access.Physician}})
	if _, err := runner.Start(lee, rule.ReplayRequest{Text: text, Days: c.Days}); err != nil {
		return 0, nil, err
	}
	inner, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	began := time.Now()
	go func() { ended <- runner.Run(inner) }()
	for {
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			stop()
			return 0, nil, err
		}
		job, err := db.Rulebook().GetReplay(ctx, "bench")
		if err != nil || job.State != rule.ReplayQueued && job.State != rule.ReplayRunning {
			took = time.Since(began)
			stop()
			<-ended
			if err == nil && job.State != rule.ReplayDone {
				err = vigil.Errorf(vigil.Internal, "bench.replay", "the replay is %s: %s", job.State, job.Error)
			}
			return took, job.Outcome, err
		}
	}
}
