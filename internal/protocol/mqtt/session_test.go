package mqtt_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/vigil-health/vigil/internal/protocol"
	"github.com/vigil-health/vigil/internal/protocol/mqtt"
)

// serve runs a broker whose intake takes everything.
func serve(t *testing.T) (addr string) {
	t.Helper()
	b, addr := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(ctx, protocol.Host{Intake: limiting{}, Log: slog.New(slog.DiscardHandler)}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return addr
}

// wire is a client that says what it is told, byte by byte.
type wire struct {
	t       *testing.T
	conn    net.Conn
	r       *bufio.Reader
	version byte
}

// join connects; more changes the CONNECT before it is sent.
func join(t *testing.T, addr, id string, version byte, more func(*packets.Packet)) (*wire, packets.Packet) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w := &wire{t: t, conn: conn, r: bufio.NewReader(conn), version: version}
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: version}
	pk.Connect = packets.ConnectParams{ProtocolName: []byte("MQTT"), ClientIdentifier: id, Keepalive: 60, Clean: true,
		UsernameFlag: true, Username: []byte(id), PasswordFlag: true, Password: []byte("t")}
	if more != nil {
		more(&pk)
	}
	var buf bytes.Buffer
	if err := pk.ConnectEncode(&buf); err != nil {
		t.Fatal(err)
	}
	w.say(buf.Bytes())
	return w, w.hear(packets.Connack)
}

func (w *wire) say(b []byte) {
	w.t.Helper()
	if _, err := w.conn.Write(b); err != nil {
		w.t.Fatal(err)
	}
}

// next reads one packet, within a second.
func (w *wire) next() (first byte, body []byte, err error) {
	w.conn.SetReadDeadline(time.Now().Add(time.Second))
	if first, err = w.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, _, err := packets.DecodeLength(w.r)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(w.r, body)
	return first, body, err
}

// hear reads a packet of a kind; any other is a failure.
func (w *wire) hear(kind byte) packets.Packet {
	w.t.Helper()
	first, body, err := w.next()
	if err != nil || first>>4 != kind {
		w.t.Fatalf("heard %#x % x, %v, want a packet of type %d", first, body, err, kind)
	}
	pk := packets.Packet{ProtocolVersion: w.version}
	if err := pk.FixedHeader.Decode(first); err != nil {
		w.t.Fatal(err)
	}
	pk.FixedHeader.Remaining = len(body)
	switch kind {
	case packets.Connack:
		err = pk.ConnackDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Disconnect:
		err = pk.DisconnectDecode(body)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return pk
}

// gone holds that the other side closed.
func (w *wire) gone() {
	w.t.Helper()
	for {
		first, _, err := w.next()
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			w.t.Fatal("the connection is still open")
		}
		if err != nil {
			return
		}
		if first>>4 != packets.Disconnect {
			w.t.Fatalf("heard %#x instead of the end", first)
		}
	}
}

// silent holds that nothing comes for a while.
func (w *wire) silent(d time.Duration) {
	w.t.Helper()
	w.conn.SetReadDeadline(time.Now().Add(d))
	if b, err := w.r.ReadByte(); err == nil {
		w.t.Fatalf("heard %#x, want silence", b)
	}
}

func (w *wire) subscribe(topic string, qos byte) {
	w.t.Helper()
	b := []byte{0, 1}
	if w.version >= 5 {
		b = append(b, 0)
	}
	b = append(text(b, topic), qos)
	w.say(append([]byte{packets.Subscribe<<4 | 2, byte(len(b))}, b...))
	first, _, err := w.next()
	if err != nil || first>>4 != packets.Suback {
		w.t.Fatalf("heard %#x, %v instead of SUBACK", first, err)
	}
}

func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}

// publication makes a PUBLISH with an optional topic alias.
func (w *wire) publication(topic string, qos byte, id uint16, alias byte, payload string) []byte {
	b := text(nil, topic)
	if qos > 0 {
		b = binary.BigEndian.AppendUint16(b, id)
	}
	switch {
	case w.version >= 5 && alias > 0:
		b = append(b, 3, 0x23, 0, alias)
	case w.version >= 5:
		b = append(b, 0)
	}
	b = append(b, payload...)
	return append([]byte{packets.Publish<<4 | qos<<1, byte(len(b))}, b...)
}

func TestWills(t *testing.T) {
	addr := serve(t)
	desk, _ := join(t, addr, "desk", 4, nil)
	for _, id := range []string{"dropped", "left", "foreign", "late", "back"} {
		desk.subscribe("vigil/"+id+"/status", 1)
	}
	will := func(topic string, delay uint32) func(*packets.Packet) {
		return func(pk *packets.Packet) {
			pk.Connect.WillFlag, pk.Connect.WillTopic, pk.Connect.WillPayload = true, topic, []byte("offline")
			pk.Connect.WillProperties.WillDelayInterval = delay
			if delay > 0 {
				pk.Connect.Clean = false
				pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 60, true
			}
		}
	}
	left, _ := join(t, addr, "left", 4, will("vigil/left/status", 0))
	left.say([]byte{packets.Disconnect << 4, 0})
	left.gone()
	foreign, _ := join(t, addr, "foreign", 4, will("vigil/foreign/data", 0))
	foreign.conn.Close()
	dropped, _ := join(t, addr, "dropped", 5, will("vigil/dropped/status", 0))
	dropped.conn.Close()
	if pk := desk.hear(packets.Publish); pk.TopicName != "vigil/dropped/status" || string(pk.Payload) != "offline" {
		t.Errorf("%s %q", pk.TopicName, pk.Payload)
	}
	late, _ := join(t, addr, "late", 5, will("vigil/late/status", 1))
	back, _ := join(t, addr, "back", 5, will("vigil/back/status", 1))
	late.conn.Close()
	back.conn.Close()
	time.Sleep(50 * time.Millisecond)
	join(t, addr, "back", 5, will("vigil/back/status", 1))
	desk.silent(500 * time.Millisecond)
	if pk := desk.hear(packets.Publish); pk.TopicName != "vigil/late/status" {
		t.Errorf("%s, want the will of the one that did not come back", pk.TopicName)
	}
	desk.silent(300 * time.Millisecond)
}

func TestSessionGoesOn(t *testing.T) {
	for _, version := range []byte{4, 5} {
		addr := serve(t)
		keep := func(pk *packets.Packet) {
			pk.Connect.Clean = false
			pk.Properties.SessionExpiryInterval, pk.Properties.SessionExpiryIntervalFlag = 60, true
		}
		first, ack := join(t, addr, "tablet", version, keep)
		if ack.SessionPresent {
			t.Error("a session is present on the first day")
		}
		first.subscribe("vigil/a/data", 1)
		a, _ := join(t, addr, "a", version, nil)
		a.say(a.publication("vigil/a/data", 1, 7, 0, `{"hr":1}`))
		a.hear(packets.Puback)
		if pk := first.hear(packets.Publish); pk.FixedHeader.Qos != 1 || string(pk.Payload) != `{"hr":1}` {
			t.Fatalf("%+v", pk.FixedHeader)
		} // not acknowledged: it comes again
		second, ack := join(t, addr, "tablet", version, keep)
		if !ack.SessionPresent {
			t.Error("the session was not taken over")
		}
		if pk := second.hear(packets.Publish); !pk.FixedHeader.Dup {
			t.Error("what was not acknowledged came without DUP")
		}
		if version == 5 {
			if pk := first.hear(packets.Disconnect); pk.ReasonCode != packets.ErrSessionTakenOver.Code {
				t.Errorf("the first was told %#x", pk.ReasonCode)
			}
		}
		first.gone()
		a.say(a.publication("vigil/a/data", 1, 8, 0, `{"hr":2}`))
		a.hear(packets.Puback)
		if pk := second.hear(packets.Publish); string(pk.Payload) != `{"hr":2}` {
			t.Errorf("%q", pk.Payload)
		}
		clean, ack := join(t, addr, "tablet", version, nil)
		if ack.SessionPresent {
			t.Error("a clean start kept the session")
		}
		a.say(a.publication("vigil/a/data", 1, 9, 0, `{"hr":3}`))
		a.hear(packets.Puback)
		clean.silent(200 * time.Millisecond)
	}
}

func TestTopicAlias(t *testing.T) {
	addr := serve(t)
	desk, _ := join(t, addr, "desk", 4, nil)
	desk.subscribe("vigil/a/data", 0)
	a, _ := join(t, addr, "a", 5, nil)
	a.say(append(a.publication("vigil/a/data", 1, 1, 3, "one"), a.publication("", 1, 2, 3, "two")...))
	a.hear(packets.Puback)
	a.hear(packets.Puback)
	got := []string{string(desk.hear(packets.Publish).Payload), string(desk.hear(packets.Publish).Payload)}
	if s := strings.Join(got, " "); s != "one two" && s != "two one" {
		t.Errorf("heard %q", s)
	}
	a.say(a.publication("", 1, 3, 9, "nowhere"))
	if pk := a.hear(packets.Disconnect); pk.ReasonCode != packets.ErrTopicAliasInvalid.Code {
		t.Errorf("%#x", pk.ReasonCode)
	}
	a.gone()
}

// TestPieces holds that packets may come many in one segment and one in many.
func TestPieces(t *testing.T) {
	addr := serve(t)
	w, _ := join(t, addr, "a", 4, nil)
	var all []byte
	for i := range 300 {
		all = append(all, w.publication("vigil/a/data", 1, uint16(i+1), 0, `{"hr":60}`)...)
	}
	all = append(all, packets.Pingreq<<4, 0)
	for i := 0; i < len(all); {
		n := min(1+i*7%613, len(all)-i)
		w.say(all[i : i+n])
		i += n
	}
	acks, pongs := 0, 0
	for acks+pongs < 301 {
		first, _, err := w.next()
		if err != nil {
			t.Fatalf("after %d acknowledgements: %v", acks, err)
		}
		switch first >> 4 {
		case packets.Puback:
			acks++
		case packets.Pingresp:
			pongs++
		}
	}
	if acks != 300 || pongs != 1 {
		t.Errorf("%d acknowledgements and %d pings answered", acks, pongs)
	}
}

func TestKeepalive(t *testing.T) {
	addr := serve(t)
	w, _ := join(t, addr, "a", 4, func(pk *packets.Packet) { pk.Connect.Keepalive = 1 })
	for range 4 {
		time.Sleep(600 * time.Millisecond)
		w.say([]byte{packets.Pingreq << 4, 0})
		if first, _, err := w.next(); err != nil || first>>4 != packets.Pingresp {
			t.Fatalf("a client that pings was dropped: %v", err)
		}
	}
	w.silent(900 * time.Millisecond)
	w.gone()
}

func TestBrokenPackets(t *testing.T) {
	addr := serve(t)
	for _, c := range []struct {
		name   string
		packet []byte
		reason byte // MQTT 5
	}{
		{"QoS3", []byte{0x36, 2, 0, 0}, 0x82},
		{"DupWithoutQoS", []byte{0x38, 3, 0, 1, 'a'}, 0x82},
		{"PublishTooShort", []byte{0x32, 3, 0, 9, 'a'}, 0x81},
		{"NoPacketID", []byte{0x32, 6, 0, 1, 'a', 0, 0, 0}, 0x82},
		{"NoTopic", []byte{0x30, 3, 0, 0, 0}, 0x82},
		{"Wildcard", []byte{0x30, 4, 0, 1, '#', 0}, 0x82},
		{"NotUTF8", []byte{0x30, 4, 0, 1, 0xff, 0}, 0x81},
		{"SubscribeFlags", []byte{0x80, 0}, 0x81},
		{"SecondConnect", []byte{0x10, 0}, 0x82},
		{"FromServer", []byte{0x20, 2, 0, 0}, 0x82},
		{"Length", []byte{0x30, 0xff, 0xff, 0xff, 0xff, 0x7f}, 0x81},
		{"TooLarge", []byte{0x30, 0xff, 0xff, 0x7f}, 0x95},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, version := range []byte{4, 5} {
				w, _ := join(t, addr, "a", version, nil)
				w.say(c.packet)
				if version == 5 {
					if pk := w.hear(packets.Disconnect); pk.ReasonCode != c.reason {
						t.Errorf("reason %#x, want %#x", pk.ReasonCode, c.reason)
					}
				}
				w.gone()
			}
		})
	}
	w, _ := join(t, addr, "a", 4, nil)
	w.say(w.publication("vigil/a/data", 1, 1, 0, "{}"))
	w.hear(packets.Puback)
}

// FuzzPublish holds the PUBLISH read here against the broker's reading of it.
func FuzzPublish(f *testing.F) {
	for _, v := range []byte{4, 5} {
		w := &wire{version: v}
		f.Add(byte(0x30), w.publication("vigil/a/data", 0, 0, 0, "{}")[2:], v)
		f.Add(byte(0x32), w.publication("vigil/a/data", 1, 5, 2, "{}")[2:], v)
	}
	f.Fuzz(func(t *testing.T, first byte, body []byte, version byte) {
		if first>>4 != packets.Publish || first&6 > 2 || first&0xE == 8 {
			return
		}
		pk := packets.Packet{ProtocolVersion: 4 + version%2}
		if pk.FixedHeader.Decode(first) != nil {
			return
		}
		err := pk.PublishDecode(body)
		if code := pk.PublishValidate(65535); err == nil && code != packets.CodeSuccess {
			err = code
		}
		topic, payload, id, got := mqtt.DecodePublish(first, body, pk.ProtocolVersion)
		if (err == nil) != (got == nil) {
			t.Fatalf("the broker says %v, this room %v", err, got)
		}
		if err == nil && (topic != pk.TopicName || !bytes.Equal(payload, pk.Payload) || id != pk.PacketID) {
			t.Fatalf("%q %q %d, the broker reads %q %q %d", topic, payload, id, pk.TopicName, pk.Payload, pk.PacketID)
		}
	})
}
