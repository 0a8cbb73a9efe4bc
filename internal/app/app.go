// Package app is the contract of an application: one value that says everything about it, and the host it runs on.
//
// An application is a room of its own below this folder: it owns its routes, rules, pages and texts and meets the rest
// of the house through records, telemetry, alarms and deadlines only. This package holds no application, speaks no HTTP
// (the server mounts a Room's routes) and opens no store. Start at App; what an application may use is in host.go, how
// it is started and stopped in room.go, and what every application must stand is in apptest.
package app

import (
	"context"
	"io/fs"
	"time"

	"github.com/vigil-health/vigil/internal/engine/access"
)

// App is one application, read from top to bottom like a table of contents.
type App struct {
	Name    string    // lower-case noun, the name of its folder and of its routes: /api/app/<name>/…
	Title   string    // as people call it
	Icon    string    // of the icon set of the user interface
	Records []string  // FHIR resource types that it reads or writes
	Files   fs.FS     // embedded: README.md, rules/*.yaml, stories/*.story
	Config  []Setting // the settings in force, for the settings reference
	Pages   []Page    // what the menu offers

	// Start registers routes, readers and deadlines and returns; longer work goes through Host.Go. It looks at what is
	// stored already, so that a restart loses nothing and repeats nothing. It may be called again after a stop.
	Start func(ctx context.Context, h Host) error
	// Simulate plays the application's devices and people in the simulated hospital until ctx ends. It may be nil.
	Simulate func(ctx context.Context, w Ward) error
}

// Setting is one thing that a hospital can set.
type Setting struct {
	Key   string // "late_after"
	Value string // in force
	Text  string // one sentence, with the unit
}

// Page is one entry of the menu.
type Page struct {
	Path  string // in the user interface, "/app/medication"
	Title string
	Icon  string
	Roles Roles
}

// Roles are the people who may use a route or a page. Only the functions below make one, so that nothing is open to
// everybody by an oversight: the zero value admits nobody.
type Roles struct{ list []access.Role }

// Only admits the roles.
func Only(first access.Role, more ...access.Role) Roles {
	return Roles{append([]access.Role{first}, more...)}
}

// Clinical admits those who may see any patient's chart.
func Clinical() Roles { return Only(access.Nurse, access.Physician, access.Admin) }

// ClinicalOrPatient admits clinical staff, and patients; what a patient may see is himself, which the handler checks
// with access.CheckSubject.
func ClinicalOrPatient() Roles {
	return Only(access.Nurse, access.Physician, access.Admin, access.Patient)
}

// List returns the roles. The slice is the caller's.
func (r Roles) List() []access.Role { return append([]access.Role(nil), r.list...) }

// Admit reports whether the principal holds one of the roles.
func (r Roles) Admit(p access.Principal) bool { return p.Has(r.list...) }

// Request is what a handler sees of a call, whichever door it came through.
type Request interface {
	Query(key string) string // of the query string, "" when absent
	Path(key string) string  // of the pattern, {id}
	// Decode reads the body into v, which has JSON tags; an empty body is an empty object. It returns Invalid for
	// fields that v does not have.
	Decode(v any) error
}

// Handler answers one call as the principal of ctx. A nil answer means done, nothing to say (204). The answer is
// written as JSON.
type Handler func(ctx context.Context, r Request) (any, error)

// Ward is the simulated hospital as an application's devices and people see it. Time may run faster than on the wall.
type Ward interface {
	// Now is the time in the ward.
	Now() time.Time
	// Wait returns nil at the time in the ward, or the error of ctx.
	Wait(ctx context.Context, until time.Time) error
	// Devices returns the devices of the profile that are bound to a patient.
	Devices(profile string) []WardDevice
	// Send delivers a device's message in the form of its profile, and returns once it is acknowledged.
	Send(ctx context.Context, device string, payload []byte) error
}

// WardDevice is a device and whose it is.
type WardDevice struct {
	ID      string
	Patient string
	Since   time.Time // bound since; what it says of earlier is nobody's
}
