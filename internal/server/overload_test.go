package server_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

// A mad device sends fifty times its quota, and everything together ten times what the quotas of the others come to: an
// alarm is raised and paged, every good device is heard, the mad one is held and seen.
func TestAlarmGoesThroughOverload(t *testing.T) {
	const good, quota = 20, 20
	file := filepath.Join(t.TempDir(), "vigil.yaml")
	text := "http: 127.0.0.1:0\nhttps: \"\"\nmqtt: 127.0.0.1:0\nmqtts: \"\"\nturn: \"\"\nquotas:\n  devices:\n    load-00001: {messages: " + strconv.Itoa(quota) + ", burst: 1s}\n"
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
	ward, err := sim.SeedLoad(t.Context(), sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now}, sim.LoadSize{Gateways: 2, Patches: 1 + good, Cuffs: 1})
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
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	began := time.Now()
	at := began.UnixMilli()
	var mad, refused atomic.Int64
	flood, calm := context.WithCancel(t.Context())
	var senders sync.WaitGroup
	senders.Go(func() {
		for n := int64(0); flood.Err() == nil || n < 50*quota; n++ {
			s.Engines.Ingest.Accept(ingest.Message{Device: vigil.DeviceID(ward.Devices[0]), Speaker: vigil.DeviceID(ward.Gateways[0]), Refuse: true, Payload: vitals(at + n)}, func(err error) {
				if err != nil {
					refused.Add(1)
					return
				}
				mad.Add(1)
			})
		}
	})
	heard := make(chan error, good*quota)
	for n := range quota {
		for _, id := range ward.Devices[1 : 1+good] {
			s.Engines.Ingest.Accept(ingest.Message{Device: vigil.DeviceID(id), Speaker: vigil.DeviceID(ward.Gateways[1]), Payload: vitals(at + int64(n))}, func(err error) { heard <- err })
		}
	}
	cuff := ward.Devices[1+good]
	tell(t, s, cuff, `{"ts":`+strconv.FormatInt(time.Now().UnixMilli(), 10)+`,"systolic":{"value":9.3,"unit":"kPa"},"diastolic":{"value":4.0,"unit":"kPa"},"pulse":80}`)
	for range good * quota {
		if err := <-heard; err != nil {
			t.Fatal(err)
		}
	}
	system := access.AsSystem(t.Context(), "test")
	until(t, "the alarm to be raised and paged in the flood", func() bool {
		open, err := s.Engines.Desk.Open(system, alarm.Filter{Subject: vigil.PatientSubject(cuff)})
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range open {
			if a.Class == vigil.Physiological && a.State != vigil.AlarmRaised {
				return true
			}
		}
		return false
	})
	calm()
	senders.Wait()
	most := int64(quota)*int64(time.Since(began)/time.Second+3) + 1
	if n := mad.Load(); n > most || refused.Load() == 0 {
		t.Errorf("%d messages of the mad device are on disk, at most %d were its due; %d refused", n, most, refused.Load())
	}
	if l := s.Engines.Gate.Line(vigil.DeviceID(ward.Devices[0])); !l.Over || l.Refused == 0 {
		t.Errorf("nobody can see that the device is over its quota: %+v", l)
	}
	for _, id := range ward.Devices[1 : 1+good] {
		if l := s.Engines.Gate.Line(vigil.DeviceID(id)); l.Refused != 0 || l.Taken != quota {
			t.Errorf("%s: %+v", id, l)
		}
	}
}

func vitals(ms int64) []byte { return sim.NewLoadVitals(uint64(ms)).Append(nil, ms, 5) }

func TestQuotasAreChecked(t *testing.T) {
	for name, text := range map[string]string{
		"device.messages": "quotas:\n  device: {messages: -1}\n", "devices.p1.burst": "quotas:\n  devices:\n    p1: {burst: soon}\n", "profiles.smart-patch.weight": "quotas:\n  profiles:\n    smart-patch: {weight: 1000}\n",
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "vigil.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			cfg, err := server.LoadConfig(file, true)
			if err != nil {
				t.Fatal(err)
			}
			cfg.Data = t.TempDir()
			s, err := server.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if vigil.KindOf(err) != vigil.Invalid || !strings.Contains(vigil.Message(err), "quotas."+name) {
				t.Errorf("%v", err)
			}
			if err == nil {
				s.Close()
			}
		})
	}
}
