package resthook_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/fhirapi"
	"github.com/vigil-health/vigil/internal/driver/pebble"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/driver/resthook"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/subscription"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// receiver is another system: it refuses while it is down and keeps what it took.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	down  bool
	tries int
	got   []fhir.Resource
}

func newReceiver(t *testing.T) *receiver {
	rc := &receiver{}
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rc.mu.Lock()
		defer rc.mu.Unlock()
		rc.tries++
		if rc.down || r.Header.Get("Authorization") != "Bearer x" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		b, _ := io.ReadAll(r.Body)
		res, err := fhir.Parse(b)
		if err != nil {
			t.Error(err)
		}
		rc.got = append(rc.got, res)
	}))
	t.Cleanup(rc.Close)
	return rc
}

func (rc *receiver) set(down bool) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.down = down
}

// kinds returns the notifications' kinds, and the numbers and the subjects of the events in the order in which they came.
func (rc *receiver) kinds() (kinds, numbers, focus []string) {
	rc.mu.Lock()
	defer rc.mu.Unlock()
	for _, b := range rc.got {
		for _, p := range fhir.Resource(b.List("entry")[0]["resource"].(map[string]any)).List("parameter") {
			switch p.Str("name") {
			case "type":
				kinds = append(kinds, p.Str("valueCode"))
			case "notification-event":
				numbers, focus = append(numbers, p.Str("part.0.valueString")), append(focus, p.Str("part.2.valueReference.reference"))
			}
		}
	}
	return kinds, numbers, focus
}

// site is the house around a desk; a restart makes a new desk on the same stores.
type site struct {
	db      *relational.DB
	records *record.Store
	stream  *telemetry.Store
	hook    *resthook.Channel
	desk    *subscription.Desk
	stop    func()
	who     access.Principal
	mu      sync.Mutex
}

func openSite(t *testing.T, allow ...string) *site {
	t.Helper()
	dir := t.TempDir()
	db, err := relational.OpenSQLite(filepath.Join(dir, "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	log, err := pebble.OpenLog(filepath.Join(dir, "log"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := pebble.OpenSeries(filepath.Join(dir, "series"), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := telemetry.Open(t.Context(), telemetry.Config{Log: log, Series: rows, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	stream.Start(context.Background())
	hook, err := resthook.New(allow)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{db: db, records: record.New(record.Config{Backend: db.Records()}), stream: stream, hook: hook, who: access.Principal{ID: "n1", Roles: []access.Role{access.Nurse}}}
	s.start()
	t.Cleanup(func() { s.stop(); stream.Close(); rows.Close(); log.Close(); db.Close() })
	return s
}

func (s *site) start() {
	s.desk = subscription.New(subscription.Config{
		Book: s.db.Subscriptions(), Records: s.records, Changes: s.db.Records(), Telemetry: s.stream, Observations: fhirapi.ObservationsOf,
		Channels: map[string]subscription.Channel{"rest-hook": s.hook}, Base: "http://vigil.test/fhir", Now: time.Now,
		Every: 5 * time.Millisecond, Backoff: 5 * time.Millisecond,
		Principal: func(context.Context, string) (access.Principal, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.who, nil
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.desk.Run(ctx) //nolint:errcheck // the tests see what it does
	}()
	s.stop = func() { cancel(); <-done }
}

func (s *site) nurse(t *testing.T) context.Context {
	return access.With(t.Context(), access.Principal{ID: "n1", Roles: []access.Role{access.Nurse}})
}

func (s *site) subscribe(t *testing.T, endpoint, criteria, content string) {
	t.Helper()
	r, err := fhir.Parse([]byte(`{"resourceType":"Subscription","id":"s1","status":"requested","reason":"test","criteria":"` + subscription.TopicChange + `",
	 "_criteria":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-filter-criteria","valueString":"` + criteria + `"}]},
	 "channel":{"type":"rest-hook","endpoint":"` + endpoint + `","payload":"application/fhir+json","header":["Authorization: Bearer x"],
	 "_payload":{"extension":[{"url":"http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content","valueCode":"` + content + `"}]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.desk.Check(r); err != nil {
		t.Fatal(err)
	}
	if _, err := s.records.Update(s.nurse(t), r, 0); err != nil {
		t.Fatal(err)
	}
	if err := s.desk.Claim(s.nurse(t), "s1"); err != nil {
		t.Fatal(err)
	}
	until(t, "the Subscription is active", func() bool {
		rec, err := s.records.Read(s.nurse(t), "Subscription", "s1")
		return err == nil && strings.Contains(string(rec.JSON), `"status":"active"`)
	})
}

func (s *site) condition(t *testing.T, id, patient string) {
	t.Helper()
	r := fhir.New("Condition", id).With("subject", fhir.Ref("Patient/"+patient, ""))
	if _, err := s.records.Update(s.nurse(t), r, 0); err != nil {
		t.Fatal(err)
	}
}

// until waits for what other goroutines do; the bound only ends a test that would never end.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// TestReceiverFailsAndHouseRestarts has the receiver fail, the house restart meanwhile, and both come back: every event
// arrives, in order.
func TestReceiverFailsAndHouseRestarts(t *testing.T) {
	rc := newReceiver(t)
	s := openSite(t, rc.URL+"/")
	s.subscribe(t, rc.URL+"/hook", "Condition?patient=p1", "full-resource")
	s.condition(t, "c1", "p1")
	s.condition(t, "other", "p2")
	until(t, "the first event", func() bool { _, n, _ := rc.kinds(); return len(n) == 1 })
	rc.set(true)
	s.condition(t, "c2", "p1")
	until(t, "the record tells of the error", func() bool {
		rec, err := s.records.Read(s.nurse(t), "Subscription", "s1")
		return err == nil && strings.Contains(string(rec.JSON), `"status":"error"`) && strings.Contains(string(rec.JSON), "the receiver answered 503")
	})
	s.stop()
	s.condition(t, "c3", "p1") // while nobody follows
	s.start()
	s.condition(t, "c4", "p1")
	rc.set(false)
	until(t, "every event", func() bool { _, n, _ := rc.kinds(); return len(n) >= 4 })
	kinds, numbers, focus := rc.kinds()
	if kinds[0] != subscription.Handshake || strings.Join(numbers, " ") != "1 2 3 4" {
		t.Errorf("%v %v", kinds, numbers)
	}
	if got := strings.ReplaceAll(strings.Join(focus, " "), "http://vigil.test/fhir/Condition/", ""); got != "c1 c2 c3 c4" {
		t.Errorf("told of %s", got)
	}
	until(t, "the Subscription is active again", func() bool {
		rec, err := s.records.Read(s.nurse(t), "Subscription", "s1")
		return err == nil && strings.Contains(string(rec.JSON), `"status":"active"`) && !strings.Contains(string(rec.JSON), `"error"`)
	})
	b, err := s.desk.Events(s.nurse(t), "s1", 2, 3)
	if err != nil || len(fhir.Normal(b).List("entry")) != 3 {
		t.Errorf("$events: %v %s", err, fhir.Encode(b))
	}
	for _, r := range rc.got {
		for _, f := range fhir.Validate(r) {
			t.Errorf("%s: %s", f.Path, f.Msg)
		}
	}
}

// TestTelemetry tells of what devices measure, and only to who may see the patient.
func TestTelemetry(t *testing.T) {
	rc := newReceiver(t)
	s := openSite(t, rc.URL)
	s.subscribe(t, rc.URL+"/hook", "Observation?code=8867-4&value-quantity=gt100", "id-only")
	say := func(value float64) {
		at := time.Now().UnixNano()
		err := s.stream.AppendWait(t.Context(), &vigil.Report{Subject: "Patient/p1", Device: "d", Received: at, Samples: []vigil.Sample{{Metric: "heart-rate", Time: at, Value: value}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	say(70)
	say(140)
	until(t, "the event", func() bool { _, n, _ := rc.kinds(); return len(n) == 1 })
	if _, _, focus := rc.kinds(); !strings.Contains(focus[0], "/Observation/t-") || strings.Contains(string(fhir.Encode(rc.got[1])), "valueQuantity") {
		t.Errorf("%s", fhir.Encode(rc.got[1]))
	}
	s.mu.Lock()
	s.who = access.Principal{ID: "n1", Roles: []access.Role{access.Patient}, Subject: "Patient/p2"}
	s.mu.Unlock()
	say(150)
	until(t, "the second event is dealt with", func() bool {
		states, err := s.db.Subscriptions().States(t.Context())
		return err == nil && states[0].Delivered == 2
	})
	if _, n, _ := rc.kinds(); len(n) != 1 {
		t.Errorf("told who may not see it: %v", n)
	}
}

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		allow    []string
		endpoint string
		ok       bool
	}{
		{nil, "https://bus.example/hook", true}, {nil, "http://bus.example/hook", false}, {nil, "https://127.0.0.1/", false}, {nil, "https://169.254.169.254/latest", false},
		{nil, "https://[::1]/", false}, {nil, "https://10.0.0.4/", false}, {nil, "https://localhost/", false}, {nil, "ftp://x/", false}, {nil, "https://u:p@bus.example/", false},
		{[]string{"http://bus.example/in/"}, "http://bus.example/in/a", true}, {[]string{"http://bus.example/in"}, "http://bus.example/inside", false},
		{[]string{"http://bus.example/in"}, "http://bus.example.evil/in", false}, {[]string{"http://bus.example/in/"}, "http://bus.example/in/../a", false},
		{[]string{"http://bus.example"}, "https://bus.example/", false},
	} {
		ch, err := resthook.New(c.allow)
		if err != nil {
			t.Fatal(err)
		}
		if err := ch.Check(subscription.Target{Endpoint: c.endpoint}); (err == nil) != c.ok {
			t.Errorf("%v %s: %v", c.allow, c.endpoint, err)
		}
	}
	if _, err := resthook.New([]string{"bus.example"}); err == nil {
		t.Error("a list with no address was taken")
	}
	ch, _ := resthook.New(nil)
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	if err := ch.Send(t.Context(), subscription.Target{Endpoint: srv.URL}, []byte("{}")); err == nil || !strings.Contains(err.Error(), "inside the network") {
		t.Errorf("it called this machine: %v", err)
	}
}
