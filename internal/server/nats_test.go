package server_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"

	"github.com/vigil-health/vigil/internal/driver/archive"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/registry"
	"github.com/vigil-health/vigil/internal/server"
)

// TestLogOnNATS runs a house whose log is on NATS: it acknowledges, is killed in order, finds everything again, and its
// backup holds all telemetry although the log is not in it.
func TestLogOnNATS(t *testing.T) {
	dir := t.TempDir()
	n, err := natsserver.NewServer(&natsserver.Options{
		Host: "127.0.0.1", Port: natsserver.RANDOM_PORT, JetStream: true, StoreDir: filepath.Join(dir, "nats"), SyncAlways: true, MaxPayload: 8 << 20, NoLog: true, NoSigs: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.Start()
	defer n.Shutdown()
	if !n.ReadyForConnections(10 * time.Second) {
		t.Fatal("the NATS server does not start")
	}
	cfg := server.Config{Data: filepath.Join(dir, "first"), Log: server.LogConfig{URL: n.ClientURL()}}
	open := func(cfg server.Config) *server.Server {
		t.Helper()
		s, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	ctx := access.AsSystem(t.Context(), "test")
	last := func(s *server.Server) string {
		values, err := s.Engines.Telemetry.Last(ctx, "Patient/lind")
		if err != nil || len(values) == 0 {
			return fmt.Sprint("nothing ", err)
		}
		return fmt.Sprint(len(values), values[0].Metric, values[0].Value)
	}
	s := open(cfg)
	if _, _, err := s.Engines.Devices.Register(ctx, registry.Device{ID: "patch", Profile: "smart-patch"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Engines.Devices.Bind(ctx, "patch", "Patient/lind", time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	end := serve(t, s)
	for i := range 20 {
		tell(t, s, "patch", fmt.Sprintf(`{"ts":%d,"hr":%d}`, time.Now().UnixMilli()+int64(i), 60+i))
	}
	file := filepath.Join(dir, "a.tar.age")
	if _, err := s.Engines.Backups.WriteFile(t.Context(), file, archive.Key{Passphrase: "x"}); err != nil {
		t.Fatal(err)
	}
	end()
	if h := s.Engines.Telemetry.Health(); h.Log.Next < 2 {
		t.Errorf("nothing was logged: %+v", h.Log)
	}
	want := "1heart-rate79"
	for name, c := range map[string]server.Config{"Again": cfg, "RestoredToTheDisk": {Data: filepath.Join(dir, "second")}} {
		if name != "Again" {
			if _, err := server.Restore(t.Context(), opened(t, file), c, nil); err != nil {
				t.Fatal(err)
			}
		}
		s := open(c)
		if got := last(s); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	findings, err := server.Examine(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	n.Shutdown()
	for _, f := range findings {
		if f.Name == "log" && !f.OK {
			t.Errorf("%+v", f)
		}
	}
}

// serve runs an open server until end, which closes it.
func serve(t *testing.T, s *server.Server) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	return func() {
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
