package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/vigil-health/vigil"
)

// Limits of a session and of passwords.
const (
	sessionIdle     = 12 * time.Hour
	sessionMax      = 7 * 24 * time.Hour
	touchAfter      = time.Minute // a session's last use is written at most so often
	passwordMin     = 10          // NIST SP 800-63B asks for 8 at least
	passwordMax     = 256
	hashesAtOnce    = 2 // Argon2id takes 19 MiB each
	badSignIn       = "the login or the password is wrong"
	cachedSessions  = 10_000
	sessionCacheFor = 10 * time.Second
)

// Auditor notes what happens to accounts; *audit.Trail is one.
type Auditor interface {
	Log(ctx context.Context, action, what, outcome, detail string) error
}

// AccountsConfig is what accounts need. Audit may be nil in tests; Now and Rand have defaults.
type AccountsConfig struct {
	Backend Backend
	Tokens  TokenBackend  // nil: programs sign in as people do
	Clients ClientBackend // nil: no other system proves itself with a key
	Now     func() time.Time
	Rand    io.Reader
	Audit   Auditor
}

// Accounts keeps who may sign in and who is. Its methods are safe for concurrent use.
type Accounts struct {
	cfg     AccountsConfig
	hashing chan struct{}
	dummy   string // a hash that no password matches: unknown logins take as long as known ones
	limit   limiter
	mu      sync.Mutex
	cache   map[[32]byte]cached
}

type cached struct {
	who   Principal
	until time.Time
}

// NewAccounts returns the accounts of a backend.
func NewAccounts(cfg AccountsConfig) *Accounts {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	a := &Accounts{cfg: cfg, hashing: make(chan struct{}, hashesAtOnce), cache: map[[32]byte]cached{}, limit: limiter{now: cfg.Now, tries: map[string]*try{}}}
	a.dummy = phc(make([]byte, saltLen), make([]byte, keyLen))
	return a
}

// NewAccount is what makes an account. Initials are made from the name when empty; a patient needs Person "Patient/<id>".
type NewAccount struct {
	Login, Name, Initials, Password string
	Roles                           []Role
	Person                          string
}

func (a *Accounts) check(n *NewAccount) error {
	n.Login = strings.ToLower(strings.TrimSpace(n.Login))
	n.Name = strings.TrimSpace(n.Name)
	var faults []vigil.Fault
	add := func(bad bool, path, msg string) {
		if bad {
			faults = append(faults, vigil.Fault{Path: path, Msg: msg})
		}
	}
	add(len(n.Login) < 2 || len(n.Login) > 100 || strings.ContainsAny(n.Login, " \t\n/:"), "/login", "2 to 100 characters without spaces, '/' or ':'")
	add(n.Name == "" || len(n.Name) > 200, "/name", "1 to 200 characters")
	add(n.Password != "" && !goodPassword(n.Password), "/password", "10 to 256 characters")
	add(len(n.Roles) == 0, "/roles", "at least one of nurse, physician, engineer, admin, patient")
	for _, r := range n.Roles {
		add(!slices.Contains([]Role{Nurse, Physician, Engineer, Admin, Patient}, r), "/roles", string(r)+" is not a role")
	}
	patient := slices.Contains(n.Roles, Patient)
	add(patient && len(n.Roles) > 1, "/roles", "a patient's account has no other role")
	add(patient && !vigil.Subject(n.Person).IsPatient(), "/person", "a patient's account names his record, Patient/<id>")
	if len(faults) > 0 {
		err := vigil.Errorf(vigil.Invalid, "access.account", "the account is not valid")
		err.Faults = faults
		return err
	}
	if n.Initials == "" {
		n.Initials = initials(n.Name)
	}
	return nil
}

func goodPassword(s string) bool {
	return utf8.RuneCountInString(s) >= passwordMin && len(s) <= passwordMax
}

func initials(name string) string {
	var out string
	for _, w := range strings.Fields(name) {
		if strings.HasSuffix(w, ".") || strings.EqualFold(w, "dr") {
			continue
		}
		r, _ := utf8.DecodeRuneInString(w)
		out += strings.ToUpper(string(r))
	}
	if r := []rune(out); len(r) > 3 {
		out = string(r[0]) + string(r[len(r)-1])
	}
	return out
}

func (a *Accounts) log(ctx context.Context, action, what, outcome, detail string) error {
	if a.cfg.Audit == nil {
		return nil
	}
	return a.cfg.Audit.Log(ctx, action, what, outcome, detail)
}

func mayManage(ctx context.Context, op string) error {
	if p, ok := From(ctx); !ok || !p.Has(Admin, System) {
		return vigil.Errorf(vigil.Denied, op, "only administrators manage accounts")
	}
	return nil
}

// Create makes an account; admins and the house may. Conflict when the login is taken. Without a password nobody can
// sign in with it (see SignInAs).
func (a *Accounts) Create(ctx context.Context, n NewAccount) (Account, error) {
	if err := mayManage(ctx, "access.create"); err != nil {
		return Account{}, err
	}
	return a.create(ctx, n)
}

func (a *Accounts) create(ctx context.Context, n NewAccount) (Account, error) {
	if err := a.check(&n); err != nil {
		return Account{}, err
	}
	if _, _, err := a.cfg.Backend.AccountByLogin(ctx, n.Login); vigil.KindOf(err) != vigil.NotFound {
		if err != nil {
			return Account{}, err
		}
		return Account{}, vigil.Errorf(vigil.Conflict, "access.create", "the login %q is taken", n.Login)
	}
	id, err := a.random(12)
	if err != nil {
		return Account{}, err
	}
	hash := ""
	if n.Password != "" {
		if hash, err = a.hash(ctx, n.Password); err != nil {
			return Account{}, err
		}
	}
	acc := Account{ID: hex.EncodeToString(id), Login: n.Login, Name: n.Name, Initials: n.Initials, Roles: n.Roles, Person: n.Person, Created: a.cfg.Now().UTC()}
	if err := a.cfg.Backend.PutAccount(ctx, acc, hash); err != nil {
		return Account{}, err
	}
	return acc, a.log(ctx, "access.create", "account/"+acc.ID, "ok", joinRoles(n.Roles))
}

func joinRoles(roles []Role) string {
	var out []string
	for _, r := range roles {
		out = append(out, string(r))
	}
	return strings.Join(out, ",")
}

func (a *Accounts) random(n int) ([]byte, error) {
	b := make([]byte, n)
	if _, err := io.ReadFull(a.cfg.Rand, b); err != nil {
		return nil, vigil.Errorf(vigil.Internal, "access.random", "no randomness: %w", err)
	}
	return b, nil
}

// List returns all accounts; admins and the house may.
func (a *Accounts) List(ctx context.Context) ([]Account, error) {
	if err := mayManage(ctx, "access.list"); err != nil {
		return nil, err
	}
	return a.cfg.Backend.Accounts(ctx)
}

// Get returns an account: one's own, or any for admins and the house.
func (a *Accounts) Get(ctx context.Context, id string) (Account, error) {
	if p, ok := From(ctx); !ok || p.ID != id {
		if err := mayManage(ctx, "access.get"); err != nil {
			return Account{}, err
		}
	}
	return a.cfg.Backend.Account(ctx, id)
}

// Disable shuts an account or opens it again, and ends its sessions. Nobody shuts his own.
func (a *Accounts) Disable(ctx context.Context, id string, disabled bool) error {
	if err := mayManage(ctx, "access.disable"); err != nil {
		return err
	}
	if p, _ := From(ctx); p.ID == id {
		return vigil.Errorf(vigil.Conflict, "access.disable", "nobody can disable the account he is signed in with")
	}
	acc, err := a.cfg.Backend.Account(ctx, id)
	if err != nil {
		return err
	}
	acc.Disabled = disabled
	if err := a.cfg.Backend.PutAccount(ctx, acc, ""); err != nil {
		return err
	}
	if err := a.end(ctx, End{Account: id}); err != nil {
		return err
	}
	action := "access.enable"
	if disabled {
		action = "access.disable"
	}
	return a.log(ctx, action, "account/"+id, "ok", "")
}

// SetPassword changes a password: one's own, or any for admins and the house. All sessions of the account end.
func (a *Accounts) SetPassword(ctx context.Context, id, password string) error {
	acc, err := a.Get(ctx, id)
	if err != nil {
		return err
	}
	if !goodPassword(password) {
		err := vigil.Errorf(vigil.Invalid, "access.password", "the password is not valid")
		err.Faults = []vigil.Fault{{Path: "/password", Msg: "10 to 256 characters"}}
		return err
	}
	hash, err := a.hash(ctx, password)
	if err != nil {
		return err
	}
	if err := a.cfg.Backend.PutAccount(ctx, acc, hash); err != nil {
		return err
	}
	if err := a.end(ctx, End{Account: id}); err != nil {
		return err
	}
	return a.log(ctx, "access.password", "account/"+id, "ok", "")
}

func (a *Accounts) end(ctx context.Context, e End) error {
	err := a.cfg.Backend.EndSessions(ctx, e)
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.cache)
	return err
}

// SetupNeeded reports whether no account exists yet.
func (a *Accounts) SetupNeeded(ctx context.Context) (bool, error) {
	_, accounts, err := a.cfg.Backend.Setup(ctx, nil)
	return !accounts, err
}

// SetupToken makes a fresh token for the first account and returns it; earlier ones end. Conflict once an account exists.
func (a *Accounts) SetupToken(ctx context.Context) (string, error) {
	b, err := a.random(20)
	if err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(b)
	hash := sha256.Sum256([]byte(token))
	_, accounts, err := a.cfg.Backend.Setup(ctx, hash[:])
	if err != nil {
		return "", err
	}
	if accounts {
		return "", vigil.Errorf(vigil.Conflict, "access.setup", "this house is set up already")
	}
	return token, nil
}

// Setup makes the first account, an admin whatever roles it names beside, with the token that SetupToken returned.
func (a *Accounts) Setup(ctx context.Context, token string, n NewAccount) (Account, error) {
	hash := sha256.Sum256([]byte(token))
	stored, accounts, err := a.cfg.Backend.Setup(ctx, nil)
	switch {
	case err != nil:
		return Account{}, err
	case accounts:
		return Account{}, vigil.Errorf(vigil.Conflict, "access.setup", "this house is set up already")
	case len(stored) == 0 || subtle.ConstantTimeCompare(stored, hash[:]) != 1:
		return Account{}, vigil.Errorf(vigil.Denied, "access.setup", "the setup token is wrong; the server printed it when it started")
	case n.Password == "":
		err := vigil.Errorf(vigil.Invalid, "access.setup", "the account is not valid")
		err.Faults = []vigil.Fault{{Path: "/password", Msg: "10 to 256 characters"}}
		return Account{}, err
	}
	if !slices.Contains(n.Roles, Admin) {
		n.Roles = append([]Role{Admin}, n.Roles...)
	}
	return a.create(AsSystem(ctx, "setup"), n)
}
