// Package smartapi is the door where programs of other systems show who they are: SMART Backend Services (SMART App Launch
// 2, client_credentials with a signed assertion), its discovery, and the own public keys for systems that we are a client of.
//
// It keeps nothing and decides nothing: engine/access knows clients, keys and scopes. People sign in at api/webapi.
// Start at New.
package smartapi

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Paths of the door.
const (
	TokenPath     = "/auth/token"
	DiscoveryPath = "/.well-known/smart-configuration"
	KeysPath      = "/.well-known/jwks.json"
)

// Config is what the door needs.
type Config struct {
	Accounts *access.Accounts
	// Public is the address under which other systems know this one, "https://vigil.example:8443". Without it the address of
	// each request counts, which is as far to be trusted as who can reach the door.
	Public string
	Keys   func() ([]byte, error) // the own public keys as a JSON Web Key Set; an empty set before there are any
	Log    *slog.Logger
}

type door struct{ cfg Config }

// New returns the handler of TokenPath, KeysPath and "/fhir" + DiscoveryPath.
func New(cfg Config) http.Handler {
	d := &door{cfg}
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+TokenPath, d.token)
	mux.HandleFunc("GET /fhir"+DiscoveryPath, d.discovery)
	mux.HandleFunc("GET "+KeysPath, d.keys)
	return mux
}

// Origin is the address under which a request's sender knows this house: the public one where it is configured.
func Origin(public string, r *http.Request) string {
	if public != "" {
		return strings.TrimRight(public, "/")
	}
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// discovery tells clients where to ask and how (SMART App Launch 2, .well-known/smart-configuration).
func (d *door) discovery(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"token_endpoint":                                   Origin(d.cfg.Public, r) + TokenPath,
		"grant_types_supported":                            []string{"client_credentials"},
		"token_endpoint_auth_methods_supported":            []string{"private_key_jwt"},
		"token_endpoint_auth_signing_alg_values_supported": []string{"RS384", "ES384"},
		"scopes_supported":                                 []string{"system/*.read", "system/*.write", "system/*.*", "system/*.rs", "system/*.cud", "system/*.cruds"},
		"capabilities":                                     []string{"client-confidential-asymmetric", "permission-v1", "permission-v2"},
	})
}

// assertionType is the only client_assertion_type there is (RFC 7523, 2.2).
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// token gives an access token for an assertion (RFC 6749, 4.4 and RFC 7523, 2.2).
func (d *door) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body is no form")
		return
	}
	form := r.PostForm
	switch {
	case form.Get("grant_type") != "client_credentials":
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "grant_type is client_credentials here")
		return
	case form.Get("client_assertion_type") != assertionType || form.Get("client_assertion") == "":
		refuse(w, http.StatusBadRequest, "invalid_request", "client_assertion_type is "+assertionType+", with a signed client_assertion")
		return
	case form.Get("scope") == "":
		refuse(w, http.StatusBadRequest, "invalid_scope", "name the scopes, such as system/Observation.read")
		return
	}
	text, grant, err := d.cfg.Accounts.Exchange(r.Context(), form.Get("client_assertion"), form.Get("scope"), Origin(d.cfg.Public, r)+TokenPath)
	switch {
	case errors.Is(err, access.ErrScope):
		refuse(w, http.StatusBadRequest, "invalid_scope", vigil.Message(err))
	case vigil.KindOf(err) == vigil.Denied:
		refuse(w, http.StatusUnauthorized, "invalid_client", vigil.Message(err))
	case err != nil:
		d.cfg.Log.Error("smartapi.token", "error", err)
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "try again later")
	default:
		answer(w, http.StatusOK, map[string]any{"access_token": text, "token_type": "bearer", "expires_in": int(access.GrantFor.Seconds()), "scope": access.JoinScopes(grant.Scopes)})
	}
}

// keys are the public keys with which this house signs as a client of others.
func (d *door) keys(w http.ResponseWriter, _ *http.Request) {
	set, err := d.cfg.Keys()
	if err != nil {
		d.cfg.Log.Error("smartapi.keys", "error", err)
		http.Error(w, "the keys cannot be read", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(set) //nolint:errcheck // the client is gone
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	answer(w, status, map[string]string{"error": code, "error_description": text})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body) //nolint:errcheck // the client is gone
}
