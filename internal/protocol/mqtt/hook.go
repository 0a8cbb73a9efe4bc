package mqtt

import (
	"bytes"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/gate"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/protocol"
)

// hook stands between the broker and the house. What it cures in mochi v2.7.9, together with conn.go:
//
//   - PUBACK before the message is safe: data is handed to the intake, and the PUBACK written after the commit.
//   - one packet-id map for both directions loses outbound messages: no inbound QoS 1 reaches it.
//   - an alias-only publish is checked against the topic "": writes are checked where the alias is resolved.
//   - wills skip the access check, and are sent by will.go instead.
//   - an unauthorised publish is passed over in silence: it is refused (5) or the connection ends (3.1.1).
type hook struct {
	mochi.HookBase
	server     *mochi.Server
	host       protocol.Host
	maxPending int
	sessions   sync.Map // *mochi.Client → *session
	subscribed atomic.Int64
	wills      wills
}

func newHook(s *mochi.Server, h protocol.Host, maxPending int) *hook {
	return &hook{server: s, host: h, maxPending: maxPending, wills: wills{waiting: map[string]*time.Timer{}}}
}

// ID names the hook.
func (h *hook) ID() string { return "vigil" }

// Provides lists the hooks in use.
func (h *hook) Provides(b byte) bool {
	return bytes.IndexByte([]byte{mochi.OnACLCheck, mochi.OnPublish, mochi.OnSubscribed}, b) >= 0
}

// OnACLCheck lets a device hear its own topics. Writes are checked in OnPublish, where an alias has its topic.
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	if write || cl.Net.Inline {
		return true
	}
	id, rest := split(topic)
	return rest != "" && h.host.Intake.MaySpeakFor(vigil.DeviceID(cl.Properties.Username), id)
}

// OnPublish takes what the broker is told: a PUBLISH of QoS 2, whose handshake is the broker's.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return pk, nil
	}
	if v, ok := h.sessions.Load(cl); ok {
		h.offer(v.(*session), publish{topic: pk.TopicName, payload: pk.Payload, qos2: pk.PacketID})
	}
	return pk, packets.ErrRejectPacket
}

// offer checks who speaks for whom, waits for room, and hands a publish to the intake.
func (h *hook) offer(s *session, p publish) {
	id, rest := split(p.topic)
	p.status = rest == statusSuffix
	if rest != dataSuffix && !p.status || !h.host.Intake.MaySpeakFor(s.device, id) {
		h.refuse(s, p)
		return
	}
	s.answers.wait(h.maxPending)
	s.pause(h.host.Intake.Pace(s.device, 1, len(p.payload)))
	h.take(s, id, p)
}

// take hands a publish to the intake and answers after the commit.
func (h *hook) take(s *session, id vigil.DeviceID, p publish) {
	if p.status {
		s.answer(h, p)
		h.relay(s.cl.ID, p)
		return
	}
	m := ingest.Message{Device: id, Speaker: s.device, Protocol: "mqtt", Payload: p.payload, Received: time.Now(), Refuse: id != s.device}
	h.host.Intake.Accept(m, func(err error) {
		if over, ok := errors.AsType[*gate.Limited](err); ok {
			s.answers.release()
			go h.turnAway(s, p, over)
			return
		}
		if err != nil {
			s.answers.release()
			go h.server.DisconnectClient(s.cl, packets.ErrServerBusy) //nolint:errcheck // it will come back and send again
			return
		}
		s.answer(h, p)
		h.relay(s.cl.ID, p)
	})
}

// turnAway answers a publish of a device that sent too much: MQTT 5 says so (3.4.2.1, 0x97), 3.1.1 knows no such answer
// and leaves the publish without its acknowledgement, so that the sender keeps it. The devices that share the
// connection go on either way.
func (h *hook) turnAway(s *session, p publish, why error) {
	if s.cl.Properties.ProtocolVersion < 5 || p.id+p.qos2 == 0 {
		return
	}
	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: p.id, ReasonCode: packets.ErrQuotaExceeded.Code}
	if p.qos2 != 0 {
		ack.FixedHeader.Type, ack.PacketID = packets.Pubrec, p.qos2
	}
	ack.Properties.ReasonString = vigil.Message(why)
	if err := s.cl.WritePacket(ack); err != nil && !errors.Is(err, mochi.ErrConnectionClosed) {
		h.host.Log.Debug("mqtt.turn_away", "error", err)
	}
}

// refuse answers a publish that the device may not send.
func (h *hook) refuse(s *session, p publish) {
	if s.cl.Properties.ProtocolVersion < 5 {
		go h.server.DisconnectClient(s.cl, packets.ErrNotAuthorized) //nolint:errcheck // 3.1.1 knows no other refusal
		return
	}
	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Puback}, PacketID: p.id, ReasonCode: packets.ErrNotAuthorized.Code}
	if p.qos2 != 0 {
		ack.FixedHeader.Type, ack.PacketID = packets.Pubrec, p.qos2
	}
	if ack.PacketID == 0 {
		return
	}
	if err := s.cl.WritePacket(ack); err != nil && !errors.Is(err, mochi.ErrConnectionClosed) {
		h.host.Log.Debug("mqtt.refuse", "error", err)
	}
}

// relay hands a message that is on disk to whoever listens to its topic.
func (h *hook) relay(origin string, p publish) {
	if h.subscribed.Load() > 0 {
		go h.inject(origin, packets.Packet{ // the commit must not wait for subscribers
			FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, TopicName: p.topic, Payload: p.payload, PacketID: 1,
		})
	}
}

// inject publishes as a client would, without its rights being asked again.
func (h *hook) inject(origin string, out packets.Packet) {
	relay := h.server.NewClient(nil, "relay", origin, true)
	relay.Properties.ProtocolVersion = 5
	if err := h.server.InjectPacket(relay, out); err != nil {
		h.host.Log.Debug("mqtt.relay", "error", err)
	}
}

// OnSubscribed counts listeners, so that nothing is relayed while nobody listens, and gives the client its writer. Nobody
// counts back: a wrong count could lose a message, an idle relay costs little.
func (h *hook) OnSubscribed(cl *mochi.Client, _ packets.Packet, _ []byte) {
	h.subscribed.Add(1)
	if v, ok := h.sessions.Load(cl); ok {
		v.(*session).write()
	}
}

// longestPause is shorter than any sensible keepalive, so that a connection that is left alone does not end of it.
const longestPause = 2 * time.Second

// pause leaves the connection unread, so that TCP holds its sender.
func (s *session) pause(d time.Duration) {
	if d > 0 {
		time.Sleep(min(d, longestPause))
	}
}

// answer acknowledges a publish that is on disk. It never blocks.
func (s *session) answer(h *hook, p publish) {
	if p.qos2 != 0 {
		go s.receive(h, p.qos2)
	}
	if p.id == 0 {
		s.answers.release()
		return
	}
	s.answers.add(s, p.id)
}

// receive answers a QoS 2 publish; the broker completes the handshake from its own map.
func (s *session) receive(h *hook, id uint16) {
	ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Pubrec}, PacketID: id, Created: time.Now().Unix()}
	s.cl.State.Inflight.DecreaseReceiveQuota()
	s.cl.State.Inflight.Set(ack)
	if err := s.cl.WritePacket(ack); err != nil && !errors.Is(err, mochi.ErrConnectionClosed) {
		h.host.Log.Debug("mqtt.receive", "error", err)
	}
}
