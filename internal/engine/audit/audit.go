// Package audit keeps the append-only trail of who did what to whose record, each entry chained to the one before.
//
// It is no log for operators (log/slog is) and keeps no names, values or free text. A driver keeps the entries; the
// FHIR door shows them as AuditEvents. Start at Trail.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Outcomes of an entry.
const (
	OK     = "ok"
	Denied = "denied"
	Failed = "failed"
)

// Entry is what happened. Detail holds parameter names, counts and codes only: never a name, a value or free text.
type Entry struct {
	Action   string   // "record.read", "access.sign_in"
	What     string   // "Patient/x", "account/y"
	Outcome  string   // OK when empty
	Detail   string   //
	Subjects []string // ids of the patients whose records were touched
}

// Record is an entry in its place in the chain.
type Record struct {
	Seq  int64
	At   time.Time
	Who  string // account id, "system:<room>", or "" before sign-in
	Role string // the roles it acted in, comma separated
	Entry
	Hash [sha256.Size]byte
}

// Filter selects entries; zero fields select all.
type Filter struct {
	After    int64 // entries with a greater Seq
	Before   int64 // entries with a smaller Seq
	Who      string
	What     string
	Subject  string // patient id
	From, To time.Time
	Limit    int  // 100 when zero, at most 1000
	Oldest   bool // oldest first; default newest first
}

// Backend keeps the chain. Implementations are safe for concurrent use and durable when Append returns.
type Backend interface {
	// Append seals the records after the last one, in order (see Seal).
	Append(ctx context.Context, recs []Record) error
	// List returns entries as the filter says.
	List(ctx context.Context, f Filter) ([]Record, error)
}

// Seal returns r with its number and its hash, which covers every field and the hash before it.
func Seal(prev Record, r Record) Record {
	r.Seq = prev.Seq + 1
	r.At = r.At.UTC().Truncate(time.Microsecond)
	if r.Outcome == "" {
		r.Outcome = OK
	}
	r.Hash = digest(prev.Hash, r)
	return r
}

func digest(prev [sha256.Size]byte, r Record) [sha256.Size]byte {
	b := append(make([]byte, 0, 256), prev[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Seq))
	b = binary.BigEndian.AppendUint64(b, uint64(r.At.UnixMicro()))
	for _, s := range append([]string{r.Who, r.Role, r.Action, r.What, r.Outcome, r.Detail}, r.Subjects...) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	return sha256.Sum256(b)
}

// Config is what a trail needs.
type Config struct {
	Backend Backend
	Now     func() time.Time
}

// Bounds of the entries that wait to be written together.
const (
	flushAfter = time.Second
	flushAt    = 256
	waitLimit  = 4096
)

// Trail is the audit trail. Its methods are safe for concurrent use.
type Trail struct {
	cfg     Config
	mu      sync.Mutex
	waiting []Record
	armed   *time.Timer // runs while entries wait
	err     error       // of the last background flush
	flushMu sync.Mutex
	timers  sync.WaitGroup
}

// New returns a trail. Close it before its backend.
func New(cfg Config) *Trail {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Trail{cfg: cfg}
}

// Prepare returns the record of an entry, with who acts and when, for a driver that seals it in its own transaction.
func (t *Trail) Prepare(ctx context.Context, e Entry) Record {
	p, _ := access.From(ctx)
	r := Record{At: t.cfg.Now(), Who: p.ID, Entry: e}
	for i, role := range p.Roles {
		if i > 0 {
			r.Role += ","
		}
		r.Role += string(role)
	}
	return r
}

// Append writes an entry and returns once it is on disk.
func (t *Trail) Append(ctx context.Context, e Entry) error {
	return t.cfg.Backend.Append(context.WithoutCancel(ctx), []Record{t.Prepare(ctx, e)})
}

// Log is Append in plain words, for engines that this package depends on.
func (t *Trail) Log(ctx context.Context, action, what, outcome, detail string) error {
	return t.Append(ctx, Entry{Action: action, What: what, Outcome: outcome, Detail: detail})
}

// Later writes an entry within a second, many at a time. It returns Unavailable when the trail cannot be written and
// too much waits: then what was to be noted must not happen.
func (t *Trail) Later(ctx context.Context, e Entry) error {
	r := t.Prepare(ctx, e)
	t.mu.Lock()
	if len(t.waiting) >= waitLimit && t.err != nil {
		t.mu.Unlock()
		return vigil.Errorf(vigil.Unavailable, "audit.later", "the audit trail cannot be written")
	}
	t.waiting = append(t.waiting, r)
	full := len(t.waiting) >= flushAt
	if t.armed == nil && !full {
		t.timers.Add(1)
		t.armed = time.AfterFunc(flushAfter, t.tick)
	}
	t.mu.Unlock()
	if full {
		return t.Flush(ctx)
	}
	return nil
}

func (t *Trail) tick() {
	defer t.timers.Done()
	t.mu.Lock()
	t.armed = nil
	t.mu.Unlock()
	_ = t.Flush(context.Background()) // kept in t.err and tried again with the next entry
}

// Flush writes what waits.
func (t *Trail) Flush(ctx context.Context) error {
	t.flushMu.Lock()
	defer t.flushMu.Unlock()
	t.mu.Lock()
	batch := t.waiting
	t.waiting = nil
	t.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := t.cfg.Backend.Append(context.WithoutCancel(ctx), batch)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.err = err; err != nil {
		t.waiting = append(batch, t.waiting...)
	}
	return err
}

// Close writes what waits and stops.
func (t *Trail) Close() error {
	t.mu.Lock()
	if t.armed != nil && t.armed.Stop() {
		t.armed = nil
		t.timers.Done()
	}
	t.mu.Unlock()
	t.timers.Wait()
	return t.Flush(context.Background())
}

// List returns entries, newest first unless the filter says otherwise. Admins and the house may list; others are Denied.
func (t *Trail) List(ctx context.Context, f Filter) ([]Record, error) {
	if p, ok := access.From(ctx); !ok || !p.Has(access.Admin, access.System) {
		return nil, vigil.Errorf(vigil.Denied, "audit.list", "only administrators may read the audit trail")
	}
	if err := t.Flush(ctx); err != nil {
		return nil, err
	}
	if f.Limit <= 0 {
		f.Limit = 100
	}
	f.Limit = min(f.Limit, 1000)
	return t.cfg.Backend.List(ctx, f)
}

// Verify reads the whole chain and returns how many entries hold; the error names the first that does not.
func (t *Trail) Verify(ctx context.Context) (int64, error) {
	var prev Record
	for {
		page, err := t.List(ctx, Filter{After: prev.Seq, Limit: 1000, Oldest: true})
		if err != nil {
			return prev.Seq, err
		}
		if len(page) == 0 {
			return prev.Seq, nil
		}
		for _, r := range page {
			if r.Seq != prev.Seq+1 || r.Hash != digest(prev.Hash, r) {
				return prev.Seq, vigil.Errorf(vigil.Conflict, "audit.verify", "entry %d does not follow from entry %d: the trail was changed", r.Seq, prev.Seq)
			}
			prev = r
		}
	}
}
