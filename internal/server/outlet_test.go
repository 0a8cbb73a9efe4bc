package server_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/server"
)

// The outlet of the configuration file runs with the house and is seen on the status, the metrics and by the doctor.
func TestRemoteWriteOutlet(t *testing.T) {
	var requests, down atomic.Int64
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if r.Header.Get("Authorization") == "Bearer x" {
			requests.Add(1)
		}
	}))
	defer store.Close()
	file := filepath.Join(t.TempDir(), "vigil.yaml")
	text := "http: 127.0.0.1:0\nhttps: \"\"\nmqtt: \"\"\nmqtts: \"\"\nturn: \"\"\noutlets:\n  remote_write:\n    url: " + store.URL + "\n    headers:\n      Authorization: Bearer x\n    labels:\n      site: riverside\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := server.LoadConfig(file, true)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Data = t.TempDir()
	s, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		s.Close()
	}()
	token, _, err := s.Engines.Accounts.CreateToken(access.AsSystem(t.Context(), "test"), "test", access.Nurse, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	read := func(path string) string {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Addr()+path, nil)
		req.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return string(b)
	}
	beats(t, s, time.Now().Add(-2*time.Minute))
	until(t, "the samples to arrive", func() bool {
		return requests.Load() > 0 && strings.Contains(read("/metrics"), `vigil_outlet_sent_samples_total{outlet="remote_write"} 61`)
	})
	type line struct {
		Name, Text string
		OK         bool
	}
	look := func() (l line) {
		var status struct{ Checks []line }
		if err := json.Unmarshal([]byte(read("/api/status")), &status); err != nil {
			t.Fatal(err)
		}
		for _, c := range status.Checks {
			if c.Name == "remote_write" {
				l = c
			}
		}
		return l
	}
	if l := look(); !l.OK || l.Text != "61 samples sent, up to date." {
		t.Errorf("%+v", l)
	}
	down.Store(1)
	beats(t, s, time.Now().Add(-time.Minute))
	until(t, "the trouble to be told", func() bool { l := look(); return !l.OK && strings.Contains(l.Text, "503") })
	down.Store(0)
	until(t, "the rest to arrive", func() bool { return look().OK })
}

func TestExamineNamesAWrongOutlet(t *testing.T) {
	cfg := server.DefaultConfig()
	cfg.Data, cfg.Outlets.RemoteWrite.URL = t.TempDir(), "store:8428"
	findings, err := server.Examine(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		if f.Name == "remote_write" && !f.OK && strings.Contains(f.Text, "outlets.remote_write.url") {
			return
		}
	}
	t.Errorf("the doctor does not complain: %+v", findings)
}
