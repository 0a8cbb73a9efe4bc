package exportapi_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/exportapi"
	"github.com/vigil-health/vigil/internal/api/fhirapi"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type trail struct{ list []audit.Entry }

func (t *trail) Append(_ context.Context, e audit.Entry) error {
	t.list = append(t.list, e)
	return nil
}

type house struct {
	store *telemetry.Store
	trail *trail
	mux   *http.ServeMux
}

// open fills a store with two hours of sara: a monitor, a cuff, a wave and events.
func open(t testing.TB) *house {
	t.Helper()
	log, err := pebble.OpenLog(filepath.Join(t.TempDir(), "log"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	series, err := pebble.OpenSeries(filepath.Join(t.TempDir(), "series"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := telemetry.Open(context.Background(), telemetry.Config{Log: log, Series: series, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	s.Start(context.Background())
	t.Cleanup(func() { _, _, _ = s.Close(), log.Close(), series.Close() })
	for i := range 7200 {
		at := noon.Add(time.Duration(i) * time.Second).UnixNano()
		r := &vigil.Report{Subject: "Patient/sara", Device: "monitor-7", Received: at, Protocol: "test"}
		for j, m := range []vigil.Metric{"heart-rate", "spo2"} {
			r.Samples = append(r.Samples, vigil.Sample{Metric: m, Time: at + int64(j), Value: float64(60+i*7%41) + 0.1*float64(j), Quality: vigil.Quality(i % 4)})
		}
		if i%900 == 0 {
			r.Samples = append(r.Samples, vigil.Sample{Metric: "bp-systolic", Time: at, Value: 120}, vigil.Sample{Metric: "bp-diastolic", Time: at, Value: 80})
			r.Events = []vigil.Event{{Kind: "door-opened", Time: at, Data: map[string]string{"by": "a,\"b\"\nc", "room": "7"}}, {Kind: "tag-seen", Time: at + 1}}
		}
		if i < 20 {
			w := vigil.Waveform{Metric: "pleth", Start: at, Period: 8e6, Scale: 0.5, Offset: 1}
			for k := range 125 {
				w.Data = append(w.Data, int16(k*i-500))
			}
			w.Data[7] = vigil.WaveformMissing
			r.Waveforms = []vigil.Waveform{w}
		}
		s.Append(r, func(error) {})
	}
	if err := s.AppendWait(context.Background(), &vigil.Report{Subject: "Patient/omar", Device: "m", Samples: []vigil.Sample{{Metric: "spo2", Time: noon.UnixNano(), Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	for h := s.Health(); h.Applied < h.LogPosition; h = s.Health() {
		time.Sleep(50 * time.Microsecond)
	}
	h := &house{s, &trail{}, http.NewServeMux()}
	e := &exportapi.Exporter{Telemetry: s, Audit: h.trail, Observations: fhirapi.Observations, Now: func() time.Time { return noon.Add(2 * time.Hour) }, Known: func(id string) bool { return id != "nobody" }}
	h.mux.HandleFunc("GET /api/patients/{id}/telemetry/export", func(w http.ResponseWriter, r *http.Request) {
		if err := e.Serve(w, r); err != nil {
			http.Error(w, err.Error(), map[vigil.Kind]int{vigil.Invalid: 400, vigil.Denied: 403, vigil.NotFound: 404}[vigil.KindOf(err)])
		}
	})
	return h
}

func (h *house) get(t *testing.T, role access.Role, patient, query string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "/api/patients/"+patient+"/telemetry/export?"+query, nil)
	w := httptest.NewRecorder()
	h.mux.ServeHTTP(w, r.WithContext(access.With(r.Context(), access.Principal{ID: "x", Roles: []access.Role{role}})))
	return w
}

// line is one row, read back or made from the store.
type line struct {
	Time                 int64
	Kind, Metric, Device string
	Value                string
	Unit, Quality, LOINC string
	Data                 string
}

const (
	fromMin, toMin = 5, 95 // minutes after noon that are exported: borders inside and outside of chunks
	asked          = "kinds=numerics,waveforms,events"
)

func span() (from, to time.Time) {
	return noon.Add(fromMin * time.Second), noon.Add(toMin * time.Minute)
}

func spanQuery() string {
	from, to := span()
	return fmt.Sprintf("%s&from_ms=%d&to_ms=%d", asked, from.UnixMilli(), to.UnixMilli())
}

// wanted reads the store through its ordinary queries and writes what an export must hold.
func (h *house) wanted(t *testing.T) (out []line) {
	t.Helper()
	ctx := access.AsSystem(t.Context(), "test")
	from, to := span()
	lines, err := h.store.Query(ctx, telemetry.Query{Subject: "Patient/sara", From: from, To: to})
	if err != nil {
		t.Fatal(err)
	}
	facts := map[vigil.Metric][2]string{"heart-rate": {"/min", "8867-4"}, "spo2": {"%", "59408-5"}, "bp-systolic": {"mm[Hg]", "8480-6"}, "bp-diastolic": {"mm[Hg]", "8462-4"}}
	names := []string{"", "late", "questionable", "late|questionable"}
	for _, l := range lines {
		for _, p := range l.Points {
			out = append(out, line{p.Time, "numeric", string(l.Metric), string(p.Device), strconv.FormatFloat(p.Mean, 'g', -1, 64), facts[l.Metric][0], names[p.Quality], facts[l.Metric][1], ""})
		}
	}
	blocks, err := h.store.Waveform(ctx, "Patient/sara", "pleth", from, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range blocks {
		for i, x := range w.Data {
			l := line{w.Start + int64(i)*w.Period, "waveform", "pleth", "monitor-7", "", "1", "", "", ""}
			if x != vigil.WaveformMissing {
				l.Value = strconv.FormatFloat(1+0.5*float64(x), 'g', -1, 64)
			}
			if l.Time >= from.UnixNano() && l.Time < to.UnixNano() {
				out = append(out, l)
			}
		}
	}
	events, err := h.store.Events(ctx, "Patient/sara", nil, from, to)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		data := ""
		if len(e.Data) > 0 {
			b, _ := json.Marshal(e.Data)
			data = string(b)
		}
		out = append(out, line{e.Time, "event", string(e.Kind), "monitor-7", "", "", "", "", data})
	}
	return out
}

func TestCSVRoundTrip(t *testing.T) {
	h := open(t)
	w := h.get(t, access.Nurse, "sara", "format=csv&"+spanQuery())
	if got := w.Header().Get("Content-Disposition"); got != "attachment; filename=telemetry-sara-20260301T120005Z-20260301T133500Z.csv" || w.Header().Get("Content-Type") != "text/csv; charset=utf-8" {
		t.Errorf("headers %v", w.Header())
	}
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got []line
	for _, r := range rows[1:] {
		at, err := time.Parse(time.RFC3339Nano, r[0])
		if err != nil || r[2] != "Patient/sara" {
			t.Fatal(r, err)
		}
		got = append(got, line{at.UnixNano(), r[1], r[3], r[4], r[5], r[6], r[7], r[8], r[10]})
	}
	if diff := cmp.Diff(h.wanted(t), got); diff != "" {
		t.Errorf("%.3000s", diff)
	}
	want := []audit.Entry{{Action: "telemetry.export", What: "Patient/sara", Detail: "csv numerics,waveforms,events", Subjects: []string{"sara"}}}
	if diff := cmp.Diff(want, h.trail.list); diff != "" {
		t.Error(diff)
	}
}

func TestParquetRoundTrip(t *testing.T) {
	h := open(t)
	w := h.get(t, access.Physician, "sara", "format=parquet&"+spanQuery())
	rows, err := parquet.Read[exportapi.Record](bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var got []line
	for _, r := range rows {
		l := line{r.Time, r.Kind, r.Metric, r.Device, "", r.Unit, r.Quality, r.LOINC, r.Data}
		if r.Value != nil {
			l.Value = strconv.FormatFloat(*r.Value, 'g', -1, 64)
		}
		got = append(got, l)
	}
	if diff := cmp.Diff(h.wanted(t), got); diff != "" {
		t.Errorf("%.3000s", diff)
	}
}

func TestNDJSONRoundTrip(t *testing.T) {
	h := open(t)
	w := h.get(t, access.Nurse, "sara", "format=ndjson&"+spanQuery())
	seen, numbers, samples, facts, panels := map[string]bool{}, map[string]int{}, 0, 0, 0
	lines := bufio.NewScanner(w.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		o, err := fhir.Parse(lines.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if faults := fhir.Validate(o); len(faults) > 0 {
			t.Fatalf("not FHIR: %v: %s", faults, lines.Text())
		}
		if id := o.Str("id"); seen[id] || id == "" {
			t.Fatalf("id %q twice", id)
		} else {
			seen[id] = true
		}
		switch {
		case o["valueSampledData"] != nil:
			samples += len(strings.Fields(o.Str("valueSampledData.data")))
		case o.Str("code.coding.0.code") == "85354-9":
			panels++
		case o.Str("code.coding.0.system") == "urn:vigil:event":
			facts++
		default:
			numbers[o.Str("code.coding.0.code")]++
		}
	}
	want := map[string]int{}
	waves, events, cuffs := 0, 0, 0
	for _, l := range h.wanted(t) {
		switch {
		case l.Kind == "waveform":
			waves++
		case l.Kind == "event":
			events++
		case l.Metric == "bp-systolic":
			cuffs++
		case l.Metric != "bp-diastolic":
			want[l.LOINC]++
		}
	}
	if diff := cmp.Diff(want, numbers); diff != "" || samples != waves || facts != events || panels != cuffs || waves == 0 || events == 0 || cuffs == 0 {
		t.Errorf("%s samples %d of %d, events %d of %d, pressures %d of %d", diff, samples, waves, facts, events, panels, cuffs)
	}
}

func TestExports(t *testing.T) {
	h := open(t)
	for _, c := range []struct {
		name, patient, query string
		role                 access.Role
		status               int
		contains, lacks      string
	}{
		{"DefaultIsNumericsOfADay", "sara", "", access.Nurse, 200, ",numeric,", "waveform"},
		{"MetricFilter", "sara", "metrics=spo2,bp-systolic", access.Nurse, 200, "bp-systolic", "heart-rate"},
		{"WaveformFilter", "sara", "kinds=waveforms&metrics=spo2", access.Nurse, 200, "time,kind", "pleth"},
		{"Empty", "nosamples", "kinds=numerics,waveforms,events", access.Nurse, 200, "time,kind", "Patient"},
		{"Unknown", "nobody", "", access.Nurse, 404, "no patient", "time"},
		{"Engineer", "sara", "", access.Engineer, 403, "role", "time"},
		{"Format", "sara", "format=xls", access.Nurse, 400, "/format", "time,"},
		{"AllFaults", "sara", "format=xls&kinds=x&metrics=nope&from_ms=9&to_ms=8", access.Nurse, 400, `/kinds: of numerics, waveforms and events, joined by commas; /metrics: "nope" is no metric of the catalogue; /from_ms: must lie before to_ms`, "time,"},
		{"BadTime", "sara", "from_ms=yesterday", access.Nurse, 400, "/from_ms", "time,"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := h.get(t, c.role, c.patient, c.query)
			if body := w.Body.String(); w.Code != c.status || !strings.Contains(body, c.contains) || strings.Contains(body, c.lacks) || strings.Contains(body, "omar") {
				t.Errorf("%d %.500s", w.Code, body)
			}
		})
	}
}

// broken is a client that goes away after some bytes.
type broken struct {
	*httptest.ResponseRecorder
	left int
}

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, http.ErrHandlerTimeout
	}
	return b.ResponseRecorder.Write(p)
}

// A file that is not whole never ends as if it were.
func TestBreaksOff(t *testing.T) {
	h := open(t)
	for format, bytes := range map[string]int{"csv": 66_000, "ndjson": 66_000, "parquet": 500} {
		func() {
			defer func() {
				if recover() != http.ErrAbortHandler {
					t.Errorf("%s: the answer ended in peace", format)
				}
			}()
			r := httptest.NewRequest("GET", "/api/patients/sara/telemetry/export?format="+format, nil)
			h.mux.ServeHTTP(&broken{httptest.NewRecorder(), bytes}, r.WithContext(access.AsSystem(r.Context(), "test")))
		}()
	}
}
