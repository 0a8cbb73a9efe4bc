package server_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

// start runs a server on dir until stop, which frees everything.
func start(t *testing.T, dir string) (s *server.Server, stop func()) {
	t.Helper()
	return startWith(t, server.Config{Data: dir})
}

func startWith(t *testing.T, cfg server.Config) (s *server.Server, stop func()) {
	t.Helper()
	cfg.HTTP, cfg.MQTT = "127.0.0.1:0", "127.0.0.1:0"
	s, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	return s, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func tell(t *testing.T, s *server.Server, device, payload string) {
	t.Helper()
	answer := make(chan error, 1)
	s.Engines.Ingest.Accept(ingest.Message{Device: vigil.DeviceID(device), Protocol: "test", Payload: []byte(payload)}, func(err error) { answer <- err })
	if err := <-answer; err != nil {
		t.Fatal(err)
	}
}

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !cond(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
		time.Sleep(10 * time.Millisecond) // between two looks at a condition
	}
}

// state is what a restart must not change, read through the engines.
type state struct {
	Alarms   map[string]string
	Limit    float64
	Consult  consult.State
	Messages int
	Devices  int
	Subject  vigil.Subject
	Waiting  string
	Last     map[vigil.Metric]float64
	NEWS2    int
}

func stateOf(t *testing.T, s *server.Server) (out state) {
	t.Helper()
	ctx, e := access.AsSystem(t.Context(), "test"), s.Engines
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	open, err := e.Desk.Open(ctx, alarm.Filter{Subject: "Patient/tan"})
	must(err)
	out.Alarms = map[string]string{}
	for _, a := range open {
		out.Alarms[a.ID] = fmt.Sprint(a.Rule, a.Value, a.AckedBy, a.Evidence != nil)
	}
	limits, err := e.Rules.LimitsOf(ctx, "Patient/lind")
	must(err)
	for _, l := range limits {
		if l.Personal && l.Low != nil {
			out.Limit = *l.Low
		}
	}
	co, err := e.Consults.Current(ctx, "Patient/duarte")
	must(err)
	out.Consult, out.Messages = co.State, len(co.Messages)
	out.Waiting = waiting(t, s)
	out.Devices = len(e.Devices.List(""))
	out.Subject, _ = e.Devices.SubjectAt("patch-031", time.Now())
	values, err := e.Telemetry.Last(ctx, "Patient/tan")
	must(err)
	out.Last = map[vigil.Metric]float64{}
	for _, v := range values {
		out.Last[v.Metric] = v.Value
	}
	if r, ok := e.Rules.ScoreOf("Patient/tan"); ok && r.Total != nil {
		out.NEWS2 = *r.Total
	}
	return out
}

// waiting returns what the metrics say of the quarantine.
func waiting(t *testing.T, s *server.Server) (out string) {
	t.Helper()
	resp, err := http.Get("http://" + s.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "vigil_ingest_quarantine{") {
			out += line
		}
	}
	return out
}

// live has a house see patients, alarms, limits, a consult and what it cannot use, and returns its state.
func live(t *testing.T, s *server.Server) (before state) {
	t.Helper()
	h, err := sim.LoadHospital()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Seed(t.Context(), sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now, Since: time.Hour}); err != nil {
		t.Fatal(err)
	}
	ctx := access.AsSystem(t.Context(), "test")
	monitor := ""
	for _, b := range s.Engines.Devices.Current("Patient/tan") {
		monitor = string(b.Device)
	}
	now := time.Now().UnixMilli()
	tell(t, s, monitor, fmt.Sprintf(`{"ts":%d,"obs":[{"id":"MDC_ECG_HEART_RATE","v":104},{"id":"MDC_PULS_OXIM_SAT_O2","v":89},{"id":"MDC_RESP_RATE","v":24},{"id":"MDC_TEMP_BODY","v":38.4},{"id":"ACVPU","v":0},{"id":"O2_FLOW","v":2}]}`, now))
	tell(t, s, monitor, fmt.Sprintf(`{"ts":%d,"obs":[{"id":"MDC_PRESS_BLD_NONINV_SYS","v":74},{"id":"MDC_PRESS_BLD_NONINV_DIA","v":40},{"id":"MDC_PRESS_BLD_NONINV_MEAN","v":51}]}`, now+1))
	tell(t, s, "who-is-this", `{"hr":1}`)
	tell(t, s, "patch-031", `{"hr":`)
	low := 55.0
	if err := s.Engines.Rules.SetLimits(ctx, "Patient/lind", map[vigil.Metric]vigil.Limit{"bp-mean": {Low: &low}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Engines.Devices.Bind(ctx, "patch-031", "Patient/lind", time.Time{}); err != nil {
		t.Fatal(err)
	}
	co, err := s.Engines.Consults.Open(ctx, consult.Request{Patient: "Patient/duarte"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Engines.Consults.Say(ctx, co.ID, consult.KindMessage, "How are you?"); err != nil {
		t.Fatal(err)
	}
	until(t, "the alarm and the score", func() bool {
		before = stateOf(t, s)
		return len(before.Alarms) > 0 && before.NEWS2 > 0
	})
	return stateOf(t, s)
}

func TestRestart(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { examineRestart(t, server.Config{Data: t.TempDir()}) })
	t.Run("PostgreSQL", func(t *testing.T) { examineRestart(t, server.Config{Data: t.TempDir(), Records: postgres.Database(t)}) })
}

func examineRestart(t *testing.T, cfg server.Config) {
	known := goleak.IgnoreCurrent()
	ctx := access.AsSystem(t.Context(), "test")
	s, stop := startWith(t, cfg)
	before := live(t, s)
	if _, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("a second server on the same directory: %v", err)
	}
	stop()

	s, stop = startWith(t, cfg)
	if diff := cmp.Diff(before, stateOf(t, s)); diff != "" {
		t.Errorf("the restart changed: %s", diff)
	}
	if !strings.Contains(before.Waiting, `unknown_device"} 1`) || !strings.Contains(before.Waiting, `malformed"} 1`) || before.Limit != 55 || before.Consult != consult.Open || before.Messages != 1 || before.Subject != "Patient/lind" || before.Last["bp-mean"] != 51 {
		t.Errorf("before the restart: %+v", before)
	}
	if co, err := s.Engines.Consults.Current(ctx, "Patient/duarte"); err != nil || len(co.Messages) != 1 || co.Messages[0].Text != "How are you?" {
		t.Errorf("the consult: %+v, %v", co, err)
	}
	if n, err := s.Engines.Audit.Verify(ctx); n == 0 || err != nil {
		t.Errorf("the audit trail: %d entries, %v", n, err)
	}
	stop()
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, known)
}

// TestExamineAfterAStop holds that the examination finds a house that was stopped in order well, and changes nothing.
func TestExamineAfterAStop(t *testing.T) {
	dir := t.TempDir()
	_, stop := start(t, dir)
	running, err := server.Examine(t.Context(), server.Config{Data: dir})
	if err != nil || len(running) != 1 || !running[0].OK {
		t.Errorf("while it runs: %+v, %v", running, err)
	}
	stop()
	findings, err := server.Examine(t.Context(), server.Config{Data: dir})
	if err != nil || len(findings) < 5 {
		t.Fatalf("%+v, %v", findings, err)
	}
	for _, f := range findings {
		if !f.OK && f.Name != "disk" {
			t.Errorf("%+v", f)
		}
	}
}

// past is a stopped house whose log took reports that nobody judged any more.
type past struct {
	dir     string
	monitor vigil.DeviceID // of Patient/tan
}

func newPast(t *testing.T) past {
	t.Helper()
	dir := t.TempDir()
	s, stop := start(t, dir)
	h, err := sim.LoadHospital()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Seed(t.Context(), sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now, Since: 12 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	p := past{dir, s.Engines.Devices.Current("Patient/tan")[0].Device}
	stop()
	return p
}

// log takes one value of Patient/tan at a time that has passed.
func (p past) log(t *testing.T, at time.Time, metric vigil.Metric, value float64) {
	t.Helper()
	log, err := pebble.OpenLog(filepath.Join(p.dir, "log"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	series, err := pebble.OpenSeries(filepath.Join(p.dir, "series"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := telemetry.Open(t.Context(), telemetry.Config{Log: log, Series: series, Now: func() time.Time { return at }})
	if err != nil {
		t.Fatal(err)
	}
	ctx := access.AsSystem(t.Context(), "test")
	store.Start(ctx)
	report := &vigil.Report{Device: p.monitor, Subject: "Patient/tan", Received: at.UnixNano(), Protocol: "test", Samples: []vigil.Sample{{Metric: metric, Time: at.UnixNano(), Value: value}}}
	if err := store.AppendWait(ctx, report); err != nil {
		t.Fatal(err)
	}
	for _, c := range []io.Closer{store, series, log} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// alarms reports whether the next start raises an alarm on a metric.
func (p past) alarms(t *testing.T, metric vigil.Metric) bool {
	t.Helper()
	s, stop := start(t, p.dir)
	defer stop()
	ctx := access.AsSystem(t.Context(), "test")
	raised := func() bool {
		open, err := s.Engines.Desk.Open(ctx, alarm.Filter{Subject: "Patient/tan"})
		return err == nil && slices.ContainsFunc(open, func(a vigil.Alarm) bool { return a.Metric == metric })
	}
	for end := time.Now().Add(2 * time.Second); !raised() && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond) // between two looks at a condition
	}
	return raised()
}

// TestLongOutage holds that what was acknowledged at the very end is judged also when the house stood still for hours.
func TestLongOutage(t *testing.T) {
	p := newPast(t)
	p.log(t, time.Now().Add(-5*time.Hour), "bp-mean", 41)
	if !p.alarms(t, "bp-mean") {
		t.Error("no alarm on what was acknowledged before the outage")
	}
}

// TestRestoredIsJudged holds that a restored house judges all telemetry that is younger than its records.
func TestRestoredIsJudged(t *testing.T) {
	p := newPast(t)
	then := time.Now().Add(-5 * time.Hour)
	p.log(t, then, "bp-mean", 41)
	p.log(t, then.Add(time.Hour), "temperature", 36.9) // so that a plain restart looks back no further than this
	if p.alarms(t, "bp-mean") {
		t.Fatal("judged without having been restored: this test shows nothing")
	}
	note := fmt.Sprintf(`{"format":1,"records_at":%q}`, then.Add(-time.Minute).UTC().Format(time.RFC3339Nano))
	if err := os.WriteFile(filepath.Join(p.dir, "restored.json"), []byte(note), 0o600); err != nil {
		t.Fatal(err)
	}
	if !p.alarms(t, "bp-mean") {
		t.Error("a crossing between the moment of the records and that of the telemetry raises no alarm")
	}
	if _, err := os.Stat(filepath.Join(p.dir, "restored.json")); err == nil {
		t.Error("the note stays, so that every start judges again")
	}
}
