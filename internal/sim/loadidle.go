package sim

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
)

// IdleFleet is many MQTT connections that say nothing but that they are there.
type IdleFleet struct {
	conns []net.Conn
	every time.Duration
	pings atomic.Uint64
}

// DialIdle opens n connections of one login, each with a client id of its own, and a keepalive. It returns Denied when
// the broker refuses one and Unavailable when it cannot be reached.
func DialIdle(ctx context.Context, l LoadLogin, n int, keepalive time.Duration) (*IdleFleet, error) {
	f := &IdleFleet{every: keepalive}
	var d net.Dialer
	for i := range n {
		conn, err := d.DialContext(ctx, "tcp", l.Addr)
		if err != nil {
			return nil, errors.Join(vigil.Errorf(vigil.Unavailable, "sim.idle", "connection %d of %d: %w", i+1, n, err), f.Close())
		}
		f.conns = append(f.conns, conn)
		if err := f.connect(conn, l, i); err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return f, nil
}

func (f *IdleFleet) connect(conn net.Conn, l LoadLogin, i int) error {
	body := binary.BigEndian.AppendUint16([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xC2}, uint16(f.every/time.Second))
	for _, s := range []string{"idle-" + strconv.Itoa(i), l.User, l.Token} {
		body = append(binary.BigEndian.AppendUint16(body, uint16(len(s))), s...)
	}
	if _, err := conn.Write(append(appendLength([]byte{0x10}, len(body)), body...)); err != nil {
		return vigil.Errorf(vigil.Unavailable, "sim.idle", "the broker hung up: %w", err)
	}
	var ack [4]byte
	if _, err := io.ReadFull(conn, ack[:]); err != nil {
		return vigil.Errorf(vigil.Unavailable, "sim.idle", "the broker hung up: %w", err)
	}
	if ack[0] != 0x20 || ack[3] != 0 {
		return vigil.Errorf(vigil.Denied, "sim.idle", "the broker refused connection %d with code %d", i+1, ack[3])
	}
	return nil
}

// Ping keeps every connection alive until ctx ends, the pings spread over the keepalive. It returns Unavailable when the
// broker lets one down.
func (f *IdleFleet) Ping(ctx context.Context) error {
	gap := time.NewTicker(max(f.every/time.Duration(len(f.conns))*8/10, 50*time.Microsecond))
	defer gap.Stop()
	r := bufio.NewReaderSize(nil, 16)
	for i := 0; ; i = (i + 1) % len(f.conns) {
		select {
		case <-gap.C:
		case <-ctx.Done():
			return nil
		}
		if _, err := f.conns[i].Write([]byte{0xC0, 0}); err != nil {
			return vigil.Errorf(vigil.Unavailable, "sim.idle", "the broker hung up on connection %d: %w", i+1, err)
		}
		r.Reset(f.conns[i])
		if kind, err := r.ReadByte(); err != nil || kind != 0xD0 {
			return vigil.Errorf(vigil.Unavailable, "sim.idle", "connection %d has no answer to its ping: %w", i+1, err)
		}
		f.pings.Add(1)
	}
}

// Pings returns how many were answered.
func (f *IdleFleet) Pings() uint64 { return f.pings.Load() }

// Close hangs up.
func (f *IdleFleet) Close() error {
	var errs []error
	for _, c := range f.conns {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
