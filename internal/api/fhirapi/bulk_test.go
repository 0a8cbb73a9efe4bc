package fhirapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil/internal/api/fhirapi"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
)

// bulky gives a hospital a folder for bulk data; work does its jobs until the test, or the function returned, ends it.
func bulky(t testing.TB, h hospital, dir string, now func() time.Time, hosts ...string) (hospital, func()) {
	t.Helper()
	cfg := fhirapi.Config{Records: h.records, Telemetry: ward(), Now: now, Version: "test"}
	bulk, err := fhirapi.NewBulk(cfg, fhirapi.BulkConfig{Dir: dir, Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Bulk = bulk
	h.Handler = fhirapi.New(cfg)
	return h.as("a1", access.Admin, ""), func() {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); bulk.Run(ctx) }() //nolint:errcheck // ends with its context
		t.Cleanup(func() { cancel(); <-done })
	}
}

type manifest struct {
	TransactionTime, Request string
	RequiresAccessToken      bool
	Output, Error            []struct {
		Type, URL, InputURL string
		Count               int
	}
}

// kick starts a job, by POST when there is a body, and returns its path below the door.
func kick(t testing.TB, h hospital, path, body string, header ...string) string {
	t.Helper()
	method := "POST"
	if body == "" {
		method = "GET"
	}
	w := h.do(t, method, path, body, append(header, "Prefer", "respond-async")...)
	if w.Code != http.StatusAccepted {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	return strings.TrimPrefix(w.Header().Get("Content-Location"), "http://vigil.test/fhir")
}

// await polls a job until it has ended.
func await(t testing.TB, h hospital, at string) (m manifest) {
	t.Helper()
	for range 2000 {
		w := h.do(t, "GET", at, "")
		switch w.Code {
		case http.StatusAccepted:
			if w.Header().Get("X-Progress") == "" || w.Header().Get("Retry-After") == "" {
				t.Fatalf("no progress: %v", w.Header())
			}
			time.Sleep(5 * time.Millisecond)
			continue
		case http.StatusOK:
			if err := json.Unmarshal(w.Body.Bytes(), &m); err != nil || w.Header().Get("Expires") == "" {
				t.Fatalf("%v %v %s", err, w.Header(), w.Body)
			}
			return m
		}
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	t.Fatal("the job does not end")
	return m
}

// exported reads every file of an export: the ids by type.
func exported(t testing.TB, h hospital, m manifest) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, f := range m.Output {
		w := h.do(t, "GET", strings.TrimPrefix(f.URL, "http://vigil.test/fhir"), "")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "application/fhir+ndjson" {
			t.Fatalf("%d %v", w.Code, w.Header())
		}
		lines := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
		if len(lines) != f.Count {
			t.Errorf("%s has %d lines, the manifest says %d", f.URL, len(lines), f.Count)
		}
		for _, line := range lines {
			res, err := fhir.Parse([]byte(line))
			if err != nil || res.Type() != f.Type {
				t.Fatalf("%v in a file of %s: %s", err, f.Type, line)
			}
			out[f.Type] = append(out[f.Type], res.ID())
		}
	}
	return out
}

func TestExport(t *testing.T) {
	h, work := bulky(t, charted(t), filepath.Join(t.TempDir(), "bulk"), nil)
	work()
	if w := h.do(t, "PUT", "/Group/g1", `{"resourceType":"Group","id":"g1","type":"person","actual":true,"member":[{"entity":{"reference":"Patient/kim"}}]}`); w.Code != 201 {
		t.Fatal(w.Body)
	}
	at := kick(t, h, "/$export", "")
	m := await(t, h, at)
	all := exported(t, h, m)
	if !m.RequiresAccessToken || !strings.HasSuffix(m.Request, "/fhir/$export") || len(all["Patient"]) != 2 || len(all["Observation"]) != 34 || len(all["Practitioner"]) != 1 || len(all["Condition"]) != 3 {
		t.Errorf("system: %+v %v", m, all)
	}
	for _, c := range []struct {
		name, path string
		want       map[string]int
	}{
		{"Patients", "/Patient/$export", map[string]int{"Patient": 2, "Practitioner": 0, "Condition": 3, "Observation": 34, "Device": 0}},
		{"OnePatient", "/Patient/$export?patient=Patient/kim", map[string]int{"Patient": 1, "Condition": 1, "Observation": 0}},
		{"Group", "/Group/g1/$export", map[string]int{"Patient": 1, "Condition": 1, "Observation": 0}},
		{"Types", "/$export?_type=Condition,Patient", map[string]int{"Patient": 2, "Condition": 3, "Observation": 0}},
		{"Filter", "/$export?_type=Observation&_typeFilter=Observation%3Fcode=8867-4%26date=ge2026-03-01T10:20:00Z", map[string]int{"Observation": 10}},
		{"Filters", "/$export?_type=Observation&_typeFilter=Observation%3Fcode=2524-7,Observation%3Fcode=85354-9,Observation%3Fcode=2524-7", map[string]int{"Observation": 4}},
		{"Since", "/$export?_since=2090-01-01T00:00:00Z", map[string]int{"Patient": 0, "Observation": 0, "Condition": 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := exported(t, h, await(t, h, kick(t, h, c.path, "")))
			for typ, n := range c.want {
				if len(got[typ]) != n {
					t.Errorf("%s: %d %v, want %d", typ, len(got[typ]), got[typ], n)
				}
				if slices.Sort(got[typ]); len(slices.Compact(got[typ])) != n {
					t.Errorf("%s: some come twice", typ)
				}
			}
		})
	}
	t.Run("Elements", func(t *testing.T) {
		m := await(t, h, kick(t, h, "/$export?_type=Patient&_elements=Patient.birthDate", ""))
		w := h.do(t, "GET", strings.TrimPrefix(m.Output[0].URL, "http://vigil.test/fhir"), "")
		if !strings.Contains(w.Body.String(), "SUBSETTED") || strings.Contains(w.Body.String(), "Okafor") || !strings.Contains(w.Body.String(), "1961-04-02") {
			t.Errorf("%s", w.Body)
		}
	})
	file := strings.TrimPrefix(m.Output[0].URL, "http://vigil.test/fhir")
	other := h.as("a2", access.Admin, "")
	nurse := h.as("n1", access.Nurse, "")
	async := []string{"Prefer", "respond-async"}
	run(t, []request{
		{"Nobody", hospital{Handler: h.Handler}, "GET", "/$export", "", async, 401, "login", ""},
		{"Nurse", nurse, "GET", "/$export", "", async, 403, "forbidden", ""},
		{"Patient", h.as("p1", access.Patient, "Patient/sara"), "GET", "/Patient/$export", "", async, 403, "forbidden", ""},
		{"Engineer", h.as("e1", access.Engineer, ""), "GET", "/$export", "", async, 403, "forbidden", ""},
		{"Waiting", h, "GET", "/$export", "", nil, 400, "respond-async", ""},
		{"BadType", h, "GET", "/$export?_type=Spaceship", "", async, 400, "Spaceship", ""},
		{"BadFilter", h, "GET", "/$export?_type=Patient&_typeFilter=Patient%3Fshoe=1", "", async, 400, "shoe", ""},
		{"FilterOfOther", h, "GET", "/$export?_type=Patient&_typeFilter=Condition%3Fcode=1", "", async, 400, "Condition", ""},
		{"BadFormat", h, "GET", "/$export?_outputFormat=csv", "", async, 400, "csv", ""},
		{"BadSince", h, "GET", "/$export?_since=soon", "", async, 400, "soon", ""},
		{"UnknownParam", h, "GET", "/$export?shoe=1", "", async, 400, "shoe", ""},
		{"NotInCompartment", h, "GET", "/Patient/$export?_type=Device", "", async, 400, "Device", ""},
		{"NoGroup", h, "GET", "/Group/none/$export", "", async, 404, "not-found", ""},
		{"OthersState", other, "GET", at, "", nil, 404, "no such job", "output"},
		{"OthersFile", other, "GET", file, "", nil, 404, "no such job", "resourceType\":\"Account"},
		{"NobodysFile", hospital{Handler: h.Handler}, "GET", file, "", nil, 401, "login", ""},
		{"JobFile", h, "GET", at + "/job.json", "", nil, 404, "no file", "who"},
		{"Elsewhere", h, "GET", at + "/..%2fjob.json", "", nil, 405, "", "who"},
		{"OthersEnd", other, "DELETE", at, "", nil, 404, "no such job", ""},
		{"End", h, "DELETE", at, "", nil, 202, "", ""},
		{"Ended", h, "GET", at, "", nil, 404, "no such job", ""},
		{"FileEnded", h, "GET", file, "", nil, 404, "no such job", ""},
	})
}

// A program's token exports what its role may read and nothing else.
func TestExportByToken(t *testing.T) {
	h, work := bulky(t, charted(t), filepath.Join(t.TempDir(), "bulk"), nil)
	work()
	token := h.as("t1", access.Engineer, "")
	token.who.ReadOnly = true
	m := await(t, token, kick(t, token, "/$export?_type=Device,Condition", ""))
	got := exported(t, token, m)
	if len(got["Device"]) != 1 || len(got["Condition"]) != 0 || len(m.Error) != 1 {
		t.Errorf("%v %+v", got, m)
	}
	if w := token.do(t, "POST", "/$import", `{}`, "Prefer", "respond-async"); w.Code != 403 {
		t.Errorf("a token imports: %d", w.Code)
	}
}

// A job outlives the process: it is done by the next one; its files go when they have expired.
func TestExportOutlivesRestart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bulk")
	clock := start
	now := func() time.Time { return clock }
	h := charted(t)
	first, _ := bulky(t, h, dir, now) // never works
	at := kick(t, first, "/$export?_type=Condition", "")
	orphan := filepath.Join(dir, "0011") // of a kick-off that was never answered
	if err := os.Mkdir(orphan, 0o700); err != nil {
		t.Fatal(err)
	}
	second, work := bulky(t, h, dir, now)
	if _, err := os.Stat(orphan); !os.IsNotExist(err) {
		t.Errorf("half a job stays: %v", err)
	}
	if w := second.do(t, "GET", at, ""); w.Code != http.StatusAccepted || w.Header().Get("X-Progress") != "queued" {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	work()
	m := await(t, second, at)
	third, _ := bulky(t, h, dir, now)
	if got := exported(t, third, m); len(got["Condition"]) != 3 {
		t.Errorf("%v", got)
	}
	clock = clock.Add(25 * time.Hour)
	if w := third.do(t, "GET", at, ""); w.Code != http.StatusNotFound {
		t.Errorf("it does not expire: %d", w.Code)
	}
	fourth, work := bulky(t, h, dir, now)
	work()
	await(t, fourth, kick(t, fourth, "/$export?_type=Device", ""))
	if _, err := os.Stat(filepath.Join(dir, strings.TrimPrefix(at, "/_bulk/"))); !os.IsNotExist(err) {
		t.Errorf("expired files stay: %v", err)
	}
}

func TestImport(t *testing.T) {
	var lines strings.Builder
	for i := range 1200 {
		fmt.Fprintf(&lines, `{"resourceType":"Observation","id":"i%d","status":"final","code":{"text":"x"},"subject":{"reference":"Patient/sara"}}`+"\n", i)
		switch i {
		case 10:
			lines.WriteString("{not json\n\n")
		case 700:
			lines.WriteString(`{"resourceType":"Observation","id":"bad","status":"strange","code":{"text":"x"}}` + "\n")
		case 800:
			lines.WriteString(`{"resourceType":"AuditEvent","id":"forged"}` + "\n")
		}
	}
	lines.WriteString(`{"resourceType":"Patient","name":[{"family":"Nameless"}]}`) // no id, no end of line
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://192.0.2.1/secret", http.StatusFound)
			return
		}
		fmt.Fprintln(w, `{"resourceType":"Patient","id":"far","name":[{"family":"Far"}]}`)
	}))
	defer elsewhere.Close()
	host := strings.TrimPrefix(elsewhere.URL, "http://")
	h, work := bulky(t, filled(t), filepath.Join(t.TempDir(), "bulk"), nil, host)
	work()
	m := await(t, h, kick(t, h, "/$import", lines.String(), "Content-Type", "application/fhir+ndjson"))
	if len(m.Output) != 1 || m.Output[0].Count != 1201 || len(m.Error) != 1 || m.Error[0].Count != 3 {
		t.Fatalf("%+v", m)
	}
	faults := h.do(t, "GET", strings.TrimPrefix(m.Error[0].URL, "http://vigil.test/fhir"), "").Body.String()
	for _, has := range []string{"line 12:", "line 704:", "Observation/bad", "line 805:", "audit trail"} {
		if !strings.Contains(faults, has) {
			t.Errorf("no %q in %s", has, faults)
		}
	}
	m = await(t, h, kick(t, h, "/$import", `{"inputFormat":"application/fhir+ndjson","input":[{"type":"Patient","url":"`+elsewhere.URL+`/p.ndjson"}]}`, "Content-Type", "application/json"))
	if len(m.Output) != 1 || m.Output[0].Count != 1 || m.Output[0].InputURL == "" {
		t.Errorf("%+v", m)
	}
	at := kick(t, h, "/$import", `{"input":[{"url":"`+elsewhere.URL+`/away"}]}`, "Content-Type", "application/json")
	for range 1000 {
		if w := h.do(t, "GET", at, ""); w.Code != 202 {
			if w.Code != 500 || !strings.Contains(w.Body.String(), "192.0.2.1") || strings.Contains(w.Body.String(), "refused") {
				t.Errorf("led elsewhere: %d %s", w.Code, w.Body)
			}
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	var form bytes.Buffer
	mw := multipart.NewWriter(&form)
	part, _ := mw.CreateFormFile("Device", "d.ndjson")
	part.Write([]byte(`{"resourceType":"Device","id":"dev-9"}` + "\n" + `{"resourceType":"Patient","id":"p9"}` + "\n")) //nolint:errcheck // in memory
	mw.Close()
	m = await(t, h, kick(t, h, "/$import", form.String(), "Content-Type", mw.FormDataContentType()))
	if m.Output[0].Count != 1 || len(m.Error) != 1 {
		t.Errorf("%+v", m)
	}
	async := []string{"Prefer", "respond-async", "Content-Type", "application/json"}
	run(t, []request{
		{"Stored", h, "GET", "/Observation?code:text=x&_summary=count", "", nil, 200, `"total":1200`, ""},
		{"NoID", h, "GET", "/Patient?family=Nameless", "", nil, 200, `"total":1`, ""},
		{"Fetched", h, "GET", "/Patient/far", "", nil, 200, "Far", ""},
		{"Uploaded", h, "GET", "/Device/dev-9", "", nil, 200, "dev-9", ""},
		{"OtherTypeInFile", h, "GET", "/Patient/p9", "", nil, 404, "not-found", ""},
		{"Faulty", h, "GET", "/Observation/bad", "", nil, 404, "not-found", ""},
		{"Nurse", h.as("n1", access.Nurse, ""), "POST", "/$import", `{}`, async, 403, "forbidden", ""},
		{"Nobody", hospital{Handler: h.Handler}, "POST", "/$import", `{}`, async, 401, "login", ""},
		{"OtherHost", h, "POST", "/$import", `{"input":[{"url":"http://169.254.169.254/x"}]}`, async, 400, "import.hosts", ""},
		{"FileURL", h, "POST", "/$import", `{"input":[{"url":"file:///etc/passwd"}]}`, async, 400, "not an http", ""},
		{"Empty", h, "POST", "/$import", `{}`, async, 400, "no input", ""},
		{"NotJSON", h, "POST", "/$import", `{`, async, 400, "not JSON", ""},
		{"Media", h, "POST", "/$import", `x`, []string{"Prefer", "respond-async", "Content-Type", "text/csv"}, 415, "ndjson", ""},
		{"Waiting", h, "POST", "/$import", `{}`, nil, 400, "respond-async", ""},
		{"ByGet", h, "GET", "/$import", "", async, 405, "POST", ""},
	})
}

// An import that is broken off goes on where it was: everything is stored, and at most the last transaction twice.
func TestImportOutlivesRestart(t *testing.T) {
	const n = 4000
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"resourceType":"Patient","id":"q%d"}`+"\n", i)
	}
	dir := filepath.Join(t.TempDir(), "bulk")
	h := open(t)
	cfg := fhirapi.Config{Records: h.records}
	bulk, err := fhirapi.NewBulk(cfg, fhirapi.BulkConfig{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Bulk = bulk
	first := h.as("a1", access.Admin, "")
	first.Handler = fhirapi.New(cfg)
	at := kick(t, first, "/$import", lines.String(), "Content-Type", "application/fhir+ndjson")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); bulk.Run(ctx) }() //nolint:errcheck // ends with its context
	for !strings.Contains(first.do(t, "GET", at, "").Header().Get("X-Progress"), "stored") {
		time.Sleep(time.Millisecond)
	}
	cancel()
	<-done
	second, work := bulky(t, h, dir, nil)
	if w := second.do(t, "GET", at, ""); w.Code != http.StatusAccepted {
		t.Fatalf("it was not broken off: %d", w.Code)
	}
	work()
	if m := await(t, second, at); len(m.Error) != 0 {
		t.Errorf("%+v", m)
	}
	if b := parse(t, second.do(t, "GET", "/Patient?_summary=count", "")); b.Str("total") != fmt.Sprint(n) {
		t.Errorf("%s are stored", b.Str("total"))
	}
	if b := parse(t, second.do(t, "GET", "/Patient/q0/_history", "")); len(b.List("entry")) != 1 {
		t.Error("what was done is done again")
	}
}

// BenchmarkImport stores resources through the whole path, in transactions of 500.
func BenchmarkImport(b *testing.B) {
	h, work := bulky(b, filled(b), filepath.Join(b.TempDir(), "bulk"), nil)
	work()
	const n = 5000
	round := 0
	for b.Loop() {
		b.StopTimer()
		var lines strings.Builder
		round++
		for i := range n {
			fmt.Fprintf(&lines, `{"resourceType":"Observation","id":"r%d-%d","status":"final","code":{"coding":[{"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/sara"},"effectiveDateTime":"2026-03-01T10:00:00Z","valueQuantity":{"value":%d,"unit":"bpm","system":"http://unitsofmeasure.org","code":"/min"}}`+"\n", round, i, i)
		}
		b.StartTimer()
		if m := await(b, h, kick(b, h, "/$import", lines.String(), "Content-Type", "application/fhir+ndjson")); m.Output[0].Count != n {
			b.Fatalf("%+v", m)
		}
	}
	b.ReportMetric(float64(n*round)/b.Elapsed().Seconds(), "resources/s")
}
