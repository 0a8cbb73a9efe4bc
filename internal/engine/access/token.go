package access

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
)

// Token lets a program in, Grafana for example. It acts in one role and only reads. Of its text only the SHA-256 is kept.
type Token struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Role    Role      `json:"role"`
	By      string    `json:"by"` // account that made it
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"`
}

// Principal returns who acts with the token.
func (t Token) Principal() Principal {
	return Principal{ID: "token:" + t.ID, Name: t.Name, Initials: "API", Roles: []Role{t.Role}, ReadOnly: true}
}

// TokenBackend keeps tokens. Implementations are safe for concurrent use and durable when they return.
type TokenBackend interface {
	// PutToken writes a token under its hash.
	PutToken(ctx context.Context, hash [32]byte, t Token) error
	// Token returns the token with the hash; NotFound when there is none.
	Token(ctx context.Context, hash [32]byte) (Token, error)
	// Tokens returns all tokens, oldest first.
	Tokens(ctx context.Context) ([]Token, error)
	// DropToken removes the token with the id; NotFound when there is none.
	DropToken(ctx context.Context, id string) error
}

const (
	tokenPrefix = "vgl_" // tells a token from a session, to us and to scanners for leaked secrets
	tokenMax    = 2 * 366 * 24 * time.Hour
)

// IsToken reports whether the text looks like an API token's.
func IsToken(text string) bool { return strings.HasPrefix(text, tokenPrefix) }

// TokenRoles are the roles that a token may have: nurse and physician read every chart, engineer places and devices.
func TokenRoles() []Role { return []Role{Nurse, Physician, Engineer} }

// CreateToken makes a token that ends at expires and returns its text, which is shown once. Admins and the house may.
func (a *Accounts) CreateToken(ctx context.Context, name string, role Role, expires time.Time) (string, Token, error) {
	const op = "access.token"
	if err := a.mayToken(ctx, op); err != nil {
		return "", Token{}, err
	}
	now := a.cfg.Now().UTC()
	name = strings.TrimSpace(name)
	var faults []vigil.Fault
	if name == "" || len(name) > 100 {
		faults = append(faults, vigil.Fault{Path: "/name", Msg: "1 to 100 characters that say which program it is for"})
	}
	if !slices.Contains(TokenRoles(), role) {
		faults = append(faults, vigil.Fault{Path: "/role", Msg: "nurse, physician or engineer"})
	}
	if !expires.After(now) || expires.Sub(now) > tokenMax {
		faults = append(faults, vigil.Fault{Path: "/expires", Msg: "a time within the next two years"})
	}
	if len(faults) > 0 {
		err := vigil.Errorf(vigil.Invalid, op, "the token is not valid")
		err.Faults = faults
		return "", Token{}, err
	}
	b, err := a.random(40)
	if err != nil {
		return "", Token{}, err
	}
	p, _ := From(ctx)
	text := tokenPrefix + base64.RawURLEncoding.EncodeToString(b[8:])
	t := Token{ID: hex.EncodeToString(b[:8]), Name: name, Role: role, By: p.ID, Created: now, Expires: expires.UTC()}
	if err := a.cfg.Tokens.PutToken(ctx, sha256.Sum256([]byte(text)), t); err != nil {
		return "", Token{}, err
	}
	return text, t, a.log(ctx, "access.token_create", "token/"+t.ID, "ok", string(role))
}

// Tokens returns all tokens, expired ones too; admins and the house may.
func (a *Accounts) Tokens(ctx context.Context) ([]Token, error) {
	if err := a.mayToken(ctx, "access.tokens"); err != nil {
		return nil, err
	}
	return a.cfg.Tokens.Tokens(ctx)
}

// RevokeToken ends a token at once; admins and the house may.
func (a *Accounts) RevokeToken(ctx context.Context, id string) error {
	if err := a.mayToken(ctx, "access.token_revoke"); err != nil {
		return err
	}
	if err := a.cfg.Tokens.DropToken(ctx, id); err != nil {
		return err
	}
	a.mu.Lock()
	clear(a.cache)
	a.mu.Unlock()
	return a.log(ctx, "access.token_revoke", "token/"+id, "ok", "")
}

func (a *Accounts) mayToken(ctx context.Context, op string) error {
	if a.cfg.Tokens == nil {
		return vigil.Errorf(vigil.Unavailable, op, "this installation keeps no API tokens")
	}
	if p, _ := From(ctx); p.ReadOnly {
		return vigil.Errorf(vigil.Denied, op, "a token manages nothing")
	}
	return mayManage(ctx, op)
}

// machine returns who acts with the token's text, and until when that may be remembered.
func (a *Accounts) machine(ctx context.Context, hash [32]byte, now time.Time) (Principal, time.Time, error) {
	refused := vigil.Errorf(vigil.Denied, "access.session", "the API token is unknown, revoked or expired")
	if a.cfg.Tokens == nil {
		return Principal{}, now, refused
	}
	t, err := a.cfg.Tokens.Token(ctx, hash)
	if vigil.KindOf(err) == vigil.NotFound || err == nil && !now.Before(t.Expires) {
		return Principal{}, now, refused
	}
	return t.Principal(), t.Expires, err
}
