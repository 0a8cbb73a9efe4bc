// Package notify reaches a person: channels in order, receipts, retries, and a list of what reached nobody.
//
// It takes pages over from the desk (engine/alarm) and writes nothing identifying into them. It speaks to no server
// itself: channels are rooms (driver/smtp, driver/webhook) or the live screen (App). Start at Post.
package notify

import (
	"context"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// State is where a message stands.
type State string

// The states of a message. Sent means handed to a channel that gives no further receipt.
const (
	Waiting   State = "waiting"
	Sent      State = "sent"
	Delivered State = "delivered"
	Seen      State = "seen"
	Answered  State = "answered"  // by the person, on the channel itself
	Failed    State = "failed"    // dead letter: nobody was reached
	Withdrawn State = "withdrawn" // no longer needed before anybody was reached
	Held      State = "held"      // until the person's quiet hours end
	Digested  State = "digested"  // told with others after the quiet hours
)

// Route is one way to a person: a channel and the address there.
type Route struct {
	Channel string `json:"channel"`
	To      string `json:"to"`
}

// Receipt is what happened on a route.
type Receipt struct {
	Channel string    `json:"channel"`
	State   State     `json:"state"`
	At      time.Time `json:"at"`
	Detail  string    `json:"detail,omitempty"`
}

// Message is one page on its way to one person. Text carries no name and no value: it may stand on a locked screen.
type Message struct {
	ID       string          `json:"id"` // of the page: receivers drop repeats
	Alarm    string          `json:"alarm"`
	To       alarm.Recipient `json:"to"`
	Kind     string          `json:"kind,omitempty"` // of the alarm; KindStandDown, KindDigest or KindTest
	Unit     string          `json:"unit,omitempty"` // Location id
	Priority vigil.Priority  `json:"priority"`
	Text     string          `json:"text"` // "High alarm, ICU North. Open to see."
	Link     string          `json:"link"` // path in the user interface
	Created  time.Time       `json:"created"`
	State    State           `json:"state"`
	Routes   []Route         `json:"routes"`
	Route    int             `json:"route"`          // the one being tried
	Tries    int             `json:"tries"`          // on this route
	Began    time.Time       `json:"began"`          // of this route
	Due      time.Time       `json:"due"`            // next attempt or fallback
	Receipts []Receipt       `json:"receipts"`       // oldest first
	Handed   bool            `json:"handed"`         // this route took it and may still confirm
	Reached  bool            `json:"was_handed"`     // some route took it
	Lost     bool            `json:"lost,omitempty"` // every route has failed once, and that was told
}

// Kinds of message that are no page.
const (
	KindStandDown = "stand_down" // somebody else has taken the alarm
	KindDigest    = "digest"     // what was held back
	KindTest      = "test"
)

// Channel sends messages one way. Calls may be concurrent; ctx carries the time limit.
type Channel interface {
	// Send returns Sent when the message was handed over and a later receipt may follow, Delivered when it arrived for
	// certain. A NotFound or Invalid error is final for this route; any other is tried again.
	Send(ctx context.Context, m Message, to string) (State, error)
}

// Book knows the routes of a recipient, best first. None at all means the live screen only.
type Book interface {
	Routes(ctx context.Context, to alarm.Recipient) ([]Route, error)
}

// Hush decides about quiet hours: Directory.
type Hush interface {
	// Held returns until when the message is held back, and false when it goes out now.
	Held(ctx context.Context, m Message, now time.Time) (until time.Time, held bool)
}

// Outbox keeps messages. Calls may be concurrent.
type Outbox interface {
	// Add stores a message and reports false when its ID is known already.
	Add(ctx context.Context, m Message) (bool, error)
	// Save replaces a message.
	Save(ctx context.Context, m Message) error
	// Get returns a message or NotFound.
	Get(ctx context.Context, id string) (Message, error)
	// List returns messages in a state, or of an alarm, newest first; empty arguments do not restrict.
	List(ctx context.Context, state State, alarm string, limit int) ([]Message, error)
}
