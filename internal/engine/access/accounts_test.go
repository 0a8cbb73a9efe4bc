package access_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func accounts(t *testing.T) (*access.Accounts, *clock, *audit.Trail) {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	c := &clock{time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}
	trail := audit.New(audit.Config{Backend: db.Audit(), Now: c.now})
	t.Cleanup(func() { trail.Close(); db.Close() })
	return access.NewAccounts(access.AccountsConfig{Backend: db.Accounts(), Now: c.now, Audit: trail}), c, trail
}

func house(t *testing.T) context.Context { return access.AsSystem(t.Context(), "test") }

const secret = "correct horse battery"

func lee(t *testing.T, a *access.Accounts) access.Account {
	t.Helper()
	acc, err := a.Create(house(t), access.NewAccount{Login: "Lee", Name: "Dr Min Lee", Password: secret, Roles: []access.Role{access.Physician}, Person: "Practitioner/lee"})
	if err != nil {
		t.Fatal(err)
	}
	return acc
}

func TestSetup(t *testing.T) {
	a, _, _ := accounts(t)
	ctx := t.Context()
	if need, err := a.SetupNeeded(ctx); !need || err != nil {
		t.Fatalf("setup needed: %v, %v", need, err)
	}
	first, err := a.SetupToken(ctx)
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.SetupToken(ctx)
	if err != nil || token == first {
		t.Fatalf("a second token: %v", err)
	}
	admin := access.NewAccount{Login: "ada", Name: "Ada Park", Password: secret}
	for _, wrong := range []string{"", "guess", first} {
		if _, err := a.Setup(ctx, wrong, admin); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("token %q: %v", wrong, err)
		}
	}
	acc, err := a.Setup(ctx, token, admin)
	if err != nil || !acc.Principal().Has(access.Admin) || acc.Initials != "AP" {
		t.Fatalf("%+v, %v", acc, err)
	}
	if need, _ := a.SetupNeeded(ctx); need {
		t.Error("setup still needed")
	}
	if _, err := a.Setup(ctx, token, access.NewAccount{Login: "eve", Name: "Eve", Password: secret}); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("second setup: %v", err)
	}
	if _, err := a.SetupToken(ctx); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("token after setup: %v", err)
	}
}

func TestSignIn(t *testing.T) {
	a, _, _ := accounts(t)
	acc := lee(t, a)
	_, _, wrong := a.SignIn(t.Context(), "lee", "not the password", "127.0.0.1")
	_, _, unknown := a.SignIn(t.Context(), "nobody", secret, "127.0.0.1")
	if vigil.KindOf(wrong) != vigil.Denied || wrong.Error() != unknown.Error() {
		t.Errorf("a stranger can tell known logins: %v / %v", wrong, unknown)
	}
	token, got, err := a.SignIn(t.Context(), " LEE ", secret, "127.0.0.1")
	if err != nil || got.ID != acc.ID {
		t.Fatalf("%+v, %v", got, err)
	}
	p, err := a.Session(t.Context(), token)
	if err != nil || p.ID != acc.ID || !p.Clinical() || p.Person != "Practitioner/lee" {
		t.Errorf("%+v, %v", p, err)
	}
	if err := a.SignOut(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Session(t.Context(), token); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("after sign-out: %v", err)
	}
	if err := a.SignOut(t.Context(), token); err != nil {
		t.Errorf("second sign-out: %v", err)
	}
}

func TestSessionEnds(t *testing.T) {
	for _, c := range []struct {
		name  string
		step  time.Duration
		n     int
		alive bool
	}{{"Idle", 12 * time.Hour, 1, false}, {"Used", 11 * time.Hour, 10, true}, {"SevenDays", 11 * time.Hour, 16, false}} {
		t.Run(c.name, func(t *testing.T) {
			a, clk, _ := accounts(t)
			lee(t, a)
			token, _, err := a.SignIn(t.Context(), "lee", secret, "")
			if err != nil {
				t.Fatal(err)
			}
			for range c.n {
				clk.t = clk.t.Add(c.step)
				_, err = a.Session(t.Context(), token)
			}
			if (err == nil) != c.alive {
				t.Errorf("alive %v, want %v: %v", err == nil, c.alive, err)
			}
		})
	}
}

func TestLockOutGrowsAndHeals(t *testing.T) {
	a, clk, _ := accounts(t)
	lee(t, a)
	for range 5 {
		if _, _, err := a.SignIn(t.Context(), "lee", "wrong", ""); vigil.KindOf(err) != vigil.Denied {
			t.Fatal(err)
		}
	}
	if _, _, err := a.SignIn(t.Context(), "lee", secret, ""); vigil.KindOf(err) != vigil.Unavailable {
		t.Errorf("the right password while locked: %v", err)
	}
	clk.t = clk.t.Add(3 * time.Second)
	if _, _, err := a.SignIn(t.Context(), "lee", secret, ""); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

func TestManaging(t *testing.T) {
	a, _, trail := accounts(t)
	acc := lee(t, a)
	self := access.With(t.Context(), acc.Principal())
	if _, err := a.Create(self, access.NewAccount{Login: "x1", Name: "X", Password: secret, Roles: []access.Role{access.Admin}}); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a physician makes an admin: %v", err)
	}
	if _, err := a.List(self); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a physician lists accounts: %v", err)
	}
	if _, _, err := a.SignInAs(self, acc.ID); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a physician signs in as somebody: %v", err)
	}
	if _, err := a.Create(house(t), access.NewAccount{Login: "LEE", Name: "Other", Roles: []access.Role{access.Nurse}}); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("same login: %v", err)
	}
	_, err := a.Create(house(t), access.NewAccount{Login: "s", Roles: []access.Role{access.Patient, access.Nurse}, Password: "short"})
	if e, ok := err.(*vigil.Error); !ok || len(e.Faults) != 5 {
		t.Errorf("faults: %v", err)
	}
	sara, err := a.Create(house(t), access.NewAccount{Login: "sara", Name: "Sara Okafor", Roles: []access.Role{access.Patient}, Person: "Patient/sara"})
	if err != nil || sara.Principal().Subject != "Patient/sara" {
		t.Fatalf("%+v, %v", sara, err)
	}
	if _, _, err := a.SignIn(t.Context(), "sara", "", ""); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("an account without a password signs in: %v", err)
	}
	token, _, err := a.SignInAs(house(t), sara.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Disable(house(t), sara.ID, true); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Session(t.Context(), token); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a disabled account's session: %v", err)
	}
	if err := a.SetPassword(self, acc.ID, "another long password"); err != nil {
		t.Errorf("own password: %v", err)
	}
	if _, _, err := a.SignIn(t.Context(), "lee", secret, ""); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("the old password: %v", err)
	}
	if n, err := trail.Verify(house(t)); err != nil || n < 5 {
		t.Errorf("trail: %d entries, %v", n, err)
	}
}
