// Package mqtt speaks MQTT 3.1.1 and 5 with devices: a PUBACK means the message is on disk.
//
// The broker is mochi behind this room's own listener and hook, which cure what a medical intake cannot live with
// (see hook.go). It is no general message bus: devices publish their data and hear their own commands.
// Start at New; the topics are in topic.go.
package mqtt

import (
	"context"
	"errors"
	"io"
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
	return &Broker{cfg: cfg, conns: map[net.Conn]bool{}, ready: make(chan struct{})}
}

// Protocol returns the contract of this room.
func (b *Broker) Protocol() protocol.Protocol {
	return protocol.Protocol{Name: "mqtt", Decode: Decode, Encode: Encode, Serve: b.Serve}
}

// What a connection holds while it says nothing; ten thousand of them are idle most of the time.
const (
	readBuffer    = 1 << 10 // a larger publish is read past it
	pendingWrites = 256     // messages for a slow subscriber, 8 bytes each
)

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
		ClientNetReadBufferSize: readBuffer, ClientNetWriteBufferSize: 2048, SysTopicResendInterval: 3600,
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
		b.wg.Go(func() { b.establish(conn) })
	}
}

// ServeConn speaks MQTT on a connection made elsewhere until it ends. It waits until the broker serves.
func (b *Broker) ServeConn(ctx context.Context, conn net.Conn) {
	select {
	case <-b.ready:
		b.establish(conn)
	case <-ctx.Done():
		conn.Close()
	}
}

// establish bounds the time to CONNECT; the broker renews the deadline from the client's keepalive afterwards.
func (b *Broker) establish(conn net.Conn) {
	defer conn.Close()
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return
	}
	b.conns[conn] = true
	b.mu.Unlock()
	defer func() {
		b.mu.Lock()
		delete(b.conns, conn)
		b.mu.Unlock()
	}()
	if conn.SetDeadline(time.Now().Add(b.cfg.Handshake)) != nil {
		return
	}
	err := b.server.EstablishConnection(listenerID, conn)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
		b.hook.host.Log.Debug("mqtt.connection.ended", "error", err)
	}
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
