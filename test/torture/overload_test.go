package torture_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/sim"
)

var overload = flag.Duration("torture.overload", 2*time.Second, "how long far more is sent than can be taken")

const (
	floodPatches = 60
	floodWindow  = 20_000 // publishes that each gateway has on the way
	floodCuffs   = 8
)

// flood sends as fast as the connection takes it, each patch its own numbers, a millisecond apart in the past.
type flood struct {
	patches []*patch
	base    int64
	acked   atomic.Int64
}

func (f *flood) run(ctx context.Context, h *house, gateway, token string) (sent int, err error) {
	conn, err := sim.DialLoad(ctx, sim.LoadLogin{Addr: h.mqtt, User: gateway, Token: token, Window: floodWindow, Acked: func(tag uint64, _ time.Time) {
		f.patches[tag>>32].samples[uint32(tag)].acked = true // written by one goroutine, read after Settle
		f.acked.Add(1)
	}})
	if err != nil {
		return 0, err
	}
	defer conn.Close() //nolint:errcheck // everything is settled
	for ctx.Err() == nil {
		for p, d := range f.patches {
			n := len(d.samples)
			if n == cap(d.samples) {
				return sent, errors.New("the flood ran out of numbers")
			}
			d.samples = append(d.samples, sample{at: f.base + int64(n)*2, n: n})
			if _, err := conn.Room(1); err != nil {
				return sent, err
			}
			conn.Publish("vigil/"+d.id+"/data", d.payload(n), uint64(p)<<32|uint64(n), time.Now())
			sent++
		}
		if err := conn.Flush(); err != nil {
			return sent, err
		}
	}
	settle, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer stop()
	left, err := conn.Settle(settle)
	if left > 0 {
		err = fmt.Errorf("%d publishes were never acknowledged: %w", left, err)
	}
	return sent, err
}

// deaf opens a screen on the whole ward that never reads what it is sent.
func deaf(t *testing.T, h *house) {
	t.Helper()
	head := http.Header{"Cookie": {"vigil_session=" + h.ward.Session}}
	small := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			tcp.SetReadBuffer(4096) //nolint:errcheck // a larger one only takes longer to fill
		}
		return c, err
	}}}
	screen, _, err := websocket.Dial(t.Context(), "ws://"+h.http+"/live", &websocket.DialOptions{HTTPClient: small, HTTPHeader: head, Subprotocols: []string{"vigil.1"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.CloseNow() }) //nolint:errcheck // it never listened
	if err := screen.Write(t.Context(), websocket.MessageText, []byte(`{"op":"sub","id":1,"topic":"ward","unit":"load"}`)); err != nil {
		t.Fatal(err)
	}
}

// deafSubscriber hears what the devices behind a gateway say, at QoS 0, and reads nothing of it (MQTT 3.1.1, 3.1 and 3.8).
func deafSubscriber(t *testing.T, h *house, gateway, token string, devices []string) {
	t.Helper()
	conn, err := net.Dial("tcp", h.mqtt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })      //nolint:errcheck // it never listened
	conn.(*net.TCPConn).SetReadBuffer(4096) //nolint:errcheck // a larger one only takes longer to fill
	packet := func(kind byte, body []byte, texts ...string) []byte {
		for _, s := range texts {
			body = append(binary.BigEndian.AppendUint16(body, uint16(len(s))), s...)
			if kind == 0x82 {
				body = append(body, 0) // QoS
			}
		}
		return append(append([]byte{kind}, byte(len(body)&0x7f|0x80), byte(len(body)>>7)), body...)
	}
	hello := packet(0x10, []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xC2, 0, 0}, "deaf-"+gateway, gateway, token)
	var topics []string
	for _, d := range devices {
		topics = append(topics, "vigil/"+d+"/data")
	}
	answer := make([]byte, 4)
	if _, err := conn.Write(hello); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil || answer[3] != 0 {
		t.Fatalf("the broker refuses the subscriber: %v, %v", answer, err)
	}
	if _, err := conn.Write(packet(0x82, []byte{0, 1}, topics...)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 0x90 {
		t.Fatalf("the broker refuses the subscription: %v, %v", answer, err)
	}
}

// TestOverload sends to the real program as much as it can be sent, with screens and an MQTT subscriber that do not read: alarms go through,
// memory is bounded, and everything acknowledged is there afterwards.
func TestOverload(t *testing.T) {
	h := newHouse(t, sim.LoadSize{Gateways: 3, Patches: 2 * floodPatches, Cuffs: floodCuffs}, 0, "http://127.0.0.1:1")
	h.start(t)
	calm := h.memory()
	for range 5 {
		deaf(t, h)
	}
	deafSubscriber(t, h, h.ward.Gateways[0], h.ward.Tokens[0], h.ward.Devices[:20])
	ctx, stop := context.WithTimeout(t.Context(), *overload)
	defer stop()
	var senders sync.WaitGroup
	floods := make([]*flood, 2)
	var sent atomic.Int64
	for i := range floods {
		f := &flood{base: time.Now().Add(-30 * time.Minute).UnixMilli()}
		for k := range floodPatches {
			id := h.ward.Devices[i*floodPatches+k]
			f.patches = append(f.patches, &patch{id: id, patient: id, samples: make([]sample, 0, 1<<20)})
		}
		floods[i] = f
		senders.Go(func() {
			n, err := f.run(ctx, h, h.ward.Gateways[i], h.ward.Tokens[i])
			sent.Add(int64(n))
			if err != nil {
				t.Error(err)
			}
		})
	}
	most := make(chan int)
	go func() {
		peak := 0
		for ctx.Err() == nil {
			peak = max(peak, h.memory())
			time.Sleep(20 * time.Millisecond)
		}
		most <- peak
	}()
	slowest := alarmsUnder(t, ctx, h)
	senders.Wait()
	peak := <-most
	began := time.Now()
	for h.ready(t.Context()) != "" && time.Since(began) < illPatience {
		time.Sleep(20 * time.Millisecond)
	}
	if peak > memoryLimit {
		t.Errorf("%d MB of memory under load", peak>>20)
	}
	h.kill()
	h.start(t)
	var all looked
	acked := 0
	for _, f := range floods {
		acked += int(f.acked.Load())
		for _, p := range f.patches[:4] { // every one would take longer than the flood
			all.add(p.check(t, h, 0))
		}
	}
	publish(t, "Far more than can be taken", []row{
		{"messages sent within " + overload.String(), int(sent.Load())},
		{"acknowledged", acked},
		{"looked up by value after a kill", all.samples},
		{"  lost", all.lost},
		{"alarms raised meanwhile", floodCuffs},
		{"slowest alarm, ms from the reading to the desk", int(slowest.Milliseconds())},
		{"resident memory before, MB", calm >> 20},
		{"resident memory at most, MB", peak >> 20},
	})
}

// alarmsUnder sends crossings, spread over the flood, and returns how long the slowest took to be on the desk.
func alarmsUnder(t *testing.T, ctx context.Context, h *house) (slowest time.Duration) {
	t.Helper()
	conn, err := sim.DialLoad(t.Context(), sim.LoadLogin{Addr: h.mqtt, User: h.ward.Gateways[2], Token: h.ward.Tokens[2], Window: floodCuffs})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() //nolint:errcheck // the test is over
	for _, id := range h.ward.Devices[2*floodPatches:] {
		sent := time.Now()
		c := crossing{id: id, at: sent.UnixMilli()}
		conn.Publish("vigil/"+id+"/data", c.payload(), 0, sent)
		if err := conn.Flush(); err != nil {
			t.Fatal(err)
		}
		for !onDesk(t, h, id) {
			if time.Since(sent) > raisePatience {
				t.Errorf("%s crossed its limit and is not on the desk", id)
				return raisePatience
			}
			time.Sleep(5 * time.Millisecond)
		}
		slowest = max(slowest, time.Since(sent))
		select {
		case <-ctx.Done():
		case <-time.After(*overload / (2 * floodCuffs)):
		}
	}
	return slowest
}

func onDesk(t *testing.T, h *house, patient string) bool {
	t.Helper()
	for _, a := range alarms(t, h) {
		if a.Subject == vigil.PatientSubject(patient) {
			return true
		}
	}
	return false
}

// TestSlowConsumer stops a consumer: what waits is bounded, and afterwards it hears everything in order.
func TestSlowConsumer(t *testing.T) {
	s, err := openStores(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	release := make(chan struct{})
	var heard atomic.Int64
	s.telemetry.Consume("slow", func(reports []*vigil.Report) {
		<-release
		heard.Add(int64(len(reports)))
	})
	deafs := s.telemetry.Subscribe(10, nil)
	s.telemetry.Start(t.Context())
	var accepted, acked atomic.Int64
	const all = 100_000
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range all {
			s.telemetry.Append(scriptReport(n*35+1), func(err error) {
				if err == nil {
					acked.Add(1)
				}
			})
			accepted.Add(1)
		}
	}()
	bound := steady(&accepted)
	if bound == all {
		t.Errorf("a consumer that stands still does not slow the intake: %d reports wait", bound)
	}
	close(release)
	<-done
	settled := func() bool { h := s.telemetry.Health(); return acked.Load() == all && h.Applied == h.LogPosition }
	for until := time.Now().Add(time.Minute); !settled() && time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
	}
	if heard.Load() != all || deafs.Dropped() == 0 {
		t.Errorf("the consumer heard %d of %d, the slow subscriber missed %d", heard.Load(), all, deafs.Dropped())
	}
	last, err := s.telemetry.Query(scriptContext(), telemetry.Query{Subject: scriptSubject(1), From: began, To: began.AddDate(1, 0, 0), Points: 2})
	if err != nil || len(last) == 0 {
		t.Errorf("after the jam: %v, %v", last, err)
	}
	deafs.Close()
	if err := s.close(); err != nil {
		t.Error(err)
	}
	publish(t, "A consumer that stands still", []row{{"reports that wait for it at most before the intake is held", int(bound)}, {"reports that it heard afterwards", int(heard.Load())}, {"  missed", all - int(heard.Load())}})
}

// steady waits until the number no longer grows and returns it.
func steady(n *atomic.Int64) int64 {
	for was := int64(-1); ; time.Sleep(300 * time.Millisecond) {
		now := n.Load()
		if now == was {
			return now
		}
		was = now
	}
}
