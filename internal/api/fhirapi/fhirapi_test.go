package fhirapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/fhirapi"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/driver/relational/pgtest"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// series is a telemetry store of ten lines: points by subject and metric.
type series map[vigil.Subject]map[vigil.Metric][]telemetry.Point

func (s series) Last(_ context.Context, subjects ...vigil.Subject) (out []telemetry.Value, err error) {
	for _, sub := range subjects {
		for m, ps := range s[sub] {
			p := ps[len(ps)-1]
			out = append(out, telemetry.Value{SeriesKey: vigil.SeriesKey{Subject: sub, Metric: m, Device: p.Device}, Time: time.Unix(0, p.Time), Value: p.Mean})
		}
	}
	return out, nil
}

func (s series) Query(_ context.Context, q telemetry.Query) (out []telemetry.Line, err error) {
	for m, ps := range s[q.Subject] {
		if len(q.Metrics) > 0 && !slices.Contains(q.Metrics, m) {
			continue
		}
		l := telemetry.Line{Metric: m}
		for _, p := range ps {
			if p.Time >= q.From.UnixNano() && p.Time < q.To.UnixNano() {
				l.Points = append(l.Points, p)
			}
		}
		if q.Points == 1 && len(l.Points) > 0 {
			all := telemetry.Point{Count: len(l.Points), Min: l.Points[0].Mean, Max: l.Points[0].Mean}
			for _, p := range l.Points {
				all.Mean += p.Mean / float64(len(l.Points))
				all.Min, all.Max = min(all.Min, p.Mean), max(all.Max, p.Mean)
			}
			l.Points = []telemetry.Point{all}
		}
		out = append(out, l)
	}
	return out, nil
}

func (s series) Subjects(context.Context) (out []vigil.Subject) {
	for name := range s {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

func (s series) Waveforms(context.Context, vigil.Subject) ([]telemetry.WaveInfo, error) {
	return nil, nil
}

func (s series) IterateWaveform(context.Context, vigil.SeriesKey, time.Time, time.Time, func(vigil.Waveform) error) error {
	return nil
}

var start = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

func ward() series {
	line := func(n int, step time.Duration, value float64) (ps []telemetry.Point) {
		for i := range n {
			ps = append(ps, telemetry.Point{Time: start.Add(time.Duration(i) * step).UnixNano(), Mean: value + float64(i), Count: 1, Device: "patch-1"})
		}
		return ps
	}
	return series{"Patient/sara": {"heart-rate": line(30, time.Minute, 60), "bp-systolic": line(3, 10*time.Minute, 120), "bp-diastolic": line(3, 10*time.Minute, 80)}}
}

type hospital struct {
	http.Handler
	who     access.Principal
	records *record.Store
	db      *relational.DB
}

func (h hospital) do(t testing.TB, method, path, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, "http://vigil.test/fhir"+path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	if h.who.ID != "" {
		r = r.WithContext(access.With(r.Context(), h.who))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func (h hospital) as(id string, role access.Role, subject vigil.Subject) hospital {
	h.who = access.Principal{ID: id, Roles: []access.Role{role}, Subject: subject, Person: string(subject)}
	return h
}

func open(t testing.TB) hospital {
	t.Helper()
	return openIn(t, t.TempDir())
}

func openIn(t testing.TB, dir string) hospital {
	t.Helper()
	db, err := openRecords(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	return onRecords(t, db)
}

var postgres *pgtest.Server

func TestMain(m *testing.M) {
	os.Exit(pgtest.Run(m, func(s *pgtest.Server) { postgres = s }))
}

// openRecords opens the records in SQLite, with VIGIL_TEST_RECORDS=postgres on PostgreSQL.
func openRecords(t testing.TB, dir string) (*relational.DB, error) {
	if os.Getenv("VIGIL_TEST_RECORDS") == "postgres" {
		return relational.OpenPostgres(t.Context(), postgres.Database(t))
	}
	return relational.OpenSQLite(filepath.Join(dir, "vigil.db"))
}

func onRecords(t testing.TB, db *relational.DB) hospital {
	trail := audit.New(audit.Config{Backend: db.Audit()})
	t.Cleanup(func() { trail.Close(); db.Close() })
	n := 0
	store := record.New(record.Config{Backend: db.Records(), Audit: trail, NewID: func() string { n++; return fmt.Sprint("id", n) }})
	return hospital{Handler: fhirapi.New(fhirapi.Config{Records: store, Telemetry: ward(), Audit: trail, Version: "test"}), records: store, db: db}.as("n1", access.Nurse, "")
}

const (
	saraJSON = `{"resourceType":"Patient","id":"sara","name":[{"family":"Okafor","given":["Sara"]}],"birthDate":"1961-04-02","identifier":[{"system":"urn:mrn","value":"1"}]}`
	kimJSON  = `{"resourceType":"Patient","id":"kim","name":[{"family":"Kim"}]}`
	obsJSON  = `{"resourceType":"Observation","id":"o1","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"2524-7"}]},"subject":{"reference":"Patient/sara"},"effectiveDateTime":"2026-03-01T10:05:30Z","valueQuantity":{"value":1.50,"unit":"mmol/L"}}`
)

func filled(t testing.TB) hospital {
	t.Helper()
	h := open(t)
	for path, body := range map[string]string{"/Patient/sara": saraJSON, "/Patient/kim": kimJSON, "/Observation/o1": obsJSON, "/Device/patch-1": `{"resourceType":"Device","id":"patch-1"}`} {
		if w := h.do(t, "PUT", path, body); w.Code != http.StatusCreated {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	return h
}

func TestRequests(t *testing.T) {
	h := filled(t)
	nobody := hospital{Handler: h.Handler}
	sara := h.as("p1", access.Patient, "Patient/sara")
	engineer := h.as("e1", access.Engineer, "")
	admin := h.as("a1", access.Admin, "")
	for _, c := range []struct {
		name               string
		h                  hospital
		method, path, body string
		header             []string
		status             int
		has, hasNot        string
	}{
		{"Read", h, "GET", "/Patient/sara", "", nil, 200, `"family":"Okafor"`, ""},
		{"Pretty", h, "GET", "/Patient/sara?_pretty=true", "", nil, 200, "\n  \"id\": \"sara\"", ""},
		{"NotModified", h, "GET", "/Patient/sara", "", []string{"If-None-Match", `W/"1"`}, 304, "", "Okafor"},
		{"Turtle", h, "GET", "/Patient/sara", "", []string{"Accept", "text/turtle"}, 406, "ask for application/fhir+json", "Okafor"},
		{"Missing", h, "GET", "/Patient/none", "", nil, 404, "not-found", ""},
		{"UnknownType", h, "GET", "/Spaceship/1", "", nil, 404, "Spaceship", ""},
		{"VRead", h, "GET", "/Patient/sara/_history/1", "", nil, 200, "Okafor", ""},
		{"VReadMissing", h, "GET", "/Patient/sara/_history/9", "", nil, 404, "", "Okafor"},
		{"History", h, "GET", "/Patient/sara/_history", "", nil, 200, `"type":"history"`, ""},
		{"Nobody", nobody, "GET", "/Patient/sara", "", nil, 401, "login", "Okafor"},
		{"NobodySearches", nobody, "GET", "/Patient", "", nil, 401, "login", "Okafor"},
		{"Own", sara, "GET", "/Patient/sara", "", nil, 200, "Okafor", ""},
		{"Other", sara, "GET", "/Patient/kim", "", nil, 403, "forbidden", `"family"`},
		{"OwnSearch", sara, "GET", "/Patient", "", nil, 200, "Okafor", `"Kim"`},
		{"PatientWrites", sara, "PUT", "/Patient/sara", saraJSON, nil, 403, "forbidden", ""},
		{"EngineerReadsChart", engineer, "GET", "/Observation?patient=sara", "", nil, 403, "forbidden", "2524-7"},
		{"EngineerReadsDevice", engineer, "GET", "/Device/patch-1", "", nil, 200, "patch-1", ""},
		{"Create", h, "POST", "/Patient", `{"resourceType":"Patient","id":"mine"}`, nil, 201, `"versionId":"1"`, `"mine"`},
		{"CreateOnce", h, "POST", "/Patient", `{"resourceType":"Patient"}`, []string{"If-None-Exist", "identifier=urn:mrn|1"}, 200, "Okafor", ""},
		{"WrongType", h, "POST", "/Patient", obsJSON, nil, 400, "resourceType is", ""},
		{"Malformed", h, "POST", "/Patient", `{"resourceType":`, nil, 400, "not a JSON object", ""},
		{"Trailing", h, "POST", "/Patient", `{"resourceType":"Patient"}{}`, nil, 400, "not one JSON object", ""},
		{"Faults", h, "POST", "/Patient", `{"resourceType":"Patient","colour":"red","birthDate":"01.02.1961","gender":"robot"}`, nil, 400, "Patient.gender", ""},
		{"MediaType", h, "POST", "/Patient", saraJSON, []string{"Content-Type", "text/plain"}, 415, "application/fhir+json", ""},
		{"IDs", h, "PUT", "/Patient/other", saraJSON, nil, 400, "not the id of the path", ""},
		{"Stale", h, "PUT", "/Patient/kim", kimJSON, []string{"If-Match", `W/"7"`}, 412, "conflict", ""},
		{"BadIfMatch", h, "PUT", "/Patient/kim", kimJSON, []string{"If-Match", "x"}, 400, "If-Match", ""},
		{"UnknownParam", h, "GET", "/Patient?shoe=42", "", nil, 400, "shoe", "Okafor"},
		{"SearchGet", h, "GET", "/Patient?name=oka", "", nil, 200, `"total":1`, `"Kim"`},
		{"SearchPost", h, "POST", "/Patient/_search", "name=oka", []string{"Content-Type", "application/x-www-form-urlencoded"}, 200, `"total":1`, `"Kim"`},
		{"Include", h, "GET", "/Observation?_id=o1&_include=Observation:subject", "", nil, 200, `"mode":"include"`, ""},
		{"Capability", nobody, "GET", "/metadata", "", nil, 200, `"fhirVersion":"4.0.1"`, ""},
		{"Method", h, "PUT", "/Patient/sara/_history/1", "{}", nil, 405, "not-supported", ""},
		{"AuditDenied", h, "GET", "/AuditEvent", "", nil, 403, "forbidden", "record.update"},
		{"Audit", admin, "GET", "/AuditEvent?patient=Patient/sara&_count=1000", "", nil, 200, "record.read", "Okafor"},
		{"AuditWrite", admin, "POST", "/AuditEvent", `{"resourceType":"AuditEvent"}`, nil, 405, "", ""},
		{"VitalWrite", h, "PUT", "/Observation/t-AAEAAAAAAAAAAAAAAAAAsara", `{"resourceType":"Observation","id":"t-AAEAAAAAAAAAAAAAAAAAsara"}`, nil, 409, "telemetry", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := c.h.do(t, c.method, c.path, c.body, c.header...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.has) || c.hasNot != "" && strings.Contains(w.Body.String(), c.hasNot) {
				t.Errorf("%d, want %d with %q without %q:\n%s", w.Code, c.status, c.has, c.hasNot, w.Body)
			}
			if w.Code >= 400 && !strings.Contains(w.Body.String(), `"OperationOutcome"`) {
				t.Errorf("no OperationOutcome: %s", w.Body)
			}
		})
	}
}

func TestLife(t *testing.T) {
	h := filled(t)
	w := h.do(t, "PUT", "/Patient/kim", strings.Replace(kimJSON, "Kim", "Kimura", 1), "If-Match", `W/"1"`)
	if w.Code != 200 || w.Header().Get("ETag") != `W/"2"` || !strings.HasSuffix(w.Header().Get("Location"), "/fhir/Patient/kim/_history/2") {
		t.Fatalf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w = h.do(t, "DELETE", "/Patient/kim", ""); w.Code != 204 {
		t.Fatal(w.Code)
	}
	if w = h.do(t, "GET", "/Patient/kim", ""); w.Code != 410 || !strings.Contains(w.Body.String(), "deleted") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w = h.do(t, "DELETE", "/Patient/never", ""); w.Code != 204 {
		t.Error(w.Code)
	}
}

func parse(t testing.TB, w *httptest.ResponseRecorder) fhir.Resource {
	t.Helper()
	res, err := fhir.Parse(w.Body.Bytes())
	if err != nil || w.Code >= 400 {
		t.Fatalf("%d %v %s", w.Code, err, w.Body)
	}
	return res
}

func TestOneAnswerFromRecordsAndTelemetry(t *testing.T) {
	h := filled(t)
	for _, sort := range []string{"-date", "date"} {
		var times, ids []string
		path := "/Observation?patient=sara&_count=7&_sort=" + sort
		for n := 0; path != "" && n < 20; n++ {
			b := parse(t, h.do(t, "GET", path, ""))
			for _, e := range b.List("entry") {
				times, ids = append(times, e.Str("resource.effectiveDateTime")), append(ids, e.Str("resource.id"))
			}
			path = ""
			for _, l := range b.List("link") {
				if l.Str("relation") == "next" {
					path = strings.TrimPrefix(l.Str("url"), "http://vigil.test/fhir")
				}
			}
		}
		if len(ids) != 34 { // 30 heart rates, 3 blood pressures, 1 stored
			t.Errorf("%s: %d Observations: %v", sort, len(ids), times)
		}
		sorted := slices.IsSorted(times)
		if sort == "-date" {
			slices.Reverse(times)
			sorted = slices.IsSorted(times)
		}
		if !sorted || !slices.Contains(ids, "o1") {
			t.Errorf("%s: not in order or without the stored one: %v", sort, times)
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != 34 {
			t.Errorf("%s: some come twice", sort)
		}
	}
}

func TestVitals(t *testing.T) {
	h := filled(t)
	for _, c := range []struct {
		query string
		n     int
	}{
		{"code=http://loinc.org|8867-4", 30}, {"code=85354-9", 3}, {"component-code=http://loinc.org|8480-6", 3}, {"code=8480-6", 0}, {"code=2524-7", 1},
		{"category=vital-signs", 33}, {"date=ge2026-03-01T10:20:00Z", 11}, {"date=2026-03-01T10:00", 2}, {"date=lt2026-03-01", 0},
		{"code=8867-4&value-quantity=gt80", 9}, {"device=Device/patch-1", 33}, {"status=final", 34}, {"code=8867-4&date=gt2026-03-01T10:10:00Z", 19},
	} {
		b := parse(t, h.do(t, "GET", "/Observation?patient=sara&_count=100&"+c.query, ""))
		if n := len(b.List("entry")); n != c.n || b.Str("total") != fmt.Sprint(c.n) {
			t.Errorf("%s: %d (total %s), want %d", c.query, n, b.Str("total"), c.n)
		}
		for _, e := range b.List("entry") {
			res := fhir.Resource(e["resource"].(map[string]any))
			if faults := fhir.Validate(res); len(faults) > 0 {
				t.Errorf("%s: %v", c.query, faults)
			}
		}
	}
	b := parse(t, h.do(t, "GET", "/Observation?patient=sara&code=85354-9&_count=1&_sort=-date&_include=Observation:device", ""))
	panel := fhir.Resource(b.List("entry")[0]["resource"].(map[string]any))
	if panel.Str("component.0.valueQuantity.value") != "122" || panel.Str("component.1.code.coding.0.code") != "8462-4" || len(b.List("entry")) != 2 {
		t.Errorf("panel: %s", fhir.Encode(b))
	}
	read := parse(t, h.do(t, "GET", "/Observation/"+panel.ID(), ""))
	if string(fhir.Encode(read)) != string(fhir.Encode(panel)) {
		t.Errorf("read %s\nsearch %s", fhir.Encode(read), fhir.Encode(panel))
	}
	if w := h.as("p2", access.Patient, "Patient/kim").do(t, "GET", "/Observation/"+panel.ID(), ""); w.Code != 403 {
		t.Errorf("another patient reads it: %d %s", w.Code, w.Body)
	}
	if b := parse(t, h.as("p2", access.Patient, "Patient/kim").do(t, "GET", "/Observation?patient=sara", "")); len(b.List("entry")) != 0 {
		t.Errorf("another patient finds it: %s", fhir.Encode(b))
	}
	if b := parse(t, h.do(t, "GET", "/Observation?patient=sara&_summary=count", "")); b.Str("total") != "34" {
		t.Errorf("count: %s", fhir.Encode(b))
	}
}

func TestTransaction(t *testing.T) {
	h := filled(t)
	bundle := `{"resourceType":"Bundle","type":"transaction","entry":[
	 {"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","name":[{"family":"Reyes"}]},"request":{"method":"POST","url":"Patient"}},
	 {"fullUrl":"urn:uuid:2","resource":{"resourceType":"Observation","status":"final","code":{"text":"x"},"subject":{"reference":"urn:uuid:1"},"performer":[{"reference":"Patient?identifier=urn:mrn|1"}]},"request":{"method":"POST","url":"Observation"}},
	 {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=urn:mrn|1"}},
	 {"request":{"method":"GET","url":"Patient?family=Reyes"}}]}`
	b := parse(t, h.do(t, "POST", "", bundle))
	got := []string{}
	for _, e := range b.List("entry") {
		got = append(got, e.Str("response.status"))
	}
	if want := []string{"201 Created", "201 Created", "200 OK", "200 OK"}; !slices.Equal(got, want) {
		t.Fatalf("%v, want %v", got, want)
	}
	search := parse(t, h.do(t, "GET", "/Observation?code:missing=true&_include=Observation:subject", ""))
	if search.Str("entry.0.resource.performer.0.reference") != "Patient/sara" || search.Str("entry.1.resource.name.0.family") != "Reyes" {
		t.Errorf("references: %s", fhir.Encode(search))
	}
	bad := strings.Replace(strings.Replace(bundle, `"status":"final"`, `"status":"strange"`, 1), "Reyes", "Nobody", 1)
	if w := h.do(t, "POST", "", bad); w.Code != 400 || !strings.Contains(w.Body.String(), "strange") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if b := parse(t, h.do(t, "GET", "/Patient?family=Nobody", "")); b.Str("total") != "0" {
		t.Errorf("half a transaction was stored")
	}
}

func TestBatch(t *testing.T) {
	h := filled(t)
	b := parse(t, h.do(t, "POST", "", `{"resourceType":"Bundle","type":"batch","entry":[
	 {"request":{"method":"GET","url":"Patient/sara"}},{"request":{"method":"GET","url":"Patient/none"}},
	 {"resource":{"resourceType":"Patient","shoe":1},"request":{"method":"POST","url":"Patient"}},
	 {"resource":{"resourceType":"Patient"},"request":{"method":"POST","url":"Patient"}},{"request":{"method":"GET"}}]}`))
	var got []string
	for _, e := range b.List("entry") {
		got = append(got, e.Str("response.status")[:3])
	}
	if want := []string{"200", "404", "400", "201", "400"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestCapabilityIsValid(t *testing.T) {
	res := parse(t, open(t).do(t, "GET", "/metadata", ""))
	for _, f := range fhir.Validate(res) {
		t.Errorf("%s: %s", f.Path, f.Msg)
	}
}

func TestTooLarge(t *testing.T) {
	if w := open(t).do(t, "POST", "/Patient", `{"x":"`+strings.Repeat("x", 17<<20)+`"}`); w.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("%d", w.Code)
	}
}

// FuzzIntake sends any bytes as a resource and as a bundle: a clear answer, never a crash or an internal error.
func FuzzIntake(f *testing.F) {
	f.Add([]byte(saraJSON))
	f.Add([]byte(obsJSON))
	f.Add([]byte(`{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Patient"},"request":{"method":"PUT","url":"Patient/a"}}]}`))
	f.Add([]byte(`{"resourceType":"Patient","name":[null],"contained":[{"resourceType":"Patient","contained":[{}]}]}`))
	h := open(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, path := range []string{"/Patient", "/Observation", ""} {
			w := h.do(t, "POST", path, string(b))
			if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	})
}

// FuzzSearch sends any query: a Bundle or an OperationOutcome.
func FuzzSearch(f *testing.F) {
	for _, q := range []string{"name=x", "patient=sara&_sort=-date&_count=3", "date=ge2026-02-30", "value-quantity=1e999", "code=a|b|c", "_cursor=W10", "_include=Observation:subject:Patient", "patient=sara&_include=Observation"} {
		f.Add(q)
	}
	h := filled(f)
	f.Fuzz(func(t *testing.T, q string) {
		for _, typ := range []string{"/Patient/_search", "/Observation/_search"} {
			w := h.do(t, "POST", typ, q, "Content-Type", "application/x-www-form-urlencoded")
			if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s?%s: %d %s", typ, q, w.Code, w.Body)
			}
		}
	})
}
