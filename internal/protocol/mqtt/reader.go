package mqtt

import (
	"io"
	"net"
	"sync"
	"syscall"

	"github.com/mochi-mqtt/server/v2/packets"
)

const readBuffer = 4 << 10 // shared by the connections that are being read right now

// lentBuffers holds the read buffers that no connection needs at the moment.
type lentBuffers struct{ pool sync.Pool }

func newLentBuffers() *lentBuffers {
	return &lentBuffers{sync.Pool{New: func() any { b := make([]byte, readBuffer); return &b }}}
}

// reader takes packets off a connection. A plain TCP connection that says nothing holds no buffer: the reader waits
// until there is something to read, and borrows one then. TLS and WebSocket connections keep theirs.
type reader struct {
	conn     net.Conn
	raw      syscall.RawConn // nil where only Read can wait
	lent     *lentBuffers
	buf      *[]byte // nil while nothing is waiting in it, when raw is set
	from, to int     // what is left in buf
	limit    int     // longest packet, bytes
	attempt  func(fd uintptr) bool
	err      error // of the last attempt
}

func newReader(conn net.Conn, lent *lentBuffers, limit uint32) *reader {
	r := &reader{conn: conn, lent: lent, limit: int(limit)}
	if tcp, ok := conn.(*net.TCPConn); ok {
		if raw, err := tcp.SyscallConn(); err == nil {
			r.raw = raw
			r.attempt = func(fd uintptr) bool {
				r.buf = lent.pool.Get().(*[]byte)
				n, wait, err := readNow(fd, *r.buf)
				if wait {
					r.giveBack()
					return false
				}
				r.from, r.to, r.err = 0, n, err
				return true
			}
		}
	}
	return r
}

// next returns the fixed header's first byte and the rest of the next packet (2.1). The body is the caller's. Errors are
// those of the connection, or a packets.Code.
func (r *reader) next() (first byte, body []byte, err error) {
	if first, err = r.ReadByte(); err != nil {
		return 0, nil, err
	}
	n, _, err := packets.DecodeLength(r)
	if err != nil {
		return first, nil, err
	}
	if n >= r.limit {
		return first, nil, packets.ErrPacketTooLarge
	}
	body = make([]byte, n)
	have := 0
	if n > 0 && r.buf != nil {
		have = copy(body, (*r.buf)[r.from:r.to])
		r.from += have
	}
	if have < n {
		if _, err = io.ReadFull(r.conn, body[have:]); err != nil {
			return first, nil, err
		}
	}
	if r.raw != nil && r.from == r.to {
		r.giveBack()
	}
	return first, body, nil
}

// ReadByte implements io.ByteReader.
func (r *reader) ReadByte() (byte, error) {
	if r.buf == nil || r.from == r.to {
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
	b := (*r.buf)[r.from]
	r.from++
	return b, nil
}

func (r *reader) fill() error {
	r.giveBack()
	if r.raw != nil {
		if err := r.raw.Read(r.attempt); err != nil {
			return err
		}
		if r.err == nil && r.to == 0 {
			return io.EOF
		}
		return r.err
	}
	r.buf = r.lent.pool.Get().(*[]byte)
	n, err := r.conn.Read(*r.buf)
	r.from, r.to = 0, n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// giveBack returns an empty buffer.
func (r *reader) giveBack() {
	if r.buf != nil {
		r.lent.pool.Put(r.buf)
		r.buf, r.from, r.to = nil, 0, 0
	}
}
