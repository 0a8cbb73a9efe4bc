package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/vigil-health/vigil/internal/driver/fhirpeer"
	"github.com/vigil-health/vigil/internal/engine/peer"
)

// grantFor returns an access token of the client "vigil" with all that it may have, got the way the client gets it.
func grantFor(t *testing.T, e *ehr) string {
	t.Helper()
	var token string
	spy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token = r.Header.Get("Authorization")[len("Bearer "):]
		w.Header().Set("Content-Type", "application/fhir+json")
		w.Write([]byte(`{"resourceType":"CapabilityStatement"}`))
	}))
	defer spy.Close()
	keys, err := fhirpeer.LoadKeys(e.config.Data + "/peer.keys")
	if err != nil {
		t.Fatal(err)
	}
	c, err := fhirpeer.New(fhirpeer.Config{Base: spy.URL, ClientID: "vigil", Scopes: "system/*.*", TokenURL: "http://" + e.Addr() + "/auth/token", Key: keys.First()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Do(t.Context(), peer.Request{Method: "GET", Path: "metadata"}); err != nil {
		t.Fatal(err)
	}
	return token
}

// The token endpoint answers what is wrong in the words of OAuth, and never with a token.
func TestTokenEndpoint(t *testing.T) {
	e := newEHR(t, t.TempDir(), "ES384", "system/*.read")
	const kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
	for name, c := range map[string]struct {
		form   url.Values
		status int
		says   string
	}{
		"Empty":       {url.Values{}, 400, "unsupported_grant_type"},
		"Password":    {url.Values{"grant_type": {"password"}}, 400, "unsupported_grant_type"},
		"NoAssertion": {url.Values{"grant_type": {"client_credentials"}, "scope": {"system/*.read"}}, 400, "invalid_request"},
		"NoScope":     {url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {kind}, "client_assertion": {"x"}}, 400, "invalid_scope"},
		"Garbage":     {url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {kind}, "client_assertion": {"x.y.z"}, "scope": {"system/*.read"}}, 401, "invalid_client"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := http.PostForm("http://"+e.Addr()+"/auth/token", c.form)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var out map[string]any
			if err := json.NewDecoder(res.Body).Decode(&out); err != nil || res.StatusCode != c.status || out["error"] != c.says || out["access_token"] != nil {
				t.Errorf("%d %v, %v; want %d %s", res.StatusCode, out, err, c.status, c.says)
			}
			if res.Header.Get("Cache-Control") != "no-store" {
				t.Error("the answer may be kept")
			}
		})
	}
}
