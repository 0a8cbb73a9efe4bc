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

// hook stands between the broker and the house. What it cures in mochi v2.7.9:
//
//   - PUBACK before the message is safe: data is handed to the intake, the packet rejected, the PUBACK written after the commit.
//   - one packet-id map for both directions loses outbound messages: an inbound QoS 1 is made QoS 0 with its id put aside.
//   - an alias-only publish is checked against the topic "": writes are checked in OnPublish, where the alias is resolved.
//   - wills skip the access check: a will to a foreign topic is sent to nobody.
//   - an unauthorised publish is passed over in silence: it is refused (5) or the connection ends (3.1.1).
type hook struct {
	mochi.HookBase
	server     *mochi.Server
	host       protocol.Host
	maxPending int
	sessions   sync.Map // *mochi.Client → *session
	subscribed atomic.Int64
}

// session is the acknowledging side of one connection.
type session struct {
	cl      *mochi.Client
	device  vigil.DeviceID
	mu      sync.Mutex
	room    sync.Cond
	pending int    // publishes that wait for the disk or for their PUBACK to be written
	acks    []byte // PUBACK packets ready to be written, in the order of the commits
	writing bool
	ended   bool
}

func newHook(s *mochi.Server, h protocol.Host, maxPending int) *hook {
	return &hook{server: s, host: h, maxPending: maxPending}
}

// ID names the hook.
func (h *hook) ID() string { return "vigil" }

// Provides lists the hooks in use.
func (h *hook) Provides(b byte) bool {
	return bytes.IndexByte([]byte{
		mochi.OnConnectAuthenticate, mochi.OnACLCheck, mochi.OnSessionEstablish, mochi.OnDisconnect,
		mochi.OnPacketRead, mochi.OnPublish, mochi.OnWill, mochi.OnSubscribed, mochi.OnUnsubscribed,
	}, b) >= 0
}

// OnConnectAuthenticate checks user name (device id) and password (token), and that no other device's session is taken over.
func (h *hook) OnConnectAuthenticate(cl *mochi.Client, pk packets.Packet) bool {
	id := string(pk.Connect.Username)
	if old, ok := h.server.Clients.Get(cl.ID); ok && string(old.Properties.Username) != id {
		return false
	}
	return h.host.Intake.Authenticate(vigil.DeviceID(id), string(pk.Connect.Password)) == nil
}

// OnSessionEstablish begins the acknowledging side.
func (h *hook) OnSessionEstablish(cl *mochi.Client, _ packets.Packet) {
	s := &session{cl: cl, device: vigil.DeviceID(cl.Properties.Username)}
	s.room.L = &s.mu
	h.sessions.Store(cl, s)
}

// OnDisconnect ends it and wakes a reader that waits for room.
func (h *hook) OnDisconnect(cl *mochi.Client, _ error, _ bool) {
	if v, ok := h.sessions.LoadAndDelete(cl); ok {
		s := v.(*session)
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
		s.room.Broadcast()
	}
}

// OnACLCheck lets a device hear its own topics. Writes are checked in OnPublish, where an alias has its topic.
func (h *hook) OnACLCheck(cl *mochi.Client, topic string, write bool) bool {
	if write || cl.Net.Inline {
		return true
	}
	id, rest := split(topic)
	return rest != "" && h.host.Intake.MaySpeakFor(vigil.DeviceID(cl.Properties.Username), id)
}

// OnPacketRead puts the id of an inbound QoS 1 publish aside, in a field that a PUBLISH does not use.
func (h *hook) OnPacketRead(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if pk.FixedHeader.Type == packets.Publish && pk.FixedHeader.Qos == 1 {
		pk.Connect.Keepalive, pk.PacketID, pk.FixedHeader.Qos = pk.PacketID, 0, 0
	}
	return pk, nil
}

// OnPublish hands data to the intake and answers after the commit.
func (h *hook) OnPublish(cl *mochi.Client, pk packets.Packet) (packets.Packet, error) {
	if cl.Net.Inline {
		return pk, nil
	}
	v, ok := h.sessions.Load(cl)
	if !ok {
		return pk, packets.ErrRejectPacket
	}
	s := v.(*session)
	id, rest := split(pk.TopicName)
	if rest != dataSuffix && rest != statusSuffix || !h.host.Intake.MaySpeakFor(s.device, id) {
		return pk, h.refuse(s, pk)
	}
	s.wait(h.maxPending)
	s.pause(h.host.Intake.Pace(s.device, 1, len(pk.Payload)))
	h.take(s, id, publish{topic: pk.TopicName, payload: pk.Payload, id: pk.Connect.Keepalive, qos2: pk.PacketID, status: rest == statusSuffix})
	if pk.FixedHeader.Qos == 0 {
		return pk, packets.CodeSuccessIgnore // as good as rejected, and the broker does not copy the packet for its log
	}
	return pk, packets.ErrRejectPacket
}

// publish is what is needed of a packet after it was read: the packet itself is large and would live as long as its commit.
type publish struct {
	topic   string
	payload []byte
	id      uint16 // of QoS 1, 0 for none
	qos2    uint16 // of QoS 2, 0 for none
	status  bool
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
			s.release()
			go h.turnAway(s, p, over)
			return
		}
		if err != nil {
			s.release()
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
func (h *hook) refuse(s *session, pk packets.Packet) error {
	id := pk.Connect.Keepalive
	if s.cl.Properties.ProtocolVersion < 5 {
		go h.server.DisconnectClient(s.cl, packets.ErrNotAuthorized) //nolint:errcheck // 3.1.1 knows no other refusal
		return packets.ErrRejectPacket
	}
	kind := packets.Puback
	if pk.FixedHeader.Qos == 2 {
		id, kind = pk.PacketID, packets.Pubrec
	}
	if id != 0 {
		ack := packets.Packet{FixedHeader: packets.FixedHeader{Type: kind}, PacketID: id, ReasonCode: packets.ErrNotAuthorized.Code}
		if err := s.cl.WritePacket(ack); err != nil && !errors.Is(err, mochi.ErrConnectionClosed) {
			h.host.Log.Debug("mqtt.refuse", "error", err)
		}
	}
	return packets.ErrRejectPacket
}

// relay hands a message that is on disk to whoever listens to its topic.
func (h *hook) relay(origin string, p publish) {
	if h.subscribed.Load() > 0 {
		go h.inject(origin, p) // the commit must not wait for subscribers
	}
}

func (h *hook) inject(origin string, p publish) {
	relay := h.server.NewClient(nil, "relay", origin, true)
	relay.Properties.ProtocolVersion = 5
	out := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish, Qos: 1}, TopicName: p.topic, Payload: p.payload, PacketID: 1}
	if err := h.server.InjectPacket(relay, out); err != nil {
		h.host.Log.Debug("mqtt.relay", "error", err)
	}
}

// OnWill keeps a will within the device's own status topic.
func (h *hook) OnWill(cl *mochi.Client, will mochi.Will) (mochi.Will, error) {
	id, rest := split(will.TopicName)
	if rest != statusSuffix || !h.host.Intake.MaySpeakFor(vigil.DeviceID(cl.Properties.Username), id) {
		will.TopicName, will.Payload, will.Retain = "vigil/-/refused", nil, false
	}
	return will, nil
}

// OnSubscribed counts listeners, so that nothing is relayed while nobody listens.
func (h *hook) OnSubscribed(_ *mochi.Client, _ packets.Packet, _ []byte) { h.subscribed.Add(1) }

// OnUnsubscribed does not count back: a wrong count could lose a message, an idle relay costs little.
func (h *hook) OnUnsubscribed(_ *mochi.Client, _ packets.Packet) {}

// wait holds the reader of this connection while too many of its messages wait for the disk.
func (s *session) wait(limit int) {
	s.mu.Lock()
	for s.pending >= limit && !s.ended {
		s.room.Wait()
	}
	s.pending++
	s.mu.Unlock()
}

// longestPause is shorter than any sensible keepalive, so that a connection that is left alone does not end of it.
const longestPause = 2 * time.Second

// pause leaves the connection unread, so that TCP holds its sender.
func (s *session) pause(d time.Duration) {
	if d > 0 {
		time.Sleep(min(d, longestPause))
	}
}

func (s *session) release() {
	s.mu.Lock()
	s.pending--
	s.mu.Unlock()
	s.room.Signal()
}

// answer acknowledges a publish that is on disk. It never blocks: acknowledgements are written by a goroutine of the
// connection, many in one write, in the order of the commits.
func (s *session) answer(h *hook, p publish) {
	if p.qos2 != 0 {
		go s.receive(h, p.qos2)
	}
	if p.id == 0 {
		s.release()
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// PUBACK with remaining length 2 means success in MQTT 3.1.1 (3.4) and 5 (3.4.2.1)
	s.acks = append(s.acks, packets.Puback<<4, 2, byte(p.id>>8), byte(p.id))
	if !s.writing {
		s.writing = true
		go s.write()
	}
}

func (s *session) write() {
	var buf []byte
	for {
		s.mu.Lock()
		s.pending -= len(buf) / 4
		buf, s.acks = s.acks, buf[:0]
		if len(buf) == 0 || s.ended {
			s.writing = false
			s.mu.Unlock()
			s.room.Signal()
			return
		}
		s.mu.Unlock()
		s.room.Signal()
		if _, err := s.cl.Net.Conn.Write(buf); err != nil {
			s.cl.Stop(err)
		}
	}
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
