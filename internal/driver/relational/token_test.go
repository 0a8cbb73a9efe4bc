package relational_test

import (
	"crypto/rand"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

func TestTokens(t *testing.T) { each(t, examineTokens) }

func examineTokens(t *testing.T, h *house) {
	db := h.open(t)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	a := access.NewAccounts(access.AccountsConfig{Backend: db.Accounts(), Tokens: db.Tokens(), Now: func() time.Time { return now }, Rand: rand.Reader})
	admin := access.With(t.Context(), access.Principal{ID: "boss", Roles: []access.Role{access.Admin}})
	text, made, err := a.CreateToken(admin, " grafana ", access.Nurse, now.Add(48*time.Hour))
	if err != nil || !strings.HasPrefix(text, "vgl_") || len(text) < 40 {
		t.Fatal(text, err)
	}
	who, err := a.Session(t.Context(), text)
	want := access.Principal{ID: "token:" + made.ID, Name: "grafana", Initials: "API", Roles: []access.Role{access.Nurse}, ReadOnly: true}
	if diff := cmp.Diff(want, who); err != nil || diff != "" {
		t.Error(err, diff)
	}
	list, err := a.Tokens(admin)
	if diff := cmp.Diff([]access.Token{made}, list); err != nil || diff != "" || made.By != "boss" {
		t.Error(err, diff)
	}
	var hash, kept []byte
	if err := db.Read().QueryRowContext(t.Context(), `SELECT hash, json FROM token`).Scan(&hash, &kept); err != nil || strings.Contains(string(hash)+string(kept), text) {
		t.Error("the text of a token is kept", err)
	}
	t.Run("Expires", func(t *testing.T) {
		now = now.Add(48 * time.Hour)
		defer func() { now = now.Add(-48 * time.Hour) }()
		if _, err := a.Session(t.Context(), text); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("an expired token: %v", err)
		}
	})
	t.Run("Revoked", func(t *testing.T) {
		if err := a.RevokeToken(admin, made.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Session(t.Context(), text); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("a revoked token: %v", err)
		}
		if err := a.RevokeToken(admin, made.ID); vigil.KindOf(err) != vigil.NotFound {
			t.Errorf("revoked twice: %v", err)
		}
	})
	t.Run("Refused", func(t *testing.T) {
		nurse := access.With(t.Context(), access.Principal{ID: "n", Roles: []access.Role{access.Nurse}})
		if _, _, err := a.CreateToken(nurse, "x", access.Nurse, now.Add(time.Hour)); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("a nurse makes tokens: %v", err)
		}
		_, _, err := a.CreateToken(admin, "", access.Admin, now.Add(10*365*24*time.Hour))
		for _, path := range []string{"/name", "/role", "/expires"} {
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("%s is not complained of: %v", path, err)
			}
		}
		if _, err := a.Session(t.Context(), "vgl_guess"); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("a guess: %v", err)
		}
	})
}
