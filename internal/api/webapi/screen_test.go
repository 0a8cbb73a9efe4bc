package webapi_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

// screen is an open live channel. It decodes every frame as docs/reference/webapi.md lays them out, and fails the
// test when a number or a waveform comes on a stream that was not announced.
type screen struct {
	conn    *websocket.Conn
	ended   chan struct{}
	mu      sync.Mutex
	msgs    []message
	streams map[uint32]message
	numbers []liveNumber
	waves   []liveWave
	err     error
}

// message is one JSON frame.
type message struct {
	Op      string
	ID      int
	Stream  uint32
	Subject string
	Bed     json.RawMessage
	Metric  string
	Kind    string
	Rate    float64
	Scale   float64
	Message json.RawMessage
	Alarm   struct {
		ID, Rule, Subject, State string
		Value                    float64
		Patient                  *struct{ Name string }
	}
	Open    []struct{ ID string }
	Consult json.RawMessage
	From    string
	Data    json.RawMessage
	NowMS   int64 `json:"now_ms"`
	raw     string
}

type liveNumber struct {
	subject, metric string
	timeMS, value   float64
	flags           uint32
}

type liveWave struct {
	subject, metric string
	startMS         float64
	samples         int
}

func (v *visitor) live(t *testing.T) *screen {
	t.Helper()
	s, err := v.dial(t)
	if err != nil {
		t.Fatal(err)
	}
	go s.listen()
	return s
}

func (v *visitor) dial(t *testing.T) (*screen, error) {
	at, _ := url.Parse(v.url)
	header := http.Header{}
	for _, c := range v.client.Jar.Cookies(at) {
		header.Add("Cookie", c.Name+"="+c.Value)
	}
	conn, _, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(v.url, "http")+"/live", &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{"vigil.1"}})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(16 << 20)
	s := &screen{conn: conn, ended: make(chan struct{}), streams: map[uint32]message{}}
	t.Cleanup(func() { conn.CloseNow() })
	return s, nil
}

func (s *screen) listen() {
	defer close(s.ended)
	for {
		kind, b, err := s.conn.Read(context.Background())
		s.mu.Lock()
		if err == nil && (kind != websocket.MessageBinary || len(b) < 2) {
			err = errors.New("a frame is not binary or too short")
		}
		if err == nil {
			err = s.take(b)
		}
		if err != nil {
			s.err = err
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
	}
}

func (s *screen) take(b []byte) error {
	switch b[0] {
	case 1, 2:
		return s.blocks(b)
	case 3:
		m := message{raw: string(b[1:])}
		if err := json.Unmarshal(b[1:], &m); err != nil {
			var loose struct{ Op string } // "message" is text in a refusal and an object of a device
			if json.Unmarshal(b[1:], &loose) != nil {
				return fmt.Errorf("%w in %s", err, b[1:])
			}
			m.Op = loose.Op
		}
		if m.Op == "stream" {
			s.streams[m.Stream] = m
		}
		s.msgs = append(s.msgs, m)
		return nil
	}
	return fmt.Errorf("a frame of type %d", b[0])
}

func (s *screen) blocks(b []byte) error {
	count, rest := binary.LittleEndian.Uint16(b[2:]), b[4:]
	for range count {
		id := binary.LittleEndian.Uint32(rest)
		of, ok := s.streams[id]
		if !ok {
			return fmt.Errorf("stream %d was not announced", id)
		}
		at := math.Float64frombits(binary.LittleEndian.Uint64(rest[4:]))
		if b[0] == 2 {
			s.numbers = append(s.numbers, liveNumber{of.Subject, of.Metric, at, math.Float64frombits(binary.LittleEndian.Uint64(rest[12:])), binary.LittleEndian.Uint32(rest[20:])})
			rest = rest[24:]
			continue
		}
		n := int(binary.LittleEndian.Uint32(rest[12:]))
		s.waves = append(s.waves, liveWave{of.Subject, of.Metric, at, n})
		rest = rest[16+2*n:]
	}
	if len(rest) != 0 {
		return fmt.Errorf("%d bytes after %d blocks", len(rest), count)
	}
	return nil
}

func (s *screen) say(t *testing.T, text string) {
	t.Helper()
	if err := s.conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// sub subscribes and waits for the answer, which it returns: subscribed or refused.
func (s *screen) sub(t *testing.T, id int, rest string) string {
	t.Helper()
	s.say(t, fmt.Sprintf(`{"op":"sub","id":%d,%s}`, id, rest))
	return s.wait(t, "the answer to subscription "+rest, func(m message) bool { return m.ID == id && (m.Op == "subscribed" || m.Op == "refused") }).Op
}

// wait returns the first message, past or to come, that fits.
func (s *screen) wait(t *testing.T, what string, fits func(m message) bool) (found message) {
	t.Helper()
	until(t, what, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, m := range s.msgs {
			if fits(m) {
				found = m
				return true
			}
		}
		if s.err != nil {
			t.Fatalf("waiting for %s: %v", what, s.err)
		}
		return false
	})
	return found
}

func (s *screen) count(fits func(m message) bool) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.msgs {
		if fits(m) {
			n++
		}
	}
	return n
}

// ticks waits for so many more seconds of the channel: what was on its way before has come then.
func (s *screen) ticks(t *testing.T, n int) {
	t.Helper()
	tick := func(m message) bool { return m.Op == "tick" }
	want := s.count(tick) + n
	until(t, "the clock of the live channel", func() bool { return s.count(tick) >= want })
}

// number waits for a value of a metric.
func (s *screen) number(t *testing.T, subject, metric string, value float64) (found liveNumber) {
	t.Helper()
	until(t, fmt.Sprintf("%s %s = %g", subject, metric, value), func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, n := range s.numbers {
			if n.subject == subject && n.metric == metric && n.value == value {
				found = n
				return true
			}
		}
		return false
	})
	return found
}

func (s *screen) saw(subject string, value float64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.numbers {
		if n.subject == subject && n.value == value {
			return true
		}
	}
	return false
}

// closed waits until the server has closed the channel and returns its reason.
func (s *screen) closed(t *testing.T) string {
	t.Helper()
	until(t, "the channel to be closed", func() bool {
		select {
		case <-s.ended:
			return true
		default:
			return false
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	var c websocket.CloseError
	if !errors.As(s.err, &c) {
		return s.err.Error()
	}
	return c.Reason
}
