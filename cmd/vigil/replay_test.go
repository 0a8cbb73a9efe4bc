package main

import (
	"context"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

// house starts a Vigil with the simulated hospital on a free port.
func house(t *testing.T) *server.Server {
	t.Helper()
	s, stop := houseIn(t, t.TempDir())
	t.Cleanup(stop)
	return s
}

// houseIn runs a seeded house on dir until stop.
func houseIn(t *testing.T, dir string) (s *server.Server, stop func()) {
	t.Helper()
	cfg := server.Config{Data: dir, Site: "Test", Demo: true, HTTP: "127.0.0.1:0"}
	s, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	h, err := sim.LoadHospital()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Seed(t.Context(), sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now, Since: time.Hour}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	return s, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func command(s *server.Server, files ...string) *replayCmd {
	return &replayCmd{remoteFlags: remoteFlags{URL: "http://" + s.Addr()}, Files: files, Gateway: "replay-gateway", Unit: "replay", Speed: "max"}
}

// patientOf finds the invented patient of a record.
func patientOf(t *testing.T, s *server.Server, mrn string) vigil.Subject {
	t.Helper()
	list := s.Engines.Census.Patients("replay", mrn)
	if len(list) != 1 || list[0].Bed == "" {
		t.Fatalf("%s: %+v", mrn, list)
	}
	return vigil.PatientSubject(list[0].ID)
}

// series reads a metric of the last hour back, once it has so many samples: what is acknowledged is on disk, and a
// moment later in the series.
func series(t *testing.T, s *server.Server, who vigil.Subject, metric vigil.Metric, want int) []telemetry.Point {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		lines, err := s.Engines.Telemetry.Query(access.AsSystem(t.Context(), "test"), telemetry.Query{Subject: who, Metrics: []vigil.Metric{metric}, From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Minute)})
		if err == nil && len(lines) == 1 && len(lines[0].Points) >= want {
			return lines[0].Points
		}
		if time.Now().After(until) {
			t.Fatalf("%v, %v", lines, err)
		}
	}
}

func TestReplayCSVIntoAHouse(t *testing.T) {
	s := house(t)
	file := filepath.Join(t.TempDir(), "bed.csv")
	if err := os.WriteFile(file, []byte("t,HR,SpO2\n0,70,97\n1,71,97\n2,72,96\n90,75,400\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for round := 1; round <= 2; round++ { // the second finds patient and device
		if err := command(s, file).Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		points := series(t, s, patientOf(t, s, "REPLAY-bed"), "heart-rate", 4*round)
		if len(points) != 4*round || points[0].Mean != 70 || points[0].Quality&vigil.QualityLate == 0 {
			t.Fatalf("round %d: %+v", round, points)
		}
	}
	d, ok := s.Engines.Devices.Lookup("replay-bed")
	if !ok || d.Profile != sim.ReplayProfile || len(s.Engines.Devices.Current(patientOf(t, s, "REPLAY-bed"))) != 0 {
		t.Error("the monitor was not taken off at the end")
	}
	r, err := remoteFlags{URL: "http://" + s.Addr()}.open(t.Context(), "nurse")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := r.quarantined(t.Context()); n != 2 || err != nil {
		t.Errorf("%d quarantined, %v: an SpO2 of 400 is impossible", n, err)
	}
}

// TestRepeatIsAcknowledged holds that a message sent again after a lost answer is acknowledged and stored once.
func TestRepeatIsAcknowledged(t *testing.T) {
	s := house(t)
	r, err := remoteFlags{URL: "http://" + s.Addr()}.open(t.Context(), "nurse")
	if err == nil {
		err = r.enrolGateway(t.Context(), "gw", "Gateway")
	}
	if err != nil {
		t.Fatal(err)
	}
	m := []sim.Packet{{Device: "patch-101", Payload: []byte(`{"ts":` + itoa(int(time.Now().UnixMilli())) + `,"hr":72}`)}}
	for range 3 {
		if err := r.ingest(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	if got := series(t, s, "Patient/duarte", "heart-rate", 1); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestReplayRefuses(t *testing.T) {
	s := house(t)
	for _, c := range []struct {
		name, want string
		change     func(*replayCmd)
	}{
		{"Nobody", "no Vigil answers", func(c *replayCmd) { c.URL = "http://127.0.0.1:1" }},
		{"Speed", "neither max nor a number", func(c *replayCmd) { c.Speed = "0.5" }},
		{"Loop", "--loop plays at --speed 1", func(c *replayCmd) { c.Loop = true }},
		{"At", "leave out --at", func(c *replayCmd) { c.At = true }},
		{"Password", "session", func(c *replayCmd) { c.Login, c.Password = "nobody", "wrong-password" }},
		{"Token", "token is wrong", func(c *replayCmd) { c.Token = "wrong" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "bed.csv")
			if err := os.WriteFile(file, []byte("t,HR\n0,70\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := command(s, file)
			c.change(cmd)
			if err := cmd.Run(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// realData returns the folder of real recordings, which are never part of the repository.
func realData(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("VIGIL_DATA"); dir != "" {
		return dir
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if at := filepath.Join(dir, "shared", "data"); isFolder(at) {
			return at
		}
	}
	t.Skip("skipped: no real recordings here; name their folder with VIGIL_DATA")
	return ""
}

func isFolder(p string) bool {
	info, err := os.Stat(p)
	return err == nil && info.IsDir()
}

// TestReplayRealStay plays a real intensive-care stay and reads it back: numbers, waveforms, age and sex.
func TestReplayRealStay(t *testing.T) {
	dir := filepath.Join(realData(t), "icu_bidmc")
	if !isFolder(dir) {
		t.Skip("skipped: no BIDMC recordings here")
	}
	records, err := sim.OpenRecordings([]string{dir}, sim.Reading{Only: []string{"02"}})
	if err != nil {
		t.Fatal(err)
	}
	s := house(t)
	cmd := command(s, dir)
	cmd.Only = []string{"02"}
	if err := cmd.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	who := patientOf(t, s, "REPLAY-bidmc-02")
	if p, _ := s.Engines.Census.Patient(who.ID()); p.Name() != "Record 02, BIDMC" || p.Birth.Year() != time.Now().Year()-65 {
		t.Errorf("%+v", p)
	}
	hr := series(t, s, who, "heart-rate", 481)
	if len(hr) != 481 || hr[0].Mean != 93 || hr[480].Time-hr[0].Time != int64(480*time.Second) {
		t.Errorf("%d heart rates, the first %+v", len(hr), hr[0])
	}
	for _, metric := range []vigil.Metric{"ecg-ii", "pleth", "resp-wave"} {
		blocks, err := s.Engines.Telemetry.Waveform(access.AsSystem(t.Context(), "test"), who, metric, time.Now().Add(-time.Hour), time.Now())
		n, lo, hi := 0, math.Inf(1), math.Inf(-1)
		for _, b := range blocks {
			n += len(b.Data)
			for _, v := range b.Data {
				lo, hi = min(lo, b.Offset+b.Scale*float64(v)), max(hi, b.Offset+b.Scale*float64(v))
			}
		}
		if err != nil || n != 120*125 || blocks[0].Period != int64(8*time.Millisecond) || lo < -5 || hi > 5 || hi-lo < 0.1 {
			t.Errorf("%s: %d samples from %g to %g, %v", metric, n, lo, hi, err)
		}
	}
	if len(records[0].Signals) != 3 {
		t.Errorf("%+v", records[0].Left)
	}
}
