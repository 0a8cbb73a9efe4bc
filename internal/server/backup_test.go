package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/backup"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

// crowd writes without a pause: samples of one patch, numbered by their value, and a record, numbered by its version.
type crowd struct {
	s                *server.Server
	began            time.Time
	samples, records atomic.Int64 // acknowledged
	stop             context.CancelFunc
	done             sync.WaitGroup
}

func gather(t *testing.T, s *server.Server) *crowd {
	t.Helper()
	ctx, cancel := context.WithCancel(access.AsSystem(t.Context(), "test"))
	c := &crowd{s: s, began: time.Now().Add(-time.Minute).Truncate(time.Second), stop: cancel}
	c.done.Go(func() {
		for i := int64(0); ctx.Err() == nil; i++ {
			answer := make(chan error, 1)
			payload := fmt.Sprintf(`{"ts":%d,"hr":%d}`, c.began.UnixMilli()+i, 60+i%30)
			s.Engines.Ingest.Accept(ingest.Message{Device: "patch-031", Protocol: "test", Payload: []byte(payload)}, func(err error) { answer <- err })
			if err := <-answer; err != nil {
				t.Error(err)
				return
			}
			c.samples.Store(i + 1)
		}
	})
	c.done.Go(func() {
		for ctx.Err() == nil {
			r := fhir.New("Communication", "crowd").With("status", "completed").With("payload", []fhir.Resource{{"contentString": fmt.Sprint(c.records.Load())}})
			if _, err := s.Engines.Records.Update(ctx, r, 0); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
			if ctx.Err() == nil {
				c.records.Add(1)
			}
		}
	})
	return c
}

// heard returns the numbers of the samples that a server holds, as a run from 0 without a gap.
func (c *crowd) heard(t *testing.T, s *server.Server) (n int64) {
	t.Helper()
	key := vigil.SeriesKey{Subject: "Patient/lind", Metric: "heart-rate", Device: "patch-031"}
	err := s.Engines.Telemetry.Iterate(access.AsSystem(t.Context(), "test"), key, c.began, time.Now(), func(b telemetry.Block) error {
		for i, at := range b.Times {
			if want := c.began.UnixNano() + n*int64(time.Millisecond); at != want || b.Values[i] != float64(60+n%30) {
				t.Fatalf("sample %d: %v at %d, want it at %d", n, b.Values[i], at, want)
			}
			n++
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestBackup makes a backup while devices and people write, and restores it: what was acknowledged before it began is
// there, nothing is torn, what was open is open and due when it was due.
func TestBackup(t *testing.T) {
	dir := t.TempDir()
	s, stop := start(t, filepath.Join(dir, "first"))
	h, err := sim.LoadHospital()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Seed(t.Context(), sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now, Since: time.Hour}); err != nil {
		t.Fatal(err)
	}
	ctx := access.AsSystem(t.Context(), "test")
	if err := s.Engines.Devices.Bind(ctx, "patch-031", "Patient/lind", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	monitor := ""
	for _, b := range s.Engines.Devices.Current("Patient/tan") {
		monitor = string(b.Device)
	}
	tell(t, s, monitor, fmt.Sprintf(`{"ts":%d,"obs":[{"id":"MDC_PRESS_BLD_NONINV_MEAN","v":41}]}`, time.Now().UnixMilli()))
	until(t, "the alarm", func() bool { return len(deskOf(t, s)) > 0 })
	c := gather(t, s)
	until(t, "a crowd", func() bool { return c.samples.Load() > 200 && c.records.Load() > 20 })
	desk, samples, records := deskOf(t, s), c.samples.Load(), c.records.Load()
	file := filepath.Join(dir, "a.tar.age")
	made, err := s.Engines.Backups.WriteFile(t.Context(), file, archive.Key{Passphrase: "x"})
	after := c.samples.Load()
	c.stop()
	c.done.Wait()
	stop()
	if err != nil {
		t.Fatal(err)
	}

	cfg := server.Config{Data: filepath.Join(dir, "second")}
	if m, err := server.Restore(t.Context(), opened(t, file), cfg, nil); err != nil || !m.Equal(made.Header) {
		t.Fatalf("restore: %+v, %v", m.Header, err)
	}
	found, err := server.VerifyStopped(t.Context(), cfg)
	if err != nil || !found.OK || !found.Compared {
		t.Fatalf("verify after the restore: %+v, %v", found.Faults, err)
	}
	if d := backup.Differences(made.Content, found.Content); len(d) > 0 || made.Content.Records.Resources == 0 {
		t.Errorf("%d resources; %v", made.Content.Records.Resources, d)
	}
	for name, again := range map[string]error{
		"NotEmpty": second(server.Restore(t.Context(), opened(t, file), cfg, nil)),
		"Exists":   second(s.Engines.Backups.WriteFile(t.Context(), file, archive.Key{})),
	} {
		if vigil.KindOf(again) != vigil.Conflict {
			t.Errorf("%s: %v, want a conflict", name, again)
		}
	}

	s, stop = start(t, cfg.Data)
	defer stop()
	if n := c.heard(t, s); n < samples || n > after {
		t.Errorf("%d samples; %d were acknowledged before the backup, %d when it was made", n, samples, after)
	}
	r, err := s.Engines.Records.Read(ctx, "Communication", "crowd")
	if err != nil || int64(r.Version) < records {
		t.Errorf("version %d of the record, %d were written before the backup; %v", r.Version, records, err)
	}
	if d := cmp.Diff(desk, deskOf(t, s)); d != "" {
		t.Errorf("the desk after the restore: %s", d)
	}
	if n, err := s.Engines.Audit.Verify(ctx); n == 0 || err != nil {
		t.Errorf("the audit trail: %d entries, %v", n, err)
	}
	if found, err := s.Engines.Backups.Verify(t.Context()); err != nil || !found.OK || found.Compared {
		t.Errorf("verify while it runs: %+v, %v", found.Faults, err)
	}
}

// deskOf returns the open alarms with what is due when.
func deskOf(t *testing.T, s *server.Server) map[string]string {
	t.Helper()
	open, err := s.Engines.Desk.Open(access.AsSystem(t.Context(), "test"), alarm.Filter{Subject: "Patient/tan"})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, a := range open {
		out[a.ID] = fmt.Sprint(a.Rule, a.Value, a.Next.At.UnixNano())
	}
	return out
}

func opened(t *testing.T, file string) io.Reader {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r, err := archive.Key{Passphrase: "x"}.Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func second[T any](_ T, err error) error { return err }

// TestRestoreInterrupted holds that no Vigil starts on a half restored directory, and that the restore can be done again.
func TestRestoreInterrupted(t *testing.T) {
	dir := t.TempDir()
	_, stop := start(t, filepath.Join(dir, "first"))
	stop()
	quiet := slog.New(slog.DiscardHandler)
	b, done, err := server.OpenStopped(t.Context(), server.Config{Data: filepath.Join(dir, "first")}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "a.tar")
	if _, err := b.WriteFile(t.Context(), file, archive.Key{Passphrase: "x"}); err != nil {
		t.Fatal(err)
	}
	if err := done(); err != nil {
		t.Fatal(err)
	}
	cfg := server.Config{Data: filepath.Join(dir, "second")}
	for _, name := range []string{"restoring/log/000001.log", "records.db"} { // killed while it moved
		p := filepath.Join(cfg.Data, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := server.Open(t.Context(), cfg, quiet); vigil.KindOf(err) != vigil.Conflict || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("a start on a half restored directory: %v", err)
	}
	if _, err := server.Restore(t.Context(), opened(t, file), cfg, nil); err != nil {
		t.Fatal(err)
	}
	if found, err := server.VerifyStopped(t.Context(), cfg); err != nil || !found.OK || !found.Compared {
		t.Errorf("%+v, %v", found.Faults, err)
	}
}

// TestBackupPlan makes backups by the configuration and keeps the newest.
func TestBackupPlan(t *testing.T) {
	dir := t.TempDir()
	cfg := server.Config{Data: filepath.Join(dir, "data"), Backup: server.BackupConfig{To: filepath.Join(dir, "kept"), Keep: 2}}
	s, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"vigil-20200101T000000Z.tar", "vigil-20200102T000000Z.tar", "vigil-20200103T000000Z.tar.partial", "mine.txt"} {
		if err := os.MkdirAll(cfg.Backup.To, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cfg.Backup.To, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	made, err := s.Engines.Backups.Store(access.AsSystem(t.Context(), "test"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.Engines.Backups.List()
	if err != nil || len(list) != 2 || list[0].Name != made.Name || list[1].Name != "vigil-20200102T000000Z.tar" {
		t.Errorf("%+v, %v", list, err)
	}
	if _, err := os.Stat(filepath.Join(cfg.Backup.To, "mine.txt")); err != nil {
		t.Error("a file that is no backup was removed")
	}
	f, err := os.Open(filepath.Join(cfg.Backup.To, made.Name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, found, err := server.VerifyArchive(t.Context(), f, dir, nil); err != nil || !found.OK || !found.Compared {
		t.Errorf("%+v, %v", found.Faults, err)
	}
}
