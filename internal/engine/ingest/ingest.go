// Package ingest is the path of a sample: from a device's message to a report on disk, an ordered list of named steps.
//
// It does not speak to devices (protocol/*) and keeps nothing itself: usable reports go to the telemetry store, what
// cannot be used goes to the quarantine with its reason. Nothing is acknowledged before it is on disk.
// Start at the list of steps below.
package ingest

import (
	"context"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/registry"
)

// steps is the path of a sample:
//
//	message ─ identify ─ map ─ bind ─ turn ─ deduplicate ─ quarantine ─┐
//	                                                                   ├─► acknowledge
//	                                               append (fsync) ─────┘
//
// Mapping checks plausibility and stamps both clocks, since it meets each value once. A step that returns false has
// answered the message; later steps do not see it. At turn the gate says when the message may go on (package gate), also
// one that can only be set aside.
func steps() []step {
	return []step{
		{"identify", (*Pipeline).identify},
		{"map", (*Pipeline).translate},
		{"bind", (*Pipeline).bind},
		{"turn", (*Pipeline).turn},
		{"deduplicate", (*Pipeline).deduplicate},
		{"quarantine", (*Pipeline).setAside},
		{"append", (*Pipeline).append},
	}
}

type step struct {
	name string
	run  func(p *Pipeline, w *work) bool
}

// Message is what a device sent, as a protocol received it.
type Message struct {
	Device   vigil.DeviceID
	Protocol string
	Payload  []byte // kept by the pipeline: the caller must not change it
	Received time.Time
	Speaker  vigil.DeviceID // the connected device, perhaps a gateway; "" is the house itself, which has no quota
	Refuse   bool           // answer *gate.Limited instead of holding the caller when no more of the device may wait
}

// Telemetry is where usable reports go: telemetry.Store.
type Telemetry interface {
	// Append queues the report and calls done, in order, once it is on disk or cannot be.
	Append(r *vigil.Report, done func(error))
	// AppendAll queues the reports of one message together and calls done once all are on disk, or cannot be.
	AppendAll(reports []*vigil.Report, done func(error))
}

// Devices is what the pipeline asks the registry.
type Devices interface {
	// Lookup returns the device, or false when nobody registered it.
	Lookup(id vigil.DeviceID) (*registry.Device, bool)
	// SubjectAt returns whom the device spoke for at t, or false.
	SubjectAt(id vigil.DeviceID, t time.Time) (vigil.Subject, bool)
}

// Config is what a pipeline needs.
type Config struct {
	Telemetry  Telemetry
	Devices    Devices
	Quarantine Quarantine
	Mappers    map[string]*Mapper // by profile key
	Gate       *gate.Gate         // nil lets everything go at once
	Now        func() time.Time
}

// Pipeline carries messages along the steps. It is safe for concurrent use; messages of one connection stay in order.
type Pipeline struct {
	cfg     Config
	steps   []step
	counts  []StepCount
	seed    maphash.Seed
	seen    *recent
	history *history
	turnAt  int // index of the step
	aside   chan asideJob
	values  atomic.Uint64
}

// StepCount counts what passed a step and what it stopped.
type StepCount struct {
	Name   string
	Passed atomic.Uint64
	Failed atomic.Uint64
}

// New returns a pipeline; Run must be running for messages to be quarantined.
func New(cfg Config) *Pipeline {
	p := &Pipeline{cfg: cfg, steps: steps(), seed: maphash.MakeSeed(), seen: newRecent(), history: newHistory(), aside: make(chan asideJob, asideRoom)}
	p.counts = make([]StepCount, len(p.steps))
	for i, s := range p.steps {
		if p.counts[i].Name = s.name; s.name == "turn" {
			p.turnAt = i
		}
	}
	return p
}

// work is one message on its way.
type work struct {
	Message
	device   *registry.Device
	mapped   []Mapped
	rejected []Quarantined
	outcome  Outcome
	done     func(error)
	release  bool // run again from the quarantine: nothing is set aside, nothing passes for a repeat
	stopped  bool // nothing of it can be used
	ticket   gate.Ticket
}

// Accept takes one message along the steps. done is called exactly once, after everything of the message is on disk,
// in the telemetry log or in the quarantine, or with Unavailable when it could not be stored and must be sent again.
func (p *Pipeline) Accept(m Message, done func(error)) {
	if m.Received.IsZero() {
		m.Received = p.cfg.Now()
	}
	p.run(&work{Message: m, done: done}, 0)
}

// run takes the message along the steps from one on.
func (p *Pipeline) run(w *work, from int) {
	for i := from; i < len(p.steps); i++ {
		ok := p.steps[i].run(p, w)
		switch {
		case ok:
			p.counts[i].Passed.Add(1)
			continue
		case i == p.turnAt: // it waits, and may be gone already, or was refused
			return
		}
		p.counts[i].Failed.Add(1)
		if !w.stopped {
			return
		}
		i = p.turnAt - 1
	}
}

func (p *Pipeline) identify(w *work) bool {
	var ok bool
	if w.device, ok = p.cfg.Devices.Lookup(w.Device); !ok {
		return p.stop(w, UnknownDevice, "no device is registered under this id; register it or correct the id")
	}
	return true
}

// translate decodes the payload by the profile of the device: coded metrics, canonical units, plausibility, both clocks.
func (p *Pipeline) translate(w *work) bool {
	m := p.cfg.Mappers[w.device.Profile]
	if m == nil {
		return p.stop(w, UnknownProfile, "no profile "+w.device.Profile+" in the catalogue")
	}
	mapped, err := m.Map(w.Payload, w.Received)
	if err != nil {
		return p.stop(w, Malformed, vigil.Message(err))
	}
	w.mapped = mapped
	for i := range mapped {
		for _, pr := range mapped[i].Problems {
			w.reject(pr.Reason, pr.Path+": "+pr.Detail)
		}
	}
	return true
}

// bind finds whom each report speaks for as of its own time.
func (p *Pipeline) bind(w *work) bool {
	for i := range w.mapped {
		r := &w.mapped[i].Report
		r.Device, r.Protocol = w.Device, w.Protocol
		if r.Empty() {
			continue
		}
		at := reportTime(r)
		subject, ok := p.cfg.Devices.SubjectAt(w.Device, at)
		if !ok {
			w.reject(Unbound, "the device was bound to nobody at "+at.UTC().Format(time.RFC3339))
			r.Samples, r.Waveforms, r.Events = nil, nil, nil
			continue
		}
		r.Subject = subject
	}
	return true
}

func reportTime(r *vigil.Report) time.Time {
	switch {
	case len(r.Samples) > 0:
		return r.Samples[0].At()
	case len(r.Waveforms) > 0:
		return time.Unix(0, r.Waveforms[0].Start)
	default:
		return r.Events[0].At()
	}
}

// deduplicate recognises a message that the device sent again, which only its own clock can prove. The repeat is
// acknowledged behind an empty report, so never before the first one is on disk.
func (p *Pipeline) deduplicate(w *work) bool {
	if w.release || len(w.mapped) == 0 {
		return true
	}
	for i := range w.mapped {
		if !w.mapped[i].HasTime {
			return true
		}
	}
	if !p.seen.repeat(w.Device, maphash.Bytes(p.seed, w.Payload)) {
		return true
	}
	w.outcome = OutcomeDuplicate
	p.note(w)
	p.cfg.Telemetry.Append(&vigil.Report{Device: w.Device, Received: w.Received.UnixNano()}, w.done)
	return false
}

// append hands the reports of the message to the durable log together.
func (p *Pipeline) append(w *work) bool {
	left, values := 0, 0
	for i := range w.mapped {
		if !w.mapped[i].Report.Empty() {
			left++
		}
	}
	if left == 0 {
		if len(w.rejected) == 0 { // valid, but says nothing: a heartbeat
			w.outcome = OutcomeStored
			p.note(w)
			p.cfg.Telemetry.Append(&vigil.Report{Device: w.Device, Received: w.Received.UnixNano()}, w.done)
		}
		return true
	}
	w.outcome = OutcomeStored
	if len(w.rejected) == 0 {
		p.note(w) // before the log has it: the answer may come at once, and who watches hears of it through the answer
	}
	reports := make([]*vigil.Report, 0, left)
	for i := range w.mapped {
		if r := &w.mapped[i].Report; !r.Empty() {
			reports = append(reports, r)
			values += len(r.Samples)
		}
	}
	p.cfg.Telemetry.AppendAll(reports, func(err error) {
		if err != nil {
			p.seen.forget(w.Device) // it will be sent again, and must not pass for a repeat
		}
		w.done(err)
	})
	p.values.Add(uint64(values))
	return true
}

// reject notes an unusable part; parts with one reason wait as one entry.
func (w *work) reject(r Reason, detail string) {
	for i := range w.rejected {
		if w.rejected[i].Reason == r {
			w.rejected[i].Detail += "; " + detail
			return
		}
	}
	w.rejected = append(w.rejected, Quarantined{At: w.Received, Device: w.Device, Protocol: w.Protocol, Reason: r, Detail: detail, Payload: w.Payload})
}

// stop sets the whole message aside.
func (p *Pipeline) stop(w *work, r Reason, detail string) bool {
	w.reject(r, detail)
	w.mapped, w.stopped = nil, true
	return false
}

// Steps returns the counters of each step, in order.
func (p *Pipeline) Steps() []*StepCount {
	out := make([]*StepCount, len(p.counts))
	for i := range p.counts {
		out[i] = &p.counts[i]
	}
	return out
}

// Values returns how many samples were handed to the log since the start.
func (p *Pipeline) Values() uint64 { return p.values.Load() }

// Run stores what is set aside until ctx ends, then stores the rest.
func (p *Pipeline) Run(ctx context.Context) error {
	return p.runAside(ctx)
}
