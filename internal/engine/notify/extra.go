package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

const (
	shortPrefix  = "~"
	standDownFor = time.Minute // what is no page is not worth more
)

// Short is the name of an alarm that says nothing about the patient: it stands in links that leave the house.
func Short(alarm string) string {
	sum := sha256.Sum256([]byte(alarm))
	return shortPrefix + hex.EncodeToString(sum[:10])
}

// IsShort reports whether the text is the short name of some alarm.
func IsShort(id string) bool { return len(id) == len(shortPrefix)+20 && id[:1] == shortPrefix }

// page reports whether the message is about an alarm that waits for somebody.
func (m *Message) page() bool {
	return m.Kind != KindStandDown && m.Kind != KindDigest && m.Kind != KindTest
}

// patience is how long sending is worth trying.
func (m *Message) patience() time.Duration {
	if m.Kind == KindStandDown || m.Kind == KindTest {
		return standDownFor
	}
	return giveUpAfter
}

// hopeless reports whether every way has failed of a person who has more than a screen, and nobody was told yet.
func (m *Message) hopeless() bool {
	return m.page() && !m.Lost && !m.Reached && slices.ContainsFunc(m.Routes, func(r Route) bool { return r.Channel != AppChannel })
}

// giveUp ends a message whose time is over. A page that reached nobody is a dead letter, and told.
func (p *Post) giveUp(ctx context.Context, l *letter) {
	var m Message
	told := true
	p.change(ctx, l, func(x *Message) {
		told = x.Lost
		finish(x)
		if !x.page() && x.State == Failed {
			x.State = Withdrawn
		}
		x.Lost = x.Lost || x.State == Failed
		m = *x
	})
	if m.State == Failed && !told && p.cfg.Lost != nil {
		p.cfg.Lost(m)
	}
}

// Withdraw implements alarm.Withdrawer: what is still under way to the recipient about the alarm stops, and he is told on
// the screens and devices that the page had reached.
func (p *Post) Withdraw(ctx context.Context, page alarm.Page, a vigil.Alarm) error {
	list, err := p.cfg.Outbox.List(ctx, "", a.ID, listLimit)
	if err != nil {
		return err
	}
	var routes []Route
	for _, m := range list {
		if m.To.ID != page.To.ID || !m.page() {
			continue
		}
		for _, r := range m.Routes {
			recalls := r.Channel == AppChannel || recaller(p.cfg.Channels[r.Channel])
			had := slices.ContainsFunc(m.Receipts, func(x Receipt) bool { return x.Channel == r.Channel && x.State != Failed })
			if recalls && had && !slices.Contains(routes, r) {
				routes = append(routes, r)
			}
		}
		p.mu.Lock()
		l := p.open[m.ID]
		p.mu.Unlock()
		if l != nil {
			p.change(ctx, l, func(m *Message) {
				if m.State == Waiting || m.State == Held {
					m.State = Withdrawn
				}
			})
		}
	}
	if len(routes) == 0 {
		return nil
	}
	now := p.cfg.Now()
	return p.Enqueue(ctx, Message{ID: page.ID, Alarm: a.ID, To: page.To, Kind: KindStandDown, Unit: a.Unit, Text: "A colleague has taken it. Nothing to do.",
		Link: "/alert/" + Short(a.ID), Created: now, State: Waiting, Began: now, Due: now, Receipts: []Receipt{}, Routes: routes})
}

// Recaller is a Channel that replaces what a message showed when a stand-down about the same alarm follows.
type Recaller interface{ Recalls() bool }

func recaller(c Channel) bool {
	r, ok := c.(Recaller)
	return ok && r.Recalls()
}

// digest tells a person with one message what his quiet hours held back. Done again after a fault, it tells once.
func (p *Post) digest(ctx context.Context, l *letter) {
	l.mu.Lock()
	first := l.m
	l.mu.Unlock()
	var held []*letter
	p.mu.Lock()
	all := slices.Collect(maps.Values(p.open))
	p.mu.Unlock()
	now := p.cfg.Now()
	for _, x := range all {
		x.mu.Lock()
		if x.m.State == Held && x.m.To.ID == first.To.ID && !x.m.Due.After(now) {
			held = append(held, x)
		}
		x.mu.Unlock()
	}
	if len(held) == 0 {
		return
	}
	text := "1 alarm was held back in your quiet hours. Open to see."
	if len(held) > 1 {
		text = fmt.Sprintf("%d alarms were held back in your quiet hours. Open to see.", len(held))
	}
	err := p.Enqueue(ctx, Message{ID: fmt.Sprintf("digest/%s/%d", first.To.ID, first.Due.Unix()), To: first.To, Kind: KindDigest, Text: text, Link: "/attention",
		Created: now, State: Waiting, Began: now, Due: now, Receipts: []Receipt{}})
	if err != nil {
		p.cfg.Log.Error("digest not stored, will be tried again", "error", err)
		l.mu.Lock()
		l.m.Due = now.Add(retryLast)
		l.mu.Unlock()
		return
	}
	for _, x := range held {
		p.change(ctx, x, func(m *Message) {
			if m.State == Held {
				m.State = Digested
			}
		})
	}
}

// TestStep is one line of what came of a test.
type TestStep struct {
	What  string `json:"what"`
	OK    bool   `json:"ok"`
	Text  string `json:"text"`
	TookM int64  `json:"took_ms"`
}

// TestResult is what came of sending a person a test on one route. Later receipts are with the message.
type TestResult struct {
	Message string     `json:"message"`
	Channel string     `json:"channel"`
	Steps   []TestStep `json:"steps"`
}

// Test sends a test on one route now and says what happened step by step. id makes repeats one. It is for the person
// himself and for administrators; the caller checks which.
func (p *Post) Test(ctx context.Context, id string, to alarm.Recipient, r Route) (TestResult, error) {
	out := TestResult{Message: "test/" + id, Channel: r.Channel}
	c := p.cfg.Channels[r.Channel]
	if c == nil {
		out.Steps = append(out.Steps, TestStep{What: "channel", Text: "this channel is not set up on this server"})
		return out, nil
	}
	out.Steps = append(out.Steps, TestStep{What: "channel", OK: true, Text: "set up"})
	now := p.cfg.Now()
	m := Message{ID: out.Message, To: to, Kind: KindTest, Text: "Test from Vigil. Nothing is wrong.", Link: "/notifications", Created: now, State: Sent, Began: now, Due: now,
		Routes: []Route{r}, Receipts: []Receipt{}}
	if fresh, err := p.cfg.Outbox.Add(ctx, m); err != nil || !fresh {
		return out, err
	}
	sctx, cancel := context.WithTimeout(access.AsSystem(ctx, "notify"), sendLimit)
	state, err := c.Send(sctx, m, r.To)
	cancel()
	after := p.cfg.Now()
	p.beat.note(r.Channel, err, after)
	step := TestStep{What: "handed over", OK: err == nil, TookM: after.Sub(now).Milliseconds(), Text: "the channel took it; whether it arrived shows when a receipt comes"}
	receipt := Receipt{Channel: r.Channel, State: state, At: after}
	switch {
	case err != nil:
		step.Text, receipt.State, receipt.Detail, m.State = vigil.Message(err), Failed, vigil.Message(err), Withdrawn // no dead letter
	case state == Delivered:
		step.Text, m.State = "arrived", Delivered
	}
	out.Steps = append(out.Steps, step)
	// A receipt may have come while we were sending: it stays.
	if now, err := p.cfg.Outbox.Get(ctx, m.ID); err == nil {
		receipt := receipt
		m.Receipts = append([]Receipt{receipt}, now.Receipts...)
		if rankOf(now.State) > rankOf(m.State) {
			m.State = now.State
		}
	}
	return out, p.cfg.Outbox.Save(ctx, m)
}

// Message returns one message with its receipts, or NotFound. The caller checks access.
func (p *Post) Message(ctx context.Context, id string) (Message, error) {
	return p.cfg.Outbox.Get(ctx, id)
}

// ChannelHealth is how one channel has done since the start.
type ChannelHealth struct {
	Channel   string    `json:"channel"`
	Sent      uint64    `json:"sent"`
	Failed    uint64    `json:"failed"`
	LastOK    time.Time `json:"last_ok,omitzero"`
	LastError time.Time `json:"last_error,omitzero"`
	Error     string    `json:"error,omitempty"`
}

// health counts what channels did.
type health struct {
	mu sync.Mutex
	by map[string]ChannelHealth
}

func (h *health) note(channel string, err error, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil {
		h.by = map[string]ChannelHealth{}
	}
	c := h.by[channel]
	if vigil.KindOf(err) == vigil.NotFound {
		return // the person is not there; the channel does well
	}
	if err != nil {
		c.Failed++
		c.LastError, c.Error = at, vigil.Message(err)
	} else {
		c.Sent++
		c.LastOK = at
	}
	h.by[channel] = c
}

// Health returns how the channels have done since the start, by name.
func (p *Post) Health() []ChannelHealth {
	p.beat.mu.Lock()
	defer p.beat.mu.Unlock()
	out := []ChannelHealth{}
	for name := range p.cfg.Channels {
		c := p.beat.by[name]
		c.Channel = name
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b ChannelHealth) int { return strings.Compare(a.Channel, b.Channel) })
	return out
}
