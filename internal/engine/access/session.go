package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
)

// SignIn checks a login and its password and returns a session token. from is the client's address. Denied with one
// same message whatever was wrong; Unavailable with the time to wait after too many failures of the login.
func (a *Accounts) SignIn(ctx context.Context, login, password, from string) (string, Account, error) {
	login = strings.ToLower(strings.TrimSpace(login))
	if wait := a.limit.wait(login); wait > 0 {
		return "", Account{}, vigil.Errorf(vigil.Unavailable, "access.sign_in", "too many attempts; try again in %s", wait.Round(time.Second))
	}
	acc, hash, err := a.cfg.Backend.AccountByLogin(ctx, login)
	if err != nil && vigil.KindOf(err) != vigil.NotFound {
		return "", Account{}, err
	}
	known := err == nil && hash != "" && !acc.Disabled
	if !known {
		hash = a.dummy
	}
	good, err := a.verify(ctx, hash, password)
	if err != nil {
		return "", Account{}, err
	}
	if !good || !known {
		a.limit.failed(login)
		what := "account"
		if acc.ID != "" {
			what += "/" + acc.ID
		}
		if err := a.log(ctx, "access.sign_in", what, "denied", from); err != nil {
			return "", Account{}, err
		}
		return "", Account{}, vigil.Errorf(vigil.Denied, "access.sign_in", badSignIn)
	}
	a.limit.passed(login)
	token, err := a.open(ctx, acc, "access.sign_in", from)
	return token, acc, err
}

// SignInAs opens a session without a password; only the house may, for demonstration visitors.
func (a *Accounts) SignInAs(ctx context.Context, accountID string) (string, Account, error) {
	if p, ok := From(ctx); !ok || !p.Has(System) {
		return "", Account{}, vigil.Errorf(vigil.Denied, "access.sign_in_as", "only the house itself may")
	}
	acc, err := a.cfg.Backend.Account(ctx, accountID)
	if err != nil {
		return "", Account{}, err
	}
	if acc.Disabled {
		return "", Account{}, vigil.Errorf(vigil.Denied, "access.sign_in_as", "the account is disabled")
	}
	token, err := a.open(ctx, acc, "access.sign_in_as", "")
	return token, acc, err
}

func (a *Accounts) open(ctx context.Context, acc Account, action, from string) (string, error) {
	b, err := a.random(32)
	if err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(b)
	now := a.cfg.Now().UTC()
	if err := a.cfg.Backend.EndSessions(ctx, End{Before: now.Add(-sessionIdle), Made: now.Add(-sessionMax)}); err != nil {
		return "", err
	}
	if err := a.cfg.Backend.PutSession(ctx, Session{Hash: sha256.Sum256([]byte(token)), Account: acc.ID, Created: now, Used: now}); err != nil {
		return "", err
	}
	return token, a.log(With(ctx, acc.Principal()), action, "account/"+acc.ID, "ok", from)
}

// Session returns who is signed in with the token and keeps the session alive. Denied when it has ended.
func (a *Accounts) Session(ctx context.Context, token string) (Principal, error) {
	hash := sha256.Sum256([]byte(token))
	now := a.cfg.Now().UTC()
	a.mu.Lock()
	c, ok := a.cache[hash]
	a.mu.Unlock()
	if ok && now.Before(c.until) {
		return c.who, nil
	}
	if IsToken(token) {
		who, until, err := a.machine(ctx, hash, now)
		if err == nil {
			a.remember(hash, who, now, until)
		}
		return who, err
	}
	if isGrant(token) {
		who, until, err := a.program(ctx, hash, now)
		if err == nil {
			a.remember(hash, who, now, until)
		}
		return who, err
	}
	s, acc, err := a.cfg.Backend.Session(ctx, hash)
	if vigil.KindOf(err) == vigil.NotFound || err == nil && (acc.Disabled || now.Sub(s.Used) >= sessionIdle || now.Sub(s.Created) >= sessionMax) {
		return Principal{}, vigil.Errorf(vigil.Denied, "access.session", "not signed in, or the session has ended")
	}
	if err != nil {
		return Principal{}, err
	}
	if now.Sub(s.Used) >= touchAfter {
		s.Used = now
		if err := a.cfg.Backend.PutSession(ctx, s); err != nil {
			return Principal{}, err
		}
	}
	who := acc.Principal()
	a.remember(hash, who, now, s.Created.Add(sessionMax))
	return who, nil
}

// remember spares the backend the next questions about a session or a token, until it ends at the latest.
func (a *Accounts) remember(hash [32]byte, who Principal, now, end time.Time) {
	until := now.Add(sessionCacheFor)
	if end.Before(until) {
		until = end
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.cache) >= cachedSessions {
		clear(a.cache)
	}
	a.cache[hash] = cached{who, until}
}

// SignOut ends the session of the token; ending one that has ended already is no error.
func (a *Accounts) SignOut(ctx context.Context, token string) error {
	hash := sha256.Sum256([]byte(token))
	_, acc, err := a.cfg.Backend.Session(ctx, hash)
	if vigil.KindOf(err) == vigil.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if err := a.end(ctx, End{Hash: hash}); err != nil {
		return err
	}
	return a.log(With(ctx, acc.Principal()), "access.sign_out", "account/"+acc.ID, "ok", "")
}

// limiter makes a login wait after failures: none for the first four, then 2, 4, 8 … seconds up to 15 minutes.
type limiter struct {
	now   func() time.Time
	mu    sync.Mutex
	tries map[string]*try
}

type try struct {
	n     int
	until time.Time
	last  time.Time
}

const (
	freeTries  = 4
	maxWait    = 15 * time.Minute
	triesKept  = 10_000
	forgetTime = time.Hour
)

func (l *limiter) wait(login string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tries[login]; t != nil {
		return t.until.Sub(l.now())
	}
	return 0
}

func (l *limiter) failed(login string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if len(l.tries) >= triesKept {
		for k, t := range l.tries {
			if now.After(t.until) { // strangers cannot fill it with names that wait for nothing
				delete(l.tries, k)
			}
		}
	}
	t := l.tries[login]
	if t == nil || now.Sub(t.last) > forgetTime {
		t = &try{}
		l.tries[login] = t
	}
	t.n++
	t.last = now
	if over := t.n - freeTries; over > 0 {
		t.until = now.Add(min(time.Second<<min(over, 12), maxWait))
	}
}

func (l *limiter) passed(login string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.tries, login)
}
