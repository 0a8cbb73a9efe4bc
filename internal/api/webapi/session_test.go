package webapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/server"
)

type session struct {
	User *struct{ ID, Login, Role, Person, PatientID string }
	Site struct {
		Name        string
		Demo        bool
		SetupNeeded bool `json:"setup_needed"`
	}
	Menu []any
}

func (v *visitor) session(t *testing.T) (s session) {
	t.Helper()
	v.must(t, "GET", "/api/session", "", &s)
	return s
}

func TestVisit(t *testing.T) {
	h := shared()
	v := h.stranger()
	if s := v.session(t); s.User != nil || !s.Site.Demo || s.Site.Name != "Riverside Hospital" || s.Site.SetupNeeded || s.Menu == nil {
		t.Errorf("signed out: %+v", s)
	}
	a := v.ask(t, "POST", "/api/session/visit", `{"role":"physician"}`)
	cookie := a.header.Get("Set-Cookie")
	for _, flag := range []string{"vigil_session=", "Path=/", "HttpOnly", "SameSite=Strict", "Max-Age="} {
		if !strings.Contains(cookie, flag) {
			t.Errorf("cookie %q lacks %s", cookie, flag)
		}
	}
	if strings.Contains(cookie, "Secure") || strings.Contains(cookie, "Domain") {
		t.Errorf("cookie over plain HTTP: %q", cookie)
	}
	if s := v.session(t); s.User == nil || s.User.Login != "dr-reyes" {
		t.Errorf("the first physician on call should visit: %+v", s.User)
	}
	for _, body := range []string{`{"role":"admin"}`, `{"role":"system"}`, `{"login":"nobody"}`, `{}`} {
		h.stranger().refused(t, "POST", "/api/session/visit", body, http.StatusBadRequest)
	}
	// Nobody has a password in the simulated hospital, not even an empty one.
	first := h.stranger().refused(t, "POST", "/api/session", `{"login":"dr-reyes","password":""}`, http.StatusUnauthorized)
	if other := h.stranger().refused(t, "POST", "/api/session", `{"login":"no-such-login","password":"wrong password"}`, http.StatusUnauthorized); other != first {
		t.Errorf("the refusals differ: %q and %q", first, other)
	}
}

func TestSignOutEndsTheSession(t *testing.T) {
	t.Parallel()
	h := shared()
	v := h.visit(t, "engineer")
	a := v.ask(t, "GET", "/api/units", "")
	if a.status != http.StatusOK {
		t.Fatal(a.status)
	}
	kept := h.stranger() // somebody who kept the cookie
	req, _ := http.NewRequest("GET", h.url, nil)
	for _, c := range v.client.Jar.Cookies(req.URL) {
		kept.header.Set("Cookie", c.Name+"="+c.Value)
	}
	if a := kept.ask(t, "GET", "/api/units", ""); a.status != http.StatusOK {
		t.Fatalf("the cookie should do: %d", a.status)
	}
	if a := v.ask(t, "DELETE", "/api/session", ""); a.status != http.StatusNoContent || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("sign-out: %d %s", a.status, a.header)
	}
	for _, x := range []*visitor{v, kept} {
		x.refused(t, "GET", "/api/units", "", http.StatusUnauthorized)
	}
	if a := v.ask(t, "DELETE", "/api/session", ""); a.status != http.StatusNoContent {
		t.Errorf("sign-out twice: %d", a.status)
	}
}

// TestFirstStart tells the life of a house that is no demonstration: setup, wrong passwords, an account that is shut.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	h, stop, err := open(t.TempDir(), server.Config{Site: "St. Elsewhere"}, false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	v := h.stranger()
	if s := v.session(t); !s.Site.SetupNeeded || s.Site.Demo {
		t.Errorf("%+v", s)
	}
	v.refused(t, "POST", "/api/session/visit", `{"role":"nurse"}`, http.StatusUnauthorized) // no demonstration here
	token, err := h.Engines.Accounts.SetupToken(access.AsSystem(t.Context(), "test"))
	if err != nil {
		t.Fatal(err)
	}
	setup := func(token, password string) string {
		return `{"token":"` + token + `","site":"St. Olav","login":"ada","name":"Ada Lindqvist","password":"` + password + `"}`
	}
	v.refused(t, "POST", "/api/setup", setup("wrong", "a long password"), http.StatusUnauthorized)
	v.refused(t, "POST", "/api/setup", setup("", "a long password"), http.StatusUnauthorized)
	v.refused(t, "POST", "/api/setup", setup(token, "short"), http.StatusBadRequest)
	if s := v.session(t); !s.Site.SetupNeeded || s.User != nil {
		t.Errorf("after what was refused: %+v", s)
	}
	v.must(t, "POST", "/api/setup", setup(token, "a long password"), nil)
	if s := v.session(t); s.Site.SetupNeeded || s.Site.Name != "St. Olav" || s.User == nil || s.User.Role != "admin" {
		t.Errorf("after the setup: %+v", s)
	}
	h.stranger().refused(t, "POST", "/api/setup", setup(token, "a long password"), http.StatusConflict)

	var said []string
	for _, body := range []string{`{"login":"ada","password":"a wrong password"}`, `{"login":"eve","password":"a wrong password"}`, `{"login":"ada"}`, `{}`} {
		said = append(said, h.stranger().refused(t, "POST", "/api/session", body, http.StatusUnauthorized))
	}
	for _, m := range said {
		if m != said[0] {
			t.Errorf("the refusals tell who has an account: %q", said)
		}
	}
	h.stranger().must(t, "POST", "/api/session", `{"login":"ADA","password":"a long password"}`, nil)

	system := access.AsSystem(t.Context(), "test")
	acc, err := h.Engines.Accounts.Create(system, access.NewAccount{Login: "nils", Name: "Nils Holm", Password: "another password", Roles: []access.Role{access.Nurse}})
	if err != nil {
		t.Fatal(err)
	}
	nurse := h.stranger()
	nurse.must(t, "POST", "/api/session", `{"login":"nils","password":"another password"}`, nil)
	screen := nurse.live(t)
	if err := h.Engines.Accounts.Disable(system, acc.ID, true); err != nil {
		t.Fatal(err)
	}
	nurse.refused(t, "GET", "/api/patients", "", http.StatusUnauthorized)
	if m := h.stranger().refused(t, "POST", "/api/session", `{"login":"nils","password":"another password"}`, http.StatusUnauthorized); m != said[0] {
		t.Errorf("a shut account is told apart: %q", m)
	}
	if reason := screen.closed(t); !strings.Contains(reason, "session has ended") {
		t.Errorf("the open screen was closed with %q", reason)
	}
}
