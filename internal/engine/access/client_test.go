package access_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

const endpoint = "https://vigil.example/auth/token"

// guests is a house with one registered client, and its keys.
type guests struct {
	*access.Accounts
	clock   *clock
	ec, rsa jose.JSONWebKey
}

func newGuests(t *testing.T, scopes string) *guests {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	g := &guests{clock: &clock{time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)}}
	trail := audit.New(audit.Config{Backend: db.Audit(), Now: g.clock.now})
	t.Cleanup(func() { trail.Close(); db.Close() })
	g.Accounts = access.NewAccounts(access.AccountsConfig{Backend: db.Accounts(), Tokens: db.Tokens(), Clients: db.Clients(), Now: g.clock.now, Audit: trail})
	g.ec, g.rsa = ecKey(t, "ec"), rsaKey(t, 2048)
	if _, err := g.Register(house(t), access.NewClient{ID: "ehr", Name: "The EHR", Scopes: scopes, Keys: jwks(t, g.ec.Public(), g.rsa.Public())}); err != nil {
		t.Fatal(err)
	}
	return g
}

func ecKey(t *testing.T, kid string) jose.JSONWebKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: kid, Algorithm: "ES384", Use: "sig"}
}

func rsaKey(t *testing.T, bits int) jose.JSONWebKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, KeyID: "rsa", Algorithm: "RS384", Use: "sig"}
}

func jwks(t *testing.T, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (g *guests) claims(jti string) jwt.Claims {
	return jwt.Claims{Issuer: "ehr", Subject: "ehr", Audience: jwt.Audience{endpoint}, ID: jti, Expiry: jwt.NewNumericDate(g.clock.now().Add(4 * time.Minute))}
}

func sign(t *testing.T, key jose.JSONWebKey, alg jose.SignatureAlgorithm, c jwt.Claims) string {
	t.Helper()
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(s).Claims(c).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A client gets what it asks for as far as it may have it, and is what the token says until it ends.
func TestExchange(t *testing.T) {
	g := newGuests(t, "system/Patient.read system/Observation.*")
	text, grant, err := g.Exchange(t.Context(), sign(t, g.ec, jose.ES384, g.claims("1")), "system/*.read launch openid system/Observation.cud", endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if got := access.JoinScopes(grant.Scopes); got != "system/Patient.read system/Observation.read system/Observation.write" {
		t.Errorf("granted %q", got)
	}
	who, err := g.Session(t.Context(), text)
	if err != nil || who.ID != "client:ehr" || who.Clinical() {
		t.Fatalf("%+v, %v", who, err)
	}
	may := map[string][2]bool{"Patient": {true, false}, "Observation": {true, true}, "Encounter": {}, "": {}, "*": {}}
	for typ, want := range may {
		if got := [2]bool{who.MayRead(typ), who.MayWrite(typ)}; got != want {
			t.Errorf("%s: reads and writes %v, want %v", typ, got, want)
		}
	}
	if err := access.CheckSubject(access.With(t.Context(), who), "Patient/sara"); err != nil {
		t.Error(err)
	}
	g.clock.t = g.clock.t.Add(access.GrantFor)
	if _, err := g.Session(t.Context(), text); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("after its end: %v", err)
	}
	if _, _, err := g.Exchange(t.Context(), sign(t, g.rsa, jose.RS384, g.claims("2")), "system/Encounter.read", endpoint); err != access.ErrScope {
		t.Errorf("a scope it may not have: %v", err)
	}
}

// What ends a client ends its tokens, and what a client is no longer allowed its old tokens do not do.
func TestClientEnds(t *testing.T) {
	g := newGuests(t, "system/*.*")
	text, _, err := g.Exchange(t.Context(), sign(t, g.ec, jose.ES384, g.claims("1")), "system/*.*", endpoint)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Register(house(t), access.NewClient{ID: "ehr", Name: "The EHR", Scopes: "system/Patient.read", Keys: jwks(t, g.ec.Public())}); err != nil {
		t.Fatal(err)
	}
	who, err := g.Session(t.Context(), text)
	if err != nil || who.MayWrite("Patient") || who.MayRead("Observation") || !who.MayRead("Patient") {
		t.Errorf("%+v, %v", who, err)
	}
	if err := g.Unregister(house(t), "ehr"); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Session(t.Context(), text); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("token of a removed client: %v", err)
	}
	if _, _, err := g.Exchange(t.Context(), sign(t, g.ec, jose.ES384, g.claims("2")), "system/*.*", endpoint); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("assertion of a removed client: %v", err)
	}
	if err := g.Unregister(house(t), "ehr"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("removed twice: %v", err)
	}
}

// Whatever is wrong with an assertion, the answer is the same refusal, and nothing is granted.
func TestAssertion(t *testing.T) {
	g := newGuests(t, "system/*.*")
	stranger := ecKey(t, "ec")
	at := func(d time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(g.clock.now().Add(d)) }
	change := func(fn func(c *jwt.Claims)) string {
		c := g.claims("fresh")
		fn(&c)
		return sign(t, g.ec, jose.ES384, c)
	}
	none := "eyJhbGciOiJub25lIn0.eyJpc3MiOiJlaHIiLCJzdWIiOiJlaHIifQ."
	hmac := func() string {
		s, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.HS384, Key: []byte("0123456789abcdef0123456789abcdef0123456789abcdef")}, (&jose.SignerOptions{}).WithHeader("kid", "ec"))
		if err != nil {
			t.Fatal(err)
		}
		text, err := jwt.Signed(s).Claims(g.claims("h")).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, text := range map[string]string{
		"Nothing": "", "NoToken": "a.b.c", "Unsigned": none, "SharedSecret": hmac(),
		"StrangersKey":  sign(t, stranger, jose.ES384, g.claims("s")),
		"WrongAlg":      sign(t, g.rsa, jose.RS256, g.claims("w")),
		"UnknownKey":    sign(t, ecKey(t, "other"), jose.ES384, g.claims("u")),
		"OtherAudience": change(func(c *jwt.Claims) { c.Audience = jwt.Audience{"https://other.example/token"} }),
		"OtherSubject":  change(func(c *jwt.Claims) { c.Subject = "somebody" }),
		"OtherIssuer":   change(func(c *jwt.Claims) { c.Issuer = "somebody" }),
		"Expired":       change(func(c *jwt.Claims) { c.Expiry = at(-time.Minute) }),
		"TooLong":       change(func(c *jwt.Claims) { c.Expiry = at(10 * time.Minute) }),
		"NoEnd":         change(func(c *jwt.Claims) { c.Expiry = nil }),
		"NotYet":        change(func(c *jwt.Claims) { c.NotBefore = at(2 * time.Minute) }),
		"NoName":        change(func(c *jwt.Claims) { c.ID = "" }),
	} {
		t.Run(name, func(t *testing.T) {
			if text, _, err := g.Exchange(t.Context(), text, "system/*.*", endpoint); vigil.KindOf(err) != vigil.Denied || text != "" {
				t.Errorf("granted %q, %v", text, err)
			}
		})
	}
	t.Run("Replayed", func(t *testing.T) {
		once := sign(t, g.ec, jose.ES384, g.claims("once"))
		if _, _, err := g.Exchange(t.Context(), once, "system/*.*", endpoint); err != nil {
			t.Fatal(err)
		}
		if _, _, err := g.Exchange(t.Context(), once, "system/*.*", endpoint); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("the second time: %v", err)
		}
	})
}

func TestRegisterChecks(t *testing.T) {
	g := newGuests(t, "system/*.*")
	good := access.NewClient{ID: "lab", Name: "Lab", Scopes: "system/Observation.read", Keys: jwks(t, public(ecKey(t, "k")))}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		ctx    context.Context
		change func(n *access.NewClient)
		kind   vigil.Kind
		path   string
	}{
		"OK":         {house(t), func(*access.NewClient) {}, "", ""},
		"NotAdmin":   {access.With(t.Context(), access.Principal{ID: "n", Roles: []access.Role{access.Nurse}}), func(*access.NewClient) {}, vigil.Denied, ""},
		"NoID":       {house(t), func(n *access.NewClient) { n.ID = "" }, vigil.Invalid, "/id"},
		"NoName":     {house(t), func(n *access.NewClient) { n.Name = "" }, vigil.Invalid, "/name"},
		"UserScope":  {house(t), func(n *access.NewClient) { n.Scopes = "user/*.read" }, vigil.Invalid, "/scopes"},
		"PrivateKey": {house(t), func(n *access.NewClient) { n.Keys = jwks(t, ecKey(t, "k")) }, vigil.Invalid, "/jwks"},
		"ShortRSA":   {house(t), func(n *access.NewClient) { n.Keys = jwks(t, jose.JSONWebKey{Key: shortRSA(t), KeyID: "k"}) }, vigil.Invalid, "/jwks"},
		"WrongCurve": {house(t), func(n *access.NewClient) { n.Keys = jwks(t, jose.JSONWebKey{Key: p256.Public(), KeyID: "k"}) }, vigil.Invalid, "/jwks"},
		"NoKid":      {house(t), func(n *access.NewClient) { n.Keys = jwks(t, jose.JSONWebKey{Key: g.ec.Public().Key}) }, vigil.Invalid, "/jwks"},
		"NoKeys":     {house(t), func(n *access.NewClient) { n.Keys = []byte(`{"keys":[]}`) }, vigil.Invalid, "/jwks"},
	} {
		t.Run(name, func(t *testing.T) {
			n := good
			c.change(&n)
			_, err := g.Register(c.ctx, n)
			if vigil.KindOf(err) != c.kind && (err != nil || c.kind != "") {
				t.Fatalf("%v, want %s", err, c.kind)
			}
			var paths []string
			if e, ok := err.(*vigil.Error); ok {
				for _, f := range e.Faults {
					paths = append(paths, f.Path)
				}
			}
			if c.path != "" && cmp.Diff(paths, []string{c.path}) != "" {
				t.Errorf("faults at %v, want %s", paths, c.path)
			}
		})
	}
}

func public(k jose.JSONWebKey) jose.JSONWebKey { return k.Public() }

func shortRSA(t *testing.T) *rsa.PublicKey {
	t.Helper()
	n, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return &rsa.PublicKey{N: n, E: 65537}
}

// A program's scopes are read as SMART 1 and SMART 2 write them; what cannot be kept apart here is not granted.
func TestParseScopes(t *testing.T) {
	got, unknown := access.ParseScopes("system/*.read system/Patient.cruds system/Observation.rs system/Flag.cud system/Goal.r user/Patient.read system/x.read system/.read launch")
	if s := access.JoinScopes(got); s != "system/*.read system/Patient.* system/Observation.read system/Flag.write" {
		t.Errorf("read %q", s)
	}
	if len(unknown) != 5 {
		t.Errorf("unknown %q", unknown)
	}
}

func FuzzParseScopes(f *testing.F) {
	f.Add("system/*.read system/Patient.cruds")
	f.Add("system/.read system/A.")
	f.Fuzz(func(t *testing.T, text string) {
		scopes, _ := access.ParseScopes(text)
		again, unknown := access.ParseScopes(access.JoinScopes(scopes))
		if len(unknown) > 0 || cmp.Diff(scopes, again) != "" {
			t.Errorf("%q reads as %v and again as %v, %v", text, scopes, again, unknown)
		}
	})
}
