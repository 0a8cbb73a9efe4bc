package rule

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// RulebookConfig is what the rulebook needs from outside.
type RulebookConfig struct {
	Book      Book
	Catalogue []Rule
	Scores    []catalog.ScoreTable
	Chains    []catalog.Chain
	Zone      *time.Location
	Now       func() time.Time
	// Adopt puts a program in force. Nil while nothing runs.
	Adopt func(p *Program)
	// MayPropose widens who may write rules: a charge nurse, for example. It may be nil.
	MayPropose func(ctx context.Context, p access.Principal) bool
	Audit      func(ctx context.Context, action, what, detail string) error
}

// Rulebook takes the site's rules from draft to live, beside the rules of the catalogue: a live version of the same key
// stands in the place of the catalogue's rule.
//
//	draft ─propose→ proposed ─approve→ approved ─shadow→ shadow ─enable→ live ─retire→ retired
//	          ↑──── reject ─────┘           └──────── enable ───────↑       └─ rollback: the former live one again
type Rulebook struct {
	cfg RulebookConfig
	mu  sync.Mutex // one change at a time: what is compiled is what is written
}

// NewRulebook returns the rulebook of a site.
func NewRulebook(cfg RulebookConfig) *Rulebook { return &Rulebook{cfg: cfg} }

// Program compiles what is in force now.
func (b *Rulebook) Program(ctx context.Context) (*Program, error) {
	versions, err := b.cfg.Book.Versions(ctx, "")
	if err != nil {
		return nil, err
	}
	steps, err := b.cfg.Book.Transitions(ctx, "")
	if err != nil {
		return nil, err
	}
	set, err := b.set(versions, steps)
	if err != nil {
		return nil, err
	}
	return Compile(set)
}

// set lays the site's rules over the catalogue's.
func (b *Rulebook) set(versions []Version, steps []Transition) (Set, error) {
	out := Set{Scores: b.cfg.Scores, Zone: b.cfg.Zone, Reasons: reasons(versions, steps)}
	for _, c := range b.cfg.Chains {
		out.Chains = append(out.Chains, c.Key)
	}
	replaced := map[string]bool{}
	for _, v := range versions {
		if v.State != Live && v.State != Trial {
			continue
		}
		replaced[v.Key] = replaced[v.Key] || v.State == Live
		if v.Off {
			continue
		}
		r, err := v.Rule()
		if err != nil {
			return out, fmt.Errorf("version %d of rule %s: %w", v.Number, v.Key, err)
		}
		if v.State == Live {
			out.Rules = append(out.Rules, r)
		} else {
			out.Shadow = append(out.Shadow, r)
		}
	}
	for i := range b.cfg.Catalogue {
		if r := b.cfg.Catalogue[len(b.cfg.Catalogue)-1-i]; !replaced[r.Key] {
			out.Rules = slices.Insert(out.Rules, 0, r)
		}
	}
	return out, nil
}

// reasons says of every key of the site what was done to it last.
func reasons(versions []Version, steps []Transition) map[string]string {
	out := map[string]string{}
	for _, v := range versions {
		out[v.Key] = "the rule was changed"
	}
	for _, t := range steps {
		if t.To != Live && t.To != Retired {
			continue
		}
		what := fmt.Sprintf("%s put version %d of the rule in force", t.Name, t.Number)
		if t.To == Retired {
			what = fmt.Sprintf("%s retired version %d of the rule", t.Name, t.Number)
		}
		if t.Note != "" {
			what += ": " + t.Note
		}
		out[t.Key] = what
	}
	return out
}

// Rule reads the rule of a version; its version is "site-<number>".
func (v Version) Rule() (Rule, error) {
	file, err := catalog.ParseRules(v.Key, []byte(v.Text))
	if err != nil {
		return Rule{}, err
	}
	if len(file.Rules) != 1 {
		return Rule{}, vigil.Errorf(vigil.Invalid, "rule.version", "a version holds one rule, not %d", len(file.Rules))
	}
	r := file.Rules[0]
	r.Version = fmt.Sprintf("site-%d", v.Number)
	if r.Class == "" {
		r.Class = vigil.Physiological
	}
	return r, nil
}

// DraftRequest is a new version: the YAML of one rule with its tests, or the key of a rule to switch off.
type DraftRequest struct {
	Text string `json:"text"`
	Off  string `json:"off"`
	Note string `json:"note"`
}

// Draft writes a new version. The rule must fit the others and pass its tests. It returns Invalid with every fault, and
// Denied to who may not propose.
func (b *Rulebook) Draft(ctx context.Context, d DraftRequest) (Version, error) {
	who, err := b.mayPropose(ctx)
	if err != nil {
		return Version{}, err
	}
	if strings.TrimSpace(d.Note) == "" {
		return Version{}, vigil.Errorf(vigil.Invalid, "rule.draft", "say in a note why the rule is needed or changed")
	}
	v := Version{Key: d.Off, Off: d.Off != "", Text: d.Text, Note: d.Note, State: Draft, Author: who.ID, AuthorName: who.Name, At: b.cfg.Now().UTC()}
	b.mu.Lock()
	defer b.mu.Unlock()
	if v.Off {
		if !slices.ContainsFunc(b.cfg.Catalogue, func(r Rule) bool { return r.Key == d.Off }) {
			return Version{}, vigil.Errorf(vigil.NotFound, "rule.draft", "no rule %q in the catalogue; retire a rule of the site instead", d.Off)
		}
		v.Text = ""
	} else if v.Key, err = b.try(ctx, d.Text); err != nil {
		return Version{}, err
	}
	out, err := b.cfg.Book.Write(ctx, v)
	if err != nil {
		return Version{}, err
	}
	return out, b.audit(ctx, "rule.draft", out.Key, fmt.Sprintf("version %d: %s", out.Number, d.Note))
}

// try compiles a text with what is in force and runs its tests. It returns the rule's key.
func (b *Rulebook) try(ctx context.Context, text string) (string, error) {
	file, err := catalog.ParseRules("rule", []byte(text))
	if err != nil {
		return "", err
	}
	if len(file.Rules) != 1 {
		return "", vigil.Errorf(vigil.Invalid, "rule.draft", "a version holds one rule with its tests; this text holds %d rules", len(file.Rules))
	}
	key := file.Rules[0].Key
	versions, err := b.cfg.Book.Versions(ctx, "")
	if err != nil {
		return "", err
	}
	set, err := b.set(versions, nil)
	if err != nil {
		return "", err
	}
	set.Shadow, set.Place = nil, file.Place
	set.Rules = append(slices.DeleteFunc(set.Rules, func(r Rule) bool { return r.Key == key }), file.Rules[0])
	p, err := Compile(set)
	if err != nil {
		return "", err
	}
	results, err := RunFile(p, file)
	if err != nil {
		return "", err
	}
	bad := vigil.Errorf(vigil.Invalid, "rule.draft", "the rule does not pass its tests")
	for _, r := range results {
		for _, f := range r.Faults {
			bad.Faults = append(bad.Faults, vigil.Fault{Path: "/tests/" + r.Name, Msg: f})
		}
	}
	if len(bad.Faults) > 0 {
		return "", bad
	}
	return key, nil
}

// Step is what a person does to a version.
type Step struct {
	Key    string `json:"key"`
	Number int    `json:"version"`
	Action string `json:"action"` // propose, reject, approve, shadow, enable, retire
	Note   string `json:"note"`
}

// stepRule says from where an action leads where, and whether it needs an approver.
type stepRule struct {
	from     []State
	to       State
	approver bool
}

func stepRules() map[string]stepRule {
	return map[string]stepRule{
		"propose": {[]State{Draft}, Proposed, false},
		"reject":  {[]State{Proposed, Approved}, Draft, true},
		"approve": {[]State{Proposed}, Approved, true},
		"shadow":  {[]State{Approved}, Trial, true},
		"enable":  {[]State{Approved, Trial}, Live, true},
		"retire":  {[]State{Approved, Trial, Live}, Retired, true},
	}
}

// Do takes a version one step on. It returns Denied to who may not, also to the author who would approve his own version,
// Conflict when the version stands elsewhere, Invalid when the rule no longer fits the others, NotFound.
func (b *Rulebook) Do(ctx context.Context, s Step) (Version, error) {
	rule, ok := stepRules()[s.Action]
	if !ok {
		return Version{}, vigil.Errorf(vigil.Invalid, "rule.step", "there is no action %q; there are propose, approve, reject, shadow, enable, retire, rollback", s.Action)
	}
	who, err := b.mayPropose(ctx)
	if rule.approver {
		who, err = mayApprove(ctx)
	}
	if err != nil {
		return Version{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	versions, err := b.cfg.Book.Versions(ctx, "")
	if err != nil {
		return Version{}, err
	}
	i := slices.IndexFunc(versions, func(v Version) bool { return v.Key == s.Key && v.Number == s.Number })
	switch {
	case i < 0:
		return Version{}, vigil.Errorf(vigil.NotFound, "rule.step", "no version %d of rule %q", s.Number, s.Key)
	case !slices.Contains(rule.from, versions[i].State):
		return Version{}, vigil.Errorf(vigil.Conflict, "rule.step", "version %d of %s is %s: %s is not the next step", s.Number, s.Key, versions[i].State, s.Action)
	case s.Action == "approve" && versions[i].Author == who.ID:
		return Version{}, vigil.Errorf(vigil.Denied, "rule.approve", "a rule is approved by a second person, not by its author")
	}
	at := b.cfg.Now().UTC()
	step := func(v Version, to State, note string) Transition {
		return Transition{Key: v.Key, Number: v.Number, From: v.State, To: to, By: who.ID, Name: who.Name, At: at, Note: note}
	}
	steps := []Transition{step(versions[i], rule.to, s.Note)}
	for _, v := range versions {
		if v.Key == s.Key && v.Number != s.Number && v.State == rule.to && (rule.to == Live || rule.to == Trial) {
			steps = append([]Transition{step(v, Retired, fmt.Sprintf("version %d takes its place", s.Number))}, steps...)
		}
	}
	return b.move(ctx, versions, steps, s.Action)
}

// Rollback makes the version that was live before live again; the catalogue's rule when there was none. It returns
// Conflict when nothing of the key is live, and what Do returns.
func (b *Rulebook) Rollback(ctx context.Context, key, reason string) (Version, error) {
	who, err := mayApprove(ctx)
	if err != nil {
		return Version{}, err
	}
	if strings.TrimSpace(reason) == "" {
		return Version{}, vigil.Errorf(vigil.Invalid, "rule.rollback", "say why the rule is rolled back")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	versions, err := b.cfg.Book.Versions(ctx, "")
	if err != nil {
		return Version{}, err
	}
	history, err := b.cfg.Book.Transitions(ctx, key)
	if err != nil {
		return Version{}, err
	}
	i := slices.IndexFunc(versions, func(v Version) bool { return v.Key == key && v.State == Live })
	if i < 0 {
		return Version{}, vigil.Errorf(vigil.Conflict, "rule.rollback", "no version of %q is live", key)
	}
	live := versions[i]
	at := b.cfg.Now().UTC()
	steps := []Transition{{Key: key, Number: live.Number, From: Live, To: Retired, By: who.ID, Name: who.Name, At: at, Note: reason}}
	if former := formerLive(history, live.Number); former > 0 {
		steps = append(steps, Transition{Key: key, Number: former, From: Retired, To: Live, By: who.ID, Name: who.Name, At: at, Note: reason})
	}
	return b.move(ctx, versions, steps, "rollback")
}

// formerLive returns the version that was live before this one first became so, 0 for none.
func formerLive(history []Transition, number int) int {
	former := 0
	for _, t := range history {
		if t.To != Live {
			continue
		}
		if t.Number == number {
			return former
		}
		former = t.Number
	}
	return 0
}

// move compiles what would be in force, writes the steps, and puts it in force.
func (b *Rulebook) move(ctx context.Context, versions []Version, steps []Transition, action string) (Version, error) {
	changed := false
	var last *Version
	for _, t := range steps {
		for i := range versions {
			if v := &versions[i]; v.Key == t.Key && v.Number == t.Number {
				v.State, last = t.To, v
			}
		}
		for _, s := range []State{t.From, t.To} {
			changed = changed || s == Live || s == Trial
		}
	}
	if t := steps[len(steps)-1]; t.To == Approved {
		last.Approver, last.ApproverName, last.ApprovedAt = t.By, t.Name, t.At
	}
	var p *Program
	if changed {
		history, err := b.cfg.Book.Transitions(ctx, "")
		if err != nil {
			return Version{}, err
		}
		set, err := b.set(versions, append(history, steps...))
		if err != nil {
			return Version{}, err
		}
		if p, err = Compile(set); err != nil {
			return Version{}, err
		}
	}
	if err := b.cfg.Book.Move(ctx, steps); err != nil {
		return Version{}, err
	}
	if p != nil && b.cfg.Adopt != nil {
		b.cfg.Adopt(p)
	}
	t := steps[len(steps)-1]
	return *last, b.audit(ctx, "rule."+action, t.Key, fmt.Sprintf("version %d: %s", t.Number, t.Note))
}

func (b *Rulebook) audit(ctx context.Context, action, key, detail string) error {
	if b.cfg.Audit == nil {
		return nil
	}
	return b.cfg.Audit(ctx, action, "rule/"+key, detail)
}

func (b *Rulebook) mayPropose(ctx context.Context) (access.Principal, error) {
	who, ok := access.From(ctx)
	switch {
	case ok && !who.ReadOnly && who.Has(access.Physician, access.Engineer, access.Admin):
		return who, nil
	case ok && !who.ReadOnly && b.cfg.MayPropose != nil && b.cfg.MayPropose(ctx, who):
		return who, nil
	}
	return who, vigil.Errorf(vigil.Denied, "rule.propose", "rules are proposed by physicians, charge nurses, engineers and administrators")
}

func mayApprove(ctx context.Context) (access.Principal, error) {
	who, ok := access.From(ctx)
	if !ok || who.ReadOnly || !who.Has(access.Physician, access.Admin) {
		return who, vigil.Errorf(vigil.Denied, "rule.approve", "rules are approved, put in force and retired by physicians and administrators")
	}
	return who, nil
}

// Entry is a rule as the list of rules shows it: what is in force, and what waits.
type Entry struct {
	Key      string       `json:"key"`
	Title    string       `json:"title"`
	Kind     string       `json:"kind"`
	Priority string       `json:"priority"`
	Origin   string       `json:"origin"` // catalogue or site
	Version  string       `json:"version"`
	State    State        `json:"state"` // live, retired (nothing of it is in force), or where its newest version stands
	Off      bool         `json:"off,omitempty"`
	Sentence []Slot       `json:"sentence"`
	By       string       `json:"by,omitempty"` // who wrote the site's version that the entry shows
	At       time.Time    `json:"at,omitzero"`  // when
	Waiting  []Version    `json:"waiting"`      // versions on their way, newest first
	Shadow   *ShadowCount `json:"shadow,omitempty"`
	Rule     Rule         `json:"-"`
}

// List returns every rule of catalogue and site. Everybody who is signed in as staff may see rules.
func (b *Rulebook) List(ctx context.Context) ([]Entry, error) {
	versions, err := b.cfg.Book.Versions(ctx, "")
	if err != nil {
		return nil, err
	}
	counts, err := b.cfg.Book.CountShadows(ctx)
	if err != nil {
		return nil, err
	}
	out := []Entry{}
	at := map[string]int{}
	for _, r := range b.cfg.Catalogue {
		at[r.Key] = len(out)
		out = append(out, entryOf(r, "catalogue", Live))
	}
	for _, v := range versions {
		i, ok := at[v.Key]
		if !ok {
			i = len(out)
			at[v.Key] = i
			out = append(out, Entry{Key: v.Key, Origin: "site", Waiting: []Version{}})
		}
		if err := out[i].add(v, counts); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, c Entry) int { return cmp.Compare(a.Key, c.Key) })
	return out, nil
}

func entryOf(r Rule, origin string, s State) Entry {
	return Entry{Key: r.Key, Title: r.Title, Kind: r.Kind, Priority: r.Priority.String(), Origin: origin, Version: r.Version, State: s, Sentence: Sentence(r), Waiting: []Version{}, Rule: r}
}

// add shows one more version of a rule, in the order of their numbers.
func (e *Entry) add(v Version, counts []ShadowCount) error {
	if v.Off {
		if v.State == Live {
			e.Origin, e.Off, e.Version, e.State = "site", true, fmt.Sprintf("site-%d", v.Number), Retired
			e.By, e.At = v.AuthorName, v.At
		}
	} else {
		r, err := v.Rule()
		if err != nil {
			return err
		}
		if v.State == Live || e.Title == "" || e.Origin == "site" && e.State != Live {
			waiting, shadow := e.Waiting, e.Shadow
			*e = entryOf(r, "site", v.State)
			e.Waiting, e.Shadow, e.By, e.At = waiting, shadow, v.AuthorName, v.At
		}
		for _, c := range counts {
			if c.Rule == v.Key && c.Version == r.Version && v.State == Trial {
				e.Shadow = &c
			}
		}
	}
	if v.State != Live && v.State != Retired {
		e.Waiting = slices.Insert(e.Waiting, 0, v)
	}
	return nil
}

// History returns the versions of a key, newest first, and its steps, oldest first; NotFound when the site has none and
// the catalogue neither.
func (b *Rulebook) History(ctx context.Context, key string) ([]Version, []Transition, error) {
	versions, err := b.cfg.Book.Versions(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	if len(versions) == 0 && !slices.ContainsFunc(b.cfg.Catalogue, func(r Rule) bool { return r.Key == key }) {
		return nil, nil, vigil.Errorf(vigil.NotFound, "rule.history", "no rule %q", key)
	}
	slices.Reverse(versions)
	steps, err := b.cfg.Book.Transitions(ctx, key)
	return versions, steps, err
}

// Shadows returns what rules on trial would have raised.
func (b *Rulebook) Shadows(ctx context.Context, q ShadowQuery) ([]Shadow, error) {
	if who, ok := access.From(ctx); !ok || !who.Clinical() {
		return nil, vigil.Errorf(vigil.Denied, "rule.shadows", "what a rule would have raised is shown to clinical staff")
	}
	return b.cfg.Book.ListShadows(ctx, q)
}

// TryText compiles a text of rules with what is in force and runs its tests, without writing anything.
func (b *Rulebook) TryText(ctx context.Context, text string) ([]TestResult, catalog.RuleFile, error) {
	file, err := catalog.ParseRules("rule", []byte(text))
	if err != nil {
		return nil, file, err
	}
	p, err := b.candidate(ctx, file)
	if err != nil {
		return nil, file, err
	}
	results, err := RunFile(p, file)
	return results, file, err
}

// candidate compiles what would be in force with the rules of a file.
func (b *Rulebook) candidate(ctx context.Context, file catalog.RuleFile) (*Program, error) {
	_, after, err := b.sets(ctx, file)
	if err != nil {
		return nil, err
	}
	return Compile(after)
}

// sets returns what is in force, and what would be with the rules of a file.
func (b *Rulebook) sets(ctx context.Context, file catalog.RuleFile) (today, after Set, err error) {
	versions, err := b.cfg.Book.Versions(ctx, "")
	if err != nil {
		return today, after, err
	}
	if today, err = b.set(versions, nil); err != nil {
		return today, after, err
	}
	today.Shadow = nil
	after = today
	after.Place = file.Place
	after.Rules = slices.DeleteFunc(slices.Clone(today.Rules), func(r Rule) bool {
		return slices.ContainsFunc(file.Rules, func(n Rule) bool { return n.Key == r.Key })
	})
	after.Rules = append(after.Rules, file.Rules...)
	return today, after, nil
}
