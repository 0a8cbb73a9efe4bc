package mqtt

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/vigil-health/vigil"
)

// session is one connection. Its loop stands in for the broker's own, whose two goroutines hold 20 kB of stack while
// nothing is said, and copy every message twice:
//
//	CONNECT ─► admit ─► loop ─┬► PUBLISH of QoS 0 and 1 ─► intake
//	                          ├► PINGREQ ─► PINGRESP
//	                          └► anything else ─► broker, on a goroutine that ends with it, so that this one stays small
//
// What the client subscribes to, what is on its way to it, and what outlives the connection stay with the broker.
type session struct {
	cl      *mochi.Client
	device  vigil.DeviceID
	hook    *hook
	in      *reader
	conn    net.Conn
	live    time.Duration // longest silence
	heard   time.Time     // when the deadline was set last
	topic   string        // of the last PUBLISH
	will    *mochi.Will   // nil for none
	taken   atomic.Bool   // another connection goes on with this session
	writing sync.Once     // the writer of what the broker sends
	answers answers
}

// admit speaks the first words of a connection (3.1). On an error the connection has been answered and is to be closed.
func (h *hook) admit(conn net.Conn, in *reader) (*session, error) {
	first, body, err := in.next()
	if err != nil {
		return nil, fmt.Errorf("read CONNECT: %w", err)
	}
	if first != packets.Connect<<4 {
		return nil, packets.ErrProtocolViolationRequireFirstConnect
	}
	cl := h.server.NewClient(nil, listenerID, "", false)
	cl.Net.Conn, cl.Net.Remote = conn, conn.RemoteAddr().String()
	pk := packets.Packet{ProtocolVersion: cl.Properties.ProtocolVersion, FixedHeader: packets.FixedHeader{Type: packets.Connect, Remaining: len(body)}}
	if err := pk.ConnectDecode(body); err != nil {
		return nil, fmt.Errorf("decode CONNECT: %w", err)
	}
	cl.ParseConnect(listenerID, pk)
	s := &session{cl: cl, device: vigil.DeviceID(cl.Properties.Username), hook: h, in: in, conn: conn}
	s.answers.room.L = &s.answers.mu
	if pk.ProtocolVersion < 5 {
		cl.State.TopicAliases = mochi.TopicAliases{} // it has none
	}
	if will := cl.Properties.Will; will.Flag != 0 {
		s.will, cl.Properties.Will = &will, mochi.Will{} // wills are sent here
	}
	s.live = time.Duration(cl.State.Keepalive) * time.Second * 3 / 2
	code := h.validate(cl, &pk)
	if code == packets.CodeSuccess && !h.authentic(cl, &pk) {
		code = packets.ErrBadUsernameOrPassword
	}
	if code != packets.CodeSuccess {
		return nil, errors.Join(code, h.server.SendConnack(cl, code, false, nil))
	}
	return s, h.attach(s, pk.Connect.Clean)
}

// validate returns what is wrong with a CONNECT, or CodeSuccess.
func (h *hook) validate(cl *mochi.Client, pk *packets.Packet) packets.Code {
	if code := pk.ConnectValidate(); code != packets.CodeSuccess {
		return code
	}
	switch {
	case pk.ProtocolVersion < 5 && !pk.Connect.Clean && pk.Connect.ClientIdentifier == "":
		return packets.ErrUnspecifiedError
	case cl.Properties.ProtocolVersion < h.server.Options.Capabilities.MinimumProtocolVersion:
		return packets.ErrUnsupportedProtocolVersion
	}
	return packets.CodeSuccess
}

// authentic checks user name (device id) and password (token), and that no other device's session is taken over.
func (h *hook) authentic(cl *mochi.Client, pk *packets.Packet) bool {
	if old, ok := h.server.Clients.Get(cl.ID); ok && !bytes.Equal(old.Properties.Username, pk.Connect.Username) {
		return false
	}
	return h.host.Intake.Authenticate(vigil.DeviceID(pk.Connect.Username), string(pk.Connect.Password)) == nil
}

// attach makes the session known, goes on with what an earlier connection left, and answers CONNECT.
func (h *hook) attach(s *session, clean bool) error {
	h.sessions.Store(s.cl, s)
	atomic.AddInt64(&h.server.Info.ClientsConnected, 1)
	present := h.inherit(s.cl, clean)
	h.wills.withdraw(s.cl.ID)
	h.server.Clients.Add(s.cl)
	err := h.server.SendConnack(s.cl, packets.CodeSuccess, present, nil)
	if err == nil && present {
		if s.cl.State.Subscriptions.Len() > 0 {
			s.write()
		}
		err = s.cl.ResendInflightMessages(true)
	}
	if err != nil {
		h.detach(s, err)
	}
	return err
}

// inherit ends an earlier connection of the same client and takes over its subscriptions and what was on its way to
// it, unless either began clean (3.1.2.4, 3.1.4). It reports whether there was something to go on with.
func (h *hook) inherit(cl *mochi.Client, clean bool) bool {
	old, ok := h.server.Clients.Get(cl.ID)
	if !ok {
		return false
	}
	if v, ok := h.sessions.Load(old); ok {
		v.(*session).taken.Store(true)
	}
	h.server.DisconnectClient(old, packets.ErrSessionTakenOver) //nolint:errcheck // it is gone either way
	subs := old.State.Subscriptions.GetAll()
	if clean || old.Properties.Clean && old.Properties.ProtocolVersion < 5 {
		h.server.UnsubscribeClient(old)
		old.ClearInflights()
		return false
	}
	if old.State.Inflight.Len() > 0 {
		cl.State.Inflight = old.State.Inflight.Clone()
		cl.State.Inflight.ResetReceiveQuota(int32(h.server.Options.Capabilities.ReceiveMaximum))
		cl.State.Inflight.ResetSendQuota(int32(cl.Properties.Props.ReceiveMaximum))
	}
	for _, sub := range subs { // both are the same client to the broker: the filters stay subscribed
		h.server.Topics.Subscribe(cl.ID, sub)
		cl.State.Subscriptions.Add(sub.Filter, sub)
		old.State.Subscriptions.Delete(sub.Filter)
	}
	old.ClearInflights()
	return true
}

// write starts the writer of what the broker sends: a client that subscribes to nothing needs none.
func (s *session) write() { s.writing.Do(func() { go s.cl.WriteLoop() }) }

// loop serves the connection until it ends.
func (s *session) loop() {
	err := s.serve()
	if code, ok := errors.AsType[packets.Code](err); ok && code.Code >= packets.ErrUnspecifiedError.Code && s.cl.Properties.ProtocolVersion >= 5 {
		s.aside(func() error { return s.hook.server.DisconnectClient(s.cl, code) }) //nolint:errcheck // it ends either way
	}
	s.aside(func() error { s.hook.detach(s, err); return nil }) //nolint:errcheck // gives none
}

// serve returns nil when the client took its leave.
func (s *session) serve() error {
	for {
		if err := s.stay(); err != nil {
			return err
		}
		first, body, err := s.in.next()
		if err != nil {
			return err
		}
		switch kind := first >> 4; {
		case kind == packets.Publish && first&6 <= 2:
			err = s.publish(first, body)
		case first == packets.Pingreq<<4 && len(body) == 0:
			_, err = s.conn.Write(pong)
		default:
			err = s.aside(func() error { return s.pass(first, body) })
			if err == nil && kind == packets.Disconnect {
				return nil
			}
		}
		if err != nil {
			return err
		}
	}
}

var pong = []byte{packets.Pingresp << 4, 0}

// stay moves the deadline (3.1.2.10). It is moved for an eighth of the keepalive at a time, which a client that is
// slow with its ping gains.
func (s *session) stay() error {
	now := time.Now()
	slack := s.live / 8
	if s.live == 0 && !s.heard.IsZero() || s.live > 0 && now.Sub(s.heard) < slack {
		return nil
	}
	s.heard = now
	if s.live == 0 {
		return s.conn.SetDeadline(time.Time{})
	}
	return s.conn.SetDeadline(now.Add(s.live + slack))
}

// aside runs what needs a deep stack on one of its own: this connection's goroutine keeps what it once grew to.
func (s *session) aside(do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	return <-done
}

// publish takes a PUBLISH of QoS 0 or 1.
func (s *session) publish(first byte, body []byte) error {
	if first&0xE == 8 {
		return packets.ErrProtocolViolationDupNoQos
	}
	p, err := decodePublish(first, body, s.cl.Properties.ProtocolVersion, s.topic)
	if err != nil {
		return err
	}
	if p.alias > 0 {
		if p.alias > s.hook.server.Options.Capabilities.TopicAliasMaximum {
			return packets.ErrTopicAliasInvalid
		}
		if p.topic = s.cl.State.TopicAliases.Inbound.Set(p.alias, p.topic); p.topic == "" {
			return packets.ErrTopicAliasInvalid
		}
	}
	s.topic = p.topic
	s.hook.offer(s, p)
	return nil
}

// pass hands a packet to the broker.
func (s *session) pass(first byte, body []byte) error {
	pk := packets.Packet{ProtocolVersion: s.cl.Properties.ProtocolVersion}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return err
	}
	pk.FixedHeader.Remaining = len(body)
	if err := decode(&pk, body); err != nil {
		return err
	}
	return s.hook.server.InjectPacket(s.cl, pk)
}

// decode reads what a client may send besides CONNECT and the PUBLISH of QoS 0 and 1.
func decode(pk *packets.Packet, body []byte) error {
	switch pk.FixedHeader.Type {
	case packets.Publish:
		return pk.PublishDecode(body)
	case packets.Puback:
		return pk.PubackDecode(body)
	case packets.Pubrec:
		return pk.PubrecDecode(body)
	case packets.Pubrel:
		return pk.PubrelDecode(body)
	case packets.Pubcomp:
		return pk.PubcompDecode(body)
	case packets.Subscribe:
		return pk.SubscribeDecode(body)
	case packets.Unsubscribe:
		return pk.UnsubscribeDecode(body)
	case packets.Disconnect:
		return pk.DisconnectDecode(body)
	case packets.Auth:
		return pk.AuthDecode(body)
	case packets.Connect:
		return packets.ErrProtocolViolationSecondConnect
	}
	return packets.ErrProtocolViolation
}

// detach ends a session: its will is sent unless the client took its leave, and what does not outlive the connection goes.
func (h *hook) detach(s *session, err error) {
	s.cl.Stop(err)
	atomic.AddInt64(&h.server.Info.ClientsConnected, -1)
	s.answers.end()
	if err != nil {
		h.wills.send(h, s)
	}
	h.sessions.Delete(s.cl)
	props := &s.cl.Properties
	expires := props.ProtocolVersion >= 5 && props.Props.SessionExpiryInterval == 0 || props.ProtocolVersion < 5 && props.Clean
	if expires && !s.taken.Load() {
		s.cl.ClearInflights()
		h.server.UnsubscribeClient(s.cl)
		h.server.Clients.Delete(s.cl.ID)
	}
}
