package rule

import (
	"context"
	"time"
)

// State is where a version of a site's rule stands.
type State string

// The states: draft → proposed → approved → shadow → live → retired. Shadow may be left out; a retired version may be live
// again by a roll back.
const (
	Draft    State = "draft"
	Proposed State = "proposed"
	Approved State = "approved"
	Trial    State = "shadow"
	Live     State = "live"
	Retired  State = "retired"
)

// Version is one version of a site's rule. What it says never changes; its state does.
type Version struct {
	Key        string    `json:"key"`
	Number     int       `json:"version"`
	State      State     `json:"state"`
	Off        bool      `json:"off,omitempty"` // the version says that the rule of this key is switched off
	Text       string    `json:"text"`          // YAML of the rule and its tests, as it was handed in
	Note       string    `json:"note"`
	Author     string    `json:"author"` // account
	AuthorName string    `json:"author_name"`
	At         time.Time `json:"at"`

	Approver     string    `json:"approver,omitempty"` // account
	ApproverName string    `json:"approver_name,omitempty"`
	ApprovedAt   time.Time `json:"approved_at,omitzero"`
}

// Transition is one step of a version, kept for good.
type Transition struct {
	Key    string    `json:"key"`
	Number int       `json:"version"`
	From   State     `json:"from,omitempty"` // "" when the version was written
	To     State     `json:"to"`
	By     string    `json:"by"` // account
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
	Note   string    `json:"note"`
}

// ShadowQuery asks for what rules on trial would have raised, newest first.
type ShadowQuery struct {
	Rule, Version string // "" is all
	Open          bool
	Limit         int // 0 means 200
}

// ShadowCount is how often a version on trial would have alarmed.
type ShadowCount struct {
	Rule    string    `json:"rule"`
	Version string    `json:"version"`
	Alarms  int       `json:"alarms"`
	Open    int       `json:"open"`
	First   time.Time `json:"first"`
	Last    time.Time `json:"last"`
}

// Book keeps the site's rules. Calls may be concurrent; what is written is on disk when the call returns, or nothing of it
// is and the error is Unavailable.
type Book interface {
	Shadows
	// Versions returns the versions of a key, of all keys for "", ordered by key and number.
	Versions(ctx context.Context, key string) ([]Version, error)
	// Write adds a version under the next number of its key, with its first transition, and returns it.
	Write(ctx context.Context, v Version) (Version, error)
	// Move takes every step or none. It returns Conflict when a version does not stand where its step begins.
	Move(ctx context.Context, steps []Transition) error
	// Transitions returns the steps of a key, of all keys for "", oldest first.
	Transitions(ctx context.Context, key string) ([]Transition, error)
	ListShadows(ctx context.Context, q ShadowQuery) ([]Shadow, error)
	CountShadows(ctx context.Context) ([]ShadowCount, error)
}
