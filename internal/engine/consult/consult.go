// Package consult connects a patient with a clinician: messages, one-to-one video, and a note and an action that close it.
//
// It relays signalling and carries no media (browsers do, through driver/turn when they must); alarms stay with
// engine/alarm, which is told the steps. Start at Desk.
package consult

import (
	"context"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// State is where a consult stands.
type State string

// The states of a consult. Ringing and video fall back to open when a side leaves.
const (
	Open    State = "open"
	Ringing State = "ringing"
	Video   State = "video"
	Closed  State = "closed"
)

// Person is somebody taking part.
type Person struct {
	ID       string `json:"id"` // account
	Name     string `json:"name"`
	Initials string `json:"initials,omitempty"`
	Ref      string `json:"ref,omitempty"` // "Practitioner/…" or "Patient/…"
}

// Joined is a person who is in the video call.
type Joined struct {
	ID    string    `json:"id"`
	Name  string    `json:"name"`
	Since time.Time `json:"since"`
}

// Kinds of message. Notes are for staff only.
const (
	KindMessage = "message"
	KindNote    = "note"
	KindSystem  = "system"
)

// Message is one line of the thread.
type Message struct {
	ID       string    `json:"id"`
	Consult  string    `json:"consult"`
	At       time.Time `json:"at"`
	By       Person    `json:"by"`
	Role     string    `json:"role,omitempty"`
	Kind     string    `json:"kind"`
	Text     string    `json:"text"`
	Recorded bool      `json:"recorded"` // as FHIR Communication
}

// Consult is one conversation between a patient and a clinician.
type Consult struct {
	ID        string        `json:"id"`
	Patient   vigil.Subject `json:"patient"`
	Clinician Person        `json:"clinician"`
	Alarm     string        `json:"alarm,omitempty"`
	State     State         `json:"state"`
	Opened    time.Time     `json:"opened_at"`
	Closed    time.Time     `json:"closed_at,omitzero"`
	Joined    []Joined      `json:"joined"`
	Messages  []Message     `json:"messages"`
	Note      string        `json:"note,omitempty"`
	Action    string        `json:"action,omitempty"`
}

// Book keeps consults. Calls may be concurrent.
type Book interface {
	// Put stores the consult and one new message with it, in one transaction; m may be nil. Messages in c are not read.
	Put(ctx context.Context, c Consult, m *Message) error
	// Get returns a consult with its messages, or NotFound.
	Get(ctx context.Context, id string) (Consult, error)
	// List returns the consults of a patient with their messages, newest first.
	List(ctx context.Context, patient vigil.Subject, limit int) ([]Consult, error)
	// OpenOf returns the patient's consult that is not closed, or NotFound.
	OpenOf(ctx context.Context, patient vigil.Subject) (Consult, error)
	// Unrecorded returns messages that are not on the FHIR record yet, oldest first.
	Unrecorded(ctx context.Context, limit int) ([]Message, error)
	// Recorded notes that a message is on the FHIR record.
	Recorded(ctx context.Context, message string) error
}

// Records takes FHIR resources.
type Records interface {
	Create(ctx context.Context, r fhir.Resource) error
}

// Alarms is told the steps of a consult that belongs to an alarm. engine/alarm.Desk implements it.
type Alarms interface {
	Mark(ctx context.Context, id string, step vigil.AlarmStep) error
}
