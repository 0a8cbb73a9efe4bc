package consult

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

const (
	textMax   = 4000
	signalMax = 64 << 10 // an SDP of a video call is a few kB
	listMax   = 100
	settleMax = 200
)

// Config is what the desk needs from outside.
type Config struct {
	Book    Book
	Records Records       // nil: nothing goes to the FHIR record
	Alarms  Alarms        // nil: no alarm is told
	NewID   func() string // unguessable
	Now     func() time.Time
	Log     *slog.Logger
}

// Desk holds the conversations. Its methods are safe for concurrent use; who acts comes from ctx.
//
//	Open ─► open ──(video)─► ringing ──(second side joins)─► video ──(a side leaves)─► open ─► Close ─► closed
type Desk struct {
	cfg    Config
	mu     sync.Mutex // orders changes; consults are few and short
	joined map[string][]Joined
	subs   map[*Subscription]struct{}
}

// NewDesk returns a desk. Who was in a call before a restart is not: browsers join again.
func NewDesk(cfg Config) *Desk {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{cfg: cfg, joined: map[string][]Joined{}, subs: map[*Subscription]struct{}{}}
}

// Request opens a consult.
type Request struct {
	Patient vigil.Subject
	Alarm   string
	Video   bool // ring the patient
}

// Open returns the patient's open consult, or a new one. Staff open for any patient, a patient for himself; only
// staff ring.
func (d *Desk) Open(ctx context.Context, r Request) (Consult, error) {
	p, err := d.who(ctx, r.Patient)
	if err != nil {
		return Consult{}, err
	}
	if r.Video && !p.Clinical() {
		return Consult{}, vigil.Errorf(vigil.Denied, "consult.open", "calls are started by clinical staff")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c, err := d.cfg.Book.OpenOf(ctx, r.Patient)
	switch {
	case vigil.KindOf(err) == vigil.NotFound:
		c = Consult{ID: d.cfg.NewID(), Patient: r.Patient, State: Open, Opened: d.cfg.Now()}
	case err != nil:
		return Consult{}, err
	}
	before := c
	if p.Clinical() && c.Clinician.ID == "" {
		c.Clinician = person(p)
	}
	if r.Alarm != "" {
		c.Alarm = r.Alarm
	}
	if r.Video {
		c.Clinician = person(p)
		if len(d.joined[c.ID]) < 2 {
			c.State = Ringing
		}
	}
	if err == nil && before.Clinician == c.Clinician && before.Alarm == c.Alarm && before.State == c.State {
		return d.view(p, c), nil
	}
	if err := d.put(ctx, &c, nil); err != nil {
		return Consult{}, err
	}
	return d.view(p, c), nil
}

// Get returns a consult as the principal of ctx may see it.
func (d *Desk) Get(ctx context.Context, id string) (Consult, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, p, err := d.get(ctx, id)
	if err != nil {
		return Consult{}, err
	}
	return d.view(p, c), nil
}

// List returns the consults of a patient, newest first.
func (d *Desk) List(ctx context.Context, patient vigil.Subject) ([]Consult, error) {
	p, err := d.who(ctx, patient)
	if err != nil {
		return nil, err
	}
	list, err := d.cfg.Book.List(ctx, patient, listMax)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Consult, 0, len(list))
	for _, c := range list {
		out = append(out, d.view(p, c))
	}
	return out, nil
}

// Current returns the patient's open consult, or NotFound.
func (d *Desk) Current(ctx context.Context, patient vigil.Subject) (Consult, error) {
	p, err := d.who(ctx, patient)
	if err != nil {
		return Consult{}, err
	}
	c, err := d.cfg.Book.OpenOf(ctx, patient)
	if err != nil {
		return Consult{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.view(p, c), nil
}

// Say adds a message, or a note among staff. It returns Invalid for empty or overlong text, Conflict when closed.
func (d *Desk) Say(ctx context.Context, id, kind, text string) (Consult, error) {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > textMax {
		return Consult{}, vigil.Errorf(vigil.Invalid, "consult.say", "a message has 1 to %d bytes", textMax)
	}
	d.mu.Lock()
	c, p, err := d.get(ctx, id)
	if err != nil {
		d.mu.Unlock()
		return Consult{}, err
	}
	switch {
	case c.State == Closed:
		err = vigil.Errorf(vigil.Conflict, "consult.say", "the consult is closed")
	case kind != KindMessage && kind != KindNote:
		err = vigil.Errorf(vigil.Invalid, "consult.say", "%q is neither message nor note", kind)
	case kind == KindNote && !p.Clinical():
		err = vigil.Errorf(vigil.Denied, "consult.say", "notes are for clinical staff")
	}
	if err != nil {
		d.mu.Unlock()
		return Consult{}, err
	}
	if p.Clinical() && c.Clinician.ID == "" {
		c.Clinician = person(p)
	}
	m := d.message(p, c.ID, kind, text)
	err = d.put(ctx, &c, &m)
	out := d.view(p, c)
	d.mu.Unlock()
	if err != nil {
		return Consult{}, err
	}
	d.record(ctx, c.Patient, m)
	return out, nil
}

// Join brings the principal into the video call; the second side starts it. A third is a Conflict.
func (d *Desk) Join(ctx context.Context, id string) (Consult, error) {
	d.mu.Lock()
	c, p, err := d.get(ctx, id)
	if err != nil {
		d.mu.Unlock()
		return Consult{}, err
	}
	in := d.joined[id]
	already := slices.ContainsFunc(in, func(j Joined) bool { return j.ID == p.ID })
	switch {
	case c.State == Closed:
		err = vigil.Errorf(vigil.Conflict, "consult.join", "the consult is closed")
	case !already && len(in) >= 2:
		err = vigil.Errorf(vigil.Conflict, "consult.join", "two people are in this call already")
	}
	if err != nil || already {
		out := d.view(p, c)
		d.mu.Unlock()
		return out, err
	}
	begins := len(in) == 1
	if begins {
		c.State = Video
	}
	d.joined[id] = append(slices.Clone(in), Joined{ID: p.ID, Name: p.Name, Since: d.cfg.Now()})
	if err := d.put(ctx, &c, nil); err != nil {
		d.joined[id] = in
		d.mu.Unlock()
		return Consult{}, err
	}
	out := d.view(p, c)
	d.mu.Unlock()
	if begins {
		d.mark(ctx, c, "video_opened", c.Clinician.Name, "")
	}
	return out, nil
}

// Leave takes the principal out of the call; the call is over for the other side too. It also ends the ringing.
func (d *Desk) Leave(ctx context.Context, id string) (Consult, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c, p, err := d.get(ctx, id)
	if err != nil {
		return Consult{}, err
	}
	in := d.joined[id]
	if c.State == Video && !slices.ContainsFunc(in, func(j Joined) bool { return j.ID == p.ID }) {
		return d.view(p, c), nil // whoever is not in the call cannot end it
	}
	d.joined[id] = slices.DeleteFunc(slices.Clone(in), func(j Joined) bool { return j.ID == p.ID })
	if len(d.joined[id]) == 0 {
		delete(d.joined, id)
	}
	if c.State == Ringing || c.State == Video {
		c.State = Open
	} else if len(in) == len(d.joined[id]) {
		return d.view(p, c), nil
	}
	if err := d.put(ctx, &c, nil); err != nil {
		return Consult{}, err
	}
	return d.view(p, c), nil
}

// Close ends a consult with a note and an action; both go to the record and to the alarm's history. Clinical staff only.
func (d *Desk) Close(ctx context.Context, id, note, action string) (Consult, error) {
	note, action = strings.TrimSpace(note), strings.TrimSpace(action)
	if note == "" || len(note)+len(action) > textMax {
		return Consult{}, vigil.Errorf(vigil.Invalid, "consult.close", "a note is needed, with the action at most %d bytes", textMax)
	}
	d.mu.Lock()
	c, p, err := d.get(ctx, id)
	switch {
	case err != nil:
	case !p.Clinical():
		err = vigil.Errorf(vigil.Denied, "consult.close", "a consult is closed by clinical staff")
	case c.State == Closed:
		err = vigil.Errorf(vigil.Conflict, "consult.close", "the consult is closed")
	}
	if err != nil {
		d.mu.Unlock()
		return Consult{}, err
	}
	c.State, c.Closed, c.Note, c.Action = Closed, d.cfg.Now(), note, action
	text := note
	if action != "" {
		text += "\n" + action
	}
	m := d.message(p, c.ID, KindNote, text)
	was := d.joined[id]
	delete(d.joined, id)
	if err := d.put(ctx, &c, &m); err != nil {
		d.joined[id] = was
		d.mu.Unlock()
		return Consult{}, err
	}
	out := d.view(p, c)
	d.mu.Unlock()
	d.record(ctx, c.Patient, m)
	d.mark(ctx, c, "note", p.Name, note)
	if action != "" {
		d.mark(ctx, c, "action", p.Name, action)
	}
	return out, nil
}

// Signal relays signalling (SDP, ICE) from one joined side to the other. It is kept nowhere.
func (d *Desk) Signal(ctx context.Context, id string, data json.RawMessage) error {
	if len(data) > signalMax {
		return vigil.Errorf(vigil.Invalid, "consult.signal", "a signal has at most %d bytes", signalMax)
	}
	p, ok := access.From(ctx)
	if !ok {
		return vigil.Errorf(vigil.Denied, "consult.signal", "not signed in")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var to []string
	in := false
	for _, j := range d.joined[id] {
		if j.ID == p.ID {
			in = true
		} else {
			to = append(to, j.ID)
		}
	}
	if !in {
		return vigil.Errorf(vigil.Conflict, "consult.signal", "join the call first")
	}
	if len(to) > 0 {
		d.publish(Event{ID: id, Signal: data, From: p.ID, To: to})
	}
	return nil
}

// Event is a change of a consult, or a signal on its way.
type Event struct {
	ID      string
	Consult *Consult        // after the change, nil for a signal; show it through View
	Signal  json.RawMessage // for the accounts in To only
	From    string
	To      []string
}

// Subscription delivers events; it checks no access: its reader decides who gets what.
type Subscription struct {
	C      <-chan Event
	c      chan Event
	missed atomic.Bool
	desk   *Desk
}

// Missed reports whether events were lost because C was full, and forgets it: the reader then reads anew.
func (s *Subscription) Missed() bool { return s.missed.Swap(false) }

// Close ends the subscription. C is not closed.
func (s *Subscription) Close() {
	s.desk.mu.Lock()
	defer s.desk.mu.Unlock()
	delete(s.desk.subs, s)
}

// Subscribe returns a subscription that holds at most buf events while its reader is busy.
func (d *Desk) Subscribe(buf int) *Subscription {
	c := make(chan Event, max(buf, 1))
	s := &Subscription{C: c, c: c, desk: d}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subs[s] = struct{}{}
	return s
}

func (d *Desk) publish(e Event) {
	for s := range d.subs {
		select {
		case s.c <- e:
		default:
			s.missed.Store(true)
		}
	}
}

// View returns the consult of an event as p may see it: patients do not see notes.
func View(p access.Principal, c Consult) Consult {
	if p.Clinical() {
		return c
	}
	c.Note, c.Action = "", ""
	c.Messages = slices.DeleteFunc(slices.Clone(c.Messages), func(m Message) bool { return m.Kind == KindNote })
	return c
}

func (d *Desk) view(p access.Principal, c Consult) Consult {
	c.Joined = slices.Clone(d.joined[c.ID])
	if c.Joined == nil {
		c.Joined = []Joined{}
	}
	if c.Messages == nil {
		c.Messages = []Message{}
	}
	return View(p, c)
}

// who returns the principal when he may take part in the patient's consults.
func (d *Desk) who(ctx context.Context, patient vigil.Subject) (access.Principal, error) {
	p, _ := access.From(ctx)
	if !patient.IsPatient() {
		return p, vigil.Errorf(vigil.Invalid, "consult.who", "a consult is with a patient")
	}
	return p, access.CheckSubject(ctx, patient)
}

func (d *Desk) get(ctx context.Context, id string) (Consult, access.Principal, error) {
	c, err := d.cfg.Book.Get(ctx, id)
	if err != nil {
		return c, access.Principal{}, err
	}
	p, err := d.who(ctx, c.Patient)
	if c.State == Video && len(d.joined[id]) == 0 {
		c.State = Open // the call did not outlive a restart
	}
	return c, p, err
}

// put stores the consult with one more message and tells everybody. The caller holds mu.
func (d *Desk) put(ctx context.Context, c *Consult, m *Message) error {
	if err := d.cfg.Book.Put(context.WithoutCancel(ctx), *c, m); err != nil {
		return err
	}
	if m != nil {
		c.Messages = append(slices.Clip(c.Messages), *m)
	}
	out := d.view(access.Principal{Roles: []access.Role{access.System}}, *c)
	d.publish(Event{ID: c.ID, Consult: &out})
	return nil
}

func (d *Desk) message(p access.Principal, consult, kind, text string) Message {
	role := ""
	if len(p.Roles) > 0 {
		role = string(p.Roles[0])
	}
	return Message{ID: d.cfg.NewID(), Consult: consult, At: d.cfg.Now(), By: person(p), Role: role, Kind: kind, Text: text}
}

func person(p access.Principal) Person {
	return Person{ID: p.ID, Name: p.Name, Initials: p.Initials, Ref: p.Person}
}

func (d *Desk) mark(ctx context.Context, c Consult, what, who, text string) {
	if d.cfg.Alarms == nil || c.Alarm == "" {
		return
	}
	if err := d.cfg.Alarms.Mark(ctx, c.Alarm, vigil.AlarmStep{What: what, Who: who, Text: text}); err != nil {
		d.cfg.Log.Error("alarm not told of consult", "consult", c.ID, "alarm", c.Alarm, "step", what, "error", err)
	}
}

// record writes a message as FHIR Communication; what fails is left to Settle.
func (d *Desk) record(ctx context.Context, patient vigil.Subject, m Message) {
	if d.cfg.Records == nil {
		return
	}
	ctx = access.AsSystem(context.WithoutCancel(ctx), "consult")
	if err := d.cfg.Records.Create(ctx, communication(patient, m)); err != nil {
		d.cfg.Log.Error("message not on the record, will be tried again", "message", m.ID, "error", err)
		return
	}
	if err := d.cfg.Book.Recorded(ctx, m.ID); err != nil {
		d.cfg.Log.Error("message not marked as recorded", "message", m.ID, "error", err)
	}
}

// Settle writes messages to the FHIR record that could not be written when they were said. Call it now and then.
func (d *Desk) Settle(ctx context.Context) error {
	list, err := d.cfg.Book.Unrecorded(ctx, settleMax)
	if err != nil {
		return err
	}
	for _, m := range list {
		c, err := d.cfg.Book.Get(ctx, m.Consult)
		if err != nil {
			return err
		}
		d.record(ctx, c.Patient, m)
	}
	return nil
}

// communication is the message in FHIR R4.
func communication(patient vigil.Subject, m Message) fhir.Resource {
	category := "notification"
	if m.Kind == KindNote {
		category = "instruction"
	}
	r := fhir.Resource{
		"resourceType": "Communication", "status": "completed", "sent": m.At.UTC().Format(time.RFC3339Nano),
		"identifier": []any{map[string]any{"system": "urn:vigil:consult-message", "value": m.ID}},
		"category":   []any{map[string]any{"coding": []any{map[string]any{"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": category}}}},
		"subject":    map[string]any{"reference": string(patient)},
		"payload":    []any{map[string]any{"contentString": m.Text}},
	}
	if m.Kind == KindNote {
		r["meta"] = map[string]any{"security": []any{map[string]any{"system": record.SecuritySystem, "code": record.SecurityStaff}}}
	}
	if m.By.Ref != "" {
		r["sender"] = map[string]any{"reference": m.By.Ref}
	}
	return r
}
