package access

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/vigil-health/vigil"
)

// Client is a program of another system that proves who it is with its own key (SMART Backend Services): the house keeps
// its public keys and no secret of it.
type Client struct {
	ID      string             `json:"id"` // client_id
	Name    string             `json:"name"`
	Scopes  []Scope            `json:"scopes"` // the most that it may ask for
	Keys    jose.JSONWebKeySet `json:"jwks"`   // public keys
	By      string             `json:"by"`     // account that registered it
	Created time.Time          `json:"created"`
}

// principal returns who acts with scopes that were granted, as far as the client still has them.
func (c Client) principal(granted []Scope) Principal {
	return Principal{ID: "client:" + c.ID, Name: c.Name, Initials: "API", Roles: []Role{Program}, Scopes: common(granted, c.Scopes)}
}

// Grant is an access token; of its text only the SHA-256 is kept.
type Grant struct {
	Client  string
	Scopes  []Scope
	Expires time.Time
}

// ClientBackend keeps clients and what they were granted. Implementations are safe for concurrent use and durable when
// they return.
type ClientBackend interface {
	// PutClient writes a client, replacing one with the same id.
	PutClient(ctx context.Context, c Client) error
	// Client returns a client; NotFound when there is none.
	Client(ctx context.Context, id string) (Client, error)
	// Clients returns all clients by id.
	Clients(ctx context.Context) ([]Client, error)
	// DropClient removes a client and its grants; NotFound when there is none.
	DropClient(ctx context.Context, id string) error
	// Grant keeps a grant under its hash and spends the jti of the assertion until then; Conflict when it is spent. Grants
	// and jtis that ended before now are forgotten.
	Grant(ctx context.Context, hash [32]byte, g Grant, spend Assertion) error
	// Granted returns the grant with the hash; NotFound when there is none.
	Granted(ctx context.Context, hash [32]byte) (Grant, error)
}

// Assertion is the name of one signed assertion (its jti), and how long it could be shown again.
type Assertion struct {
	JTI        string
	Until, Now time.Time
}

// Limits of what clients show and get.
const (
	grantPrefix  = "vgs_"          // tells an access token from a session
	GrantFor     = 5 * time.Minute // how long an access token lasts
	assertionMax = 5 * time.Minute // SMART Backend Services: exp no more than five minutes in the future
	assertionLag = 30 * time.Second
	assertionLen = 16 << 10
)

// isGrant reports whether the text looks like an access token of a client.
func isGrant(text string) bool { return strings.HasPrefix(text, grantPrefix) }

// signatures are the algorithms that clients sign with (SMART App Launch 2, asymmetric authentication).
func signatures() []jose.SignatureAlgorithm { return []jose.SignatureAlgorithm{jose.RS384, jose.ES384} }

// NewClient is what registers a program: Keys is a JSON Web Key Set, Scopes are separated by spaces.
type NewClient struct {
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Scopes string          `json:"scopes"`
	Keys   json.RawMessage `json:"jwks"`
}

// Register keeps a client, or replaces the name, scopes and keys of one with the same id. Admins and the house may.
// Invalid names every fault.
func (a *Accounts) Register(ctx context.Context, n NewClient) (Client, error) {
	const op = "access.client"
	if err := a.mayClient(ctx, op); err != nil {
		return Client{}, err
	}
	p, _ := From(ctx)
	c := Client{ID: strings.TrimSpace(n.ID), Name: strings.TrimSpace(n.Name), By: p.ID, Created: a.cfg.Now().UTC()}
	var faults []vigil.Fault
	add := func(path, msg string) { faults = append(faults, vigil.Fault{Path: path, Msg: msg}) }
	if len(c.ID) < 2 || len(c.ID) > 100 || strings.ContainsFunc(c.ID, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }) {
		add("/id", "2 to 100 letters, digits and signs without spaces and '/'")
	}
	if c.Name == "" || len(c.Name) > 100 {
		add("/name", "1 to 100 characters that say which program it is")
	}
	var unknown []string
	if c.Scopes, unknown = ParseScopes(n.Scopes); len(unknown) > 0 || len(c.Scopes) == 0 {
		add("/scopes", "system/<type or *>.read, .write or .*, separated by spaces: "+strings.Join(unknown, " "))
	}
	keys, why := readKeys(n.Keys)
	if c.Keys = keys; why != "" {
		add("/jwks", why)
	}
	if len(faults) > 0 {
		err := vigil.Errorf(vigil.Invalid, op, "the client is not valid")
		err.Faults = faults
		return Client{}, err
	}
	if err := a.cfg.Clients.PutClient(ctx, c); err != nil {
		return Client{}, err
	}
	a.forget()
	return c, a.log(ctx, "access.client_register", "client/"+c.ID, "ok", JoinScopes(c.Scopes))
}

// readKeys reads a set of public keys; why says what is wrong with it.
func readKeys(doc []byte) (set jose.JSONWebKeySet, why string) {
	if len(doc) > 64<<10 || json.Unmarshal(doc, &set) != nil || len(set.Keys) == 0 {
		return set, "a JSON Web Key Set with public keys: {\"keys\": […]}"
	}
	seen := map[string]bool{}
	for i := range set.Keys {
		k := &set.Keys[i]
		rsaKey, isRSA := k.Key.(*rsa.PublicKey)
		switch {
		case !k.Valid() || !k.IsPublic():
			return set, "key " + k.KeyID + " is no public key; keep the private one to yourself"
		case k.KeyID == "" || seen[k.KeyID]:
			return set, "every key needs a kid of its own"
		case isRSA && rsaKey.N.BitLen() < 2048:
			return set, "RSA key " + k.KeyID + " has fewer than 2048 bits"
		case !isRSA && !isP384(k):
			return set, "key " + k.KeyID + " is neither RSA (RS384) nor P-384 (ES384)"
		}
		seen[k.KeyID] = true
	}
	return set, ""
}

// Clients returns all clients; admins and the house may.
func (a *Accounts) Clients(ctx context.Context) ([]Client, error) {
	if err := a.mayClient(ctx, "access.clients"); err != nil {
		return nil, err
	}
	return a.cfg.Clients.Clients(ctx)
}

// Unregister ends a client and every access token that it has; admins and the house may.
func (a *Accounts) Unregister(ctx context.Context, id string) error {
	if err := a.mayClient(ctx, "access.client_remove"); err != nil {
		return err
	}
	if err := a.cfg.Clients.DropClient(ctx, id); err != nil {
		return err
	}
	a.forget()
	return a.log(ctx, "access.client_remove", "client/"+id, "ok", "")
}

// forget drops what is remembered of sessions and tokens.
func (a *Accounts) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.cache)
}

func (a *Accounts) mayClient(ctx context.Context, op string) error {
	if a.cfg.Clients == nil {
		return vigil.Errorf(vigil.Unavailable, op, "this installation keeps no clients")
	}
	if p, _ := From(ctx); p.ReadOnly {
		return vigil.Errorf(vigil.Denied, op, "a token manages nothing")
	}
	return mayManage(ctx, op)
}

// ClientPrincipal returns who acts for a client with all its scopes, for what goes on after its token has ended. Denied
// when the client is gone.
func (a *Accounts) ClientPrincipal(ctx context.Context, id string) (Principal, error) {
	if a.cfg.Clients == nil {
		return Principal{}, errClient()
	}
	c, err := a.cfg.Clients.Client(ctx, strings.TrimPrefix(id, "client:"))
	if vigil.KindOf(err) == vigil.NotFound {
		return Principal{}, errClient()
	}
	return c.principal(c.Scopes), err
}

// errClient is the one answer to an assertion that does not hold, whatever was wrong: strangers learn nothing from it.
func errClient() error {
	return vigil.Errorf(vigil.Denied, "access.client", "the client is unknown, or its assertion does not hold: it is signed RS384 or ES384 with a registered key, "+
		"iss and sub are the client_id, aud is this token endpoint, exp is at most five minutes ahead and its jti was not used before")
}

// ErrScope is what Exchange returns when nothing that was asked for may be granted.
var ErrScope = vigil.Errorf(vigil.Invalid, "access.scope", "none of the scopes may be granted to this client")

// Exchange gives an access token for an assertion that was made for one of the audiences, with those of the asked scopes
// that the client may have. Denied with one same message whatever is wrong with the assertion, ErrScope without a scope.
func (a *Accounts) Exchange(ctx context.Context, assertion, asked string, audience ...string) (string, Grant, error) {
	if a.cfg.Clients == nil {
		return "", Grant{}, errClient()
	}
	now := a.cfg.Now().UTC()
	c, claims, err := a.proven(ctx, assertion, jwt.Expected{AnyAudience: audience, Time: now})
	if err != nil {
		a.refused(ctx, c)
		return "", Grant{}, err
	}
	scopes, _ := ParseScopes(asked)
	g := Grant{Client: c.ID, Scopes: common(scopes, c.Scopes), Expires: now.Add(GrantFor)}
	if len(g.Scopes) == 0 {
		return "", Grant{}, ErrScope
	}
	b, err := a.random(32)
	if err != nil {
		return "", Grant{}, err
	}
	text := grantPrefix + base64.RawURLEncoding.EncodeToString(b)
	spent := Assertion{JTI: claims.ID, Until: claims.Expiry.Time().Add(assertionLag), Now: now}
	err = a.cfg.Clients.Grant(ctx, sha256.Sum256([]byte(text)), g, spent)
	if vigil.KindOf(err) == vigil.Conflict {
		a.refused(ctx, c)
		return "", Grant{}, errClient()
	}
	if err != nil {
		return "", Grant{}, err
	}
	return text, g, a.log(With(ctx, c.principal(g.Scopes)), "access.client_token", "client/"+c.ID, "ok", JoinScopes(g.Scopes))
}

// refused notes that somebody tried to be a client, at a pace that does not fill the trail.
func (a *Accounts) refused(ctx context.Context, c Client) {
	key := "client:" + c.ID
	if c.ID == "" || a.limit.wait(key) > 0 {
		return
	}
	a.limit.failed(key)
	_ = a.log(ctx, "access.client_token", "client/"+c.ID, "denied", "") // it is refused either way
}

// proven checks an assertion and returns the client whose it is. The client comes back with the error too, where it is known.
func (a *Accounts) proven(ctx context.Context, assertion string, want jwt.Expected) (c Client, claims jwt.Claims, err error) {
	if len(assertion) > assertionLen || len(want.AnyAudience) == 0 {
		return c, claims, errClient()
	}
	token, err := jwt.ParseSigned(assertion, signatures())
	if err != nil || len(token.Headers) != 1 || token.UnsafeClaimsWithoutVerification(&claims) != nil || claims.Issuer == "" {
		return c, claims, errClient()
	}
	if c, err = a.cfg.Clients.Client(ctx, claims.Issuer); err != nil {
		if vigil.KindOf(err) == vigil.NotFound {
			err = errClient()
		}
		return c, claims, err
	}
	keys := c.Keys.Key(token.Headers[0].KeyID)
	if len(keys) != 1 {
		return c, claims, errClient()
	}
	claims = jwt.Claims{}
	want.Issuer, want.Subject = c.ID, c.ID
	if token.Claims(keys[0].Key, &claims) != nil || claims.ValidateWithLeeway(want, assertionLag) != nil {
		return c, claims, errClient()
	}
	if claims.Expiry == nil || claims.Expiry.Time().After(want.Time.Add(assertionMax+assertionLag)) || claims.ID == "" || len(claims.ID) > 256 {
		return c, claims, errClient()
	}
	return c, claims, nil
}

// program returns who acts with an access token, and until when that may be remembered.
func (a *Accounts) program(ctx context.Context, hash [32]byte, now time.Time) (Principal, time.Time, error) {
	refused := vigil.Errorf(vigil.Denied, "access.session", "the access token is unknown or has expired")
	if a.cfg.Clients == nil {
		return Principal{}, now, refused
	}
	g, err := a.cfg.Clients.Granted(ctx, hash)
	if vigil.KindOf(err) == vigil.NotFound || err == nil && !now.Before(g.Expires) {
		return Principal{}, now, refused
	}
	if err != nil {
		return Principal{}, now, err
	}
	c, err := a.cfg.Clients.Client(ctx, g.Client)
	if vigil.KindOf(err) == vigil.NotFound {
		return Principal{}, now, refused
	}
	return c.principal(g.Scopes), g.Expires, err
}

// isP384 reports whether the key is one for ES384.
func isP384(k *jose.JSONWebKey) bool {
	pub, ok := k.Key.(*ecdsa.PublicKey)
	return ok && pub.Curve == elliptic.P384()
}
