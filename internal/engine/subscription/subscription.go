// Package subscription tells other systems of what happens, by topic-based Subscriptions of FHIR (R4, with the backport
// guide): it follows records and telemetry from a durable position, keeps a numbered log of events for each Subscription
// and delivers them in order until the receiver has them.
//
// It speaks to no receiver itself: channels are rooms. Start at Desk.
package subscription

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Extensions of the backport guide.
const (
	guide      = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
	extFilter  = guide + "backport-filter-criteria"
	extContent = guide + "backport-payload-content"
	extBeat    = guide + "backport-heartbeat-period"
	extMax     = guide + "backport-max-count"
)

// TopicChange is the canonical of the one topic that every Subscription may name: a resource was created or changed. Its
// filter criteria select which, as a search: "Observation?code=8867-4".
const TopicChange = "urn:vigil:topic:resource-change"

// Content says what a notification carries.
type Content string

// The contents of notifications.
const (
	Empty  Content = "empty"
	IDOnly Content = "id-only"
	Full   Content = "full-resource"
)

// Target is where a channel delivers to.
type Target struct {
	Subscription string // id
	Endpoint     string
	Headers      []string // "Authorization: Bearer …"
}

// Channel delivers notifications one way. Calls may be concurrent; ctx carries the time limit.
type Channel interface {
	// Check returns Invalid for a target that may not be delivered to, saying what is allowed.
	Check(to Target) error
	// Send returns nil once the receiver has the Bundle. An error is tried again.
	Send(ctx context.Context, to Target, bundle []byte) error
}

// ErrAway is what a channel returns to which receivers come by themselves, when none is there: events wait for Desk.Due.
var ErrAway = vigil.Errorf(vigil.Unavailable, "subscription.send", "nobody is connected")

// Event is one thing that a Subscription was told of, numbered from 1.
type Event struct {
	Subscription string
	Number       int64
	At           time.Time
	Focus        string // "Type/id"
	JSON         []byte // of an Observation that is made from telemetry; records are read when they are delivered
	Deleted      int64  // the last version of a record that was deleted, 0 when it was not
}

// State is what is kept of a Subscription beside its record.
type State struct {
	ID        string
	Owner     string // account whose access bounds what is told
	Events    int64  // number of the newest
	Delivered int64  // number of the newest that the receiver has
	Fails     int    // in a row
	Since     time.Time
	Error     string // why the last delivery failed, "" when it did not
	Errors    int64  // failed deliveries altogether
}

// Book keeps states, events and positions, durably. Calls may be concurrent.
type Book interface {
	// States returns all states by id.
	States(ctx context.Context) ([]State, error)
	// Save writes a state, all but its Events.
	Save(ctx context.Context, s State) error
	// Append numbers the events, keeps them, and moves the position, in one transaction.
	Append(ctx context.Context, events []Event, position string, at uint64) error
	// Events returns at most limit events with numbers above after, in order.
	Events(ctx context.Context, id string, after int64, limit int) ([]Event, error)
	// Position returns the position kept under the name, 0 when there is none.
	Position(ctx context.Context, name string) (uint64, error)
}

// wish is a Subscription as it is asked for.
type wish struct {
	id       string
	status   string
	typ      string
	criteria string
	filter   record.Filter
	channel  string
	to       Target
	content  Content
	beat     time.Duration // 0: no heartbeat
	max      int           // events in one notification
	end      time.Time     // zero: without end
}

func invalid(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "subscription.check", format, args...)
}

// read understands a Subscription resource.
func read(r fhir.Resource) (w wish, err error) {
	w = wish{id: r.ID(), status: r.Str("status"), criteria: r.Str("criteria"), content: Empty, max: 50}
	if w.criteria == TopicChange || strings.Contains(w.criteria, "://") {
		if w.criteria != TopicChange {
			return w, invalid("criteria: topic %q is not known; use %s with filter criteria, or a search such as Observation?code=8867-4", w.criteria, TopicChange)
		}
		if w.criteria = extension(r["_criteria"], extFilter).Str("valueString"); w.criteria == "" {
			return w, invalid("criteria: the topic needs the extension %s with a search such as Observation?code=8867-4", extFilter)
		}
	}
	typ, query, _ := strings.Cut(w.criteria, "?")
	params, err := url.ParseQuery(query)
	if err != nil || !fhir.KnownType(typ) {
		return w, invalid("criteria %q is not a search such as Observation?code=8867-4", w.criteria)
	}
	if w.typ = typ; typ == "Subscription" || typ == "AuditEvent" {
		return w, invalid("criteria: nobody can subscribe to %s", typ)
	}
	if w.filter, err = record.ParseFilter(typ, params); err != nil {
		return w, invalid("criteria: %s", vigil.Message(err))
	}
	for _, c := range w.filter.Where {
		if c.Chain != nil || c.Has != nil {
			return w, invalid("criteria: %s: what leads to other resources cannot be subscribed to", c.Param)
		}
	}
	w.channel = r.Str("channel.type")
	w.to = Target{Subscription: w.id, Endpoint: r.Str("channel.endpoint")}
	list, _ := r.Get("channel.header").([]any)
	for _, h := range list {
		if s, ok := h.(string); ok {
			w.to.Headers = append(w.to.Headers, s)
		}
	}
	channel, _ := r["channel"].(map[string]any)
	if c := extension(channel["_payload"], extContent).Str("valueCode"); c != "" {
		w.content = Content(c)
	} else if r.Str("channel.payload") != "" {
		w.content = Full // a Subscription of plain R4
	}
	if w.content != Empty && w.content != IDOnly && w.content != Full {
		return w, invalid("channel.payload: content %q is not one of empty, id-only, full-resource", w.content)
	}
	if p := r.Str("channel.payload"); p != "" && !strings.HasPrefix(p, "application/fhir+json") && p != "application/json" {
		return w, invalid("channel.payload: notifications are application/fhir+json, not %q", p)
	}
	if n, ok := extension(channel, extBeat).Num("valueUnsignedInt"); ok && n > 0 {
		w.beat = time.Duration(n) * time.Second
	}
	if n, ok := extension(channel, extMax).Num("valuePositiveInt"); ok && n >= 1 {
		w.max = min(int(n), 1000)
	}
	if s := r.Str("end"); s != "" {
		if w.end, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return w, invalid("end %q is no instant", s)
		}
	}
	return w, nil
}

// extension finds an extension of an element by its URL, nil when there is none.
func extension(element any, at string) fhir.Resource {
	e, _ := element.(map[string]any)
	for _, x := range fhir.Resource(e).List("extension") {
		if x.Str("url") == at {
			return x
		}
	}
	return nil
}
