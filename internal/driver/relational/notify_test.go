package relational_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/notify"
)

func TestOutboxOfMessages(t *testing.T) { each(t, examineOutboxOfMessages) }

func examineOutboxOfMessages(t *testing.T, h *house) {
	reopen, ctx := h.reopen(t), t.Context()
	o := reopen().Outbox()
	at := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	m := notify.Message{ID: "p1", Alarm: "a1", To: alarm.Recipient{ID: "dr-lee"}, Priority: vigil.PriorityHigh, State: notify.Waiting,
		Created: at, Began: at, Due: at, Routes: []notify.Route{{Channel: "app"}}, Receipts: []notify.Receipt{}}
	if fresh, err := o.Add(ctx, m); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	if fresh, err := o.Add(ctx, m); err != nil || fresh {
		t.Errorf("the same page twice: %v, %v", fresh, err)
	}
	m.Receipts = append(m.Receipts, notify.Receipt{Channel: "app", State: notify.Sent, At: at})
	if err := o.Save(ctx, m); err != nil {
		t.Fatal(err)
	}
	o = reopen().Outbox()
	if list, err := o.List(ctx, notify.Waiting, "", 0); err != nil || len(list) != 1 || cmp.Diff(m, list[0]) != "" {
		t.Errorf("waiting after reopening: %+v, %v", list, err)
	}
	if list, err := o.List(ctx, notify.Failed, "", 10); err != nil || len(list) != 0 {
		t.Errorf("failed: %v, %v", list, err)
	}
	if list, err := o.List(ctx, "", "a1", 10); err != nil || len(list) != 1 {
		t.Errorf("of the alarm: %v, %v", list, err)
	}
	if _, err := o.Get(ctx, "p2"); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("Get of nothing: %v", err)
	}
}
