// Package alarm is the desk: alarms, calls, tasks and notices, raised, paged, seen, acknowledged, escalated, resolved.
//
// The desk is a durable state machine after IEC 60601-1-8: what it answers is in the Book, pages are intents written in
// the same transaction as the state they follow from, and deadlines are part of the alarm, so a kill at any moment
// loses nothing and pages nobody twice. It judges no value (engine/rule) and sends nothing itself (engine/notify).
// Start at Desk; the ports are in this file.
package alarm

import (
	"context"
	"time"

	"github.com/vigil-health/vigil"
)

// Recipient is a person or a team that can be paged.
type Recipient struct {
	ID       string `json:"id"`   // account id or team key
	Name     string `json:"name"` // display name
	Initials string `json:"initials,omitempty"`
	Role     string `json:"role,omitempty"`
}

// Page is the intent to reach one recipient about one alarm. Its ID is the same however often it is delivered, so that
// receivers drop repeats.
type Page struct {
	ID    string    `json:"id"`
	Alarm string    `json:"alarm"`
	Step  int       `json:"step"` // of the chain, from 1; 0 when passed on by hand; StandDown when somebody else took it
	To    Recipient `json:"to"`
	At    time.Time `json:"at"`
}

// StandDown is the step of a page that tells one who was asked that somebody else has taken the alarm.
const StandDown = -1

// Change is one transition: the alarm as it is afterwards and the pages that follow from it.
type Change struct {
	Alarm vigil.Alarm
	Pages []Page
	// Sent is the ID of a page that the pager has since SentAt, "" for none.
	Sent   string
	SentAt time.Time
}

// Query asks the Book for alarms. Zero fields do not restrict.
type Query struct {
	From, To time.Time // raised in [From, To)
	Subject  vigil.Subject
	Unit     string
	Open     bool // only what is not resolved
	Limit    int  // at most so many, newest first; 0 means 1000
}

// Book keeps alarms and the outbox of pages. Calls may be concurrent. Alarms handed over are not kept or changed.
type Book interface {
	// Put writes the alarm, new or not, adds its pages and notes the one that was sent, in one transaction; it returns once
	// they are on disk.
	// A page whose ID is known is left as it is. It returns Unavailable when nothing was stored.
	Put(ctx context.Context, c Change) error
	// Get returns an alarm with its evidence; NotFound when there is none.
	Get(ctx context.Context, id string) (vigil.Alarm, error)
	// Open returns every alarm that is not resolved, with evidence, in the order they were raised.
	Open(ctx context.Context) ([]vigil.Alarm, error)
	// List returns alarms without evidence, newest first.
	List(ctx context.Context, q Query) ([]vigil.Alarm, error)
	// Unsent returns pages that were not handed to the pager, oldest first.
	Unsent(ctx context.Context) ([]Page, error)
	// Sent notes that the pager has the page.
	Sent(ctx context.Context, page string, at time.Time) error
}

// Post is a place in the on-call order: who holds the role for the unit, or for the patient, now.
type Post struct {
	Role    string
	Unit    string
	Subject vigil.Subject
}

// OnCall knows who holds a post now. An empty answer means nobody does.
type OnCall interface {
	Holders(ctx context.Context, p Post) ([]Recipient, error)
}

// Pager takes over a page: it returns nil once the page is safe with it, and drops a page ID it has seen.
type Pager interface {
	Page(ctx context.Context, p Page, a vigil.Alarm) error
}

// Withdrawer is a Pager that can tell people that they are not needed any more; a pager without it leaves them to their
// screens.
type Withdrawer interface {
	// Withdraw stops what is still under way to the recipient of p about the alarm, and tells him who took it if it had
	// arrived. It drops a page ID it has seen.
	Withdraw(ctx context.Context, p Page, a vigil.Alarm) error
}

// Receipts knows whether a page arrived.
type Receipts interface {
	// Reached reports whether the person gave a receipt (delivered, seen or answered) about the alarm since the time.
	Reached(ctx context.Context, alarm, person string, since time.Time) (bool, error)
}

// AuditEvent is what the desk reports of every transition: ids only.
type AuditEvent struct {
	Alarm   string
	Subject vigil.Subject
	What    string // as in vigil.AlarmStep
	Text    string
	At      time.Time
}
