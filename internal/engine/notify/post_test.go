package notify_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

type memory struct {
	mu   sync.Mutex
	list map[string]notify.Message
}

func (b *memory) Add(_ context.Context, m notify.Message) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.list[m.ID]; known {
		return false, nil
	}
	b.list[m.ID] = m
	return true, nil
}

func (b *memory) Save(_ context.Context, m notify.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.list[m.ID] = m
	return nil
}

func (b *memory) Get(_ context.Context, id string) (notify.Message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, ok := b.list[id]
	if !ok {
		return m, vigil.Errorf(vigil.NotFound, "memory.get", "no message")
	}
	return m, nil
}

func (b *memory) List(_ context.Context, s notify.State, about string, _ int) ([]notify.Message, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []notify.Message
	for _, m := range b.list {
		if (s == "" || m.State == s) && (about == "" || m.Alarm == about) {
			out = append(out, m)
		}
	}
	return out, nil
}

// line is a channel that notes when it was used and answers as it is told.
type line struct {
	mu    sync.Mutex
	from  time.Time
	at    []string
	state notify.State
	err   error
}

func (l *line) Send(context.Context, notify.Message, string) (notify.State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = append(l.at, time.Since(l.from).Round(time.Second).String())
	return l.state, l.err
}

type book []notify.Route

func (b book) Routes(context.Context, alarm.Recipient) ([]notify.Route, error) { return b, nil }

type house struct {
	*notify.Post
	out       *memory
	app       *notify.App
	mail, web *line
}

func start(t *testing.T, routes ...notify.Route) *house {
	h := &house{
		out: &memory{list: map[string]notify.Message{}}, app: notify.NewApp(),
		mail: &line{from: time.Now(), state: notify.Sent}, web: &line{from: time.Now(), state: notify.Delivered},
	}
	h.Post = notify.NewPost(notify.Config{
		Outbox: h.out, Channels: map[string]notify.Channel{"app": h.app, "email": h.mail, "webhook": h.web}, Book: book(routes), Now: time.Now,
		UnitName: func(context.Context, string) string { return "ICU North" },
	})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return h
}

func (h *house) page(t *testing.T) {
	t.Helper()
	err := h.Page(t.Context(), alarm.Page{ID: "p1", Alarm: "a1", To: alarm.Recipient{ID: "dr-lee", Name: "Dr Lee"}},
		vigil.Alarm{ID: "a1", Kind: vigil.KindAlarm, Priority: vigil.PriorityHigh, Subject: "Patient/sara", Unit: "icu-north", Title: "MAP low", Value: 54})
	if err != nil {
		t.Fatal(err)
	}
}

func (h *house) message(t *testing.T) notify.Message {
	t.Helper()
	synctest.Wait()
	m, err := h.out.Get(t.Context(), "p1")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var (
	app     = notify.Route{Channel: "app", To: "dr-lee"}
	email   = notify.Route{Channel: "email", To: "lee@hospital.example"}
	webhook = notify.Route{Channel: "webhook", To: "pager"}
)

func TestFallsBackWithinThirtySecondsWhenNobodyConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, app, email)
		var heard []string
		h.app.Listen(func(r alarm.Recipient) bool { return r.ID == "dr-lee" }, func(m notify.Message) { heard = append(heard, m.Text) })
		h.page(t)
		h.page(t) // the desk may hand it over twice
		time.Sleep(31 * time.Second)
		if m := h.message(t); m.State != notify.Sent || !slices.Equal(h.mail.at, []string{"30s"}) {
			t.Errorf("%s, mailed at %v", m.State, h.mail.at)
		}
		if !slices.Equal(heard, []string{"High alarm, ICU North. Open to see."}) {
			t.Errorf("on screen: %q", heard)
		}
	})
}

func TestConfirmedMessageGoesNoFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, app, email)
		h.app.Listen(func(alarm.Recipient) bool { return true }, func(notify.Message) {})
		h.page(t)
		synctest.Wait()
		if err := h.Receipt(t.Context(), "p1", "app", notify.Delivered); err != nil {
			t.Fatal(err)
		}
		if err := h.Receipt(t.Context(), "p1", "app", notify.Seen); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Minute)
		if m := h.message(t); m.State != notify.Seen || len(h.mail.at) != 0 || len(m.Receipts) != 3 {
			t.Errorf("%s, mailed %v, receipts %v", m.State, h.mail.at, m.Receipts)
		}
		if err := h.Receipt(t.Context(), "p2", "app", notify.Seen); vigil.KindOf(err) != vigil.NotFound {
			t.Errorf("unknown: %v", err)
		}
	})
}

func TestAbsentPersonIsReachedElsewhereAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, app, webhook)
		h.page(t)
		time.Sleep(time.Second)
		if m := h.message(t); m.State != notify.Delivered || !slices.Equal(h.web.at, []string{"0s"}) {
			t.Errorf("%s at %v", m.State, h.web.at)
		}
	})
}

func TestBrokenChannelIsRetriedThenLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, webhook, email)
		h.web.err = errors.New("connection refused")
		h.page(t)
		time.Sleep(40 * time.Second)
		if m := h.message(t); m.State != notify.Sent || strings.Join(h.web.at, " ") != "0s 2s 6s 14s" || !slices.Equal(h.mail.at, []string{"14s"}) {
			t.Errorf("%s, webhook %v, mail %v", m.State, h.web.at, h.mail.at)
		}
	})
}

func TestDeadLetter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, webhook)
		h.web.err = errors.New("connection refused")
		h.page(t)
		time.Sleep(17 * time.Minute)
		if m := h.message(t); m.State != notify.Failed {
			t.Fatalf("%+v", m)
		}
		if _, err := h.Dead(t.Context()); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("anybody may read dead letters: %v", err)
		}
		staff := access.With(t.Context(), access.Principal{ID: "eng", Roles: []access.Role{access.Engineer}})
		if dead, err := h.Dead(staff); err != nil || len(dead) != 1 {
			t.Errorf("dead %v, %v", dead, err)
		}
		h.web.mu.Lock()
		h.web.err = nil
		h.web.mu.Unlock()
		if err := h.Again(staff, "p1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if m := h.message(t); m.State != notify.Delivered {
			t.Errorf("sent again: %s", m.State)
		}
	})
}

func TestRestartSendsWhatWasWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, webhook)
		second := notify.NewPost(notify.Config{Outbox: h.out, Channels: map[string]notify.Channel{"webhook": h.web}, Now: time.Now})
		h.out.list["p1"] = notify.Message{ID: "p1", State: notify.Waiting, Created: time.Now(), Due: time.Now(), Routes: []notify.Route{webhook}}
		if err := second.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); second.Run(ctx) }()
		time.Sleep(time.Second)
		stop()
		<-done
		if m := h.message(t); m.State != notify.Delivered {
			t.Errorf("%+v", m)
		}
	})
}
