package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/api/socketapi"
	"github.com/vigil-health/vigil/internal/driver/jetstream"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/appraise"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/notify"
	"github.com/vigil-health/vigil/internal/engine/peer"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/registry"
	"github.com/vigil-health/vigil/internal/engine/report"
	"github.com/vigil-health/vigil/internal/engine/rota"
	"github.com/vigil-health/vigil/internal/engine/rule"
	"github.com/vigil-health/vigil/internal/engine/schedule"
	"github.com/vigil-health/vigil/internal/engine/signal"
	"github.com/vigil-health/vigil/internal/engine/subscription"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/engine/trend"
)

// Engines is what the house does, on its embedded stores.
type Engines struct {
	db        *relational.DB
	log       telemetry.Log
	series    *pebble.Series
	logger    *slog.Logger
	Audit     *audit.Trail
	Records   *record.Store
	Accounts  *access.Accounts
	Census    *census.Census
	Devices   *registry.Registry
	Telemetry *telemetry.Store
	Desk      *alarm.Desk
	Rota      *rota.Rota
	Sightings *rota.Sightings
	Rules     *rule.Engine
	Signals   *signal.Deriver
	Trends    *trend.Watcher
	Rulebook  *rule.Rulebook
	Replays   *rule.Replays
	Post      *notify.Post
	App       *notify.App
	Directory *notify.Directory
	ways      ways
	Consults  *consult.Desk
	Schedule  *schedule.Schedule
	Models    *appraise.Registry
	Reports   *report.Desk
	Gate      *gate.Gate
	Ingest    *ingest.Pipeline
	Profiles  map[string]*catalog.Profile
	limits    *relational.Limits
	mail      notify.Channel // nil without a mail server
	Outlets   []outlet

	Subscriptions *subscription.Desk
	Socket        *socketapi.Socket
	Peers         *peer.Desk
	Backups       *Backups
	gaps          chan alarm.Post     // posts that nobody holds
	lost          chan notify.Message // pages that reached nobody
	stopped       bool
}

// openEngines opens the stores and builds the engines on them, lower ones first.
func openEngines(ctx context.Context, cfg Config, log *slog.Logger) (e *Engines, err error) {
	e = &Engines{logger: log, gaps: make(chan alarm.Post, gapsHeld), lost: make(chan notify.Message, gapsHeld)}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.close())
		}
	}()
	if err = e.openStores(ctx, cfg); err != nil {
		return e, err
	}
	e.Backups = newBackups(cfg, e)
	e.Records = record.New(record.Config{Backend: e.db.Records(), Now: time.Now, Audit: e.Audit})
	if err = e.Records.LoadParams(ctx); err != nil {
		return e, fmt.Errorf("read the search parameters of this site: %w", err)
	}
	e.Accounts = access.NewAccounts(access.AccountsConfig{Backend: e.db.Accounts(), Tokens: e.db.Tokens(), Clients: e.db.Clients(), Now: time.Now, Rand: rand.Reader, Audit: e.Audit})
	if e.Census, err = census.Open(ctx, e.Records, log); err != nil {
		return e, fmt.Errorf("open census: %w", err)
	}
	if err = e.openDevices(ctx, cfg); err != nil {
		return e, err
	}
	return e, e.openWatch(ctx, cfg)
}

// openStores opens what lies on disk.
func (e *Engines) openStores(ctx context.Context, cfg Config) (err error) {
	if err := errors.Join(cfg.mustBeWhole(), cfg.sweep()); err != nil {
		return err
	}
	if e.db, err = cfg.openRecords(ctx); err != nil {
		return err
	}
	if reason := e.db.Health().Reason; reason != "" {
		e.logger.Error("records.damaged", "reason", reason)
	}
	if err = e.openLog(ctx, cfg); err != nil {
		return err
	}
	if e.series, err = pebble.OpenSeries(cfg.path("series"), pebble.Options{Logger: e.logger}); err != nil {
		return err
	}
	e.Audit = audit.New(audit.Config{Backend: e.db.Audit(), Now: time.Now})
	return e.openTelemetry(ctx, cfg)
}

// openLog opens the telemetry log: in the data directory, or on NATS when its servers are named.
func (e *Engines) openLog(ctx context.Context, cfg Config) error {
	if cfg.Log.URL == "" {
		log, err := pebble.OpenLog(cfg.path("log"), pebble.Options{Logger: e.logger})
		if err == nil {
			e.log = log
		}
		return err
	}
	log, err := jetstream.OpenLog(ctx, cfg.Log.jetstream())
	if err == nil {
		e.log = log
	}
	return err
}

func (e *Engines) openTelemetry(ctx context.Context, cfg Config) error {
	policy, err := cfg.policy()
	if err != nil {
		return err
	}
	e.Telemetry, err = telemetry.Open(ctx, telemetry.Config{
		Log: e.log, Series: e.series, Now: time.Now, Logger: e.logger, Policy: policy,
		Audit: func(ctx context.Context, action string, subject vigil.Subject) {
			entry := audit.Entry{Action: action, What: string(subject)}
			if subject.IsPatient() {
				entry.Subjects = []string{subject.ID()}
			}
			if err := e.Audit.Later(ctx, entry); err != nil {
				e.logger.Warn("audit.telemetry", "error", err)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("open telemetry: %w", err)
	}
	return nil
}

// openDevices reads the catalogue and the registry and lays the path of a sample.
func (e *Engines) openDevices(ctx context.Context, cfg Config) (err error) {
	if e.Profiles, err = catalog.Devices(); err != nil {
		return err
	}
	if cfg.Devices != "" {
		own, err := catalog.LoadDevices(os.DirFS(cfg.Devices), ".")
		if err != nil {
			return err
		}
		maps.Copy(e.Profiles, own)
	}
	mappers := map[string]*ingest.Mapper{}
	for key, p := range e.Profiles {
		if mappers[key], err = ingest.Compile(p); err != nil {
			return err
		}
	}
	e.Devices, err = registry.Open(ctx, registry.Config{
		Backend: e.db.Registry(), Now: time.Now, Rand: rand.Reader, Bound: e.bound, Changed: e.recordDevice,
		Known:   func(p string) bool { return e.Profiles[p] != nil },
		Gateway: func(p string) bool { return e.Profiles[p] != nil && e.Profiles[p].Kind == "gateway" },
	})
	if err != nil {
		return fmt.Errorf("open registry: %w", err)
	}
	if err := e.openGate(cfg); err != nil {
		return err
	}
	e.Ingest = ingest.New(ingest.Config{Telemetry: e.Telemetry, Devices: e.Devices, Quarantine: e.db.Quarantine(), Now: time.Now, Mappers: mappers, Gate: e.Gate})
	return nil
}

// openWatch builds what watches over patients: desk, post, rules, consults, schedule.
func (e *Engines) openWatch(ctx context.Context, cfg Config) error {
	chains, err := catalog.Chains()
	if err != nil {
		return err
	}
	if err := errors.Join(e.openPost(cfg), e.openRota(ctx)); err != nil {
		return err
	}
	limits, err := cfg.Alarms.offLimits()
	if err != nil {
		return err
	}
	e.Desk = alarm.NewDesk(alarm.Config{
		Book: e.db.Alarms(), Chains: chains, OnCall: e.Rota, Pager: e.Post, Now: time.Now, Log: e.logger,
		Offs: e.db.Offs(), OffLimits: limits, Receipts: e.Post, Gap: e.gap, BedOf: e.Census.BedOf,
		UnitOf: func(_ context.Context, s vigil.Subject) string { return e.Census.UnitOf(s) }, Judged: e.judged,
		Audit: func(ctx context.Context, ev alarm.AuditEvent) {
			if err := e.Audit.Later(ctx, audit.Entry{Action: "alarm." + ev.What, What: ev.Alarm, Outcome: "ok"}); err != nil {
				e.logger.Warn("audit.alarm", "error", err)
			}
		},
	})
	if err := e.openModels(ctx); err != nil {
		return err
	}
	e.Signals = signal.NewDeriver(signal.Config{Append: e.Telemetry.Append, Now: time.Now, Log: e.logger})
	e.Trends = trend.NewWatcher(trend.Config{Tell: e.Signals.Post, History: e.Telemetry.Query, Now: time.Now, Log: e.logger})
	if err := e.openRules(ctx, chains); err != nil {
		return fmt.Errorf("compile rules: %w", err)
	}
	e.Census.OnChange(func(_, patient string) {
		if patient != "" {
			e.Rules.Refresh(vigil.PatientSubject(patient))
		}
	})
	e.Consults = consult.NewDesk(consult.Config{Book: e.db.Consults(), Records: communications{e.Records}, Alarms: e.Desk, NewID: newID, Now: time.Now, Log: e.logger})
	e.Schedule = schedule.New(e.db.Deadlines(), time.Now, e.logger)
	if err := e.Schedule.Every("models", 5*time.Minute, e.Models.Hourly); err != nil {
		return err
	}
	if err := e.openSubscriptions(cfg, e.mail); err != nil {
		return err
	}
	if err := e.openPeers(cfg); err != nil {
		return err
	}
	e.Outlets, err = e.outlets(cfg)
	return err
}

func newID() string {
	b := make([]byte, 16)
	rand.Read(b) //nolint:errcheck // never fails
	return hex.EncodeToString(b)
}

// catchUp is how far back from the newest report rules read the log again after a restart, or longer when a rule waits
// longer. It is
// counted from that report, not from now: after a long outage what was acknowledged last is judged all the same.
const catchUp = 10 * time.Minute

// start brings desk and rules to where they were, then opens the stream. Reports that were acknowledged but not yet
// judged when the process ended are judged now; the desk knows what it had raised already.
func (e *Engines) start(ctx context.Context) error {
	ctx = access.AsSystem(ctx, "server")
	if err := e.Desk.Restore(ctx); err != nil {
		return err
	}
	if err := e.Post.Restore(ctx); err != nil {
		return err
	}
	open, err := e.Desk.Open(ctx, alarm.Filter{})
	if err != nil {
		return err
	}
	e.Rules.Restore(open)
	if err := e.restoreShadows(ctx); err != nil {
		return err
	}
	newest, err := e.Telemetry.Newest(ctx)
	if err != nil {
		return fmt.Errorf("read the end of the log: %w", err)
	}
	err = e.Signals.CatchUp(func(fn func(*vigil.Report) error) error { return e.Telemetry.Recent(ctx, newest.Add(-catchUp), fn) })
	if err != nil {
		return fmt.Errorf("read the waveforms again: %w", err)
	}
	since, judged, err := e.Backups.judgeAgain(newest.Add(-max(catchUp, e.Rules.Longest()+time.Minute)))
	if err != nil {
		return err
	}
	err = e.Rules.CatchUp(func(fn func(*vigil.Report) error) error {
		return e.Telemetry.Recent(ctx, since, func(r *vigil.Report) error {
			e.Devices.Heard(r)
			e.Sightings.Observe([]*vigil.Report{r})
			return fn(r)
		})
	})
	if err != nil {
		return fmt.Errorf("read the log again: %w", err)
	}
	if err := judged(); err != nil {
		return err
	}
	for _, b := range e.Devices.Current("") {
		values, err := e.Telemetry.Last(ctx, b.Subject)
		if err != nil {
			return err
		}
		e.Rules.Seed(values)
		e.Rules.Watch(b.Subject, b.Device, b.From)
	}
	e.Telemetry.Consume("registry", func(list []*vigil.Report) {
		for _, r := range list {
			e.Devices.Heard(r)
		}
	})
	e.Telemetry.Consume("whereabouts", e.Sightings.Observe)
	e.Telemetry.Consume("rules", e.Rules.Observe)
	e.Telemetry.Consume("signal", e.Signals.Observe)
	e.Telemetry.Consume("trend", e.Trends.Observe)
	e.Telemetry.Start(context.WithoutCancel(ctx)) // ended by close, after everything that feeds it
	return nil
}

// parts are the engines that run by themselves.
func (e *Engines) parts() []part {
	var out []part
	for _, o := range e.Outlets {
		out = append(out, part{o.name, o.Run})
	}
	return append(out, []part{
		{"backup", e.Backups.Run},
		{"telemetry", func(ctx context.Context) error {
			e.Telemetry.Start(context.WithoutCancel(ctx))
			<-ctx.Done()
			return nil
		}},
		{"ingest", e.Ingest.Run},
		{"gate", e.Gate.Run},
		{"quotas", e.watchQuotas},
		{"signal", e.Signals.Run},
		{"trend", func(ctx context.Context) error { return e.Trends.Run(access.AsSystem(ctx, "trend")) }},
		{"review", e.reviewAgain},
		{"desk", e.Desk.Run},
		{"gaps", e.watchGaps},
		{"alarm_manager", e.ways.run},
		{"post", e.Post.Run},
		{"schedule", e.Schedule.Run},
		{"models", e.Models.Run},
		{"replays", e.Replays.Run},
		{"peers", e.Peers.Run},
		{"subscriptions", func(ctx context.Context) error {
			defer e.Socket.Close()
			return e.Subscriptions.Run(ctx)
		}},
		{"rules", func(ctx context.Context) error {
			t := time.NewTicker(time.Second)
			defer t.Stop()
			for {
				select {
				case now := <-t.C:
					e.Rules.Tick(now)
				case <-ctx.Done():
					return nil
				}
			}
		}},
	}...)
}

// close stops the stream and frees the stores: what reads before what is read.
func (e *Engines) close() error {
	if e.stopped {
		return nil
	}
	e.stopped = true
	var errs []error
	if e.ways.acm != nil {
		errs = append(errs, e.ways.acm.Close())
	}
	if e.Telemetry != nil {
		errs = append(errs, e.Telemetry.Close())
	}
	if e.series != nil {
		errs = append(errs, e.series.Close())
	}
	if e.log != nil {
		errs = append(errs, e.log.Close())
	}
	if e.Audit != nil {
		errs = append(errs, e.Audit.Close())
	}
	if e.db != nil {
		errs = append(errs, e.db.Close())
	}
	return errors.Join(errs...)
}
