// Package peer exchanges records with other FHIR servers, a hospital's EHR for example: it pushes Patients, Encounters,
// Observations, summaries of vitals and alarms, and pulls what the others know, through a durable queue.
//
// Nothing echoes: what leaves carries the house's own mark, what comes in carries whose it is, and neither goes round.
// Sending twice makes nothing twice: everything is written under an identifier. It speaks no HTTP itself (driver/fhirpeer
// does) and is not engine/subscription, which tells whoever asked. Start at Desk.
package peer

import (
	"context"
	"net/url"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Marks on resources (Resource.meta.tag).
const (
	TagHouse = "urn:vigil:instance" // code: the house that a record is from
	TagPeer  = "urn:vigil:peer"     // code: the peer that a record was pulled from
)

// Alarms is what Peer.Push names beside resource types: alarms as DetectedIssue, Flag and Communication.
const Alarms = "Alarm"

// Request is one call of a FHIR server, below its base.
type Request struct {
	Method string // GET, POST, PUT, DELETE
	Path   string // "Patient?identifier=…", or a whole URL below the base, as links have it
	Body   fhir.Resource
}

// Answer is what a FHIR server answered with success.
type Answer struct {
	Status   int
	Resource fhir.Resource // nil without a body
	Location string        // of what was created or updated
}

// Fault is an answer that is no success. Its kind says what to do: Unavailable and Conflict are tried again, Denied waits for
// somebody to mend keys or scopes, Invalid and NotFound will not become better by themselves.
type Fault struct {
	Kind   vigil.Kind
	Status int           // of HTTP, 0 when nothing answered
	Text   string        // what the server said, in words
	Wait   time.Duration // that the server asks for
}

// Error implements error.
func (f *Fault) Error() string { return f.Text }

// Unwrap lets vigil.KindOf see the kind.
func (f *Fault) Unwrap() error { return vigil.Errorf(f.Kind, "peer.call", "%s", f.Text) }

// Remote is another FHIR server. Calls may be concurrent; an error is a *Fault or of the context.
type Remote interface {
	Do(ctx context.Context, r Request) (Answer, error)
}

// Vitals says which summaries of vitals are pushed; the zero value is none.
type Vitals struct {
	Hourly      bool
	AroundAlarm time.Duration  // before and after the onset of an alarm; 0 is none
	Metrics     []vigil.Metric // none means all that the catalogue gives a LOINC code
}

// Pull is one search whose resources are kept here too.
type Pull struct {
	Type  string
	Query string // further conditions, "status=in-progress"
}

// Peer is one other server and what is exchanged with it.
type Peer struct {
	Name       string
	Base       string // URL of its FHIR endpoint without a slash at its end
	Remote     Remote
	Push       []string // resource types, and Alarms
	Pull       []Pull
	Identifier string // system of the identifier by which both know a patient, "" for none
	Vitals     Vitals
	Alarms     []string      // as what alarms go: DetectedIssue, Flag, Communication
	Every      time.Duration // between pulls
}

// Item is something that a peer shall have: the newest state of what its key names is read when it is sent.
type Item struct {
	Peer  string    `json:"peer"`
	Key   string    `json:"key"`   // "record Patient/x", "alarm x", "vitals Patient/x 1767225600 3600", "pull Patient/x"
	Gen   int64     `json:"-"`     // counts how often it was asked for
	Added time.Time `json:"added"` // first asked for
	Due   time.Time `json:"due"`
	Tries int       `json:"tries"`
	Error string    `json:"error,omitempty"`
	Dead  bool      `json:"dead"` // is not tried again unless somebody asks
}

// Queue keeps items durably. Calls may be concurrent.
type Queue interface {
	// Enqueue adds the items, which say when they were asked for and are due, or asks anew for those that wait, and moves the peer's mark, in one transaction. An item that
	// is dead lives again.
	Enqueue(ctx context.Context, peer string, items []Item, mark, at string) error
	// Next returns the items of a peer that are due, oldest first.
	Next(ctx context.Context, peer string, now time.Time, limit int) ([]Item, error)
	// Done removes the item unless it was asked for again since it was read.
	Done(ctx context.Context, it Item) error
	// Failed keeps tries, due, error and dead of the item, unless it was asked for again since it was read.
	Failed(ctx context.Context, it Item) error
	// List returns items of a peer, dead ones first, then the oldest.
	List(ctx context.Context, peer string, limit int) ([]Item, error)
	// Count returns how many items wait, how many are dead, and when the oldest that waits was asked for.
	Count(ctx context.Context, peer string) (waiting, dead int, oldest time.Time, err error)
	// Retry makes an item due now, all of the peer for "", and returns how many.
	Retry(ctx context.Context, peer, key string, now time.Time) (int, error)
}

// Link says that a record here and one there are the same.
type Link struct {
	Peer    string
	Local   string // "Patient/x"
	Remote  string // "Patient/17"
	Version string // of the remote one that was read last
	Own     bool   // we made the remote one and keep it up to date
}

// Links keeps links and marks durably. Calls may be concurrent.
type Links interface {
	// Local returns the link of a record here; NotFound when there is none.
	Local(ctx context.Context, peer, local string) (Link, error)
	// Remote returns the link of a record there; NotFound when there is none.
	Remote(ctx context.Context, peer, remote string) (Link, error)
	// Put writes a link, replacing those of both its ends.
	Put(ctx context.Context, l Link) error
	// Drop removes the link of a record here.
	Drop(ctx context.Context, peer, local string) error
	// Mark returns what is kept under a name, "" when nothing is.
	Mark(ctx context.Context, peer, name string) (string, error)
	// SetMark keeps a text under a name.
	SetMark(ctx context.Context, peer, name, at string) error
}

// Records is what the desk asks of the record store, whose documentation holds.
type Records interface {
	Read(ctx context.Context, typ, id string) (record.Record, error)
	Update(ctx context.Context, r fhir.Resource, ifMatch int64) (record.Record, error)
	Search(ctx context.Context, typ string, params url.Values) (record.Page, error)
}

// Changes is the order of commits over all records, as record.Backend has it.
type Changes interface {
	Last(ctx context.Context) (int64, error)
	History(ctx context.Context, q record.HistoryQuery) ([]record.Record, error)
}

// AlarmDesk is what the desk asks of the alarm desk.
type AlarmDesk interface {
	Get(ctx context.Context, id string) (vigil.Alarm, error)
	List(ctx context.Context, q alarm.Query) ([]vigil.Alarm, error)
	Subscribe(buf int) *alarm.Subscription
}

// Telemetry is what the desk asks of the telemetry store.
type Telemetry interface {
	Subjects(ctx context.Context) []vigil.Subject
	Query(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
}
