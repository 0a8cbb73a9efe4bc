package server_test

import (
	"net/http"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/server"
)

// beats puts a minute of heart rate and a temperature of a room into the store.
func beats(t *testing.T, s *server.Server, from time.Time) {
	t.Helper()
	r := &vigil.Report{Subject: "Patient/sara", Device: "patch-1", Received: from.UnixNano(), Protocol: "test"}
	for i := range 60 {
		r.Samples = append(r.Samples, vigil.Sample{Metric: "heart-rate", Time: from.Add(time.Duration(i) * time.Second).UnixNano(), Value: float64(60 + i%10)})
	}
	place := &vigil.Report{Subject: "Location/icu-1", Device: "thermo-1", Received: from.UnixNano(), Protocol: "test"}
	place.Samples = []vigil.Sample{{Metric: "room-temperature", Time: from.UnixNano(), Value: 21.5}}
	for _, r := range []*vigil.Report{r, place} {
		if err := s.Engines.Telemetry.AppendWait(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the samples to be readable", func() bool { h := s.Engines.Telemetry.Health(); return h.Applied == h.LogPosition })
}

// The own tool of Prometheus gets the answers that it would get from Prometheus, with an API token.
func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed (Debian package prometheus); scripts/services.sh installs it")
	}
	s, stop := start(t, t.TempDir())
	defer stop()
	from := time.Now().Add(-2 * time.Minute).Truncate(time.Second)
	beats(t, s, from)
	ctx := access.AsSystem(t.Context(), "test")
	text, made, err := s.Engines.Accounts.CreateToken(ctx, "grafana", access.Nurse, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) string { return strconv.FormatInt(from.Add(d).Unix(), 10) }
	door := (&url.URL{Scheme: "http", User: url.UserPassword("token", text), Host: s.Addr(), Path: "/prometheus"}).String()
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"Instant", []string{"instant", "--time=" + at(5*time.Second), door, `vigil_heart_rate_per_minute`},
			`vigil_heart_rate_per_minute{device="patch-1", loinc="8867-4", mdc="147842", metric="heart-rate", subject="Patient/sara", unit="/min"} => 65 @[` + at(5*time.Second) + `]`},
		{"Range", []string{"range", "--start=" + at(0), "--end=" + at(40*time.Second), "--step=20s", door, `max_over_time({subject="Patient/sara"}[10s])`},
			`{device="patch-1", loinc="8867-4", mdc="147842", metric="heart-rate", subject="Patient/sara", unit="/min"} =>` + "\n60 @[" + at(0) + "]\n69 @[" + at(20*time.Second) + "]\n69 @[" + at(40*time.Second) + "]"},
		{"Series", []string{"series", `--match={metric="room-temperature"}`, door},
			`{__name__="vigil_room_temperature_celsius", device="thermo-1", loinc="60832-1", metric="room-temperature", subject="Location/icu-1", unit="Cel"}`},
		{"Labels", []string{"labels", door, "subject"}, "Location/icu-1\nPatient/sara"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), tool, append([]string{"query"}, c.args...)...).CombinedOutput()
			if got := strings.TrimSpace(string(out)); err != nil || got != c.want {
				t.Errorf("%v\n%s\nwant\n%s", err, strings.ReplaceAll(got, text, "…"), c.want)
			}
		})
	}
	list, err := s.Engines.Audit.List(ctx, audit.Filter{Who: "token:" + made.ID})
	if err != nil || len(list) != 4 || list[0].Action != "telemetry.query" || list[0].Subjects[0] != "sara" {
		t.Errorf("the audit trail has %+v, %v", list, err)
	}
}

// A token opens every door to read and none to write.
func TestTokenOnlyReads(t *testing.T) {
	s, stop := start(t, t.TempDir())
	defer stop()
	text, made, err := s.Engines.Accounts.CreateToken(access.AsSystem(t.Context(), "test"), "grafana", access.Physician, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, body string) int {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+text)
		if strings.HasPrefix(path, "/prometheus") {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/api/units", "", 200}, {"GET", "/fhir/Patient", "", 200}, {"GET", "/prometheus/api/v1/labels", "", 200}, {"POST", "/prometheus/api/v1/query", "query=1", 200},
		{"POST", "/api/calls", `{"kind":"help","patient_id":"sara"}`, 403}, {"POST", "/fhir/Patient", `{"resourceType":"Patient"}`, 403},
		{"PUT", "/fhir/Patient/x", `{"resourceType":"Patient","id":"x"}`, 403}, {"DELETE", "/fhir/Patient/x", "", 403},
		{"POST", "/api/tokens", `{"name":"more","role":"nurse"}`, 403}, {"GET", "/live", "", 403}, {"GET", "/api/tokens", "", 403},
	} {
		if got := ask(c.method, c.path, c.body); got != c.want {
			t.Errorf("%s %s answers %d, want %d", c.method, c.path, got, c.want)
		}
	}
	if err := s.Engines.Accounts.RevokeToken(access.AsSystem(t.Context(), "test"), made.ID); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]int{"/api/units": 401, "/fhir/Patient": 401, "/prometheus/api/v1/labels": 401} {
		if got := ask("GET", path, ""); got != want {
			t.Errorf("a revoked token: %s answers %d", path, got)
		}
	}
}
