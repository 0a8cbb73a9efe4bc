// Package protocoltest is the examination that every device protocol passes: golden messages, acknowledgement only
// after the disk, refusal of strangers, disconnect, duplicates.
//
// It is a test suite, called in five lines from the room's own test. Start at Run.
package protocoltest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/protocol"
)

// Exam is what a room brings.
type Exam struct {
	Protocol protocol.Protocol
	// Dial connects as a device of the protocol that is being served; a refused token is an error here or at the first Send.
	Dial func(t *testing.T, device vigil.DeviceID, token string) (Conn, error)
	// Strange are addresses that Decode must refuse.
	Strange []string
}

// Conn is one device's connection.
type Conn interface {
	// Send sends the payload for the device and returns nil once it is acknowledged, an error when it is not within the timeout.
	Send(device vigil.DeviceID, payload string, timeout time.Duration) error
	// Drop breaks the connection without a farewell.
	Drop()
}

// Run examines a protocol.
func Run(t *testing.T, e Exam) {
	in := &intake{token: "s3cret", gateway: "gw-1"}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.Protocol.Serve(ctx, protocol.Host{Intake: in, Log: slog.New(slog.DiscardHandler)}); err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	defer wg.Wait()
	defer cancel()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, e Exam, in *intake)
	}{
		{"Golden", golden}, {"Acknowledge", acknowledge}, {"Failure", failure}, {"Strangers", strangers},
		{"Gateway", gateway}, {"DropAndRepeat", dropAndRepeat}, {"Order", order},
	} {
		in.reset()
		t.Run(c.name, func(t *testing.T) { c.run(t, e, in) })
	}
}

const patience = 5 * time.Second

func golden(t *testing.T, e Exam, _ *intake) {
	want := protocol.Envelope{Device: "patch-1", Payload: []byte(`{"hr":72}`)}
	address, body := e.Protocol.Encode(want)
	got, err := e.Protocol.Decode(address, body)
	if err != nil || got.Device != want.Device || string(got.Payload) != string(want.Payload) {
		t.Errorf("decode(encode(e)) = %+v, %v", got, err)
	}
	for _, a := range append(e.Strange, "", "/", strings.Repeat("x", 1<<16), "\x00\xff") {
		if _, err := e.Protocol.Decode(a, nil); vigil.KindOf(err) != vigil.Invalid {
			t.Errorf("decode(%.20q) = %v, want an Invalid error", a, err)
		}
	}
}

// acknowledge holds that nothing is acknowledged while it is not on disk.
func acknowledge(t *testing.T, e Exam, in *intake) {
	c := dial(t, e, "patch-1")
	defer c.Drop()
	in.hold()
	sent := make(chan error, 1)
	go func() { sent <- c.Send("patch-1", `{"hr":72}`, patience) }()
	in.await(t, 1)
	select {
	case err := <-sent:
		t.Fatalf("acknowledged before it was on disk (%v)", err)
	case <-time.After(150 * time.Millisecond):
	}
	in.letGo()
	if err := <-sent; err != nil {
		t.Errorf("not acknowledged after it was on disk: %v", err)
	}
}

func failure(t *testing.T, e Exam, in *intake) {
	c := dial(t, e, "patch-1")
	defer c.Drop()
	in.fail(vigil.Errorf(vigil.Unavailable, "test", "disk full"))
	if err := c.Send("patch-1", `{"hr":72}`, time.Second); err == nil {
		t.Error("acknowledged although it could not be stored")
	}
	in.fail(nil)
	again := dial(t, e, "patch-1")
	defer again.Drop()
	if err := again.Send("patch-1", `{"hr":72}`, patience); err != nil {
		t.Errorf("sent again after the disk was mended: %v", err)
	}
}

func strangers(t *testing.T, e Exam, in *intake) {
	if c, err := e.Dial(t, "patch-1", "wrong"); err == nil {
		defer c.Drop()
		if c.Send("patch-1", `{"hr":72}`, time.Second) == nil {
			t.Error("a wrong token was accepted")
		}
	}
	c := dial(t, e, "patch-1")
	defer c.Drop()
	if c.Send("patch-2", `{"hr":72}`, time.Second) == nil {
		t.Error("a device spoke for another")
	}
	if n := in.count(); n != 0 {
		t.Errorf("%d messages of strangers came through", n)
	}
}

func gateway(t *testing.T, e Exam, in *intake) {
	c := dial(t, e, "gw-1")
	defer c.Drop()
	for _, id := range []vigil.DeviceID{"patch-1", "patch-2"} {
		if err := c.Send(id, `{"hr":72}`, patience); err != nil {
			t.Errorf("%s through the gateway: %v", id, err)
		}
	}
	if n := in.count(); n != 2 {
		t.Errorf("%d messages", n)
	}
}

// dropAndRepeat holds that a message cut off before its acknowledgement can be sent again.
func dropAndRepeat(t *testing.T, e Exam, in *intake) {
	c := dial(t, e, "patch-1")
	in.hold()
	sent := make(chan error, 1)
	go func() { sent <- c.Send("patch-1", `{"ts":1,"hr":72}`, patience) }()
	in.await(t, 1)
	c.Drop()
	in.letGo()
	<-sent
	again := dial(t, e, "patch-1")
	defer again.Drop()
	if err := again.Send("patch-1", `{"ts":1,"hr":72}`, patience); err != nil {
		t.Errorf("repeat: %v", err)
	}
	if n := in.count(); n < 2 {
		t.Errorf("%d messages: the repeat is the intake's to recognise, not the protocol's to hide", n)
	}
}

func order(t *testing.T, e Exam, in *intake) {
	c := dial(t, e, "patch-1")
	defer c.Drop()
	for i := range 50 {
		if err := c.Send("patch-1", fmt.Sprintf(`{"hr":%d}`, i), patience); err != nil {
			t.Fatal(err)
		}
	}
	for i, p := range in.payloads() {
		if p != fmt.Sprintf(`{"hr":%d}`, i) {
			t.Fatalf("message %d is %s", i, p)
		}
	}
}

func dial(t *testing.T, e Exam, id vigil.DeviceID) Conn {
	t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		c, err := e.Dial(t, id, "s3cret")
		if err == nil {
			return c
		}
		if time.Now().After(until) {
			t.Fatalf("dial: %v", err)
		}
	}
}

// intake keeps messages in memory and answers when it is told to.
type intake struct {
	token   string
	gateway vigil.DeviceID
	mu      sync.Mutex
	got     []ingest.Message
	held    []func(error)
	holding bool
	err     error
}

// Authenticate knows one token for all.
func (i *intake) Authenticate(_ vigil.DeviceID, token string) error {
	if token != i.token {
		return vigil.Errorf(vigil.Denied, "test", "wrong token")
	}
	return nil
}

// MaySpeakFor knows one gateway.
func (i *intake) MaySpeakFor(connected, other vigil.DeviceID) bool {
	return connected == other || connected == i.gateway
}

// Accept keeps the message and answers, now or when let go.
func (i *intake) Accept(m ingest.Message, done func(error)) {
	i.mu.Lock()
	err := i.err
	if err == nil {
		i.got = append(i.got, m)
	}
	if i.holding {
		i.held = append(i.held, done)
		i.mu.Unlock()
		return
	}
	i.mu.Unlock()
	done(err)
}

func (i *intake) reset() {
	i.letGo()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.got, i.err = nil, nil
}

func (i *intake) hold() { i.mu.Lock(); i.holding = true; i.mu.Unlock() }

func (i *intake) letGo() {
	i.mu.Lock()
	held := i.held
	i.held, i.holding = nil, false
	i.mu.Unlock()
	for _, done := range held {
		done(nil)
	}
}

func (i *intake) fail(err error) { i.mu.Lock(); i.err = err; i.mu.Unlock() }

func (i *intake) count() int { i.mu.Lock(); defer i.mu.Unlock(); return len(i.got) }

func (i *intake) payloads() (out []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, m := range i.got {
		out = append(out, string(m.Payload))
	}
	return out
}

func (i *intake) await(t *testing.T, n int) {
	t.Helper()
	for until := time.Now().Add(patience); i.count() < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("the message never reached the intake")
		}
	}
}

// ErrTimeout is what a Conn returns when no acknowledgement came in time.
var ErrTimeout = errors.New("no acknowledgement in time")

// Pace has no quota.
func (*intake) Pace(vigil.DeviceID, int, int) time.Duration { return 0 }

// Admit has no quota.
func (*intake) Admit(vigil.DeviceID, bool, ...vigil.DeviceID) error { return nil }
