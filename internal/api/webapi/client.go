package webapi

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/ingest"
)

// client is one open screen. What it is sent waits in queues of its own: numbers are replaced by newer ones, waveforms
// are dropped when the screen is too slow, alarms and the rest never; a screen too slow for those is disconnected.
type client struct {
	api  *API
	conn *websocket.Conn
	ctx  context.Context
	stop context.CancelFunc
	who  access.Principal
	wake chan struct{}

	token    string         // of the session, which may end before the screen closes
	work     sync.WaitGroup // receipts and watches of devices
	settling sync.Mutex     // one settle at a time

	mu       sync.Mutex
	subs     map[int]*subscription
	subjects map[vigil.Subject]subjectView
	streams  map[streamKey]*stream
	nextID   uint32
	json     [][]byte
	numbers  map[uint32]numberFrame
	waves    []waveFrame
	waveLen  int
	dropped  int
	scores   map[vigil.Subject]int64
	stale    bool // the attention list must be read again
	reason   string
	gone     bool // follows nothing any more
}

// subscription is one topic that the screen follows.
type subscription struct {
	topic   string
	unit    string
	patient string
	device  string
	consult string
	watch   *ingest.Watcher
}

// subjectView says what of a subject the screen shows: all its waveforms, or only the first.
type subjectView struct {
	bed      string
	allWaves bool
	wave     vigil.Metric // when not all
}

type streamKey struct {
	subject vigil.Subject
	metric  vigil.Metric
}

type stream struct {
	id            uint32
	device        vigil.DeviceID
	period        int64
	scale, offset float64
}

type numberFrame struct {
	timeMS float64
	value  float64
	flags  uint32
}

type waveFrame struct {
	stream  uint32
	startMS float64
	data    []int16
}

const (
	maxJSON      = 2000    // messages that wait; more and the screen is disconnected
	maxWaveBytes = 1 << 20 // of waveforms that wait; more and they are dropped
)

func (c *client) nudge() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// send queues a JSON message.
func (c *client) send(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		c.api.cfg.Log.Error("live.encode", "error", err)
		return
	}
	c.mu.Lock()
	tooSlow := len(c.json) >= maxJSON
	if !tooSlow {
		c.json = append(c.json, append([]byte{3}, b...))
	}
	c.mu.Unlock()
	if tooSlow {
		c.close("too slow for alarms")
		return
	}
	c.nudge()
}

// close ends the connection with a reason that the screen shows.
func (c *client) close(reason string) {
	c.mu.Lock()
	c.reason = reason
	c.mu.Unlock()
	c.stop()
}

// report takes what a device said about a subject that the screen may show.
func (c *client) report(r *vigil.Report) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.subjects[r.Subject]
	if !ok {
		return
	}
	for i := range r.Samples {
		s := &r.Samples[i]
		if s.Quality&vigil.QualityLate != 0 {
			continue
		}
		st := c.streamLocked(streamKey{r.Subject, s.Metric}, r.Device, nil)
		c.numbers[st.id] = numberFrame{float64(s.Time) / 1e6, s.Value, uint32(s.Quality)}
	}
	for i := range r.Waveforms {
		w := &r.Waveforms[i]
		if !v.allWaves && w.Metric != v.wave {
			if v.wave != "" && v.wave != "ecg-patch" {
				continue
			}
			v.wave = w.Metric // the first that comes is the one the tile shows; lead II is preferred to a patch
			c.subjects[r.Subject] = v
		}
		if c.waveLen > maxWaveBytes || c.api.hub.crowded.Load() {
			c.dropped++
			continue
		}
		st := c.streamLocked(streamKey{r.Subject, w.Metric}, r.Device, w)
		c.waves = append(c.waves, waveFrame{st.id, float64(w.Start) / 1e6, w.Data})
		c.waveLen += 2 * len(w.Data)
	}
	if len(r.Waveforms) > 0 {
		c.nudge()
	}
}

// streamLocked returns the stream of a series and announces it when it is new or its device or scale changed.
func (c *client) streamLocked(key streamKey, device vigil.DeviceID, w *vigil.Waveform) *stream {
	st := c.streams[key]
	if st != nil && st.device == device && (w == nil || st.period == w.Period && st.scale == w.Scale && st.offset == w.Offset) {
		return st
	}
	if st == nil {
		c.nextID++
		st = &stream{id: c.nextID}
		c.streams[key] = st
	}
	st.device = device
	m, _ := coding.Lookup(key.metric)
	msg := map[string]any{
		"op": "stream", "id": 0, "stream": st.id, "subject": key.subject, "bed": c.subjects[key.subject].bed, "metric": key.metric, "device": device,
		"kind": m.Shape, "unit": m.Unit, "label": m.Label, "decimals": m.Decimals, "max_age_ms": m.MaxAge.Milliseconds(),
	}
	if w != nil {
		st.period, st.scale, st.offset = w.Period, w.Scale, w.Offset
		msg["rate"], msg["period_ms"], msg["scale"], msg["offset"] = w.Rate(), float64(w.Period)/1e6, w.Scale, w.Offset
	}
	if b, err := json.Marshal(msg); err == nil {
		c.json = append(c.json, append([]byte{3}, b...))
	}
	return st
}

// takeFrames empties the queues: streams are announced before their frames, numbers only when their second has come.
func (c *client) takeFrames(withNumbers bool) [][]byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.json
	c.json = nil
	if len(c.waves) > 0 {
		b := make([]byte, 4, 4+c.waveLen+16*len(c.waves))
		b[0] = 1
		binary.LittleEndian.PutUint16(b[2:], uint16(len(c.waves)))
		for _, w := range c.waves {
			b = binary.LittleEndian.AppendUint32(b, w.stream)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(w.startMS))
			b = binary.LittleEndian.AppendUint32(b, uint32(len(w.data)))
			for _, v := range w.data {
				b = binary.LittleEndian.AppendUint16(b, uint16(v))
			}
		}
		out = append(out, b)
		c.waves, c.waveLen = c.waves[:0], 0
	}
	if withNumbers && len(c.numbers) > 0 {
		b := make([]byte, 4, 4+24*len(c.numbers))
		b[0] = 2
		binary.LittleEndian.PutUint16(b[2:], uint16(len(c.numbers)))
		for id, n := range c.numbers {
			b = binary.LittleEndian.AppendUint32(b, id)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n.timeMS))
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(n.value))
			b = binary.LittleEndian.AppendUint32(b, n.flags)
		}
		out = append(out, b)
		clear(c.numbers)
	}
	if c.dropped > 0 {
		out = append(out, append([]byte{3}, text(`{"op":"dropped","waveform_blocks":%d}`, c.dropped)...))
		c.dropped = 0
	}
	return out
}

// write sends what waits, at most ten times a second for waveforms, at once for alarms, numbers once a second.
func (c *client) write() error {
	var numbersAt time.Time
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-c.wake:
		case <-pause.C:
		case <-c.ctx.Done():
			c.mu.Lock()
			reason := c.reason
			c.mu.Unlock()
			return c.conn.Close(websocket.StatusGoingAway, reason)
		}
		now := time.Now()
		due := now.Sub(numbersAt) >= time.Second
		if due {
			numbersAt = now
		}
		for _, f := range c.takeFrames(due) {
			ctx, cancel := context.WithTimeout(c.ctx, 10*time.Second)
			err := c.conn.Write(ctx, websocket.MessageBinary, f)
			cancel()
			if err != nil {
				return err
			}
		}
		pause.Reset(250 * time.Millisecond)
	}
}

func (c *client) wantsAlarm(al vigil.Alarm) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		switch s.topic {
		case "attention", "ward":
			if s.unit == "" || s.unit == al.Unit || s.topic == "attention" {
				return true
			}
		case "patient":
			if vigil.PatientSubject(s.patient) == al.Subject {
				return true
			}
		}
	}
	return false
}

// consults lists the consults that the screen follows.
func (c *client) consults() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		if s.topic == "consult" {
			out = append(out, s.consult)
		}
	}
	return out
}

func (c *client) wantsConsult(co consult.Consult) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		if s.topic == "consult" && s.consult == co.ID || s.topic == "portal" || s.topic == "patient" && vigil.PatientSubject(s.patient) == co.Patient {
			return true
		}
	}
	return false
}

// rereadAttention marks the queue as changed; the next second, or the next frame, sends it.
func (c *client) rereadAttention() {
	c.mu.Lock()
	c.stale = true
	c.mu.Unlock()
	c.nudge()
}

// second does what a screen needs once a second: the queue when it changed, and scores that moved.
func (c *client) second() {
	c.mu.Lock()
	stale := c.stale
	c.stale = false
	var units []string
	for _, s := range c.subs {
		if s.topic == "attention" {
			units = append(units, s.unit)
		}
	}
	subjects := make([]vigil.Subject, 0, len(c.subjects))
	for s := range c.subjects {
		subjects = append(subjects, s)
	}
	c.mu.Unlock()
	if stale {
		for _, u := range units {
			c.sendAttention(u)
		}
	}
	for _, s := range subjects {
		r, ok := c.api.cfg.Rules.ScoreOf(s)
		if !ok {
			continue
		}
		v := viewScore(r)
		sum := int64(v.TimeMS)
		if v.Total != nil {
			sum = sum/60_000*100 + int64(*v.Total) // a new total, or once a minute
		}
		c.mu.Lock()
		same := c.scores[s] == sum
		c.scores[s] = sum
		c.mu.Unlock()
		if !same {
			c.send(map[string]any{"op": "score", "subject": s, "score": v})
		}
	}
}

func (c *client) sendAttention(unit string) {
	v, err := c.api.attentionOf(c.ctx, unit)
	if err != nil {
		return // not allowed to see it; the subscription was refused already
	}
	c.send(map[string]any{"op": "attention", "open": v.Open, "coming": v.Coming})
}

// bed sends a tile whose bed changed, and follows its new patient.
func (c *client) bed(b census.Bed) {
	c.mu.Lock()
	wanted := false
	for _, s := range c.subs {
		wanted = wanted || s.topic == "ward" && s.unit == b.Unit
	}
	c.mu.Unlock()
	if !wanted {
		return
	}
	for _, s := range c.settle() {
		c.numbersNow(s)
		c.rewind(s)
		c.nudge()
	}
	if v, err := c.api.bed(c.ctx, b); err == nil {
		c.send(map[string]any{"op": "bed", "bed": v})
	}
}

// leave ends everything that the screen follows.
func (c *client) leave() {
	c.mu.Lock()
	c.gone = true
	for _, s := range c.subs {
		if s.watch != nil {
			s.watch.Close()
		}
	}
	c.mu.Unlock()
	c.settle()
}

// allowed closes a screen whose session has ended: what was open must not outlive the right to see it.
func (c *client) allowed() bool {
	_, err := c.api.cfg.Accounts.Session(c.ctx, c.token)
	if vigil.KindOf(err) == vigil.Denied {
		c.close("the session has ended")
		return false
	}
	return true
}
