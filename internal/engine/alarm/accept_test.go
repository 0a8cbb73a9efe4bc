package alarm_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Withdraw implements alarm.Withdrawer.
func (p *paged) Withdraw(_ context.Context, page alarm.Page, a vigil.Alarm) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ids[page.ID]++
	p.list = append(p.list, "not-"+page.To.ID+"@"+time.Since(p.from).Round(time.Second).String()+" by "+a.AckedBy)
	return nil
}

func both(again time.Duration) []catalog.Chain {
	return []catalog.Chain{{Key: "high", Steps: []catalog.ChainStep{
		{Roles: []string{"physician.primary", "nurse"}, Title: "Both", Again: again},
		{Role: "rapid-response", Title: "Rapid response", After: 10 * time.Minute},
	}}}
}

func TestFirstToAcceptTakesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWith(t, newMemory(), newOffs(), both(0))
		a := raise(t, h, mapLow())
		time.Sleep(time.Minute)
		if got := h.page.got(); !strings.Contains(got, "dr-lee@0s") || !strings.Contains(got, "n-ruiz@0s") {
			t.Fatalf("paged %s, want both at once", got)
		}
		nurse := access.With(t.Context(), access.Principal{ID: "account-7", Person: "n-ruiz", Name: "Jo Ruiz", Roles: []access.Role{access.Nurse}})
		if _, err := h.desk.Do(nurse, a.ID, alarm.Action{Kind: alarm.Acknowledge}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.desk.Do(as(t, "dr-lee", access.Physician), a.ID, alarm.Action{Kind: alarm.Acknowledge}); vigil.KindOf(err) != vigil.Conflict || !strings.Contains(err.Error(), "Jo Ruiz") {
			t.Errorf("the second to accept: %v", err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := h.page.got(); strings.Count(got, "@") != 3 || !strings.HasSuffix(got, "not-dr-lee@1m0s by Jo Ruiz") {
			t.Errorf("told %s; only the other is, once, and nobody is paged further", got)
		}
	})
}

func TestStepAsksAgainWithoutReceipt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := startWith(t, newMemory(), newOffs(), both(time.Minute))
		h.hear.who = map[string]bool{"n-ruiz": true}
		raise(t, h, mapLow())
		time.Sleep(150 * time.Second)
		h.hear.mu.Lock()
		h.hear.who["dr-lee"] = true
		h.hear.mu.Unlock()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if got := h.page.got(); strings.Count(got, "n-ruiz") != 1 || strings.Count(got, "dr-lee") != 3 || !strings.HasSuffix(got, "dr-lee@1m0s dr-lee@2m0s") {
			t.Errorf("paged %s; who gave a receipt is left alone", got)
		}
	})
}

func TestCommandIsCarriedOutOnce(t *testing.T) {
	h := start(t, newMemory())
	a := raise(t, h, mapLow())
	lee := as(t, "dr-lee", access.Physician)
	for range 3 {
		got, err := h.desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Note, Text: "fluids given", Command: "c-1"})
		if err != nil || strings.Count(whats(got), "note") != 1 {
			t.Fatalf("%v, history %q", err, whats(got))
		}
	}
	for range 2 {
		if _, err := h.desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Acknowledge, Command: "c-2"}); err != nil {
			t.Fatalf("acknowledged again by the same command: %v", err)
		}
	}
	if _, err := h.desk.Do(lee, a.ID, alarm.Action{Kind: alarm.Acknowledge, Command: "c-3"}); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("another command: %v", err)
	}
}

func TestBulkIsForLowPriority(t *testing.T) {
	h := start(t, newMemory())
	nurse := as(t, "nurse", access.Nurse)
	var ids []string
	for i := range 3 {
		a := mapLow()
		a.Rule, a.Priority, a.Chain = fmt.Sprint("battery-", i), vigil.PriorityLow, "low"
		a.ID = alarm.ID(a.Rule, a.Subject, "", time.Unix(1000, 0))
		ids = append(ids, raise(t, h, a).ID)
	}
	high := raise(t, h, mapLow())
	if _, err := h.desk.AcknowledgeAll(nurse, append([]string{high.ID}, ids...), "c"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("with one of high priority: %v", err)
	}
	for _, id := range ids {
		if a := get(t, h, id); a.AckedBy != "" {
			t.Errorf("%s was acknowledged with one that must not be", id)
		}
	}
	if _, err := h.desk.Do(nurse, ids[0], alarm.Action{Kind: alarm.Acknowledge}); err != nil {
		t.Fatal(err)
	}
	list, err := h.desk.AcknowledgeAll(nurse, ids, "c")
	if err != nil || len(list) != 3 {
		t.Fatalf("%d, %v", len(list), err)
	}
	for _, a := range list {
		if a.AckedBy != "nurse" {
			t.Errorf("%s is %s", a.ID, a.State)
		}
	}
	if _, err := h.desk.AcknowledgeAll(nurse, nil, "c"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("of none: %v", err)
	}
}

func TestDelaysAreMeasuredApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := start(t, newMemory())
		a := mapLow()
		a.Onset = time.Now().Add(-10 * time.Second)
		raise(t, h, a)
		time.Sleep(3 * time.Second)
		got := get(t, h, a.ID)
		if got.Delays == nil || got.Delays.Condition != 10*time.Second || got.Delays.Paging <= 0 || got.Delays.Paging > time.Second {
			t.Errorf("delays %+v", got.Delays)
		}
	})
}
