package telemetry

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Hold is a legal hold: nothing of the subject is dropped or erased until it is lifted.
type Hold struct {
	Subject vigil.Subject `json:"subject"`
	By      string        `json:"by"` // name of who set it
	ByID    string        `json:"by_id"`
	At      time.Time     `json:"at"`
	Reason  string        `json:"reason"`
}

const longestReason = 500 // bytes

// SetHold keeps everything of the subject until LiftHold, durably. It returns Denied unless an administrator or the house
// acts, Invalid without a subject or a reason, and Conflict when a hold is set already.
func (s *Store) SetHold(ctx context.Context, name vigil.Subject, reason string) error {
	const op = "telemetry.hold"
	p, err := s.mayHold(ctx, op, name)
	if err != nil {
		return err
	}
	reason = strings.TrimSpace(reason)
	if !name.Valid() || strings.IndexByte(string(name), 0) >= 0 || reason == "" || len(reason) > longestReason {
		return vigil.Errorf(vigil.Invalid, op, "a hold needs a subject such as Patient/<id> and a reason of at most %d bytes", longestReason)
	}
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	if err := s.held(op, name); err != nil {
		return err
	}
	h := Hold{Subject: name, By: p.Name, ByID: p.ID, At: s.cfg.Now().UTC().Truncate(time.Second), Reason: reason}
	value, err := json.Marshal(h)
	if err != nil {
		return vigil.Errorf(vigil.Internal, op, "%w", err)
	}
	if err := s.writeDurably(ctx, Entry{holdKey(name), value}); err != nil {
		return err
	}
	s.setHold(name, &h)
	s.audited(ctx, "telemetry.hold", name)
	return nil
}

// LiftHold ends a hold. It returns NotFound when there is none; who may set one may lift it.
func (s *Store) LiftHold(ctx context.Context, name vigil.Subject) error {
	const op = "telemetry.hold"
	if _, err := s.mayHold(ctx, op, name); err != nil {
		return err
	}
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	if s.held(op, name) == nil {
		return vigil.Errorf(vigil.NotFound, op, "no hold is set on %s", name)
	}
	if err := s.writeDurably(ctx, Entry{holdKey(name), nil}); err != nil {
		return err
	}
	s.setHold(name, nil)
	s.audited(ctx, "telemetry.lift_hold", name)
	return nil
}

// Holds returns all holds, oldest first. Only administrators and the house may read them.
func (s *Store) Holds(ctx context.Context) ([]Hold, error) {
	if _, err := s.mayHold(ctx, "telemetry.hold", ""); err != nil {
		return nil, err
	}
	s.holdMu.RLock()
	defer s.holdMu.RUnlock()
	out := make([]Hold, 0, len(s.holds))
	for _, h := range s.holds {
		out = append(out, *h)
	}
	slices.SortFunc(out, func(a, b Hold) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Subject, b.Subject)) })
	return out, nil
}

func (s *Store) mayHold(ctx context.Context, op string, name vigil.Subject) (access.Principal, error) {
	p, _ := access.From(ctx)
	if !p.Has(access.Admin, access.System) {
		return p, vigil.Errorf(vigil.Denied, op, "only an administrator may see, set or lift a legal hold")
	}
	if name == "" {
		return p, nil
	}
	return p, access.CheckSubject(ctx, name)
}

// held returns a Conflict that says who set the hold on the subject, when and why, or nil.
func (s *Store) held(op string, name vigil.Subject) error {
	s.holdMu.RLock()
	defer s.holdMu.RUnlock()
	h := s.holds[name]
	if h == nil {
		return nil
	}
	return vigil.Errorf(vigil.Conflict, op, "%s is under a legal hold, set by %s on %s: %s. Nothing of it is dropped or erased until an administrator lifts the hold (DELETE /api/telemetry/holds/%s, or vigil telemetry hold lift %s)",
		name, h.By, h.At.Format("2006-01-02 15:04 UTC"), h.Reason, name, name)
}

func (s *Store) setHold(name vigil.Subject, h *Hold) {
	s.holdMu.Lock()
	defer s.holdMu.Unlock()
	if h == nil {
		delete(s.holds, name)
		return
	}
	s.holds[name] = h
}

func holdKey(name vigil.Subject) []byte { return subjectPrefix(tableHold, name) }

// readHolds reads all holds at start. One that cannot be read is an error: what must not be dropped must be known.
func (s *Store) readHolds(ctx context.Context) error {
	s.holds = map[vigil.Subject]*Hold{}
	return s.cfg.Series.Scan(ctx, []byte{tableHold}, []byte{tableHold + 1}, func(key, value []byte) error {
		var h Hold
		if err := json.Unmarshal(value, &h); err != nil || string(holdKey(h.Subject)) != string(key) {
			return vigil.Errorf(vigil.Internal, "telemetry.hold", "the legal hold under %q cannot be read; restore the series store from a backup", key)
		}
		s.holds[h.Subject] = &h
		return nil
	})
}
