package mqtt

import (
	"sync"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// wills are the last messages that wait for their delay (MQTT 5, 3.1.3.2.2).
type wills struct {
	mu      sync.Mutex
	waiting map[string]*time.Timer // by client id
	closed  bool
}

// send publishes the will of a session that ended without a farewell, at once or after its delay. A will outside of
// the device's own status topic is sent to nobody.
func (w *wills) send(h *hook, s *session) {
	if s.will == nil {
		return
	}
	id, rest := split(s.will.TopicName)
	if rest != statusSuffix || !h.host.Intake.MaySpeakFor(s.device, id) {
		return
	}
	publish := func() {
		h.inject(s.cl.ID, packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: s.will.Qos, Retain: s.will.Retain},
			TopicName:   s.will.TopicName, Payload: s.will.Payload, Properties: packets.Properties{User: s.will.User},
			PacketID: uint16(min(s.will.Qos, 1)), // a publish without QoS has none
		})
	}
	if s.will.WillDelayInterval == 0 {
		publish()
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || s.taken.Load() { // the client may be back
		return
	}
	var t *time.Timer
	t = time.AfterFunc(time.Duration(s.will.WillDelayInterval)*time.Second, func() {
		w.mu.Lock()
		due := w.waiting[s.cl.ID] == t
		delete(w.waiting, s.cl.ID)
		w.mu.Unlock()
		if due {
			publish()
		}
	})
	w.waiting[s.cl.ID] = t
}

// withdraw forgets the will of a client that is back.
func (w *wills) withdraw(client string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.waiting[client]; t != nil {
		t.Stop()
		delete(w.waiting, client)
	}
}

// close forgets them all.
func (w *wills) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	for _, t := range w.waiting {
		t.Stop()
	}
}
