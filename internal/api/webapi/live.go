package webapi

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/notify"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// subprotocol names the frames of docs/reference/webapi.md.
const subprotocol = "vigil.1"

// request is what a screen sends.
type request struct {
	Op      string          `json:"op"`
	ID      int             `json:"id"`
	Topic   string          `json:"topic"`
	Unit    string          `json:"unit"`
	Patient string          `json:"patient"`
	Device  string          `json:"device"`
	Consult string          `json:"consult"`
	Data    json.RawMessage `json:"data"`
}

const (
	maxSubscriptions = 64
	rewindFor        = 14 * time.Second
)

// live opens the live channel of one screen.
func (a *API) live(w http.ResponseWriter, r *http.Request) {
	who, err := a.principal(r)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	if who.ReadOnly {
		a.fail(w, r, errReadOnly())
		return
	}
	if who.Has(access.Program) {
		a.fail(w, r, vigil.Errorf(vigil.Denied, "webapi.live", "the live channel is for people; programs use the FHIR door"))
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		a.cfg.Log.Debug("live.accept", "error", err)
		return
	}
	conn.SetReadLimit(128 << 10)
	ctx, stop := context.WithCancel(access.With(context.WithoutCancel(r.Context()), who))
	c := &client{
		api: a, conn: conn, ctx: ctx, stop: stop, who: who, token: token(r), wake: make(chan struct{}, 1), subs: map[int]*subscription{},
		subjects: map[vigil.Subject]subjectView{}, streams: map[streamKey]*stream{}, numbers: map[uint32]numberFrame{}, scores: map[vigil.Subject]int64{},
	}
	if !a.hub.add(c) {
		stop()
		conn.Close(websocket.StatusGoingAway, stopping) //nolint:errcheck // the client is gone
		return
	}
	defer a.hub.remove(c)
	hush := c.hearPages()
	c.send(map[string]any{"op": "hello", "now_ms": a.cfg.Now().UnixMilli(), "build": a.cfg.Site.Version})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer stop()
		if err := c.write(); err != nil {
			a.cfg.Log.Debug("live.write", "error", err)
		}
	})
	c.read()
	stop()
	wg.Wait()
	calls := c.consults()
	conn.CloseNow()
	hush()
	c.leave()
	c.work.Wait()
	for _, id := range calls {
		time.AfterFunc(callGrace, func() { a.leaveLost(who, id) })
	}
}

// callGrace is how long a screen may be gone before its call is taken as left: a reconnect is shorter.
const callGrace = 15 * time.Second

// leaveLost takes somebody out of a call whose screens are all gone. Otherwise a phone that died would count as present
// and never ring again.
func (a *API) leaveLost(who access.Principal, id string) {
	back := false
	a.hub.each(func(c *client) { back = back || c.who.ID == who.ID && slices.Contains(c.consults(), id) })
	if back {
		return
	}
	ctx := access.With(context.Background(), who)
	co, err := a.cfg.Consults.Get(ctx, id)
	if err != nil || !slices.ContainsFunc(co.Joined, func(j consult.Joined) bool { return j.ID == who.ID }) {
		return
	}
	if _, err := a.cfg.Consults.Leave(ctx, id); err != nil {
		a.cfg.Log.Debug("live.leave", "error", err)
	}
}

// hearPages brings the pages of this person to the screen and confirms them.
func (c *client) hearPages() (stop func()) {
	if c.api.cfg.App == nil || c.who.Person == "" {
		return func() {}
	}
	return c.api.cfg.App.Listen(func(to alarm.Recipient) bool { return to.ID == c.who.Person || to.ID == c.who.ID }, func(m notify.Message) {
		c.send(map[string]any{"op": "page", "id": m.ID, "alarm": m.Alarm, "priority": m.Priority, "text": m.Text, "link": m.Link})
		c.work.Go(func() { // the receipt is written to disk; the sender does not wait for it
			if err := c.api.cfg.Receipt(access.AsSystem(c.ctx, "live"), m.ID, notify.AppChannel, notify.Delivered); err != nil {
				c.api.cfg.Log.Debug("live.receipt", "error", err)
			}
		})
	})
}

// read takes what the screen sends until the connection ends. It does not end with ctx: the reader has to be there for
// the closing handshake, or the screen never learns why it was closed.
func (c *client) read() {
	ctx := context.WithoutCancel(c.ctx)
	for {
		kind, b, err := c.conn.Read(ctx)
		if err != nil {
			return
		}
		var req request
		if kind != websocket.MessageText || json.Unmarshal(b, &req) != nil {
			c.send(map[string]any{"op": "refused", "id": 0, "message": "frames to the server are JSON text"})
			continue
		}
		if err := c.handle(req); err != nil {
			c.send(map[string]any{"op": "refused", "id": req.ID, "message": vigil.Message(err)})
		}
	}
}

func (c *client) handle(req request) error {
	switch req.Op {
	case "sub":
		if err := c.subscribe(req); err != nil {
			return err
		}
		c.send(map[string]any{"op": "subscribed", "id": req.ID})
		return c.begin(req)
	case "unsub":
		c.unsubscribe(req.ID)
		return nil
	case "signal":
		return c.api.cfg.Consults.Signal(c.ctx, req.Consult, req.Data)
	}
	return vigil.Errorf(vigil.Invalid, "live", "op %q is not sub, unsub or signal", req.Op)
}

// subscribe checks that the person may follow the topic and notes it.
func (c *client) subscribe(req request) error {
	s := &subscription{topic: req.Topic, unit: req.Unit, patient: req.Patient, device: req.Device, consult: req.Consult}
	var err error
	switch req.Topic {
	case "ward":
		if !c.who.Has(access.Nurse, access.Physician, access.Admin, access.Engineer) {
			err = vigil.Errorf(vigil.Denied, "live", "this needs a staff role")
		}
		if _, ok := c.api.cfg.Census.Unit(req.Unit); !ok && err == nil {
			err = vigil.Errorf(vigil.NotFound, "live", "no care unit %q", req.Unit)
		}
	case "attention", "device":
		if !c.who.Has(access.Nurse, access.Physician, access.Admin, access.Engineer) {
			err = vigil.Errorf(vigil.Denied, "live", "this needs a staff role")
		}
	case "patient":
		err = access.CheckSubject(c.ctx, vigil.PatientSubject(req.Patient))
		if _, ok := c.api.cfg.Census.Patient(req.Patient); !ok && err == nil {
			err = vigil.Errorf(vigil.NotFound, "live", "no patient %q", req.Patient)
		}
	case "consult":
		_, err = c.api.cfg.Consults.Get(c.ctx, req.Consult)
	case "portal":
		if !c.who.Has(access.Patient) {
			err = vigil.Errorf(vigil.Denied, "live", "the portal is the patient's own")
		}
	default:
		err = vigil.Errorf(vigil.Invalid, "live", "there is no topic %q", req.Topic)
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.subs) >= maxSubscriptions {
		return vigil.Errorf(vigil.Unavailable, "live", "at most %d subscriptions on one connection", maxSubscriptions)
	}
	if _, ok := c.subs[req.ID]; ok {
		return vigil.Errorf(vigil.Conflict, "live", "subscription %d exists already", req.ID)
	}
	c.subs[req.ID] = s
	return nil
}

// begin sends what is known now and starts to follow.
func (c *client) begin(req request) error {
	switch req.Topic {
	case "attention":
		c.sendAttention(req.Unit)
		return nil
	case "device":
		c.watchDevice(req)
		return nil
	case "consult":
		return nil
	}
	fresh := c.settle()
	switch {
	case req.Topic == "patient":
		c.numbersNow(vigil.PatientSubject(req.Patient))
	case req.Topic == "portal":
		c.numbersNow(c.who.Subject)
	case c.who.Clinical():
		for _, b := range c.api.cfg.Census.Beds(req.Unit) {
			if b.Patient != "" {
				c.numbersNow(vigil.PatientSubject(b.Patient))
			}
		}
	}
	for _, s := range fresh {
		c.rewind(s)
	}
	c.nudge()
	return nil
}

// numbersNow sends the last number of each metric of a subject.
func (c *client) numbersNow(s vigil.Subject) {
	values, err := c.api.cfg.Telemetry.Last(c.ctx, s)
	if err != nil {
		return
	}
	newest := map[vigil.Metric]telemetry.Value{}
	for _, x := range values {
		if old, ok := newest[x.Metric]; !ok || x.Time.After(old.Time) {
			newest[x.Metric] = x
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.subjects[s]; !ok {
		return
	}
	for _, x := range newest {
		st := c.streamLocked(streamKey{s, x.Metric}, x.Device, nil)
		if _, ok := c.numbers[st.id]; !ok {
			c.numbers[st.id] = numberFrame{float64(x.Time.UnixNano()) / 1e6, x.Value, uint32(x.Quality)}
		}
	}
}

// rewind sends the last seconds of the waveforms, so that a strip does not begin empty.
func (c *client) rewind(s vigil.Subject) {
	now := c.api.cfg.Now()
	for _, metric := range c.api.wavesOf(c.ctx, s) {
		c.mu.Lock()
		v := c.subjects[s]
		c.mu.Unlock()
		if !v.allWaves && v.wave != "" && v.wave != metric {
			continue
		}
		blocks, err := c.api.cfg.Telemetry.Waveform(c.ctx, s, metric, now.Add(-rewindFor), now)
		if err != nil || len(blocks) == 0 {
			continue
		}
		var device vigil.DeviceID
		infos, _ := c.api.cfg.Telemetry.Waveforms(c.ctx, s)
		for _, w := range infos {
			if device == "" && w.Metric == metric {
				device = w.Device
			}
		}
		c.report(&vigil.Report{Subject: s, Device: device, Waveforms: blocks})
	}
}

func (c *client) watchDevice(req request) {
	w := c.api.cfg.Ingest.Watch(vigil.DeviceID(req.Device))
	c.mu.Lock()
	if s := c.subs[req.ID]; s != nil {
		s.watch = w
	}
	c.mu.Unlock()
	c.work.Go(func() { // ends with the connection or the subscription
		for {
			select {
			case h := <-w.C:
				c.send(map[string]any{"op": "message", "device": h.Device, "message": viewMessage(h)})
			case <-w.Done():
				return
			case <-c.ctx.Done():
				w.Close()
				return
			}
		}
	})
}

func (c *client) unsubscribe(id int) {
	c.mu.Lock()
	s := c.subs[id]
	delete(c.subs, id)
	c.mu.Unlock()
	if s == nil {
		return
	}
	if s.watch != nil {
		s.watch.Close()
	}
	c.settle()
}

// wanted lists what the subscriptions show of which subject, as the beds are now.
func (c *client) wanted() map[vigil.Subject]subjectView {
	c.mu.Lock()
	subs := slices.Collect(maps.Values(c.subs))
	c.mu.Unlock()
	out := map[vigil.Subject]subjectView{}
	for _, s := range subs {
		switch s.topic {
		case "patient":
			subject := vigil.PatientSubject(s.patient)
			p, _ := c.api.cfg.Census.Patient(s.patient)
			out[subject] = subjectView{bed: p.Bed, allWaves: true}
		case "portal":
			out[c.who.Subject] = subjectView{}
		case "ward":
			if !c.who.Clinical() {
				continue // beds and their states only
			}
			for _, b := range c.api.cfg.Census.Beds(s.unit) {
				if subject := vigil.PatientSubject(b.Patient); b.Patient != "" {
					out[subject] = subjectView{bed: b.ID, allWaves: out[subject].allWaves}
				}
			}
		}
	}
	return out
}

// settle brings what is followed in line with the subscriptions and the beds, and returns what is followed anew.
func (c *client) settle() (fresh []vigil.Subject) {
	c.settling.Lock()
	defer c.settling.Unlock()
	want := c.wanted()
	var left []vigil.Subject
	c.mu.Lock()
	if c.gone {
		want = nil
	}
	for subject, v := range want {
		old, known := c.subjects[subject]
		if v.wave = old.wave; !known || v.allWaves && !old.allWaves {
			fresh = append(fresh, subject)
		}
		if !known {
			c.api.hub.look(subject, 1)
		}
		c.subjects[subject] = v
	}
	for subject := range c.subjects {
		if _, ok := want[subject]; !ok {
			delete(c.subjects, subject)
			left = append(left, subject)
		}
	}
	c.mu.Unlock()
	for _, subject := range left {
		c.api.hub.look(subject, -1)
	}
	return fresh
}
