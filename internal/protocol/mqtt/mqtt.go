// Package mqtt speaks MQTT 3.1.1 and 5 with devices: a PUBACK means the message is on disk.
//
// The broker is mochi behind this room's own listener and hook, which cure what a medical intake cannot live with
// (see hook.go). It is no general message bus: devices publish their data and hear their own commands.
// Start at New; the topics are in topic.go.
package mqtt

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	mochi "github.com/mochi-mqtt/server/v2"

	"github.com/vigil-health/vigil/internal/protocol"
)

// Config says where to listen and how much a client may ask for.
type Config struct {
	Listeners  []net.Listener // TCP or TLS; closed by Serve
	MaxPacket  uint32         // bytes; 0 means 1 MiB
	Handshake  time.Duration  // from accept to CONNECT; 0 means 10 s
	MaxPending int            // publishes of one client that wait for the disk; 0 means 1024
}

// Broker is one MQTT door. Serve runs it; ServeConn adds a connection from elsewhere, for example a WebSocket.
type Broker struct {
	cfg    Config
	server *mochi.Server
	hook   *hook
	lent   *lentBuffers
	ready  chan struct{}
	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
	wg     sync.WaitGroup
}

// New returns a broker that is not yet serving.
func New(cfg Config) *Broker {
	if cfg.MaxPacket == 0 {
		cfg.MaxPacket = 1 << 20
	}
	if cfg.Handshake == 0 {
		cfg.Handshake = 10 * time.Second
	}
	if cfg.MaxPending == 0 {
		cfg.MaxPending = 1024
	}
	return &Broker{cfg: cfg, conns: map[net.Conn]bool{}, lent: newLentBuffers(), ready: make(chan struct{})}
}

// Protocol returns the contract of this room.
func (b *Broker) Protocol() protocol.Protocol {
	return protocol.Protocol{Name: "mqtt", Decode: Decode, Encode: Encode, Serve: b.Serve}
}

// pendingWrites is how many messages wait for a slow subscriber beyond what the socket takes; every client, idle or not, holds 8 bytes for each.
const pendingWrites = 60

// Serve accepts connections until ctx ends, then closes every one of them and returns nil.
func (b *Broker) Serve(ctx context.Context, h protocol.Host) error {
	caps := mochi.NewDefaultServerCapabilities()
	caps.MaximumPacketSize = b.cfg.MaxPacket
	caps.ReceiveMaximum = uint16(min(b.cfg.MaxPending, 65535))
	caps.MaximumSessionExpiryInterval = 24 * 60 * 60
	caps.MaximumMessageExpiryInterval = 0
	caps.MaximumClientWritesPending = pendingWrites
	b.server = mochi.New(&mochi.Options{
		Capabilities: caps, Logger: slog.New(slog.DiscardHandler), InlineClient: true,
		ClientNetWriteBufferSize: 2048, SysTopicResendInterval: 3600,
	})
	b.hook = newHook(b.server, h, b.cfg.MaxPending)
	if err := b.server.AddHook(b.hook, nil); err != nil {
		return err
	}
	if err := b.server.Serve(); err != nil {
		return err
	}
	close(b.ready)
	for _, l := range b.cfg.Listeners {
		b.wg.Go(func() { b.accept(ctx, l, h.Log) })
	}
	<-ctx.Done()
	b.shut()
	b.wg.Wait()
	b.hook.wills.close()
	return b.server.Close()
}

func (b *Broker) accept(ctx context.Context, l net.Listener, log *slog.Logger) {
	for {
		conn, err := l.Accept()
		switch {
		case ctx.Err() != nil || errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of file descriptors: wait for some to be freed
			log.Warn("mqtt.accept", "error", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		b.wg.Go(func() {
			if s := b.establish(conn); s != nil {
				b.wg.Go(func() { b.serve(s) }) // on a goroutine of its own, since this one's stack has grown
			}
		})
	}
}

// ServeConn speaks MQTT on a connection made elsewhere until it ends. It waits until the broker serves.
func (b *Broker) ServeConn(ctx context.Context, conn net.Conn) {
	select {
	case <-b.ready:
		if s := b.establish(conn); s != nil {
			b.serve(s)
		}
	case <-ctx.Done():
		conn.Close()
	}
}

// establish hears the CONNECT, in bounded time. It returns nil when the connection was refused and closed.
func (b *Broker) establish(conn net.Conn) *session {
	b.mu.Lock()
	closed := b.closed
	if !closed {
		b.conns[conn] = true
	}
	b.mu.Unlock()
	if closed || conn.SetDeadline(time.Now().Add(b.cfg.Handshake)) != nil {
		b.forget(conn)
		return nil
	}
	s, err := b.hook.admit(conn, newReader(conn, b.lent, b.cfg.MaxPacket))
	if err != nil {
		b.hook.host.Log.Debug("mqtt.connection.refused", "remote", conn.RemoteAddr().String(), "error", err)
		b.forget(conn)
		return nil
	}
	return s
}

func (b *Broker) serve(s *session) {
	s.loop()
	b.forget(s.conn)
}

func (b *Broker) forget(conn net.Conn) {
	conn.Close()
	b.mu.Lock()
	delete(b.conns, conn)
	b.mu.Unlock()
}

const listenerID = "vigil"

// shut closes listeners and connections, also those that never sent CONNECT, on which the broker's own Close would hang.
func (b *Broker) shut() {
	for _, l := range b.cfg.Listeners {
		l.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for c := range b.conns {
		c.Close()
	}
}
