package sim

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
)

// LoadConn is one MQTT 3.1.1 connection that publishes at QoS 1 within a window, as a gateway does. It is made to cost
// little: publishes gather in one buffer until Flush, and acknowledgements are counted as they come. One goroutine may
// publish; Wait and Err may be called from others.
//
//	Publish ─► buffer ─► Flush ─► network ─► PUBACK ─► read ─► Acked(tag, when it was due)
type LoadConn struct {
	conn  net.Conn
	acked func(tag uint64, due time.Time)
	buf   []byte
	next  uint16

	mu       sync.Mutex
	change   sync.Cond
	window   int
	inFlight int
	sent     []loadSent // by packet id
	err      error
	ended    chan struct{}
}

type loadSent struct {
	tag uint64
	due time.Time
}

// LoadLogin is where and as whom a load connection connects.
type LoadLogin struct {
	Addr   string
	User   string
	Token  string
	Window int // publishes that may wait for their PUBACK; 1 to 60000
	// Acked hears of every acknowledged publish, in the order of the acknowledgements, from one goroutine.
	Acked func(tag uint64, due time.Time)
}

const loadIDs = 1 << 16

// DialLoad connects. It returns Denied when the broker refuses the login and Unavailable when it cannot be reached.
func DialLoad(ctx context.Context, l LoadLogin) (*LoadConn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.Addr)
	if err != nil {
		return nil, vigil.Errorf(vigil.Unavailable, "sim.load", "the broker cannot be reached: %w", err)
	}
	c := &LoadConn{conn: conn, acked: l.Acked, window: min(max(l.Window, 1), 60_000), sent: make([]loadSent, loadIDs), ended: make(chan struct{})}
	c.change.L = &c.mu
	if c.acked == nil {
		c.acked = func(uint64, time.Time) {}
	}
	r := bufio.NewReaderSize(conn, 64<<10)
	if err := c.connect(r, l.User, l.Token); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	go c.read(r)
	return c, nil
}

// connect does CONNECT and CONNACK (MQTT 3.1.1, 3.1 and 3.2): clean session, user name and password, no keepalive.
func (c *LoadConn) connect(r *bufio.Reader, user, token string) error {
	body := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xC2, 0, 0}
	for _, s := range []string{user, user, token} {
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(s))), s...)
	}
	packet := append(appendLength([]byte{0x10}, len(body)), body...)
	if err := c.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := c.conn.Write(packet); err != nil {
		return vigil.Errorf(vigil.Unavailable, "sim.load", "the broker hung up: %w", err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(r, ack[:]); err != nil {
		return vigil.Errorf(vigil.Unavailable, "sim.load", "the broker hung up: %w", err)
	}
	if ack[0] != 0x20 || ack[3] != 0 {
		return vigil.Errorf(vigil.Denied, "sim.load", "the broker refused %s with code %d", user, ack[3])
	}
	return c.conn.SetDeadline(time.Time{})
}

func appendLength(b []byte, n int) []byte {
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(b, byte(n))
}

// Room waits until at least want publishes fit into the window, at most all of it, and returns how many do. It returns
// the connection's error once it is over.
func (c *LoadConn) Room(want int) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	want = min(max(want, 1), c.window)
	for c.window-c.inFlight < want && c.err == nil {
		c.change.Wait()
	}
	return c.window - c.inFlight, c.err
}

// Publish adds one message to the buffer. The caller has asked Room for it. Due is when the message should have left:
// a late one is measured from there.
func (c *LoadConn) Publish(topic string, payload []byte, tag uint64, due time.Time) {
	if c.next++; c.next == 0 {
		c.next = 1
	}
	c.mu.Lock()
	c.sent[c.next] = loadSent{tag, due}
	c.inFlight++
	c.mu.Unlock()
	c.buf = appendLength(append(c.buf, 0x32), 4+len(topic)+len(payload))
	c.buf = append(binary.BigEndian.AppendUint16(c.buf, uint16(len(topic))), topic...)
	c.buf = append(binary.BigEndian.AppendUint16(c.buf, c.next), payload...)
}

// Shout adds one message that nobody acknowledges (QoS 0) to the buffer; it needs no room in the window.
func (c *LoadConn) Shout(topic string, payload []byte) {
	c.buf = appendLength(append(c.buf, 0x30), 2+len(topic)+len(payload))
	c.buf = append(binary.BigEndian.AppendUint16(c.buf, uint16(len(topic))), topic...)
	c.buf = append(c.buf, payload...)
}

// Flush sends what Publish gathered in one write.
func (c *LoadConn) Flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	_, err := c.conn.Write(c.buf)
	c.buf = c.buf[:0]
	if err != nil {
		c.end(err)
	}
	return err
}

// Settle waits until every publish is acknowledged or the connection is over, and returns how many are not.
func (c *LoadConn) Settle(ctx context.Context) (left int, err error) {
	stop := context.AfterFunc(ctx, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.change.Broadcast()
	})
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.inFlight > 0 && c.err == nil && ctx.Err() == nil {
		c.change.Wait()
	}
	return c.inFlight, c.err
}

// Close ends the connection and waits for its reader.
func (c *LoadConn) Close() error {
	err := c.conn.Close()
	<-c.ended
	return err
}

func (c *LoadConn) end(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = vigil.Errorf(vigil.Unavailable, "sim.load", "the connection ended: %w", err)
	}
	c.change.Broadcast()
}

// read takes the PUBACKs; a whole burst is counted under one hold of the lock.
func (c *LoadConn) read(r *bufio.Reader) {
	defer close(c.ended)
	var burst []uint16
	var done []loadSent
	for {
		id, err := readAck(r)
		if err != nil {
			c.end(err)
			return
		}
		burst = append(burst, id)
		for r.Buffered() >= 4 && err == nil {
			if id, err = readAck(r); err == nil {
				burst = append(burst, id)
			}
		}
		c.mu.Lock()
		for _, id := range burst {
			if id != 0 {
				done = append(done, c.sent[id])
				c.inFlight--
			}
		}
		c.change.Broadcast()
		c.mu.Unlock()
		for _, s := range done {
			c.acked(s.tag, s.due)
		}
		burst, done = burst[:0], done[:0]
	}
}

// readAck returns the packet id of a PUBACK, 0 for any other packet.
func readAck(r *bufio.Reader) (uint16, error) {
	kind, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	n, shift := 0, 0
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		n |= int(b&0x7F) << shift
		if shift += 7; b < 0x80 {
			break
		}
	}
	if kind != 0x40 || n < 2 {
		_, err := r.Discard(n)
		return 0, err
	}
	var id [2]byte
	if _, err := io.ReadFull(r, id[:]); err != nil {
		return 0, err
	}
	_, err = r.Discard(n - 2)
	return binary.BigEndian.Uint16(id[:]), err
}
