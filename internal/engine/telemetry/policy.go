package telemetry

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// Age is how old telemetry may become, counted from when it was measured; zero is for ever. Its text is a number with h,
// d, w or y (365 days), for example "30d", or "forever".
type Age time.Duration

// ageUnits from the longest.
var ageUnits = [...]struct {
	letter string
	length time.Duration
}{{"y", 365 * 24 * time.Hour}, {"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}}

// ParseAge reads the text of an Age; it returns Invalid for anything else.
func ParseAge(text string) (Age, error) {
	if text == "forever" {
		return 0, nil
	}
	for _, u := range ageUnits {
		if number, ok := strings.CutSuffix(text, u.letter); ok {
			if n, err := strconv.Atoi(number); err == nil && n > 0 && n <= int(100*365*24*time.Hour/u.length) {
				return Age(time.Duration(n) * u.length), nil
			}
		}
	}
	return 0, vigil.Errorf(vigil.Invalid, "telemetry.retention", `%q is no age; write "36h", "30d", "8w", "10y" or "forever"`, text)
}

// String returns the age in years, days or hours, the longest that is whole.
func (a Age) String() string {
	for _, u := range ageUnits {
		if a > 0 && u.letter != "w" && time.Duration(a)%u.length == 0 {
			return strconv.Itoa(int(time.Duration(a)/u.length)) + u.letter
		}
	}
	if a == 0 {
		return "forever"
	}
	return time.Duration(a).String()
}

// MarshalText implements encoding.TextMarshaler.
func (a Age) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Age) UnmarshalText(b []byte) (err error) {
	*a, err = ParseAge(string(b))
	return err
}

// Keep says how long one class is kept: all of it until Raw, summaries of numerics until Summaries, then nothing. Both
// count from the measurement. Summaries that end before Raw are not kept on their own.
type Keep struct {
	Raw       Age  `json:"raw"`
	Summaries *Age `json:"summaries,omitempty"` // nil: nothing stays after Raw
}

// Policy says how long telemetry is kept. A class that is not named is kept for ever.
type Policy map[coding.Class]Keep

// leastAge is the least that may be kept: rules, scores and screens look back two days.
const leastAge = Age(48 * time.Hour)

// DefaultPolicy is what a house keeps that has decided nothing.
func DefaultPolicy() Policy {
	year := Age(365 * 24 * time.Hour)
	ten, three := 10*year, 3*year
	return Policy{
		coding.ClassVitals: {Raw: year, Summaries: &ten}, coding.ClassWaveforms: {Raw: Age(30 * 24 * time.Hour)},
		coding.ClassEnvironment: {Raw: Age(90 * 24 * time.Hour), Summaries: &three}, coding.ClassTechnical: {Raw: Age(90 * 24 * time.Hour), Summaries: &year},
		coding.ClassEvents: {Raw: ten},
	}
}

// Check returns Invalid with the first thing that the policy cannot mean.
func (p Policy) Check() error {
	for _, c := range coding.Classes() {
		k, named := p[c]
		switch {
		case !named:
		case k.Raw != 0 && k.Raw < leastAge:
			return vigil.Errorf(vigil.Invalid, "telemetry.retention", "%s: raw is %s and must be at least %s, which screens and rules look back", c, k.Raw, leastAge)
		case k.Summaries != nil && (c == coding.ClassWaveforms || c == coding.ClassEvents):
			return vigil.Errorf(vigil.Invalid, "telemetry.retention", "%s have no summaries; leave summaries out", c)
		case k.Summaries != nil && *k.Summaries != 0 && *k.Summaries < k.Raw:
			return vigil.Errorf(vigil.Invalid, "telemetry.retention", "%s: summaries end at %s, before raw at %s", c, *k.Summaries, k.Raw)
		}
	}
	for c := range p {
		if !knownClass(c) {
			return vigil.Errorf(vigil.Invalid, "telemetry.retention", "%q is no class of telemetry; there are %v", c, coding.Classes())
		}
	}
	return nil
}

func knownClass(c coding.Class) bool { return classNumber(c) < len(coding.Classes()) }

// classNumber is the place of the class among coding.Classes.
func classNumber(c coding.Class) int {
	for i, x := range coding.Classes() {
		if x == c {
			return i
		}
	}
	return len(coding.Classes())
}

// String says the policy in one line for people.
func (p Policy) String() string {
	var parts []string
	for _, c := range coding.Classes() {
		k := p[c]
		text := fmt.Sprintf("%s %s", c, k.Raw)
		if k.Raw != 0 && k.Summaries != nil {
			text += fmt.Sprintf(", then summaries until %s", *k.Summaries)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// PolicyState is the policy in force and where it comes from.
type PolicyState struct {
	Policy Policy    `json:"policy"`
	Set    bool      `json:"set"` // by an administrator; else it is the configuration's
	By     string    `json:"by,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// Retention returns the policy in force. Clinicians, engineers and administrators may read it.
func (s *Store) Retention(ctx context.Context) (PolicyState, error) {
	if p, _ := access.From(ctx); !p.Has(access.Admin, access.System, access.Engineer, access.Nurse, access.Physician) {
		return PolicyState{}, vigil.Errorf(vigil.Denied, "telemetry.retention", "only staff may read what is kept")
	}
	state := *s.policy.Load()
	state.Policy = maps.Clone(state.Policy)
	return state, nil
}

// SetRetention makes the policy the one in force, durably; nil goes back to the configuration's. What was dropped stays
// dropped. Only administrators may; it returns Invalid for a policy that cannot be.
func (s *Store) SetRetention(ctx context.Context, policy Policy) error {
	const op = "telemetry.retention"
	p, _ := access.From(ctx)
	if !p.Has(access.Admin, access.System) {
		return vigil.Errorf(vigil.Denied, op, "only an administrator may decide what is kept")
	}
	if err := policy.Check(); err != nil {
		return err
	}
	state := PolicyState{Policy: s.cfg.Policy}
	var value []byte
	if policy != nil {
		state = PolicyState{Policy: maps.Clone(policy), Set: true, By: p.Name, At: s.cfg.Now().UTC().Truncate(time.Second)}
		var err error
		if value, err = json.Marshal(state); err != nil {
			return vigil.Errorf(vigil.Internal, op, "%w", err)
		}
	}
	s.keepMu.Lock()
	defer s.keepMu.Unlock()
	if err := s.writeDurably(ctx, Entry{keyPolicy, value}); err != nil {
		return err
	}
	s.policy.Store(&state)
	s.round = retentionRound{} // from the beginning, by the new policy
	s.audited(ctx, "telemetry.retention", "")
	return nil
}

func (s *Store) writeDurably(ctx context.Context, entries ...Entry) error {
	if err := s.cfg.Series.Write(ctx, entries); err != nil {
		return err
	}
	return s.cfg.Series.Flush(ctx)
}

func (s *Store) audited(ctx context.Context, action string, name vigil.Subject) {
	if s.cfg.Audit != nil {
		s.cfg.Audit(ctx, action, name)
	}
}
