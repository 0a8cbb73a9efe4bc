package webapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

// house is a running server with the simulated hospital, quiet unless a test lets a device speak.
type house struct {
	*server.Server
	url string
}

// open starts a house in dir; stop ends it in order and reports what went wrong.
func open(dir string, cfg server.Config, seed bool) (h *house, stop func() error, err error) {
	cfg.Data, cfg.HTTP = dir, "127.0.0.1:0"
	s, err := server.Open(context.Background(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	if seed {
		if err := admitAll(s); err != nil {
			return nil, nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	select {
	case <-s.Ready():
	case err := <-done:
		cancel()
		return nil, nil, err
	}
	return &house{s, "http://" + s.Addr()}, func() error {
		cancel()
		if err := <-done; err != nil {
			return err
		}
		return s.Close()
	}, nil
}

func admitAll(s *server.Server) error {
	hospital, err := sim.LoadHospital()
	if err != nil {
		return err
	}
	to := sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now, Since: time.Hour}
	_, err = hospital.Seed(context.Background(), to)
	return err
}

// demo is the house that the tests of this package share. They speak of different patients.
var demo = sync.OnceValues(func() (*house, func() error) {
	dir, err := os.MkdirTemp("", "vigil-doors")
	if err != nil {
		panic(err)
	}
	h, stop, err := open(dir, server.Config{Site: "Riverside Hospital", Demo: true, Version: "test"}, true)
	if err != nil {
		panic(err)
	}
	return h, func() error {
		defer os.RemoveAll(dir)
		return stop()
	}
})

func TestMain(m *testing.M) {
	_, stop := demo()
	code := m.Run()
	if err := stop(); err != nil {
		fmt.Fprintln(os.Stderr, "the shared house did not end well:", err)
		code = 1
	}
	os.Exit(code)
}

func shared() *house {
	h, _ := demo()
	return h
}

// tell hands in a device's message and waits until it is on disk.
func (h *house) tell(t *testing.T, device, payload string) {
	t.Helper()
	answer := make(chan error, 1)
	h.Engines.Ingest.Accept(ingest.Message{Device: vigil.DeviceID(device), Protocol: "test", Payload: []byte(payload)}, func(err error) { answer <- err })
	select {
	case err := <-answer:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("the message was never answered")
	}
}

// monitor says numbers as a bedside monitor does, measured now.
func (h *house) monitor(t *testing.T, device string, values map[string]float64) {
	t.Helper()
	var obs []string
	for k, v := range values {
		obs = append(obs, fmt.Sprintf(`{"id":%q,"v":%g}`, k, v))
	}
	h.tell(t, device, fmt.Sprintf(`{"ts":%d,"obs":[%s]}`, time.Now().UnixMilli(), strings.Join(obs, ",")))
}

// cuff says a blood pressure as measured with a cuff, for which the limit rules wait for nothing.
func (h *house) cuff(t *testing.T, device string, sys, dia, mean float64) {
	t.Helper()
	h.monitor(t, device, map[string]float64{"MDC_PRESS_BLD_NONINV_SYS": sys, "MDC_PRESS_BLD_NONINV_DIA": dia, "MDC_PRESS_BLD_NONINV_MEAN": mean})
}

// monitorOf returns the bedside monitor of a patient.
func (h *house) monitorOf(t *testing.T, patient string) string {
	t.Helper()
	for _, b := range h.Engines.Devices.Current(vigil.PatientSubject(patient)) {
		if d, ok := h.Engines.Devices.Lookup(b.Device); ok && d.Profile == "bedside-monitor" {
			return string(d.ID)
		}
	}
	t.Fatalf("%s has no monitor", patient)
	return ""
}

// alarmOf waits until an alarm of the rule is open for the patient.
func (h *house) alarmOf(t *testing.T, v *visitor, patient, rule string) (id string) {
	t.Helper()
	until(t, "an alarm "+rule+" of "+patient, func() bool {
		var list []struct{ ID, Rule, State string }
		v.must(t, "GET", "/api/patients/"+patient+"/alarms", "", &list)
		for _, a := range list {
			if a.Rule == rule && a.State != "resolved" {
				id = a.ID
			}
		}
		return id != ""
	})
	return id
}

// visitor is a browser.
type visitor struct {
	url    string
	client *http.Client
	header http.Header
}

func (h *house) stranger() *visitor {
	jar, _ := cookiejar.New(nil)
	return &visitor{url: h.url, client: &http.Client{Jar: jar, Timeout: 30 * time.Second}, header: http.Header{}}
}

// visit lets a visitor of the simulated hospital in, by role or by login.
func (h *house) visit(t *testing.T, who string) *visitor {
	t.Helper()
	v := h.stranger()
	key := "login"
	switch access.Role(who) {
	case access.Nurse, access.Physician, access.Engineer, access.Patient:
		key = "role"
	}
	v.must(t, "POST", "/api/session/visit", fmt.Sprintf(`{%q:%q}`, key, who), nil)
	return v
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (v *visitor) ask(t *testing.T, method, path, body string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, v.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for k, list := range v.header {
		req.Header[k] = list
	}
	resp, err := v.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return answer{resp.StatusCode, resp.Header, string(bytes.TrimSpace(b))}
}

// must asks and fails the test unless it goes well; out may be nil.
func (v *visitor) must(t *testing.T, method, path, body string, out any) {
	t.Helper()
	a := v.ask(t, method, path, body)
	if a.status >= 300 {
		t.Fatalf("%s %s %s: %d %s", method, path, body, a.status, a.body)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal([]byte(a.body), out); err != nil {
		t.Fatalf("%s %s: %v in %s", method, path, err, a.body)
	}
}

// refused asks and fails the test unless the answer is the status with the envelope; it returns the message.
func (v *visitor) refused(t *testing.T, method, path, body string, status int) string {
	t.Helper()
	a := v.ask(t, method, path, body)
	kind, message := envelope(a)
	if a.status != status || kind == "" || message == "" {
		t.Errorf("%s %s %s: %d %s, want %d with the envelope", method, path, body, a.status, a.body, status)
	}
	return message
}

func envelope(a answer) (kind, message string) {
	var e struct {
		Error struct{ Kind, Message string }
	}
	if json.Unmarshal([]byte(a.body), &e) != nil || a.header.Get("Content-Type") != "application/json" {
		return "", ""
	}
	return e.Error.Kind, e.Error.Message
}

// patience bounds how long a test waits for what must come.
const patience = 20 * time.Second

func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !cond(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
		time.Sleep(10 * time.Millisecond) // between two looks at a condition
	}
}
