package alarm_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/alarm/alarmtest"
)

// memory is a book that forgets when the test ends.
type memory struct {
	mu     sync.Mutex
	alarms map[string]vigil.Alarm
	pages  map[string]alarm.Page
	sent   map[string]bool
	fail   error
}

func newMemory() *memory {
	return &memory{alarms: map[string]vigil.Alarm{}, pages: map[string]alarm.Page{}, sent: map[string]bool{}}
}

func (m *memory) Put(_ context.Context, c alarm.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	a := c.Alarm
	if old := m.alarms[a.ID]; a.Evidence == nil {
		a.Evidence = old.Evidence
	}
	m.alarms[a.ID] = a
	for _, p := range c.Pages {
		if _, known := m.pages[p.ID]; !known {
			m.pages[p.ID] = p
		}
	}
	if c.Sent != "" {
		m.sent[c.Sent] = true
	}
	return nil
}

func (m *memory) Get(_ context.Context, id string) (vigil.Alarm, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, ok := m.alarms[id]
	if !ok {
		return a, vigil.Errorf(vigil.NotFound, "memory.get", "no alarm with this id")
	}
	return a, nil
}

func (m *memory) Open(ctx context.Context) ([]vigil.Alarm, error) {
	out := []vigil.Alarm{}
	for _, a := range m.sorted() {
		if a.Open() {
			out = append(out, a)
		}
	}
	slices.Reverse(out)
	return out, nil
}

func (m *memory) sorted() []vigil.Alarm {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []vigil.Alarm
	for _, a := range m.alarms {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b vigil.Alarm) int {
		if c := b.Raised.Compare(a.Raised); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

func (m *memory) List(_ context.Context, q alarm.Query) ([]vigil.Alarm, error) {
	out := []vigil.Alarm{}
	for _, a := range m.sorted() {
		if q.Open && !a.Open() || q.Subject != "" && a.Subject != q.Subject || q.Unit != "" && a.Unit != q.Unit ||
			!q.From.IsZero() && a.Raised.Before(q.From) || !q.To.IsZero() && !a.Raised.Before(q.To) || q.Limit > 0 && len(out) == q.Limit {
			continue
		}
		a.Evidence = nil
		out = append(out, a)
	}
	return out, nil
}

func (m *memory) Unsent(context.Context) ([]alarm.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []alarm.Page
	for id, p := range m.pages {
		if !m.sent[id] {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b alarm.Page) int { return a.At.Compare(b.At) })
	return out, nil
}

func (m *memory) Sent(_ context.Context, id string, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent[id] = true
	return nil
}

// rota answers with one person a role.
type rota map[string]alarm.Recipient

func (r rota) Holders(_ context.Context, p alarm.Post) ([]alarm.Recipient, error) {
	if to, ok := r[p.Role]; ok {
		return []alarm.Recipient{to}, nil
	}
	return nil, nil
}

var ward = func() rota {
	return rota{
		"physician.primary": {ID: "dr-lee", Name: "Dr Lee"}, "physician.second": {ID: "dr-kim", Name: "Dr Kim"},
		"rapid-response": {ID: "rrt", Name: "Rapid response team"}, "nurse": {ID: "n-ruiz", Name: "Jo Ruiz"},
	}
}

type paged struct {
	mu   sync.Mutex
	list []string // "dr-lee@0s"
	from time.Time
	ids  map[string]int
}

func (p *paged) Page(_ context.Context, page alarm.Page, _ vigil.Alarm) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[page.ID]++
	p.list = append(p.list, page.To.ID+"@"+time.Since(p.from).Round(time.Second).String())
	return nil
}

func (p *paged) got() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.list, " ")
}

// heard are those who gave a receipt; nil is everybody.
type heard struct {
	mu  sync.Mutex
	who map[string]bool
}

func (r *heard) Reached(_ context.Context, _, person string, _ time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.who == nil || r.who[person], nil
}

type house struct {
	desk *alarm.Desk
	offs *offs
	hear *heard
	book *memory
	page *paged
}

func start(t *testing.T, book *memory) *house {
	t.Helper()
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	return startWith(t, book, newOffs(), chains)
}

func startWith(t *testing.T, book *memory, kept *offs, chains []catalog.Chain) *house {
	t.Helper()
	h := &house{book: book, offs: kept, hear: &heard{}, page: &paged{from: time.Now(), ids: map[string]int{}}}
	h.desk = alarm.NewDesk(alarm.Config{Book: book, Offs: kept, Receipts: h.hear, Chains: chains, OnCall: ward(), Pager: h.page, Now: time.Now,
		BedOf: func(s vigil.Subject) string { return "bed-" + s.ID() }})
	if err := h.desk.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.desk.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return h
}

func as(t *testing.T, name string, roles ...access.Role) context.Context {
	p := access.Principal{ID: name, Name: name, Initials: name[:2], Roles: roles}
	if slices.Contains(roles, access.Patient) {
		p.Subject = vigil.PatientSubject(name)
	}
	return access.With(t.Context(), p)
}

func mapLow() vigil.Alarm {
	return vigil.Alarm{
		ID: alarm.ID("map-low", "Patient/sara", "", time.Unix(1000, 0)), Kind: vigil.KindAlarm, Class: vigil.Physiological,
		Priority: vigil.PriorityHigh, Subject: "Patient/sara", Unit: "icu-north", Rule: "map-low", Title: "MAP low", Value: 54, Limit: 65,
		Chain: "high", Latched: true, Onset: time.Unix(1000, 0).UTC(), Evidence: &vigil.Evidence{Sentence: "MAP stayed under 65 mmHg for 10 s"},
	}
}

func whats(a vigil.Alarm) string {
	var out []string
	for _, s := range a.History {
		out = append(out, s.What)
	}
	return strings.Join(out, " ")
}

func raise(t *testing.T, h *house, a vigil.Alarm) vigil.Alarm {
	t.Helper()
	out, err := h.desk.Raise(access.AsSystem(t.Context(), "rule"), a)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMemoryBookOfThisTest(t *testing.T) {
	alarmtest.Run(t, func(*testing.T) func() alarm.Book {
		m := newMemory()
		return func() alarm.Book { return m }
	})
}

func TestEscalationUntilSomebodyAcknowledges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		a := raise(t, h, mapLow())
		if a.State != vigil.AlarmPaged || a.Step != 1 || a.Next == nil || a.Next.Text != "Second physician" {
			t.Fatalf("after raise: %+v", a)
		}
		time.Sleep(121 * time.Second)
		synctest.Wait()
		if got := h.page.got(); got != "dr-lee@0s dr-kim@2m0s" {
			t.Errorf("paged %s", got)
		}
		if _, err := h.desk.Do(as(t, "dr-kim", access.Physician), a.ID, alarm.Action{Kind: alarm.Acknowledge}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := h.page.got(); got != "dr-lee@0s dr-kim@2m0s not-dr-lee@2m1s by dr-kim" {
			t.Errorf("paged after the acknowledgement: %s", got)
		}
		if err := h.desk.End(t.Context(), a.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
		got, err := h.desk.Get(as(t, "dr-kim", access.Physician), a.ID)
		if err != nil || got.State != vigil.AlarmResolved || got.AckedBy != "dr-kim" {
			t.Errorf("at the end: %+v, %v", got, err)
		}
		if want := "raised paged escalated paged acknowledged ended resolved"; whats(got) != want {
			t.Errorf("history %q, want %q", whats(got), want)
		}
	})
}

func TestNobodyAnswersReachesTheLastStepAndRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		raise(t, h, mapLow())
		time.Sleep(9*time.Minute + time.Second)
		synctest.Wait()
		if got := h.page.got(); got != "dr-lee@0s dr-kim@2m0s rrt@4m0s rrt@9m0s" {
			t.Errorf("paged %s", got)
		}
	})
}

func TestRaiseIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				a := mapLow()
				if i%2 == 1 { // another opinion about the start of the same episode
					a.ID = alarm.ID("map-low", "Patient/sara", "", time.Unix(1001, 0))
				}
				raise(t, h, a)
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		synctest.Wait()
		if len(h.book.sorted()) != 1 || h.page.got() != "dr-lee@0s" {
			t.Errorf("%d alarms, paged %s", len(h.book.sorted()), h.page.got())
		}
		open, _ := h.desk.Open(as(t, "ruiz", access.Nurse), alarm.Filter{})
		id := open[0].ID
		h.desk.Do(as(t, "ruiz", access.Nurse), id, alarm.Action{Kind: alarm.Acknowledge})
		h.desk.End(t.Context(), id, time.Now())
		again := open[0]
		if got := raise(t, h, again); got.State != vigil.AlarmResolved {
			t.Errorf("an episode that is over was raised again: %+v", got)
		}
		if open, _ := h.desk.Open(as(t, "ruiz", access.Nurse), alarm.Filter{}); len(open) != 0 {
			t.Errorf("open: %v", open)
		}
	})
}

func TestLatchedAlarmStaysUntilSeenAndComesBackAsItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		a := raise(t, h, mapLow())
		time.Sleep(30 * time.Second)
		h.desk.End(t.Context(), a.ID, time.Now())
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := h.page.got(); got != "dr-lee@0s" {
			t.Errorf("escalated although the condition is over: %s", got)
		}
		second := mapLow()
		second.ID = alarm.ID("map-low", "Patient/sara", "", time.Unix(5000, 0))
		back := raise(t, h, second)
		if back.ID != a.ID || !back.Active() || len(h.book.sorted()) != 1 {
			t.Errorf("came back as %s, active %v, %d alarms", back.ID, back.Active(), len(h.book.sorted()))
		}
		time.Sleep(2*time.Minute + time.Second)
		synctest.Wait()
		if got := h.page.got(); got != "dr-lee@0s dr-kim@7m30s" {
			t.Errorf("paged %s", got)
		}
	})
}

func TestActions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		a := raise(t, h, mapLow())
		lee, sara, eng := as(t, "dr-lee", access.Physician), as(t, "sara", access.Patient), as(t, "engineer", access.Engineer)
		other := as(t, "omar", access.Patient)
		for _, c := range []struct {
			name string
			ctx  context.Context
			act  alarm.Action
			want vigil.Kind
		}{
			{"Unknown", lee, alarm.Action{Kind: "delete"}, vigil.Invalid},
			{"NotSignedIn", t.Context(), alarm.Action{Kind: alarm.Seen}, vigil.Denied},
			{"PatientMayNotAct", sara, alarm.Action{Kind: alarm.Acknowledge}, vigil.Denied},
			{"EngineerMayNotActOnPatients", eng, alarm.Action{Kind: alarm.Acknowledge}, vigil.Denied},
			{"GoingIsForCalls", lee, alarm.Action{Kind: alarm.Going}, vigil.Conflict},
			{"ResolveWhileItHolds", lee, alarm.Action{Kind: alarm.Resolve}, vigil.Conflict},
			{"NoteWithoutText", lee, alarm.Action{Kind: alarm.Note}, vigil.Invalid},
			{"LongPauseNeedsReason", lee, alarm.Action{Kind: alarm.Pause, Until: time.Now().Add(10 * time.Minute)}, vigil.Invalid},
			{"Seen", lee, alarm.Action{Kind: alarm.Seen}, ""},
			{"SeenAgain", lee, alarm.Action{Kind: alarm.Seen}, ""},
			{"Pause", lee, alarm.Action{Kind: alarm.Pause}, ""},
			{"Note", lee, alarm.Action{Kind: alarm.Note, Text: "looks pale"}, ""},
			{"Escalate", lee, alarm.Action{Kind: alarm.Escalate}, ""},
			{"Pass", lee, alarm.Action{Kind: alarm.Pass, To: &alarm.Recipient{ID: "dr-mo", Name: "Dr Mo"}}, ""},
			{"Acknowledge", lee, alarm.Action{Kind: alarm.Acknowledge}, ""},
			{"AcknowledgeAgain", lee, alarm.Action{Kind: alarm.Acknowledge}, vigil.Conflict},
		} {
			if _, err := h.desk.Do(c.ctx, a.ID, c.act); vigil.KindOf(err) != c.want {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		}
		h.desk.End(t.Context(), a.ID, time.Now())
		if _, err := h.desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Act, Text: "250 mL fluids"}); err != nil {
			t.Errorf("an action after the end: %v", err)
		}
		if _, err := h.desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Acknowledge}); vigil.KindOf(err) != vigil.Conflict {
			t.Errorf("acknowledge after the end: %v", err)
		}
		got, err := h.desk.Get(sara, a.ID)
		if err != nil || whats(got) != "raised paged seen audio_paused note escalated paged passed_on paged acknowledged ended resolved action" {
			t.Errorf("history %q, %v", whats(got), err)
		}
		if _, err := h.desk.Get(other, a.ID); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("another patient reads it: %v", err)
		}
		if list, _ := h.desk.List(other, alarm.Query{}); len(list) != 0 {
			t.Errorf("another patient lists %v", list)
		}
	})
}

func TestCallsOfPatients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		sara := as(t, "sara", access.Patient)
		if _, err := h.desk.Call(sara, alarm.CallRequest{Kind: "help", Subject: "Patient/omar"}); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("calls for another: %v", err)
		}
		call, err := h.desk.Call(sara, alarm.CallRequest{Kind: "help", Subject: "Patient/sara"})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		again, err := h.desk.Call(sara, alarm.CallRequest{Kind: "help", Subject: "Patient/sara"})
		if err != nil || again.ID != call.ID {
			t.Errorf("pressed twice: %s and %s, %v", call.ID, again.ID, err)
		}
		if _, err := h.desk.Raise(sara, mapLow()); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("a patient raises an alarm: %v", err)
		}
		nurse := as(t, "ruiz", access.Nurse)
		if a, err := h.desk.Do(nurse, call.ID, alarm.Action{Kind: alarm.Going}); err != nil || a.State != vigil.AlarmAcknowledged {
			t.Errorf("going: %v, %v", a.State, err)
		}
		if a, err := h.desk.Do(nurse, call.ID, alarm.Action{Kind: alarm.Resolve}); err != nil || a.State != vigil.AlarmResolved {
			t.Errorf("resolve: %v, %v", a.State, err)
		}
	})
}

func TestNobodyOnCallKeepsLooking(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		a := mapLow()
		a.Chain = "technical"
		a.Rule = "no-data"
		a.Class = vigil.Technical
		got := raise(t, h, a) // the nurse is there, no engineer
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		now, _ := h.desk.Get(as(t, "ruiz", access.Nurse), got.ID)
		if now.Next == nil || !strings.Contains(now.History[len(now.History)-1].Text, "nobody on call") && !strings.Contains(h.page.got(), "n-ruiz") {
			t.Errorf("nobody is looking any more: %+v", now)
		}
	})
}

func TestSubscriptionNeverLosesUnnoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		slow, fast := h.desk.Subscribe(1), h.desk.Subscribe(16)
		defer slow.Close()
		defer fast.Close()
		a := raise(t, h, mapLow())
		h.desk.Update(t.Context(), a.ID, 52, time.Now())
		h.desk.Update(t.Context(), a.ID, 50, time.Now())
		if got := <-slow.C; got.Value != 50 || !slow.Missed() || slow.Missed() {
			t.Errorf("slow got %g", got.Value)
		}
		for _, want := range []float64{54, 52, 50} {
			if got := <-fast.C; got.Value != want {
				t.Errorf("fast got %g, want %g", got.Value, want)
			}
		}
		if fast.Missed() {
			t.Error("fast missed something")
		}
	})
}

func TestWhatIsNotStoredDidNotHappen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		h.book.fail = vigil.Errorf(vigil.Unavailable, "memory.put", "disk full")
		if _, err := h.desk.Raise(access.AsSystem(t.Context(), "rule"), mapLow()); vigil.KindOf(err) != vigil.Unavailable {
			t.Fatalf("raise: %v", err)
		}
		if open, _ := h.desk.Open(as(t, "ruiz", access.Nurse), alarm.Filter{}); len(open) != 0 || h.page.got() != "" {
			t.Errorf("open %v, paged %q", open, h.page.got())
		}
		h.book.fail = nil
		raise(t, h, mapLow())
		synctest.Wait()
		if got := h.page.got(); got != "dr-lee@0s" {
			t.Errorf("paged %q", got)
		}
	})
}

func TestOrderOfTheAttentionList(t *testing.T) {
	at := time.Unix(1000, 0)
	mk := func(id string, kind vigil.AlarmKind, p vigil.Priority, change func(*vigil.Alarm)) vigil.Alarm {
		a := vigil.Alarm{ID: id, Kind: kind, Priority: p, Raised: at}
		if change != nil {
			change(&a)
		}
		return a
	}
	acked := func(a *vigil.Alarm) { a.State = vigil.AlarmAcknowledged }
	list := []vigil.Alarm{
		mk("task", vigil.KindTask, vigil.PriorityLow, nil),
		mk("toilet", vigil.KindCall, vigil.PriorityLow, func(a *vigil.Alarm) { a.Rule = alarm.CallToilet }),
		mk("low", vigil.KindAlarm, vigil.PriorityLow, nil),
		mk("medium", vigil.KindAlarm, vigil.PriorityMedium, nil),
		mk("help", vigil.KindCall, vigil.PriorityMedium, func(a *vigil.Alarm) { a.Rule = alarm.CallHelp }),
		mk("high acked", vigil.KindAlarm, vigil.PriorityHigh, acked),
		mk("high young", vigil.KindAlarm, vigil.PriorityHigh, func(a *vigil.Alarm) { a.Raised = at.Add(time.Second) }),
		mk("high old", vigil.KindAlarm, vigil.PriorityHigh, nil),
		mk("code", vigil.KindCall, vigil.PriorityHigh, func(a *vigil.Alarm) { a.Rule = alarm.CallCode }),
	}
	alarm.Sort(list)
	var got []string
	for _, a := range list {
		got = append(got, a.ID)
	}
	want := []string{"code", "high old", "high young", "high acked", "help", "medium", "low", "toilet", "task"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestDemotionStandsInTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		a := mapLow()
		a.Priority, a.Chain = vigil.PriorityLow, "low"
		a.Demoted = &vigil.Demotion{From: vigil.PriorityHigh, By: "signal-quality", Reason: "ECG: flat line"}
		a = raise(t, h, a)
		if got := whats(a); got != "raised demoted paged" || a.History[1].Text != "was high: ECG: flat line" {
			t.Errorf("history %q, reason %q", got, a.History[1].Text)
		}
		if kept := h.book.sorted()[0]; kept.Demoted == nil || *kept.Demoted != *a.Demoted {
			t.Errorf("kept %+v", kept.Demoted)
		}
	})
}
