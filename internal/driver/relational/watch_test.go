package relational_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/rule"
)

type names struct {
	mu   sync.Mutex
	from time.Time
	list []string
}

func (n *names) Page(_ context.Context, p alarm.Page, a vigil.Alarm) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, fmt.Sprintf("%s %s %s", p.At.Sub(n.from).Round(time.Second), p.To.ID, a.Rule))
	return nil
}

type doctors map[string]string

func (d doctors) Holders(_ context.Context, p alarm.Post) ([]alarm.Recipient, error) {
	if id := d[p.Role]; id != "" {
		return []alarm.Recipient{{ID: id, Name: id}}, nil
	}
	return nil, nil
}

// watch puts rules, desk and book together as the server does.
func watch(t testing.TB, dir string, pager alarm.Pager) (*rule.Engine, *alarm.Desk) {
	t.Helper()
	db, err := relational.OpenSQLite(filepath.Join(dir, "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	chains, err1 := catalog.Chains()
	rules, err2 := catalog.Rules()
	scores, err3 := catalog.Scores()
	if err1 != nil || err2 != nil || err3 != nil {
		t.Fatal(err1, err2, err3)
	}
	desk := alarm.NewDesk(alarm.Config{Book: db.Alarms(), Chains: chains, Pager: pager, Now: time.Now,
		OnCall: doctors{"physician.primary": "dr-lee", "physician.second": "dr-kim", "rapid-response": "rrt", "nurse": "n-ruiz"}})
	if err := desk.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	engine, err := rule.New(rule.Config{Rules: rules, Scores: scores, Desk: desk, Keeper: db.Limits(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return engine, desk
}

func pressure(s vigil.Subject, sys, dia float64) *vigil.Report {
	now := time.Now().UnixNano()
	return &vigil.Report{Device: "patch-031", Subject: s, Received: now, Samples: []vigil.Sample{
		{Metric: "bp-systolic", Time: now, Value: sys}, {Metric: "bp-diastolic", Time: now, Value: dia}}}
}

// TestSaraFromPatchToPhysician plays her story: the pressure drops, the first physician is silent, the second answers.
func TestSaraFromPatchToPhysician(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		paged := &names{from: time.Now()}
		engine, desk := watch(t, dir, paged)
		ctx, stop := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { desk.Run(ctx) })
		wg.Go(func() {
			for ctx.Err() == nil {
				engine.Tick(time.Now())
				time.Sleep(time.Second)
			}
		})
		defer wg.Wait()
		defer stop()
		values := map[time.Duration][2]float64{0: {121, 78}, 5 * time.Minute: {112, 70}, 10 * time.Minute: {84, 46}, 30 * time.Minute: {118, 74}}
		last := values[0]
		from := time.Now()
		for at := time.Duration(0); at <= 31*time.Minute; at += 5 * time.Second {
			if v, ok := values[at]; ok {
				last = v
			}
			engine.Observe([]*vigil.Report{pressure("Patient/sara", last[0], last[1])})
			if at == 12*time.Minute+5*time.Second {
				synctest.Wait()
				open, _ := desk.Open(as(t, "dr-kim", access.Physician), alarm.Filter{Subject: "Patient/sara"})
				if _, err := desk.Do(as(t, "dr-kim", access.Physician), open[0].ID, alarm.Action{Kind: alarm.Acknowledge}); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(from.Add(at + 5*time.Second).Sub(time.Now()))
		}
		synctest.Wait()
		// Dr Lee, who gave no receipt, is asked once more after a minute.
		if want := []string{"10m0s dr-lee map-low", "11m0s dr-lee map-low", "12m0s dr-kim map-low"}; !slices.Equal(paged.list, want) {
			t.Errorf("paged %v, want %v", paged.list, want)
		}
		list, err := desk.List(as(t, "dr-kim", access.Physician), alarm.Query{})
		if err != nil || len(list) != 1 || list[0].State != vigil.AlarmResolved || list[0].AckedBy != "dr-kim" {
			t.Errorf("at the end: %+v, %v", list, err)
		}
	})
}

// BenchmarkThousandAlarms raises and pages a thousand alarms at once; ns/op is until the last page is handed over.
func BenchmarkThousandAlarms(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		paged := &names{from: time.Now()}
		engine, desk := watch(b, b.TempDir(), paged)
		var reports []*vigil.Report
		for i := range 1000 {
			reports = append(reports, pressure(vigil.PatientSubject(fmt.Sprintf("p%d", i)), 84, 46))
		}
		b.StartTimer()
		engine.Observe(reports)
		desk.Flush(b.Context())
		if len(paged.list) != 1000 {
			b.Fatalf("%d paged", len(paged.list))
		}
	}
}
