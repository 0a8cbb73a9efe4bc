package audit_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

// pages keeps the chain in memory, and may refuse to.
type pages struct {
	mu   sync.Mutex
	list []audit.Record
	err  error
}

func (p *pages) Append(_ context.Context, recs []audit.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	var prev audit.Record
	if n := len(p.list); n > 0 {
		prev = p.list[n-1]
	}
	for _, r := range recs {
		prev = audit.Seal(prev, r)
		p.list = append(p.list, prev)
	}
	return nil
}

func (p *pages) List(_ context.Context, f audit.Filter) ([]audit.Record, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []audit.Record
	for _, r := range p.list {
		if r.Seq > f.After && len(out) < f.Limit {
			out = append(out, r)
		}
	}
	return out, nil
}

func trail(t *testing.T, n int) (*pages, *audit.Trail, context.Context) {
	t.Helper()
	p, ctx := &pages{}, access.AsSystem(t.Context(), "test")
	tr := audit.New(audit.Config{Backend: p, Now: func() time.Time { return time.UnixMicro(1_790_000_000_000_001) }})
	t.Cleanup(func() { tr.Close() })
	for i := range n {
		if err := tr.Append(ctx, audit.Entry{Action: "record.read", What: "Patient/x", Subjects: []string{"x", string(rune('a' + i%26))}}); err != nil {
			t.Fatal(err)
		}
	}
	return p, tr, ctx
}

func TestVerifyDetectsEveryChange(t *testing.T) {
	for name, change := range map[string]func(l []audit.Record) []audit.Record{
		"Who":      func(l []audit.Record) []audit.Record { l[4].Who = "eve"; return l },
		"Role":     func(l []audit.Record) []audit.Record { l[4].Role = "admin"; return l },
		"When":     func(l []audit.Record) []audit.Record { l[4].At = l[4].At.Add(time.Microsecond); return l },
		"Action":   func(l []audit.Record) []audit.Record { l[4].Action = "record.search"; return l },
		"What":     func(l []audit.Record) []audit.Record { l[4].What = "Patient/y"; return l },
		"Outcome":  func(l []audit.Record) []audit.Record { l[4].Outcome = audit.Denied; return l },
		"Detail":   func(l []audit.Record) []audit.Record { l[4].Detail = "1"; return l },
		"Subject":  func(l []audit.Record) []audit.Record { l[4].Subjects = []string{"x"}; return l },
		"Moved":    func(l []audit.Record) []audit.Record { l[4].What, l[4].Outcome = "Patient/xo", "k"; return l },
		"Left out": func(l []audit.Record) []audit.Record { return slices.Delete(l, 4, 5) },
		"Swapped":  func(l []audit.Record) []audit.Record { l[4], l[5] = l[5], l[4]; return l },
		"Resealed": func(l []audit.Record) []audit.Record { l[4].Who = "eve"; l[4] = audit.Seal(l[3], l[4]); return l },
	} {
		t.Run(name, func(t *testing.T) {
			p, tr, ctx := trail(t, 9)
			if n, err := tr.Verify(ctx); n != 9 || err != nil {
				t.Fatal(n, err)
			}
			p.list = change(p.list)
			n, err := tr.Verify(ctx)
			if vigil.KindOf(err) != vigil.Conflict || n < 4 || n > 5 {
				t.Errorf("%d entries hold, %v", n, err)
			}
		})
	}
}

func TestVerifyReadsMoreThanOnePage(t *testing.T) {
	_, tr, ctx := trail(t, 2500)
	if n, err := tr.Verify(ctx); n != 2500 || err != nil {
		t.Error(n, err)
	}
}

func TestOnlyAdministratorsList(t *testing.T) {
	_, tr, ctx := trail(t, 1)
	for role, want := range map[access.Role]vigil.Kind{access.Admin: "", access.System: "", access.Nurse: vigil.Denied, access.Physician: vigil.Denied, access.Engineer: vigil.Denied, access.Patient: vigil.Denied} {
		_, err := tr.List(access.With(ctx, access.Principal{ID: "a", Roles: []access.Role{role}}), audit.Filter{})
		if vigil.KindOf(err) != want {
			t.Errorf("%s: %v", role, err)
		}
	}
}

// TestNothingIsLostWhileTheDiskRefuses holds that entries wait, that too many of them stop what was to be noted, and
// that all are written in their order once the disk is back.
func TestNothingIsLostWhileTheDiskRefuses(t *testing.T) {
	p, tr, ctx := trail(t, 0)
	p.err = errors.New("the disk is full")
	accepted := 0
	for range 6000 {
		err := tr.Later(ctx, audit.Entry{Action: "record.read"})
		if vigil.KindOf(err) == vigil.Unavailable {
			break
		}
		accepted++
	}
	if accepted < 4096 || accepted == 6000 {
		t.Fatalf("%d entries were taken while nothing could be written", accepted)
	}
	p.mu.Lock()
	p.err = nil
	p.mu.Unlock()
	if err := tr.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := tr.Verify(ctx); n != int64(accepted) || err != nil {
		t.Errorf("%d of %d entries, %v", n, accepted, err)
	}
	if err := tr.Later(ctx, audit.Entry{Action: "record.read"}); err != nil {
		t.Error(err)
	}
}
