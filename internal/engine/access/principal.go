// Package access decides who may do what: people, roles, sessions, policy and consent.
//
// It does not authenticate devices (engine/registry) and keeps no files of its own (a driver does).
// Start at Principal: every engine that guards data asks it through the context.
package access

import (
	"context"
	"slices"

	"github.com/vigil-health/vigil"
)

// Role is what a person is to the hospital.
type Role string

// The roles. Patient sees himself only; System is the house acting by itself; a Program does what its scopes say, by the
// FHIR door alone.
const (
	Nurse     Role = "nurse"
	Physician Role = "physician"
	Engineer  Role = "engineer" // biomedical and IT: devices, not charts
	Admin     Role = "admin"
	Patient   Role = "patient"
	System    Role = "system"
	Program   Role = "program"
)

// Principal is who acts: an account with its roles, as carried by a context.
type Principal struct {
	ID       string        // account id
	Name     string        // display name
	Initials string        // for screens
	Roles    []Role        //
	Person   string        // "Practitioner/<id>" or "Patient/<id>"
	Subject  vigil.Subject // the patient himself for role Patient, else ""
	ReadOnly bool          // a program with an API token: it changes nothing
	Scopes   []Scope       // of a Program
}

// Has reports whether the principal holds one of the roles.
func (p Principal) Has(roles ...Role) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(p.Roles, r) })
}

// Clinical reports whether the principal may see any patient's chart.
func (p Principal) Clinical() bool { return p.Has(Nurse, Physician, Admin, System) }

type contextKey struct{}

// With returns a context that acts as p.
func With(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, contextKey{}, p)
}

// AsSystem returns a context in which the house acts by itself, for example a rule or a schedule.
func AsSystem(ctx context.Context, room string) context.Context {
	return With(ctx, Principal{ID: "system:" + room, Name: "Vigil", Initials: "VG", Roles: []Role{System}})
}

// From returns who acts, and false when nobody is named: then everything is denied.
func From(ctx context.Context) (Principal, bool) {
	p, ok := ctx.Value(contextKey{}).(Principal)
	return p, ok
}

// CheckSubject returns nil when the principal of ctx may see what is kept about the subject, else a Denied error.
// Clinical roles see every subject; engineers see places; a patient sees himself; programs see whose Observations they
// may read.
func CheckSubject(ctx context.Context, s vigil.Subject) error {
	p, ok := From(ctx)
	switch {
	case !ok:
		return vigil.Errorf(vigil.Denied, "access.subject", "not signed in")
	case p.Clinical():
		return nil
	case p.Has(Engineer) && !s.IsPatient():
		return nil
	case p.MayRead("Observation"):
		return nil
	case p.Has(Patient) && s == p.Subject && s.IsPatient():
		return nil
	}
	return vigil.Errorf(vigil.Denied, "access.subject", "your role does not give access to %s", s)
}
