package vigil

import "time"

// EventKind is the catalogue key of something discrete that a device reports, for example "dose-taken".
type EventKind string

// Event is something discrete a device reports: a dose taken, a door opened, a tag seen.
type Event struct {
	Kind EventKind
	Time int64             // Unix nanoseconds by the corrected device clock
	Data map[string]string // small coded facts, for example {"medication": "metoprolol-25"}; never free text about a person
}

// At returns the event's time.
func (e Event) At() time.Time { return time.Unix(0, e.Time) }
