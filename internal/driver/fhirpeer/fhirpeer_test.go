package fhirpeer_test

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/fhirpeer"
	"github.com/vigil-health/vigil/internal/engine/peer"
	"github.com/vigil-health/vigil/internal/fhir"
)

// fake is a FHIR server that gives tokens t1, t2, … and answers as it is told.
type fake struct {
	*httptest.Server
	tokens atomic.Int64
	answer func(w http.ResponseWriter, r *http.Request)
	keys   jose.JSONWebKeySet
	t      *testing.T
}

func newFake(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) *fake {
	t.Helper()
	f := &fake{answer: answer, t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /fhir/.well-known/smart-configuration", func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"token_endpoint": f.URL + "/token", "token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"}})
	})
	mux.HandleFunc("POST /token", f.token)
	mux.HandleFunc("/fhir/", func(w http.ResponseWriter, r *http.Request) { f.answer(w, r) })
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// token checks the assertion as a server does.
func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	var c jwt.Claims
	tok, err := jwt.ParseSigned(r.FormValue("client_assertion"), []jose.SignatureAlgorithm{jose.RS384, jose.ES384})
	if err != nil || len(f.keys.Key(tok.Headers[0].KeyID)) != 1 || tok.Claims(f.keys.Keys[0].Key, &c) != nil ||
		c.Validate(jwt.Expected{Issuer: "vigil", Subject: "vigil", AnyAudience: jwt.Audience{f.URL + "/token"}, Time: time.Now()}) != nil || c.ID == "" ||
		r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "system/*.*" {
		w.WriteHeader(http.StatusUnauthorized)
		w.Write([]byte(`{"error":"invalid_client","error_description":"no"}`))
		return
	}
	n := f.tokens.Add(1)
	json.NewEncoder(w).Encode(map[string]any{"access_token": "t" + string(rune('0'+n)), "token_type": "bearer", "expires_in": 300, "scope": "system/*.*"})
}

func (f *fake) client(t *testing.T, alg string) *fhirpeer.Client {
	t.Helper()
	key, err := fhirpeer.NewKey(alg)
	if err != nil {
		t.Fatal(err)
	}
	set, err := fhirpeer.Keys{key}.Public()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(set, &f.keys); err != nil {
		t.Fatal(err)
	}
	c, err := fhirpeer.New(fhirpeer.Config{Base: f.URL + "/fhir", ClientID: "vigil", Scopes: "system/*.*", Key: key, Timeout: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var probe = peer.Request{Method: "PUT", Path: "Patient?identifier=a%7Cb", Body: fhir.New("Patient", "")}

// Both algorithms get a token; it is used until the server does not take it, then a fresh one is tried once.
func TestToken(t *testing.T) {
	for _, alg := range []string{"ES384", "RS384"} {
		t.Run(alg, func(t *testing.T) {
			var calls atomic.Int64
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				if got := r.Header.Get("Authorization"); got == "Bearer t1" && calls.Load() > 2 {
					w.WriteHeader(http.StatusUnauthorized) // t1 has expired there
					return
				}
				w.Header().Set("Location", "http://x/fhir/Patient/17/_history/1")
				w.WriteHeader(http.StatusCreated)
			})
			c := f.client(t, alg)
			for range 3 {
				a, err := c.Do(t.Context(), probe)
				if err != nil || a.Status != 201 || !strings.Contains(a.Location, "Patient/17") {
					t.Fatalf("%+v, %v", a, err)
				}
			}
			if f.tokens.Load() != 2 || calls.Load() != 4 {
				t.Errorf("%d tokens, %d calls; want 2 and 4", f.tokens.Load(), calls.Load())
			}
		})
	}
}

// Every class of error says what to do next.
func TestFaults(t *testing.T) {
	const outcome = `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invariant","diagnostics":"a name is missing","expression":["Patient.name"]},{"severity":"warning","code":"x","diagnostics":"hint"}]}`
	for _, c := range []struct {
		name   string
		status int
		body   string
		retry  string
		kind   vigil.Kind
		says   string
		wait   time.Duration
	}{
		{"AlwaysUnauthorized", 401, "", "", vigil.Denied, "401", 0},
		{"Forbidden", 403, outcome, "", vigil.Denied, "a name is missing", 0},
		{"NotFound", 404, "", "", vigil.NotFound, "404", 0},
		{"Gone", 410, "", "", vigil.NotFound, "410", 0},
		{"Conflict", 409, "", "", vigil.Conflict, "409", 0},
		{"SeveralMatches", 412, "", "", vigil.Invalid, "412", 0},
		{"Unprocessable", 422, outcome, "", vigil.Invalid, "Patient.name: a name is missing", 0},
		{"TooMany", 429, "", "7", vigil.Unavailable, "429", 7 * time.Second},
		{"Broken", 500, "<html>oops</html>", "", vigil.Unavailable, "oops", 0},
		{"Away", 503, "", "3", vigil.Unavailable, "503", 3 * time.Second},
		{"Redirect", 302, "", "", vigil.Unavailable, "302", 0},
		{"NoResource", 200, "hello", "", vigil.Unavailable, "no FHIR resource", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
				if c.retry != "" {
					w.Header().Set("Retry-After", c.retry)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(c.status)
				w.Write([]byte(c.body))
			})
			_, err := f.client(t, "ES384").Do(t.Context(), probe)
			fault, ok := err.(*peer.Fault)
			if !ok || vigil.KindOf(err) != c.kind || fault.Kind != c.kind || !strings.Contains(fault.Text, c.says) || fault.Wait != c.wait {
				t.Errorf("%+v, want %s %q %s", err, c.kind, c.says, c.wait)
			}
			if strings.Contains(fault.Text, "hint") {
				t.Error("a warning is told as the reason")
			}
		})
	}
	t.Run("Timeout", func(t *testing.T) {
		done := make(chan struct{})
		f := newFake(t, func(http.ResponseWriter, *http.Request) { <-done })
		defer close(done)
		_, err := f.client(t, "ES384").Do(t.Context(), probe)
		if vigil.KindOf(err) != vigil.Unavailable || !strings.Contains(err.Error(), "no answer within") {
			t.Error(err)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := l.Addr().String()
		l.Close()
		c, err := fhirpeer.New(fhirpeer.Config{Base: "http://" + at + "/fhir"})
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.Do(t.Context(), probe)
		if vigil.KindOf(err) != vigil.Unavailable || strings.Contains(err.Error(), "identifier=") {
			t.Error(err)
		}
	})
}

// A link of the server that leads elsewhere is not followed: the token stays where it belongs.
func TestLinksStayBelowBase(t *testing.T) {
	var asked atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer stranger.Close()
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.Write([]byte(`{"resourceType":"Bundle"}`))
	})
	c := f.client(t, "ES384")
	for _, bad := range []string{stranger.URL + "/fhir/Patient", f.URL + "/other", f.URL + "/fhir/../admin", strings.Replace(f.URL, "http://", "http://u:p@", 1) + "/fhir/Patient", f.URL + "/fhirx/Patient"} {
		if _, err := c.Do(t.Context(), peer.Request{Method: "GET", Path: bad}); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if asked.Load() != 0 {
		t.Error("somebody was asked")
	}
	if _, err := c.Do(t.Context(), peer.Request{Method: "GET", Path: f.URL + "/fhir/Patient?page=2"}); err != nil {
		t.Error(err)
	}
}

// A refused assertion waits for somebody to mend it; it is nobody's data that is wrong.
func TestTokenRefused(t *testing.T) {
	f := newFake(t, func(http.ResponseWriter, *http.Request) { t.Error("asked without a token") })
	c := f.client(t, "ES384")
	f.keys = jose.JSONWebKeySet{} // the server has not our key
	_, err := c.Do(t.Context(), probe)
	if vigil.KindOf(err) != vigil.Denied || !strings.Contains(err.Error(), "invalid_client") {
		t.Error(err)
	}
}

func TestKeys(t *testing.T) {
	path := filepath.Join(t.TempDir(), "peer.keys")
	if keys, err := fhirpeer.LoadKeys(path); err != nil || keys.First() != nil {
		t.Fatalf("%v, %v", keys, err)
	}
	key, err := fhirpeer.NewKey("RS384")
	if err != nil {
		t.Fatal(err)
	}
	if err := (fhirpeer.Keys{key}).Save(path, os.WriteFile); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	again, err := fhirpeer.LoadKeys(path)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := fhirpeer.Keys{key}.Public()
	b, _ := again.Public()
	if string(a) != string(b) || strings.Contains(string(b), `"d"`) || !strings.Contains(string(b), `"kid"`) {
		t.Errorf("%s\n%s", a, b)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fhirpeer.LoadKeys(path); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("public keys as private ones: %v", err)
	}
	if _, err := fhirpeer.NewKey("HS256"); vigil.KindOf(err) != vigil.Invalid {
		t.Error(err)
	}
}
