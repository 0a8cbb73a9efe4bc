package server_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/peer"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/server"
)

// ehr is a second Vigil that takes the part of the EHR, and the configuration of the first.
type ehr struct {
	*server.Server
	t      *testing.T
	token  string // of a clinician's session there
	config server.Config
}

// newEHR starts an EHR that knows a first Vigil in dir as the client "vigil" with the scopes.
func newEHR(t *testing.T, dir, alg, scopes string) *ehr {
	t.Helper()
	s, stop := start(t, t.TempDir())
	t.Cleanup(stop)
	e := &ehr{Server: s, t: t}
	keys, err := server.NewPeerKey(server.Config{Data: dir}, alg, false)
	if err != nil {
		t.Fatal(err)
	}
	ctx := access.AsSystem(t.Context(), "test")
	if _, err := s.Engines.Accounts.Register(ctx, access.NewClient{ID: "vigil", Name: "Vigil of ward 3", Scopes: scopes, Keys: keys}); err != nil {
		t.Fatal(err)
	}
	e.token = session(t, s)
	e.config = server.Config{Data: dir, Peers: map[string]server.PeerConfig{"ehr": {
		URL: "http://" + s.Addr() + "/fhir", ClientID: "vigil", Identifier: "urn:oid:1.2.3", Every: time.Second,
		Push: []string{"Patient", "Encounter", "Observation", "Alarm"}, Pull: map[string]string{"Patient": "", "Encounter": "", "Observation": ""},
		Vitals: server.PeerVitals{AroundAlarm: 2 * time.Minute}, Alarms: []string{"DetectedIssue", "Flag", "Communication"},
	}}}
	return e
}

// session signs a physician in and returns the token.
func session(t *testing.T, s *server.Server) string {
	t.Helper()
	ctx := access.AsSystem(t.Context(), "test")
	acc, err := s.Engines.Accounts.Create(ctx, access.NewAccount{Login: "kim", Name: "Dr Kim", Roles: []access.Role{access.Physician, access.Admin}})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := s.Engines.Accounts.SignInAs(ctx, acc.ID)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// ask calls a door with a token and returns status and body.
func ask(t *testing.T, s *server.Server, token, call string, body any) (int, fhir.Resource) {
	t.Helper()
	method, path, _ := strings.Cut(call, " ")
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		in = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.Addr()+path, in)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if strings.HasPrefix(path, "/fhir") {
		req.Header.Set("Content-Type", "application/fhir+json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out fhir.Resource
	if len(text) > 0 && text[0] == '{' {
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatal(err)
		}
	}
	return res.StatusCode, out
}

func entries(t *testing.T, s *server.Server, token, search string) (out []fhir.Resource) {
	t.Helper()
	status, b := ask(t, s, token, "GET /fhir/"+search, nil)
	if status != 200 {
		t.Fatalf("%s: %d %v", search, status, b)
	}
	for _, e := range b.List("entry") {
		r, _ := e["resource"].(map[string]any)
		out = append(out, r)
	}
	return out
}

func put(t *testing.T, s *server.Server, token string, r fhir.Resource) {
	t.Helper()
	if status, out := ask(t, s, token, "PUT /fhir/"+r.Ref(), r); status > 201 {
		t.Fatalf("write %s: %d %v", r.Ref(), status, out)
	}
}

func patient(id, mrn, family string) fhir.Resource {
	return fhir.New("Patient", id).With("identifier", []fhir.Resource{fhir.Identifier("urn:oid:1.2.3", mrn)}).With("name", []fhir.Resource{fhir.HumanName(family)})
}

func encounter(id, pat string) fhir.Resource {
	return fhir.New("Encounter", id).With("status", "in-progress").With("class", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP", "")).With("subject", fhir.Ref("Patient/"+pat, ""))
}

func lab(id, pat string, value float64) fhir.Resource {
	return fhir.New("Observation", id).With("status", "final").With("code", fhir.Concept("Potassium", fhir.Coding("http://loinc.org", "2823-3", ""))).
		With("subject", fhir.Ref("Patient/"+pat, "")).With("effectiveDateTime", "2026-03-01T08:00:00Z").With("valueQuantity", fhir.Quantity(value, "mmol/L", "mmol/L"))
}

// Two Vigils exchange patients, stays, laboratory values and alarms; nothing comes twice, nothing echoes, nothing of theirs
// is written over, and the same holds after a restart.
func TestPeerOfAnotherVigil(t *testing.T) {
	dir := t.TempDir()
	e := newEHR(t, dir, "ES384", "system/*.read system/*.write")
	// The EHR knows Sara already, by the same number, and a laboratory value of hers.
	put(t, e.Server, e.token, patient("p1", "4711", "Holm"))
	put(t, e.Server, e.token, lab("lab1", "p1", 4.1))
	s, stop := startWith(t, server.Config{Data: dir}) // the ward has Sara before it has a peer
	own := session(t, s)
	put(t, s, own, patient("sara", "4711", "Holm (ward)"))
	stop()
	s, stop = startWith(t, e.config)
	put(t, s, own, patient("omar", "4712", "Aziz"))
	if _, b := ask(t, s, own, "GET /fhir/Patient/omar/_history", nil); b.List("entry")[0].List("response.extension")[0].Str("valueReference.display") != "Dr Kim" {
		t.Errorf("the history names nobody: %v", b)
	}
	put(t, s, own, encounter("stay", "omar"))
	put(t, s, own, lab("gas", "sara", 5.2))
	raiseLow(t, s)

	until(t, "the alarm and Omar's stay to be there", func() bool {
		return len(entries(t, e.Server, e.token, "DetectedIssue?patient=Patient/p1")) == 1 && len(entries(t, e.Server, e.token, "Flag?patient=Patient/p1")) == 1 &&
			len(entries(t, e.Server, e.token, "Encounter")) == 1 && len(entries(t, e.Server, e.token, "Observation?patient=Patient/p1&code=2823-3")) == 2
	})
	until(t, "the laboratory value to be here", func() bool { return len(entries(t, s, own, "Observation?code=2823-3")) == 2 })
	stop()
	s, stop = startWith(t, e.config) // everything that was told is told again at most once more
	defer stop()
	put(t, s, own, patient("omar", "4712", "Aziz-Berg"))
	until(t, "the new name to be there", func() bool { return len(entries(t, e.Server, e.token, "Patient?family=Aziz-Berg")) == 1 })
	until(t, "the queue to be empty", func() bool { return quiet(t, s) })

	theirs := entries(t, e.Server, e.token, "Patient?_sort=_id")
	if len(theirs) != 2 {
		t.Errorf("the EHR has %d patients, want 2", len(theirs))
	}
	if p := entries(t, e.Server, e.token, "Patient?identifier=4711"); len(p) != 1 || p[0].Str("name.0.text") != "Holm" && !strings.Contains(fmt.Sprint(p[0]["name"]), "text:Holm]") {
		t.Errorf("the EHR's own record of Sara was written over: %v", p)
	}
	if here := entries(t, s, own, "Patient"); len(here) != 2 {
		t.Errorf("%d patients here, want 2: one echoed or came twice", len(here))
	}
	values := entries(t, s, own, "Observation?code=2823-3&patient=Patient/sara")
	pulled := 0
	for _, o := range values {
		if strings.HasPrefix(o.Str("meta.source"), "http://"+e.Addr()+"/fhir/Observation/lab1") {
			pulled++
		}
	}
	if len(values) != 2 || pulled != 1 {
		t.Errorf("Sara's values here: %d, of them pulled %d; want 2 and 1", len(values), pulled)
	}
	if n := len(entries(t, e.Server, e.token, "Encounter")); n != 1 {
		t.Errorf("%d stays there, want 1", n)
	}
	issue := entries(t, e.Server, e.token, "DetectedIssue")
	if len(issue) != 1 || issue[0].Str("severity") != "high" || issue[0].Str("patient.reference") != "Patient/p1" || len(issue[0].List("identifier")) != 1 {
		t.Errorf("the alarm there: %v", issue)
	}
	if sum := entries(t, e.Server, e.token, "Observation?_tag=urn:vigil:instance|&category=vital-signs"); len(sum) != 0 {
		t.Errorf("the summary around the alarm went before its time: %v", sum)
	}
}

// raiseLow puts an alarm of Sara on the desk.
func raiseLow(t *testing.T, s *server.Server) {
	t.Helper()
	_, err := s.Engines.Desk.Raise(access.AsSystem(t.Context(), "test"), vigil.Alarm{
		ID: "map-low.Patient.sara.1", Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh, Subject: "Patient/sara",
		Rule: "map-low", Title: "MAP low", Text: "falling for 6 min", Metric: "map", Value: 58, Limit: 65, Onset: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// quiet reports whether only the summary that is not due yet waits.
func quiet(t *testing.T, s *server.Server) bool {
	t.Helper()
	items, err := s.Engines.Peers.List(access.AsSystem(t.Context(), "test"), "ehr")
	if err != nil {
		t.Fatal(err)
	}
	for _, it := range items {
		if it.Dead {
			t.Fatalf("refused: %+v", it)
		}
		if !strings.HasPrefix(it.Key, "vitals ") {
			return false
		}
	}
	return true
}

// A client without a scope is refused as long as it lacks it, which the queue says; once the scope is given all goes through.
func TestPeerWithoutScope(t *testing.T) {
	dir := t.TempDir()
	e := newEHR(t, dir, "RS384", "system/*.read system/Patient.write")
	s, stop := startWith(t, e.config)
	defer stop()
	own := session(t, s)
	put(t, s, own, patient("omar", "4712", "Aziz"))
	put(t, s, own, encounter("stay", "omar"))
	ctx := access.AsSystem(t.Context(), "test")
	var state peer.State
	until(t, "the refusal to be told", func() bool {
		list, err := s.Engines.Peers.State(ctx)
		if err != nil {
			t.Fatal(err)
		}
		state = list[0]
		return strings.Contains(state.Error, "403") && len(entries(t, e.Server, e.token, "Patient")) == 1
	})
	if state.OK || state.Dead != 0 || len(entries(t, e.Server, e.token, "Encounter")) != 0 {
		t.Errorf("%+v", state)
	}
	status, answer := ask(t, s, own, "GET /api/status", nil)
	if list := answer.List("peers"); status != 200 || len(list) != 1 || !strings.Contains(list[0].Str("text"), "403") {
		t.Errorf("the status says %d %v", status, answer["peers"])
	}
	keys, err := server.PeerKeys(server.Config{Data: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Engines.Accounts.Register(ctx, access.NewClient{ID: "vigil", Name: "Vigil", Scopes: "system/*.*", Keys: keys}); err != nil {
		t.Fatal(err)
	}
	until(t, "the stay to be there", func() bool {
		ask(t, s, own, "POST /api/peers/ehr/retry", map[string]string{})
		return len(entries(t, e.Server, e.token, "Encounter")) == 1
	})
}

// vigil peer test says step by step what works.
func TestPeerSteps(t *testing.T) {
	dir := t.TempDir()
	e := newEHR(t, dir, "ES384", "system/*.*")
	e.config.Data = dir
	steps, err := server.TestPeer(t.Context(), e.config, "ehr")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range steps {
		names = append(names, s.Name)
		if !s.OK {
			t.Errorf("%s: %s", s.Name, s.Text)
		}
	}
	const want = "key discovery token server pull Encounter pull Observation pull Patient push Patient push Encounter push Observation push DetectedIssue push Flag push Communication"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("steps %s", got)
	}
	if err := e.Engines.Accounts.Unregister(access.AsSystem(t.Context(), "test"), "vigil"); err != nil {
		t.Fatal(err)
	}
	steps, err = server.TestPeer(t.Context(), e.config, "ehr")
	if last := steps[len(steps)-1]; err != nil || last.Name != "token" || last.OK || !strings.Contains(last.Text, "invalid_client") {
		t.Errorf("%+v, %v", last, err)
	}
	if _, err := server.TestPeer(t.Context(), e.config, "nobody"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("an unknown peer: %v", err)
	}
}

// A program does by the FHIR door what its scopes say, and nothing by any other.
func TestProgram(t *testing.T) {
	e := newEHR(t, t.TempDir(), "ES384", "system/Patient.read system/Observation.*")
	put(t, e.Server, e.token, patient("p1", "4711", "Holm"))
	put(t, e.Server, e.token, encounter("stay", "p1"))
	token := grantFor(t, e)
	for _, c := range []struct {
		method, path string
		body         any
		want         int
	}{
		{"GET", "/fhir/Patient/p1", nil, 200},
		{"GET", "/fhir/Patient", nil, 200},
		{"PUT", "/fhir/Patient/p1", patient("p1", "4711", "Other"), 403},
		{"DELETE", "/fhir/Patient/p1", nil, 403},
		{"GET", "/fhir/Encounter/stay", nil, 403},
		{"GET", "/fhir/Encounter", nil, 403},
		{"GET", "/fhir/_history", nil, 403},
		{"GET", "/fhir/AuditEvent", nil, 403},
		{"PUT", "/fhir/Observation/lab2", lab("lab2", "p1", 4), 201},
		{"GET", "/fhir/Patient/p1/$everything", nil, 200},
		{"GET", "/api/patients", nil, 403},
		{"GET", "/api/status", nil, 403},
		{"GET", "/api/tokens", nil, 403},
		{"POST", "/api/clients", map[string]string{}, 403},
		{"GET", "/live", nil, 403},
		{"GET", "/prometheus/api/v1/labels", nil, 403},
		{"POST", "/fhir/$reindex", nil, 403},
	} {
		if status, out := ask(t, e.Server, token, c.method+" "+c.path, c.body); status != c.want {
			t.Errorf("%s %s: %d, want %d: %v", c.method, c.path, status, c.want, out)
		}
	}
	for _, r := range entries(t, e.Server, token, "Patient?_revinclude=Encounter:patient") {
		if r.Type() == "Encounter" {
			t.Error("an include shows what the scopes do not")
		}
	}
	if got := entries(t, e.Server, token, "Patient/p1/$everything"); len(got) == 0 {
		t.Error("nothing of the patient")
	} else {
		for _, r := range got {
			if r.Type() != "Patient" && r.Type() != "Observation" {
				t.Errorf("$everything shows %s", r.Ref())
			}
		}
	}
	status, c := ask(t, e.Server, "", "GET /fhir/metadata", nil)
	if status != 200 || c.List("rest")[0].Str("security.extension.0.url") == "" && !strings.Contains(fmt.Sprint(c.List("rest")[0]["security"]), "/auth/token") {
		t.Errorf("the capability statement tells no token endpoint: %d", status)
	}
}
