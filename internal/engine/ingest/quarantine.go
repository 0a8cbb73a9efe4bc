package ingest

import (
	"context"
	"time"

	"github.com/vigil-health/vigil"
)

// Reason says why a message, or a part of it, could not be used.
type Reason string

// The reasons of the quarantine.
const (
	UnknownDevice  Reason = "unknown_device"
	UnknownProfile Reason = "unknown_profile"
	Malformed      Reason = "malformed"
	UnmappedField  Reason = "unmapped_field"
	BadValue       Reason = "bad_value"
	Implausible    Reason = "implausible"
	Unbound        Reason = "unbound"
)

// Quarantined is one message that waits for its cause to be mended.
type Quarantined struct {
	ID       int64
	At       time.Time
	Device   vigil.DeviceID
	Protocol string
	Reason   Reason
	Detail   string
	Payload  []byte
}

// QuarantineFilter selects quarantined messages; zero fields match everything.
type QuarantineFilter struct {
	Device vigil.DeviceID
	Reason Reason
	Limit  int // newest first; 0 means 100
}

// ReasonCount is how many messages wait for one reason.
type ReasonCount struct {
	Reason Reason
	Count  int
}

// Quarantine is the port that keeps what could not be used. Methods are safe for concurrent use.
type Quarantine interface {
	// Put stores the messages and returns once they are on disk.
	Put(ctx context.Context, items []Quarantined) error
	// Get returns one message or NotFound.
	Get(ctx context.Context, id int64) (Quarantined, error)
	// List returns messages newest first.
	List(ctx context.Context, f QuarantineFilter) ([]Quarantined, error)
	// Counts returns how many messages wait, by reason.
	Counts(ctx context.Context, device vigil.DeviceID) ([]ReasonCount, error)
	// Remove deletes one message or returns NotFound.
	Remove(ctx context.Context, id int64) error
}
