package webapi

import (
	"context"
	"encoding/json"
	"github.com/coder/websocket"
	"net/http"
	"slices"
	"sync"
	"time"

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
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{subprotocol}})
	if err != nil {
		a.cfg.Log.Debug("live.accept", "error", err)
		return
	}
	conn.SetReadLimit(128 << 10)
	ctx, stop := context.WithCancel(access.With(context.WithoutCancel(r.Context()), who))
	c := &client{
		api: a, conn: conn, ctx: ctx, stop: stop, who: who, wake: make(chan struct{}, 1), subs: map[int]*subscription{},
		subjects: map[vigil.Subject]subjectView{}, streams: map[streamKey]*stream{}, numbers: map[uint32]numberFrame{}, scores: map[vigil.Subject]int64{},
	}
	a.hub.add(c)
	defer c.hearPages()()
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
	a.hub.remove(c)
	conn.CloseNow()
	for _, id := range c.consults() {
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
		go func() { // the receipt is written to disk; the sender does not wait for it
			if err := c.api.cfg.Receipt(access.AsSystem(c.ctx, "live"), m.ID, notify.AppChannel, notify.Delivered); err != nil {
				c.api.cfg.Log.Debug("live.receipt", "error", err)
			}
		}()
	})
}

func (c *client) read() {
	for {
		kind, b, err := c.conn.Read(c.ctx)
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
	case "ward":
		if !c.who.Clinical() {
			return nil // beds and their states only
		}
		for _, b := range c.api.cfg.Census.Beds(req.Unit) {
			if b.Patient != "" {
				c.follow(vigil.PatientSubject(b.Patient), b.ID, false)
			}
		}
	case "patient":
		bed := ""
		if p, ok := c.api.cfg.Census.Patient(req.Patient); ok {
			bed = p.Bed
		}
		c.follow(vigil.PatientSubject(req.Patient), bed, true)
	case "portal":
		c.follow(c.who.Subject, "", false)
	case "attention":
		c.sendAttention(req.Unit)
	case "device":
		c.watchDevice(req)
	}
	return nil
}

// follow shows a subject: its last numbers at once, then what comes.
func (c *client) follow(s vigil.Subject, bed string, allWaves bool) {
	c.mu.Lock()
	v, known := c.subjects[s]
	v.bed, v.allWaves, v.count = bed, v.allWaves || allWaves, v.count+1
	c.subjects[s] = v
	c.mu.Unlock()
	if !known {
		c.api.hub.look(s, 1)
	}
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
	for _, x := range newest {
		st := c.streamLocked(streamKey{s, x.Metric}, x.Device, nil)
		if _, ok := c.numbers[st.id]; !ok {
			c.numbers[st.id] = numberFrame{float64(x.Time.UnixNano()) / 1e6, x.Value, uint32(x.Quality)}
		}
	}
	c.mu.Unlock()
	if !known {
		c.rewind(s)
	}
	c.nudge()
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
	go func() { // ends with the connection or the subscription
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
	}()
}

func (c *client) unsubscribe(id int) {
	c.mu.Lock()
	s := c.subs[id]
	delete(c.subs, id)
	var left []vigil.Subject
	if s != nil {
		for _, subject := range c.subjectsOf(s) {
			v := c.subjects[subject]
			if v.count--; v.count > 0 {
				v.allWaves = v.allWaves && s.topic != "patient"
				c.subjects[subject] = v
				continue
			}
			delete(c.subjects, subject)
			left = append(left, subject)
		}
	}
	c.mu.Unlock()
	if s != nil && s.watch != nil {
		s.watch.Close()
	}
	for _, subject := range left {
		c.api.hub.look(subject, -1)
	}
}

// subjectsOf lists the followed subjects of a subscription. The caller holds mu.
func (c *client) subjectsOf(s *subscription) (out []vigil.Subject) {
	switch s.topic {
	case "patient":
		out = append(out, vigil.PatientSubject(s.patient))
	case "portal":
		out = append(out, c.who.Subject)
	case "ward":
		for _, b := range c.api.cfg.Census.Beds(s.unit) {
			if subject := vigil.PatientSubject(b.Patient); c.subjects[subject].count > 0 {
				out = append(out, subject)
			}
		}
	}
	return out
}
