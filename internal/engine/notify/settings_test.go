package notify_test

import (
	"context"
	"errors"
	"log/slog"
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

type settings struct {
	mu sync.Mutex
	by map[string]notify.Settings
}

func (s *settings) Settings(_ context.Context, key string) (notify.Settings, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[key], nil
}

func (s *settings) PutSettings(_ context.Context, x notify.Settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by[x.Key] = x
	return nil
}

func (s *settings) AllSettings(context.Context) (out []notify.Settings, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.by {
		out = append(out, x)
	}
	return out, nil
}

func directory(floor vigil.Priority, list ...notify.Settings) *notify.Directory {
	by := map[string]notify.Settings{}
	for _, s := range list {
		by[s.Key] = s
	}
	return notify.NewDirectory(notify.DirectoryConfig{Book: &settings{by: by}, Site: book{webhook}, Floor: floor, Zone: time.UTC, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
}

func lee() notify.Settings {
	return notify.Settings{
		Key: "dr-lee", Order: []string{"sms"}, Devices: []notify.Device{{ID: "1", Channel: "email", To: "lee@h.example"}, {ID: "2", Channel: "sms", To: "+34600123456"}},
		Quiet: []notify.Quiet{{From: "22:00", To: "06:00", Hold: vigil.PriorityMedium}},
	}
}

func TestRoutesFollowThePersonsOrder(t *testing.T) {
	routes, err := directory(vigil.PriorityHigh, lee()).Routes(t.Context(), alarm.Recipient{ID: "dr-lee"})
	var got []string
	for _, r := range routes {
		got = append(got, r.Channel)
	}
	if want := "sms app webhook email"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
}

func TestQuietHours(t *testing.T) {
	night := time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC)
	page := func(p vigil.Priority, kind vigil.AlarmKind) notify.Message {
		return notify.Message{Kind: string(kind), Priority: p, To: alarm.Recipient{ID: "dr-lee"}, Unit: "icu"}
	}
	for name, c := range map[string]struct {
		floor vigil.Priority
		m     notify.Message
		at    time.Time
		want  time.Duration // 0: goes out now
	}{
		"Medium":         {vigil.PriorityHigh, page(vigil.PriorityMedium, vigil.KindAlarm), night, 7 * time.Hour},
		"AfterMidnight":  {vigil.PriorityHigh, page(vigil.PriorityLow, vigil.KindAlarm), night.Add(3 * time.Hour), 4 * time.Hour},
		"High":           {vigil.PriorityHigh, page(vigil.PriorityHigh, vigil.KindAlarm), night, 0},
		"FloorMedium":    {vigil.PriorityMedium, page(vigil.PriorityMedium, vigil.KindAlarm), night, 0},
		"FloorMediumLow": {vigil.PriorityMedium, page(vigil.PriorityLow, vigil.KindAlarm), night, 7 * time.Hour},
		"Call":           {vigil.PriorityHigh, page(vigil.PriorityLow, vigil.KindCall), night, 0},
		"Day":            {vigil.PriorityHigh, page(vigil.PriorityLow, vigil.KindAlarm), night.Add(-2 * time.Hour), 0},
		"End":            {vigil.PriorityHigh, page(vigil.PriorityLow, vigil.KindAlarm), night.Add(7 * time.Hour), 0},
	} {
		t.Run(name, func(t *testing.T) {
			until, held := directory(c.floor, lee()).Held(t.Context(), c.m, c.at)
			if held != (c.want > 0) || held && until.Sub(c.at) != c.want {
				t.Errorf("held %v until %s", held, until)
			}
		})
	}
	unit := notify.Settings{Key: notify.UnitKey("icu"), Quiet: []notify.Quiet{{From: "22:00", To: "05:00", Hold: vigil.PriorityLow}}}
	if _, held := directory(vigil.PriorityHigh, unit).Held(t.Context(), page(vigil.PriorityLow, vigil.KindAlarm), night); !held {
		t.Error("the unit's quiet hours hold nothing")
	}
}

func TestSettingsAreChecked(t *testing.T) {
	self := access.With(t.Context(), access.Principal{ID: "account-1", Person: "dr-lee", Roles: []access.Role{access.Physician}})
	admin := access.With(t.Context(), access.Principal{ID: "ada", Roles: []access.Role{access.Admin}})
	d := directory(vigil.PriorityMedium)
	for name, c := range map[string]struct {
		ctx  context.Context
		edit func(s *notify.Settings)
		want vigil.Kind
	}{
		"Own":      {self, func(*notify.Settings) {}, ""},
		"Admin":    {admin, func(*notify.Settings) {}, ""},
		"Others":   {self, func(s *notify.Settings) { s.Key = "dr-kim" }, vigil.Denied},
		"NoKey":    {self, func(s *notify.Settings) { s.Key = "" }, vigil.Denied},
		"Nobody":   {t.Context(), func(*notify.Settings) {}, vigil.Denied},
		"Number":   {self, func(s *notify.Settings) { s.Devices[1].To = "600 123" }, vigil.Invalid},
		"Mail":     {self, func(s *notify.Settings) { s.Devices[0].To = "Lee <lee@h.example>" }, vigil.Invalid},
		"Webhook":  {self, func(s *notify.Settings) { s.Devices[0].Channel = "webhook" }, vigil.Invalid},
		"HoldHigh": {self, func(s *notify.Settings) { s.Quiet[0].Hold = vigil.PriorityHigh }, vigil.Invalid},
		"Floor":    {self, func(s *notify.Settings) { s.Quiet[0].Hold = vigil.PriorityMedium }, vigil.Invalid},
		"Time":     {self, func(s *notify.Settings) { s.Quiet[0].From = "ten" }, vigil.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			s := lee()
			s.Quiet[0].Hold = vigil.PriorityLow
			c.edit(&s)
			if err := d.Set(c.ctx, s); c.want == "" && err != nil || c.want != "" && vigil.KindOf(err) != c.want {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// run starts a post whose only way is the webhook line of h, with what edit adds.
func run(t *testing.T, edit func(cfg *notify.Config), routes ...notify.Route) *house {
	h := &house{out: &memory{list: map[string]notify.Message{}}, app: notify.NewApp(), mail: &line{from: time.Now(), state: notify.Sent}, web: &line{from: time.Now(), state: notify.Delivered}}
	cfg := notify.Config{Outbox: h.out, Channels: map[string]notify.Channel{"app": h.app, "email": h.mail, "webhook": h.web}, Book: book(routes), Now: time.Now}
	edit(&cfg)
	h.Post = notify.NewPost(cfg)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return h
}

// until holds every alarm below high to a time.
type until time.Time

func (u until) Held(_ context.Context, m notify.Message, now time.Time) (time.Time, bool) {
	return time.Time(u), m.Kind == string(vigil.KindAlarm) && m.Priority < vigil.PriorityHigh && now.Before(time.Time(u))
}

func TestHeldAlarmsComeAsOneDigest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, func(cfg *notify.Config) { cfg.Hush = until(time.Now().Add(time.Hour)) }, webhook)
		for _, id := range []string{"p1", "p2", "p3"} {
			a := vigil.Alarm{ID: "a-" + id, Kind: vigil.KindAlarm, Priority: vigil.PriorityLow}
			if err := h.Page(t.Context(), alarm.Page{ID: id, Alarm: a.ID, To: alarm.Recipient{ID: "dr-lee"}}, a); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(59 * time.Minute)
		if m := h.message(t); m.State != notify.Held || len(h.web.at) != 0 {
			t.Fatalf("%s, sent at %v", m.State, h.web.at)
		}
		time.Sleep(2 * time.Minute)
		if m := h.message(t); m.State != notify.Digested || !slices.Equal(h.web.at, []string{"1h0m0s"}) {
			t.Errorf("%s, sent at %v; want one message", m.State, h.web.at)
		}
		list, _ := h.out.List(t.Context(), notify.Delivered, "", 0)
		if len(list) != 1 || list[0].Text != "3 alarms were held back in your quiet hours. Open to see." {
			t.Errorf("%+v", list)
		}
	})
}

// slow hangs until its time is over.
type slow struct{}

func (slow) Send(ctx context.Context, _ notify.Message, _ string) (notify.State, error) {
	<-ctx.Done()
	return notify.Failed, ctx.Err()
}

func TestHangingChannelGivesWayWithinThirtySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := run(t, func(cfg *notify.Config) { cfg.Channels["slow"] = slow{} }, notify.Route{Channel: "slow"}, webhook)
		h.page(t)
		time.Sleep(time.Minute)
		if m := h.message(t); m.State != notify.Delivered || len(h.web.at) != 1 || h.web.at[0] > "30s" {
			t.Errorf("%s at %v", m.State, h.web.at)
		}
	})
}

func TestTotalFailureIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []string
		h := run(t, func(cfg *notify.Config) { cfg.Lost = func(m notify.Message) { told = append(told, m.ID) } }, webhook, email)
		h.web.err, h.mail.err = errors.New("refused"), errors.New("refused")
		h.page(t)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(told, []string{"p1"}) {
			t.Errorf("within a minute told %v", told)
		}
		time.Sleep(20 * time.Minute)
		if m := h.message(t); m.State != notify.Failed || len(told) != 1 {
			t.Errorf("%s, told %v", m.State, told)
		}
	})
}

func TestTakenByAnotherIsWithdrawn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, app, email)
		var heard []string
		h.app.Listen(func(alarm.Recipient) bool { return true }, func(m notify.Message) { heard = append(heard, m.Kind) })
		h.page(t)
		time.Sleep(10 * time.Second)
		page := alarm.Page{ID: "p9", Alarm: "a1", Step: alarm.StandDown, To: alarm.Recipient{ID: "dr-lee"}}
		for range 2 { // the desk may say it twice
			if err := h.Withdraw(t.Context(), page, vigil.Alarm{ID: "a1"}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		if m := h.message(t); m.State != notify.Withdrawn || len(h.mail.at) != 0 || !slices.Equal(heard, []string{"alarm", notify.KindStandDown}) {
			t.Errorf("%s, mailed %v, on screen %v", m.State, h.mail.at, heard)
		}
	})
}

func TestAnswerReachesTheDesk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var answered []string
		h := run(t, func(cfg *notify.Config) {
			cfg.Answered = func(_ context.Context, m notify.Message) { answered = append(answered, m.Alarm+" "+m.To.ID) }
		}, email)
		h.page(t)
		synctest.Wait()
		for _, s := range []notify.State{notify.Answered, notify.Delivered} {
			if err := h.Receipt(t.Context(), "p1", "email", s); err != nil {
				t.Fatal(err)
			}
		}
		if m := h.message(t); m.State != notify.Answered || !slices.Equal(answered, []string{"a1 dr-lee"}) {
			t.Errorf("%s, answered %v", m.State, answered)
		}
	})
}

func TestTestMessage(t *testing.T) {
	h := run(t, func(*notify.Config) {}, webhook)
	to := alarm.Recipient{ID: "dr-lee"}
	got, err := h.Test(t.Context(), "1", to, webhook)
	if err != nil || len(got.Steps) != 2 || !got.Steps[1].OK {
		t.Errorf("%+v, %v", got, err)
	}
	h.web.err = vigil.Errorf(vigil.Unavailable, "x", "no answer from the gateway")
	if got, err = h.Test(t.Context(), "2", to, webhook); err != nil || got.Steps[1].OK || !strings.Contains(got.Steps[1].Text, "no answer") {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = h.Test(t.Context(), "3", to, notify.Route{Channel: "fax"}); err != nil || got.Steps[0].OK {
		t.Errorf("%+v, %v", got, err)
	}
	if dead, _ := h.out.List(t.Context(), notify.Failed, "", 0); len(dead) != 0 {
		t.Errorf("a test became a dead letter: %+v", dead)
	}
}

func TestLinksSayNothing(t *testing.T) {
	h := run(t, func(*notify.Config) {}, webhook)
	a := vigil.Alarm{ID: "map-low.Patient.sara.1", Kind: vigil.KindAlarm, Priority: vigil.PriorityHigh, Subject: "Patient/sara"}
	if err := h.Page(t.Context(), alarm.Page{ID: "p1", Alarm: a.ID, To: alarm.Recipient{ID: "dr-lee"}}, a); err != nil {
		t.Fatal(err)
	}
	m, err := h.out.Get(t.Context(), "p1")
	if err != nil || strings.Contains(m.Link+m.Text, "sara") || !notify.IsShort(strings.TrimPrefix(m.Link, "/alert/")) {
		t.Errorf("%q %q, %v", m.Text, m.Link, err)
	}
}
