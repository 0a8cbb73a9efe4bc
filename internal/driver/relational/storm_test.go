package relational_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

// phone counts the messages that arrive, each once.
type phone struct {
	mu   sync.Mutex
	ids  map[string]int
	left int
	all  chan struct{} // closed when as many came as were expected
}

func newPhone(n int) *phone { return &phone{ids: map[string]int{}, left: n, all: make(chan struct{})} }

func (p *phone) Send(_ context.Context, m notify.Message, _ string) (notify.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[m.ID]++
	if p.left--; p.left == 0 {
		close(p.all)
	}
	return notify.Delivered, nil
}

type byPhone struct{}

func (byPhone) Routes(_ context.Context, to alarm.Recipient) ([]notify.Route, error) {
	return []notify.Route{{Channel: "phone", To: to.ID}}, nil
}

// storm raises n alarms at once on a fresh desk and waits until every page is at its phone.
func storm(t testing.TB, db *relational.DB, n int) (took time.Duration, p *phone) {
	chains, err := catalog.Chains()
	if err != nil {
		t.Fatal(err)
	}
	p = newPhone(n)
	post := notify.NewPost(notify.Config{Outbox: db.Outbox(), Channels: map[string]notify.Channel{"phone": p}, Book: byPhone{}})
	d := alarm.NewDesk(alarm.Config{Book: db.Alarms(), Offs: db.Offs(), Chains: chains, OnCall: everyone{}, Pager: post, Receipts: post})
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	wg.Go(func() { d.Run(ctx) })
	wg.Go(func() { post.Run(ctx) })
	begin := time.Now()
	var raised sync.WaitGroup
	for i := range n {
		raised.Go(func() {
			s := vigil.PatientSubject(fmt.Sprint("p-", i))
			a := vigil.Alarm{ID: alarm.ID("map-low", s, "", begin), Kind: vigil.KindAlarm, Class: vigil.Physiological, Priority: vigil.PriorityHigh, Subject: s, Unit: "icu",
				Rule: "map-low", Title: "MAP low", Chain: "high", Onset: begin, Evidence: &vigil.Evidence{Sentence: "MAP stayed under 65 mmHg for 10 s"}}
			if _, err := d.Raise(access.AsSystem(ctx, "rule"), a); err != nil {
				t.Error(err)
			}
		})
	}
	select {
	case <-p.all:
	case <-time.After(time.Minute):
		t.Fatalf("%d pages have not arrived after a minute", p.left)
	}
	took = time.Since(begin)
	raised.Wait()
	return took, p
}

// TestStormPagesEverybodyOnce raises a thousand alarms at the same moment; how long it takes is BenchmarkStorm's.
func TestStormPagesEverybodyOnce(t *testing.T) {
	const n = 1000
	took, p := storm(t, open(t), n)
	t.Logf("%d alarms paged in %s", n, took)
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, times := range p.ids {
		if times != 1 {
			t.Errorf("page %s came %d times", id, times)
		}
	}
	if len(p.ids) != n {
		t.Errorf("%d pages came, want %d", len(p.ids), n)
	}
}

// BenchmarkStorm is the time from a thousand simultaneous alarms to the last page at a phone. The bar is 2 s.
func BenchmarkStorm(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		db, err := relational.OpenSQLite(b.TempDir() + "/vigil.db")
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		storm(b, db, 1000)
		b.StopTimer()
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
