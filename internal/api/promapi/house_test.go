package promapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/promapi"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// noon is a time on the grid of chunks.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	sara = vigil.Subject("Patient/sara")
	omar = vigil.Subject("Patient/omar")
	room = vigil.Subject("Location/icu-1")
)

// trail remembers what was noted.
type trail struct {
	mu   sync.Mutex
	list []audit.Entry
	err  error
}

func (t *trail) Later(_ context.Context, e audit.Entry) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	slices.Sort(e.Subjects)
	t.list = append(t.list, e)
	return t.err
}

func (t *trail) take() []audit.Entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.list
	t.list = nil
	return out
}

// house is a door over a real store.
type house struct {
	store *telemetry.Store
	trail *trail
	door  http.Handler
	who   access.Principal
}

var (
	nurse    = access.Principal{ID: "n1", Roles: []access.Role{access.Nurse}}
	engineer = access.Principal{ID: "e1", Roles: []access.Role{access.Engineer}}
	patient  = access.Principal{ID: "p1", Roles: []access.Role{access.Patient}, Person: string(sara), Subject: sara}
)

func openStore(t testing.TB) *telemetry.Store {
	t.Helper()
	dir := t.TempDir()
	log, err := pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	series, err := pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := telemetry.Open(context.Background(), telemetry.Config{Log: log, Series: series, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(context.Background())
	t.Cleanup(func() { _, _, _ = s.Close(), log.Close(), series.Close() })
	return s
}

func open(t testing.TB, change ...func(*promapi.Config)) *house {
	t.Helper()
	h := &house{store: openStore(t), trail: &trail{}, who: nurse}
	cfg := promapi.Config{Telemetry: h.store, Audit: h.trail, Version: "test", Now: func() time.Time { return noon.Add(time.Hour) }}
	for _, fn := range change {
		fn(&cfg)
	}
	h.door = promapi.New(cfg)
	return h
}

// say appends samples of one series, and waits until they can be read.
func (h *house) say(t testing.TB, key vigil.SeriesKey, at time.Time, step time.Duration, values ...float64) {
	t.Helper()
	r := &vigil.Report{Subject: key.Subject, Device: key.Device, Received: at.UnixNano(), Protocol: "test"}
	for i, v := range values {
		r.Samples = append(r.Samples, vigil.Sample{Metric: key.Metric, Time: at.Add(time.Duration(i) * step).UnixNano(), Value: v})
	}
	if err := h.store.AppendWait(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	h.settle()
}

func (h *house) settle() {
	for x := h.store.Health(); x.Applied < x.LogPosition; x = h.store.Health() {
		time.Sleep(50 * time.Microsecond)
	}
}

func (h *house) as(p access.Principal) *house {
	c := *h
	c.who = p
	return &c
}

func (h *house) do(t testing.TB, method, path string, form url.Values) *httptest.ResponseRecorder {
	t.Helper()
	var r *http.Request
	if method == "POST" {
		r = httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	} else {
		r = httptest.NewRequest(method, path+"?"+form.Encode(), nil)
	}
	if h.who.ID != "" {
		r = r.WithContext(access.With(r.Context(), h.who))
	}
	w := httptest.NewRecorder()
	h.door.ServeHTTP(w, r)
	return w
}

type reply struct {
	Status    string          `json:"status"`
	ErrorType string          `json:"errorType"`
	Error     string          `json:"error"`
	Warnings  []string        `json:"warnings"`
	Data      json.RawMessage `json:"data"`
}

func (h *house) get(t testing.TB, path string, pairs ...string) (int, reply) {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	w := h.do(t, "GET", "/api/v1/"+path, form)
	var out reply
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		t.Fatalf("%s: %v: %s", path, err, w.Body)
	}
	return w.Code, out
}

// ward fills the house: sara wears a patch and had a cuff, omar a patch, the room a thermometer.
func ward(t testing.TB, change ...func(*promapi.Config)) *house {
	h := open(t, change...)
	beats := make([]float64, 600) // ten minutes from noon
	for i := range beats {
		beats[i] = float64(60 + i%10)
	}
	h.say(t, vigil.SeriesKey{Subject: sara, Device: "patch-1", Metric: "heart-rate"}, noon, time.Second, beats...)
	h.say(t, vigil.SeriesKey{Subject: sara, Device: "cuff-1", Metric: "bp-systolic"}, noon, 5*time.Minute, 120, 118, 90)
	h.say(t, vigil.SeriesKey{Subject: omar, Device: "patch-2", Metric: "heart-rate"}, noon, time.Second, beats[:60]...)
	h.say(t, vigil.SeriesKey{Subject: room, Device: "thermo-1", Metric: "room-temperature"}, noon, time.Minute, 21.5, 21.5, 22)
	return h
}

func at(d time.Duration) string { return fmt.Sprint(noon.Add(d).Unix()) }

// vector writes an instant vector as device=value, in order.
func vector(t *testing.T, data json.RawMessage) string {
	t.Helper()
	var v struct {
		Result []struct {
			Metric map[string]string `json:"metric"`
			Value  [2]any            `json:"value"`
		} `json:"result"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, s := range v.Result {
		out = append(out, fmt.Sprintf("%s=%s", s.Metric["device"], s.Value[1]))
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
