// Package protocol is the contract of device protocols: bytes in, messages out, acknowledged only when they are on disk.
//
// Below it stands one room per protocol; a room decodes and serves, and hands every message to the Intake. It does not
// map messages to metrics (engine/ingest). Start at Protocol; every room passes protocoltest.
package protocol

import (
	"context"
	"log/slog"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/ingest"
)

// Envelope is what a protocol reads from one of its messages before anybody looks at the payload.
type Envelope struct {
	Device  vigil.DeviceID // for whom the message speaks
	Payload []byte         // as the device sent it, part of the input
}

// Protocol is one way devices speak.
type Protocol struct {
	Name string
	// Decode reads the envelope from an address (topic, path, header) and a body. It is pure, never panics, and
	// returns an Invalid error that says what is wrong and how to mend it.
	Decode func(address string, body []byte) (Envelope, error)
	// Encode is Decode's inverse, for simulators and replay: the address and body that say e.
	Encode func(e Envelope) (address string, body []byte)
	// Serve speaks the protocol until ctx ends, then closes every connection and returns nil.
	Serve func(ctx context.Context, h Host) error
}

// Host is what the house gives a protocol.
type Host struct {
	Intake Intake
	Log    *slog.Logger
}

// Intake is where a protocol takes its devices and their messages. It is safe for concurrent use.
type Intake interface {
	// Authenticate returns nil when the token is the device's, else Denied.
	Authenticate(id vigil.DeviceID, token string) error
	// MaySpeakFor reports whether the connected device may send messages of another: itself always, others as a gateway.
	MaySpeakFor(connected, other vigil.DeviceID) bool
	// Pace charges what was read from a connection to its quota and returns how long nothing more of it should be read,
	// mostly 0. A door that answers requests one by one asks Admit instead of pausing.
	Pace(connected vigil.DeviceID, messages, bytes int) time.Duration
	// Admit returns nil when a request of the connected device for these devices may be taken now, else *gate.Limited
	// with when to try again. Batch says that it holds stored messages rather than news.
	Admit(connected vigil.DeviceID, batch bool, devices ...vigil.DeviceID) error
	// Accept takes one message and keeps its payload. done is called once, possibly from another goroutine and before
	// Accept returns: with nil when everything of the message is on disk, so that it may be acknowledged, else with
	// Unavailable, and then the device must send it again; *gate.Limited says that it sent too much. done must not block.
	// Accept waits while the device is over its quota and as much of it waits as may, unless the message says Refuse. Messages of one goroutine keep their order.
	Accept(m ingest.Message, done func(error))
}
