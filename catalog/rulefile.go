package catalog

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/vigil-health/vigil"
)

// RuleFile is a file of rules with the tests that they must pass. Either list may be empty: tests without rules examine
// the rules of the catalogue.
type RuleFile struct {
	Rules []Rule     `yaml:"rules,omitempty"`
	Tests []RuleTest `yaml:"tests,omitempty"`

	places map[string]Place
}

// Place is where a value stands in its file, both counted from 1.
type Place struct{ Line, Column int }

// RuleTest is a course of values and the alarms that must follow from it, and no others.
type RuleTest struct {
	Name    string       `yaml:"name"`
	Start   time.Time    `yaml:"start,omitempty"` // of the virtual clock; 2026-01-05 08:00 UTC, a Monday, when absent
	Profile TestProfile  `yaml:"profile,omitempty"`
	Series  []TestSeries `yaml:"series"`
	Flags   []TestFlag   `yaml:"flags,omitempty"`
	Run     Span         `yaml:"run,omitempty"` // how long; until the last value when absent
	Rules   []string     `yaml:"rules,omitempty"`
	Expect  []TestAlarm  `yaml:"expect"`
}

// TestProfile is who the test is about.
type TestProfile struct {
	AgeGroup   string          `yaml:"age_group,omitempty"`
	AgeYears   *float64        `yaml:"age_years,omitempty"`
	PostopDay  *float64        `yaml:"postop_day,omitempty"`
	Unit       string          `yaml:"unit,omitempty"`
	Patient    string          `yaml:"patient,omitempty"`
	Flags      []string        `yaml:"flags,omitempty"`
	Programmes []string        `yaml:"programmes,omitempty"`
	Personal   map[string]Pair `yaml:"personal,omitempty"` // personal limits by metric
}

// Pair is a low and a high limit.
type Pair struct {
	Low  *float64 `yaml:"low,omitempty"`
	High *float64 `yaml:"high,omitempty"`
}

// TestSeries is values of one metric, from one time up to another. The value goes evenly to To's value when it is named.
type TestSeries struct {
	Metric  vigil.Metric `yaml:"metric"`
	From    Span         `yaml:"from"`
	To      Span         `yaml:"to,omitempty"`    // exclusive; one value when absent
	Every   Span         `yaml:"every,omitempty"` // 1 s when absent
	Value   float64      `yaml:"value"`
	ToValue *float64     `yaml:"to_value,omitempty"`
	Late    bool         `yaml:"late,omitempty"`    // arrives long after it was measured
	Doubted bool         `yaml:"doubted,omitempty"` // the device doubts it
}

// TestFlag sets or lifts a flag during the test.
type TestFlag struct {
	At   Span   `yaml:"at"`
	Set  string `yaml:"set,omitempty"`
	Lift string `yaml:"lift,omitempty"`
}

// TestAlarm is an alarm that must be. Start and end are those of the desk, within a second.
type TestAlarm struct {
	Rule     string         `yaml:"rule"`
	Start    Span           `yaml:"start"`
	End      Span           `yaml:"end,omitempty"` // absent: still open at the end of the test
	Priority vigil.Priority `yaml:"priority,omitempty"`
}

// Span is a duration that also knows days: "90s", "1h30m", "2d".
type Span time.Duration

// UnmarshalText reads a span.
func (s *Span) UnmarshalText(b []byte) error {
	d, err := ParseSpan(string(b))
	*s = Span(d)
	return err
}

// MarshalText writes a span as Go writes a duration.
func (s Span) MarshalText() ([]byte, error) { return []byte(time.Duration(s).String()), nil }

// ParseSpan reads a duration of at least zero; "2d" is two days.
func ParseSpan(text string) (time.Duration, error) {
	days, rest := 0, text
	if head, tail, ok := strings.Cut(text, "d"); ok {
		if _, err := fmt.Sscanf(head+";", "%d;", &days); err != nil || days < 0 || days > 10_000 {
			return 0, vigil.Errorf(vigil.Invalid, "catalog.span", "%q is no duration; write 30s, 5m, 1h30m or 2d", text)
		}
		if rest = tail; rest == "" {
			return time.Duration(days) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return 0, vigil.Errorf(vigil.Invalid, "catalog.span", "%q is no duration; write 30s, 5m, 1h30m or 2d", text)
	}
	return d + time.Duration(days)*24*time.Hour, nil
}

// maxRuleFile bounds what is read: rules are written by people.
const maxRuleFile = 1 << 20

// ParseRules reads a rule file: one rule, a list of rules, or a mapping with rules and tests. It checks the YAML only;
// engine/rule.Check says whether the rules can be used. Its Invalid error names line and column.
func ParseRules(name string, text []byte) (file RuleFile, err error) {
	defer func() { // the YAML library trips over a tag before a list that is none
		if recover() != nil {
			file, err = RuleFile{}, vigil.Errorf(vigil.Invalid, "catalog.rules", "%s is no YAML that can be read", name)
		}
	}()
	fault := func(err error) error {
		return vigil.Errorf(vigil.Invalid, "catalog.rules", "%s: %s", name, yaml.FormatError(err, false, true))
	}
	if len(text) > maxRuleFile {
		return file, vigil.Errorf(vigil.Invalid, "catalog.rules", "%s is larger than a megabyte", name)
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return file, fault(err)
	}
	if len(tree.Docs) != 1 || tree.Docs[0].Body == nil {
		return file, vigil.Errorf(vigil.Invalid, "catalog.rules", "%s holds no rule, or more than one document", name)
	}
	body := tree.Docs[0].Body
	rules := ast.Node(nil)
	switch n := body.(type) {
	case *ast.SequenceNode:
		err, rules = strict(text, &file.Rules), n
	case *ast.MappingNode:
		if rules = child(n, "rules"); rules == nil && child(n, "tests") == nil {
			file.Rules = make([]Rule, 1)
			err, rules = strict(text, &file.Rules[0]), n
			break
		}
		err = strict(text, &file)
	default:
		err = strict(text, &file)
	}
	if err != nil {
		return RuleFile{}, fault(err)
	}
	file.places = map[string]Place{}
	file.locate(rules)
	return file, nil
}

func strict(text []byte, v any) error {
	return yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(v)
}

func child(m *ast.MappingNode, key string) ast.Node {
	for _, v := range m.Values {
		if v.Key.String() == key {
			return v.Value
		}
	}
	return nil
}

// locate notes where every value of every rule stands.
func (f *RuleFile) locate(n ast.Node) {
	list := []ast.Node{n}
	if seq, ok := n.(*ast.SequenceNode); ok {
		list = seq.Values
	}
	for i, item := range list {
		m, ok := item.(*ast.MappingNode)
		if !ok || i >= len(f.Rules) {
			continue
		}
		f.locateIn(m, "/rules/"+f.Rules[i].Key)
	}
}

func (f *RuleFile) locateIn(m *ast.MappingNode, path string) {
	if tok := m.GetToken(); tok != nil {
		first := tok
		if len(m.Values) > 0 && m.Values[0].Key.GetToken() != nil {
			first = m.Values[0].Key.GetToken()
		}
		f.places[path] = Place{first.Position.Line, first.Position.Column}
	}
	for _, v := range m.Values {
		at := path + "/" + v.Key.String()
		switch val := v.Value.(type) {
		case *ast.MappingNode:
			f.locateIn(val, at)
			continue
		case *ast.LiteralNode: // a block: its text begins on the next line
			if val.Value != nil {
				t := val.Value.GetToken()
				indent := len(t.Origin) - len(strings.TrimLeft(t.Origin, " \n"))
				f.places[at] = Place{val.Start.Position.Line + 1, max(1, indent+1)}
				continue
			}
		}
		tok := v.Value.GetToken()
		if tok == nil {
			tok = v.Key.GetToken()
		}
		p := Place{tok.Position.Line, tok.Position.Column}
		if s, ok := v.Value.(*ast.StringNode); ok && strings.HasSuffix(s.Token.Type.String(), "Quote") {
			p.Column++ // the text begins behind the quote
		}
		f.places[at] = p
	}
}

// Place returns where a value stands, by its path: "/rules/<key>/when". A path that is not in the file gives the place of
// the nearest value around it, and false when there is none.
func (f *RuleFile) Place(path string) (Place, bool) {
	for path != "" {
		if p, ok := f.places[path]; ok {
			return p, true
		}
		path = path[:max(0, strings.LastIndexByte(path, '/'))]
	}
	return Place{}, false
}

// FormatRule writes a rule as YAML.
func FormatRule(r Rule) (string, error) {
	out, err := yaml.MarshalWithOptions(r, yaml.Indent(2), yaml.UseLiteralStyleIfMultiline(true))
	return string(out), err
}

// RuleTests returns the tests that come with the catalogue's rules, by file.
func RuleTests() (map[string]RuleFile, error) {
	names, err := ruleTests.ReadDir("ruletests")
	if err != nil {
		return nil, err
	}
	out := map[string]RuleFile{}
	for _, n := range names {
		text, err := ruleTests.ReadFile("ruletests/" + n.Name())
		if err != nil {
			return nil, err
		}
		if out[n.Name()], err = ParseRules(n.Name(), text); err != nil {
			return nil, err
		}
	}
	return out, nil
}
