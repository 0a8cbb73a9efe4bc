package vigil

import (
	"errors"
	"fmt"
)

// Kind classifies an error once for every door: HTTP status, OperationOutcome and exit code derive from it.
type Kind string

// The kinds of error.
const (
	Invalid     Kind = "invalid"     // the input is wrong; the message says what, where and how to mend it
	NotFound    Kind = "not_found"   // nothing there under that name
	Conflict    Kind = "conflict"    // the state has moved on, or something like it exists
	Denied      Kind = "denied"      // not signed in, or not allowed
	Unavailable Kind = "unavailable" // try again later; nothing was stored
	Internal    Kind = "internal"    // our fault; strangers see an id only
)

// Fault is one defect of an input with its place (JSON pointer, HL7 segment-field, YAML path).
type Fault struct {
	Path string `json:"path"`
	Msg  string `json:"message"`
}

// Error is the one error type that crosses floors.
type Error struct {
	Kind   Kind
	Op     string // what was tried, "room.verb"
	Msg    string // for a person, in lower case
	Faults []Fault
	cause  error
}

// Error returns the operation, the message and every fault on one line.
func (e *Error) Error() string {
	s := e.Msg
	if e.Op != "" {
		s = e.Op + ": " + s
	}
	for _, f := range e.Faults {
		s += fmt.Sprintf("; %s: %s", f.Path, f.Msg)
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Errorf returns an error of the given kind; a %w verb keeps its cause for errors.Is.
func Errorf(kind Kind, op, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Op: op, Msg: err.Error(), cause: errors.Unwrap(err)}
}

// KindOf returns the kind of err, Internal when it carries none, and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Message returns what a stranger may read: the message of a domain error, else "internal error".
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); ok && e.Kind != Internal {
		return e.Msg
	}
	return "internal error"
}
