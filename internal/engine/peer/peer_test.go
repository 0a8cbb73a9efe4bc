package peer_test

import (
	"context"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/peer"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/conformance"
)

// remote is a FHIR server in memory that can be told to fail: fail says how the n-th write ends, nil for well.
type remote struct {
	mu     sync.Mutex
	list   []fhir.Resource
	writes int
	fail   func(n int, r peer.Request) error
	after  func(n int) // called once a write is done, before its answer
}

// Do implements peer.Remote.
func (m *remote) Do(_ context.Context, r peer.Request) (peer.Answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	typ, query, search := strings.Cut(r.Path, "?")
	params, err := url.ParseQuery(query)
	if err != nil {
		return peer.Answer{}, err
	}
	if r.Method == "GET" && search {
		b := fhir.New("Bundle", "")
		var entries []any
		for _, x := range m.list {
			if want := params.Get("identifier"); x.Type() == typ && (want == "" || has(x, want)) {
				entries = append(entries, map[string]any{"resource": map[string]any(x)})
			}
		}
		return peer.Answer{Status: 200, Resource: b.With("entry", entries)}, nil
	}
	if r.Method == "GET" {
		for _, x := range m.list {
			if x.Ref() == r.Path {
				return peer.Answer{Status: 200, Resource: x}, nil
			}
		}
		return peer.Answer{}, &peer.Fault{Kind: vigil.NotFound, Status: 404, Text: "the server answered 404"}
	}
	m.writes++
	if m.fail != nil {
		if err := m.fail(m.writes, r); err != nil {
			return peer.Answer{}, err
		}
	}
	if faults := conformance.Check(r.Body); r.Body != nil && len(faults) > 0 {
		return peer.Answer{}, &peer.Fault{Kind: vigil.Invalid, Status: 422, Text: faults[0].Path + " " + faults[0].Msg}
	}
	out := m.write(r, typ, params.Get("identifier"))
	if m.after != nil {
		m.after(m.writes)
	}
	return peer.Answer{Status: 200, Resource: out}, nil
}

func (m *remote) write(r peer.Request, typ, identifier string) fhir.Resource {
	for i, x := range m.list {
		if identifier == "" && x.Ref() == r.Path || identifier != "" && x.Type() == typ && has(x, identifier) {
			if r.Method == "DELETE" {
				m.list = append(m.list[:i], m.list[i+1:]...)
				return nil
			}
			m.list[i] = fhir.Normal(r.Body).With("id", x.ID())
			return m.list[i]
		}
	}
	if r.Body == nil {
		return nil
	}
	m.list = append(m.list, fhir.Normal(r.Body).With("id", "r"+string(rune('a'+len(m.list)))))
	return m.list[len(m.list)-1]
}

func has(r fhir.Resource, identifier string) bool {
	for _, i := range r.List("identifier") {
		if i.Str("system")+"|"+i.Str("value") == identifier {
			return true
		}
	}
	return false
}

func (m *remote) of(typ string) (out []fhir.Resource) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, x := range m.list {
		if x.Type() == typ {
			out = append(out, x)
		}
	}
	return out
}

// vitals is telemetry with one patient, whose heart rate is 60 to 100.
type vitals struct{}

// Subjects implements peer.Telemetry.
func (vitals) Subjects(context.Context) []vigil.Subject {
	return []vigil.Subject{"Patient/sara", "Location/icu"}
}

// Query implements peer.Telemetry.
func (vitals) Query(_ context.Context, q telemetry.Query) ([]telemetry.Line, error) {
	at := q.From.Add(time.Minute).UnixNano()
	return []telemetry.Line{
		{Metric: "heart-rate", Points: []telemetry.Point{{Time: at, Mean: 80, Min: 60, Max: 100, Count: 3600}}},
		{Metric: "temperature", Points: []telemetry.Point{{Time: at, Mean: 36.66666, Min: 36.4, Max: 37, Count: 60}}},
		{Metric: "unheard-of", Points: []telemetry.Point{{Time: at, Mean: 1, Min: 1, Max: 1, Count: 1}}},
	}, nil
}

// house is a record store with a desk of peers on it.
type house struct {
	t       *testing.T
	db      *relational.DB
	records *record.Store
	alarms  *alarm.Desk
	remote  *remote
	clock   atomic.Int64 // Unix nanoseconds
	ctx     context.Context
}

func (h *house) now() time.Time { return time.Unix(0, h.clock.Load()).UTC() }

func newHouse(t *testing.T) *house {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	h := &house{t: t, db: db, remote: &remote{}, ctx: access.AsSystem(t.Context(), "test")}
	h.clock.Store(time.Now().Truncate(time.Hour).UnixNano())
	h.records = record.New(record.Config{Backend: db.Records()})
	h.alarms = alarm.NewDesk(alarm.Config{Book: db.Alarms(), Now: h.now})
	return h
}

// run starts a desk over the house's stores; change may break them.
func (h *house) run(change func(c *peer.Config)) (d *peer.Desk, stop func()) {
	h.t.Helper()
	c := peer.Config{
		Peers: []peer.Peer{{
			Name: "ehr", Base: "https://ehr.example/fhir", Remote: h.remote, Push: []string{"Patient", "Encounter", "Observation", peer.Alarms}, Identifier: "urn:mrn",
			Alarms: []string{"DetectedIssue", "Flag", "Communication"}, Every: time.Hour, Vitals: peer.Vitals{Hourly: true},
		}},
		Queue: h.db.PeerQueue(), Links: h.db.PeerLinks(), Records: h.records, Changes: h.db.Records(), Alarms: h.alarms, Telemetry: vitals{},
		Now: h.now, Backoff: time.Second, Tick: time.Millisecond,
	}
	if change != nil {
		change(&c)
	}
	d = peer.New(c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	at, _ := h.db.PeerLinks().Mark(h.ctx, "ehr", "vitals")
	for at == "" { // it follows from now on
		at, _ = h.db.PeerLinks().Mark(h.ctx, "ehr", "vitals")
		time.Sleep(time.Millisecond)
	}
	return d, func() { cancel(); <-done }
}

func (h *house) put(r fhir.Resource) {
	h.t.Helper()
	if _, err := h.records.Update(h.ctx, r, 0); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) until(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			h.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (h *house) queue(d *peer.Desk) []peer.Item {
	h.t.Helper()
	list, err := d.List(h.ctx, "ehr")
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

func (h *house) state(d *peer.Desk) peer.State {
	h.t.Helper()
	list, err := d.State(h.ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	return list[0]
}

func sara() fhir.Resource {
	return fhir.New("Patient", "sara").With("name", []fhir.Resource{fhir.HumanName("Holm")}).With("identifier", []fhir.Resource{fhir.Identifier("urn:mrn", "1")})
}

func stay() fhir.Resource {
	return fhir.New("Encounter", "stay").With("status", "in-progress").With("class", fhir.Coding("", "IMP", "")).With("subject", fhir.Ref("Patient/sara", "")).
		With("location", []fhir.Resource{{"location": fhir.Ref("Location/icu", "ICU")}})
}

// What cannot become better by itself is set aside at once with its reason and goes when somebody asks for it; what can is
// tried until it goes.
func TestErrorClasses(t *testing.T) {
	busy := func(status int, kind vigil.Kind, wait time.Duration) error {
		return &peer.Fault{Kind: kind, Status: status, Text: "the server answered", Wait: wait}
	}
	for _, c := range []struct {
		name string
		err  error
		dead bool
	}{
		{"Unprocessable", busy(422, vigil.Invalid, 0), true},
		{"SeveralMatches", busy(412, vigil.Invalid, 0), true},
		{"Conflict", busy(409, vigil.Conflict, 0), false},
		{"TooMany", busy(429, vigil.Unavailable, 30*time.Second), false},
		{"Broken", busy(500, vigil.Unavailable, 0), false},
		{"NoAnswer", busy(0, vigil.Unavailable, 0), false},
		{"NotAllowed", busy(403, vigil.Denied, 0), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t)
			h.remote.fail = func(n int, _ peer.Request) error {
				if n == 1 {
					return c.err
				}
				return nil
			}
			d, stop := h.run(nil)
			defer stop()
			h.put(sara())
			h.until("the failure to be noted", func() bool { q := h.queue(d); return len(q) == 1 && q[0].Tries == 1 })
			it := h.queue(d)[0]
			if it.Dead != c.dead || it.Key != "record Patient/sara" || !strings.Contains(it.Error, "the server answered") {
				t.Fatalf("%+v", it)
			}
			if s := h.state(d); s.OK || s.Dead != map[bool]int{true: 1}[c.dead] {
				t.Errorf("%+v", s)
			}
			if len(h.remote.of("Patient")) != 0 {
				t.Error("it was sent again at once")
			}
			if c.dead {
				h.clock.Add(int64(time.Hour))
				if n, err := d.Retry(h.ctx, "ehr", it.Key); n != 1 || err != nil {
					t.Fatal(n, err)
				}
			} else {
				h.clock.Add(int64(31 * time.Second))
			}
			h.until("it to be sent", func() bool { return len(h.remote.of("Patient")) == 1 })
			h.until("the queue to forget it", func() bool {
				for _, it := range h.queue(d) {
					if it.Key == "record Patient/sara" {
						return false
					}
				}
				return true
			})
		})
	}
}

// Retry-After makes the whole peer wait for as long as it asks.
func TestRetryAfter(t *testing.T) {
	h := newHouse(t)
	h.remote.fail = func(n int, _ peer.Request) error {
		if n == 1 {
			return &peer.Fault{Kind: vigil.Unavailable, Status: 429, Text: "the server answered 429", Wait: time.Minute}
		}
		return nil
	}
	d, stop := h.run(nil)
	defer stop()
	h.put(sara())
	h.until("the refusal", func() bool { return h.state(d).Error != "" })
	h.put(fhir.New("Patient", "omar"))
	h.clock.Add(int64(50 * time.Second))
	h.until("the second to be queued", func() bool { return h.state(d).Waiting == 2 })
	time.Sleep(20 * time.Millisecond)
	if n := len(h.remote.of("Patient")); n != 0 {
		t.Errorf("%d sent before the server's time", n)
	}
	h.clock.Add(int64(11 * time.Second))
	h.until("both to be sent", func() bool { return len(h.remote.of("Patient")) == 2 })
}

// brokenQueue and brokenLinks are stores of a process that is killed after something was sent and before it was noted.
type brokenQueue struct{ peer.Queue }

// Done implements peer.Queue.
func (brokenQueue) Done(context.Context, peer.Item) error {
	return vigil.Errorf(vigil.Unavailable, "test", "killed")
}

type brokenLinks struct{ peer.Links }

// Put implements peer.Links.
func (brokenLinks) Put(context.Context, peer.Link) error {
	return vigil.Errorf(vigil.Unavailable, "test", "killed")
}

// A kill between sending and noting it makes nothing twice.
func TestKilledBetweenSendAndMark(t *testing.T) {
	for name, change := range map[string]func(c *peer.Config){
		"BeforeDone": func(c *peer.Config) { c.Queue = brokenQueue{c.Queue} },
		"BeforeLink": func(c *peer.Config) { c.Links = brokenLinks{c.Links} },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			_, stop := h.run(change)
			h.put(sara())
			h.put(stay())
			h.until("the first sending", func() bool { return len(h.remote.of("Patient")) == 1 })
			stop()
			d, stop := h.run(nil)
			defer stop()
			h.clock.Add(int64(time.Minute))
			h.until("everything to be sent", func() bool {
				h.clock.Add(int64(time.Second))
				return h.state(d).Waiting == 0 && len(h.remote.of("Encounter")) == 1
			})
			if p := h.remote.of("Patient"); len(p) != 1 {
				t.Errorf("%d patients", len(p))
			}
			e := h.remote.of("Encounter")[0]
			if got := e.Str("subject.reference"); got != h.remote.of("Patient")[0].Ref() {
				t.Errorf("the stay is of %q", got)
			}
			if loc := e.List("location")[0]; loc.Str("location.reference") != "" || loc.Str("location.identifier.value") != "Location/icu" {
				t.Errorf("what is not there is named %v", loc)
			}
		})
	}
}

// What is deleted here is deleted there when we made it; what is theirs stays.
func TestDeletion(t *testing.T) {
	h := newHouse(t)
	h.remote.list = []fhir.Resource{fhir.Normal(fhir.New("Patient", "theirs").With("identifier", []fhir.Resource{fhir.Identifier("urn:mrn", "1")}))}
	d, stop := h.run(nil)
	defer stop()
	h.put(sara())
	h.put(stay())
	h.until("the stay", func() bool { return len(h.remote.of("Encounter")) == 1 })
	for _, typ := range []string{"Encounter/stay", "Patient/sara"} {
		kind, id, _ := strings.Cut(typ, "/")
		if err := h.records.Delete(h.ctx, kind, id); err != nil {
			t.Fatal(err)
		}
	}
	h.until("the end of the stay", func() bool { return len(h.remote.of("Encounter")) == 0 && h.state(d).Waiting == 0 })
	if p := h.remote.of("Patient"); len(p) != 1 || p[0].ID() != "theirs" {
		t.Errorf("their patient: %v", p)
	}
}

// An hour becomes one Observation a metric, once, also when it is summed up again; an alarm becomes what is asked for and
// follows its life. The remote refuses what is not valid FHIR.
func TestVitalsAndAlarms(t *testing.T) {
	h := newHouse(t)
	h.put(sara())
	d, stop := h.run(nil)
	defer stop()
	h.clock.Add(int64(66 * time.Minute))
	h.until("the hour", func() bool { return len(h.remote.of("Observation")) == 2 })
	o := h.remote.of("Observation")[0]
	if v, _ := o.Num("valueQuantity.value"); v != 80 || o.Str("effectivePeriod.start") == "" || o.Str("subject.reference") != h.remote.of("Patient")[0].Ref() || len(o.List("component")) != 3 {
		t.Errorf("%v", o)
	}
	if v, _ := h.remote.of("Observation")[1].Num("valueQuantity.value"); v != 36.67 {
		t.Errorf("temperature %v", v)
	}
	from := h.now().Truncate(time.Hour).Add(-time.Hour)
	again := peer.Item{Added: h.now(), Due: h.now(), Key: "vitals Patient/sara " + itoa(from.Unix()) + " 3600"}
	if err := h.db.PeerQueue().Enqueue(h.ctx, "ehr", []peer.Item{again}, "", ""); err != nil {
		t.Fatal(err)
	}
	a := vigil.Alarm{ID: "a1", Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityMedium, Subject: "Patient/sara", Rule: "r", Title: "HR high", Metric: "heart-rate", Value: 140, Onset: h.now()}
	if _, err := h.alarms.Raise(h.ctx, a); err != nil {
		t.Fatal(err)
	}
	h.until("the alarm", func() bool { return len(h.remote.of("Flag")) == 1 && len(h.remote.of("DetectedIssue")) == 1 })
	if s := h.remote.of("DetectedIssue")[0]; s.Str("status") != "preliminary" || s.Str("severity") != "moderate" {
		t.Errorf("%v", s)
	}
	technical := a
	technical.ID, technical.Class = "a2", vigil.Technical
	if _, err := h.alarms.Raise(h.ctx, technical); err != nil {
		t.Fatal(err)
	}
	h.until("the queue to be empty", func() bool { return h.state(d).Waiting == 0 && len(h.remote.of("Observation")) == 2 })
	if n := len(h.remote.of("DetectedIssue")); n != 1 {
		t.Errorf("%d issues: technical alarms are the house's own", n)
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// Only who looks after the house sees and moves the queue.
func TestQueueIsForEngineers(t *testing.T) {
	h := newHouse(t)
	d, stop := h.run(nil)
	defer stop()
	nurse := access.With(t.Context(), access.Principal{ID: "n", Roles: []access.Role{access.Nurse}})
	if _, err := d.List(nurse, "ehr"); vigil.KindOf(err) != vigil.Denied {
		t.Error(err)
	}
	if _, err := d.Retry(nurse, "ehr", ""); vigil.KindOf(err) != vigil.Denied {
		t.Error(err)
	}
	if _, err := d.List(h.ctx, "nobody"); vigil.KindOf(err) != vigil.NotFound {
		t.Error(err)
	}
	if _, err := d.Retry(h.ctx, "ehr", "record Patient/none"); vigil.KindOf(err) != vigil.NotFound {
		t.Error(err)
	}
}
