package access

import (
	"context"
	"time"

	"github.com/vigil-health/vigil"
)

// Account is a person who may sign in.
type Account struct {
	ID       string    `json:"id"`
	Login    string    `json:"login"` // lower case
	Name     string    `json:"name"`
	Initials string    `json:"initials"`
	Roles    []Role    `json:"roles"`
	Person   string    `json:"person,omitempty"` // "Practitioner/<id>" or "Patient/<id>"
	Disabled bool      `json:"disabled,omitempty"`
	Created  time.Time `json:"created"`
}

// Principal returns who acts when the account is signed in. A patient's subject is his own record.
func (a Account) Principal() Principal {
	p := Principal{ID: a.ID, Name: a.Name, Initials: a.Initials, Roles: a.Roles, Person: a.Person}
	if s := vigil.Subject(a.Person); p.Has(Patient) && s.IsPatient() {
		p.Subject = s
	}
	return p
}

// Session is one signed-in browser; of its token only the SHA-256 is kept.
type Session struct {
	Hash    [32]byte
	Account string
	Created time.Time
	Used    time.Time
}

// Backend keeps accounts and sessions. Implementations are safe for concurrent use and durable when they return.
type Backend interface {
	// PutAccount writes an account with its password hash (PHC string, "" keeps the old one). Conflict when the login
	// belongs to another account.
	PutAccount(ctx context.Context, a Account, password string) error
	// AccountByLogin returns an account and its password hash; NotFound when there is none.
	AccountByLogin(ctx context.Context, login string) (Account, string, error)
	// Account returns an account by id; NotFound when there is none.
	Account(ctx context.Context, id string) (Account, error)
	// Accounts returns all accounts by login.
	Accounts(ctx context.Context) ([]Account, error)
	// Setup reads the hash of the setup token and whether any account exists; Setup writes it when hash is not nil.
	Setup(ctx context.Context, hash []byte) (stored []byte, accounts bool, err error)
	// PutSession writes a session, replacing one with the same hash.
	PutSession(ctx context.Context, s Session) error
	// Session returns a session and its account; NotFound when there is none.
	Session(ctx context.Context, hash [32]byte) (Session, Account, error)
	// EndSessions removes the session with the hash, all sessions of an account, and those not used since a time.
	EndSessions(ctx context.Context, e End) error
}

// End selects the sessions to end; zero fields select none.
type End struct {
	Hash    [32]byte
	Account string
	Before  time.Time // last used or made before
	Made    time.Time
}
