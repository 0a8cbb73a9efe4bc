package rule

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/condition"
)

// Slot is a piece of a sentence, see condition.Slot. Kinds besides those of conditions: priority, limit, delay, hold,
// hysteresis, hours, days, age_group, unit_id, patient, total.
type Slot = condition.Slot

// Sentence says a rule in one English sentence with its slots. ParseSentence reads it back.
//
//	High alarm when Arterial mean pressure, else Mean blood pressure is under 65 (adult) / 50 (child) mmHg for 10 s;
//	ends when it is back by 2 for 10 s; only from 22-06; only for patients flagged asleep
func Sentence(r Rule) []Slot {
	s := &sentenceWriter{r: r}
	s.slot("priority", strings.ToUpper(r.Priority.String()[:1])+r.Priority.String()[1:], "/priority")
	s.text(" alarm when ")
	switch r.Kind {
	case KindLimit:
		s.limit()
	case KindScore:
		s.text("the score ")
		s.slot("score", r.Score, "/score")
		s.text(" is at least ")
		s.slot("total", strconv.Itoa(r.AtLeast), "/at_least")
	case KindCondition:
		s.condition(r.When, "/when")
	default:
		s.text(technicalWords()[r.Kind])
	}
	s.delays()
	s.ends()
	s.only()
	return s.out
}

// technicalWords say what rules about devices look at.
func technicalWords() map[string]string {
	return map[string]string{KindNoData: "a device is silent", KindLeadOff: "a lead is off", KindQuality: "a device doubts its readings"}
}

type sentenceWriter struct {
	r   Rule
	out []Slot
}

func (s *sentenceWriter) text(t string) { s.out = append(s.out, Slot{Kind: "text", Text: t}) }

func (s *sentenceWriter) slot(kind, text, path string) {
	s.out = append(s.out, Slot{Kind: kind, Text: text, Path: path})
}

func (s *sentenceWriter) limit() {
	for i, m := range s.r.Metrics {
		if i > 0 {
			s.text(", else ")
		}
		s.slot("metric", condition.MetricName(m), "/metrics/"+strconv.Itoa(i))
	}
	s.text(" is ")
	side := "over"
	if s.r.Side == "low" {
		side = "under"
	}
	s.slot("op", side, "/side")
	groups := slices.Sorted(maps.Keys(s.r.Limits))
	for i, g := range groups {
		s.text([]string{" ", " / "}[min(i, 1)])
		s.slot("limit", number(s.r.Limits[g]), "/limits/"+g)
		s.text(" (" + g + ")")
	}
	if u := s.unit(); u != "" {
		s.slot("unit", " "+u, "")
	}
}

func (s *sentenceWriter) unit() string {
	if len(s.r.Metrics) == 0 {
		return ""
	}
	def, _ := coding.Lookup(s.r.Metrics[0])
	return def.Unit
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// condition says an expression in English, or shows it as it is when it says more than English can.
func (s *sentenceWriter) condition(text, path string) {
	m, ok := condition.ModelOf(text)
	if !ok {
		s.text("«")
		s.slot("cel", strings.Join(strings.Fields(text), " "), path)
		s.text("»")
		return
	}
	s.out = append(s.out, m.Phrase(path)...)
}

func (s *sentenceWriter) delays() {
	if s.r.Delay > 0 || len(s.r.Delays) > 0 {
		s.text(" for ")
		s.slot("delay", condition.DurationText(s.r.Delay), "/delay")
	}
	keys := slices.Sorted(maps.Keys(s.r.Delays))
	for i, m := range keys {
		s.text([]string{" (", ", "}[min(i, 1)])
		s.slot("delay", condition.DurationText(s.r.Delays[m]), "/delays/"+string(m))
		s.text(" for " + condition.MetricName(m))
	}
	if len(keys) > 0 {
		s.text(")")
	}
}

func (s *sentenceWriter) ends() {
	c := s.r.Clear
	if c == (catalog.Clear{}) {
		return
	}
	s.text("; ends when ")
	switch {
	case c.When != "":
		s.condition(c.When, "/clear/when")
	case c.Hysteresis != 0:
		s.text("it is back by ")
		s.slot("hysteresis", number(c.Hysteresis), "/clear/hysteresis")
	default:
		s.text("it is over")
	}
	if c.Hold > 0 {
		s.text(" for ")
		s.slot("hold", condition.DurationText(c.Hold), "/clear/hold")
	}
}

func (s *sentenceWriter) only() {
	r := s.r
	if r.Schedule.Hours != "" {
		s.text("; only from ")
		s.slot("hours", r.Schedule.Hours, "/schedule/hours")
	}
	list := func(lead, kind, path string, items []string) {
		for i, t := range items {
			s.text([]string{lead, " / "}[min(i, 1)])
			s.slot(kind, t, path+"/"+strconv.Itoa(i))
		}
	}
	list("; only on ", "days", "/schedule/days", r.Schedule.Days)
	list("; only for age group ", "age_group", "/scope/age_groups", r.Scope.AgeGroups)
	list("; only in unit ", "unit_id", "/scope/units", r.Scope.Units)
	list("; only in programme ", "programme", "/scope/programmes", r.Scope.Programmes)
	list("; only for patient ", "patient", "/scope/patients", r.Scope.Patients)
	for _, f := range slices.Sorted(maps.Keys(r.Flags)) {
		lead := "; only for patients flagged "
		if !r.Flags[f] {
			lead = "; only for patients not flagged "
		}
		s.text(lead)
		s.slot("flag", f, "/flags/"+f)
	}
}

// ParseSentence reads a sentence as Sentence writes it. What a sentence does not say (key, title, chain, …) stays as it is
// in base. Its Invalid error says at which letter something else was expected.
func ParseSentence(text string, base Rule) (Rule, error) {
	s := &sentenceReader{Reader: condition.NewReader(text), r: base}
	r := &s.r
	r.Metrics, r.Side, r.When, r.Score, r.AtLeast, r.Limits, r.Delay, r.Delays = nil, "", "", "", 0, nil, 0, nil
	r.Clear, r.Scope, r.Schedule, r.Flags = catalog.Clear{}, catalog.Scope{}, catalog.Schedule{}, nil
	for _, step := range []func() error{s.priority, s.what, s.delay, s.clear} {
		if err := step(); err != nil {
			return base, err
		}
	}
	for s.Rest != "" {
		if err := s.only(); err != nil {
			return base, err
		}
	}
	return s.r, nil
}

type sentenceReader struct {
	*condition.Reader
	r Rule
}

func (s *sentenceReader) priority() error {
	for _, p := range []vigil.Priority{vigil.PriorityLow, vigil.PriorityMedium, vigil.PriorityHigh} {
		name := p.String()
		if s.Word(strings.ToUpper(name[:1])+name[1:]+" alarm when ") || s.Word(name+" alarm when ") {
			s.r.Priority = p
			return nil
		}
	}
	return s.Fail("Low, Medium or High alarm when")
}

// what reads what the rule looks at: a limit, a score, equipment, else a condition.
func (s *sentenceReader) what() error {
	for kind, words := range technicalWords() {
		if s.Word(words) {
			s.r.Kind = kind
			return nil
		}
	}
	before := s.Rest
	if s.limit() {
		s.r.Kind = KindLimit
		return nil
	}
	s.Rest, s.r.Metrics, s.r.Limits, s.r.Side = before, nil, nil, ""
	if s.Word("the score ") {
		name, err := s.Name()
		if v, numErr := s.total(); err == nil && numErr == nil && (s.Rest == "" || strings.HasPrefix(s.Rest, ";") || strings.HasPrefix(s.Rest, " for ")) && s.r.Kind != KindCondition {
			s.r.Kind, s.r.Score, s.r.AtLeast = KindScore, name, int(v)
			return nil
		}
		s.Rest = before
	}
	s.r.Kind = KindCondition
	when, err := s.condition()
	s.r.When = when
	return err
}

func (s *sentenceReader) total() (float64, error) {
	if !s.Word(" is at least ") {
		return 0, s.Fail("is at least")
	}
	return s.Number()
}

// limit reads "A, else B is over 90 (adult) / 88 (child) %"; false when it is something else. The group in brackets tells
// it from a condition.
func (s *sentenceReader) limit() bool {
	for {
		m, err := s.Metric()
		if err != nil {
			return false
		}
		s.r.Metrics = append(s.r.Metrics, m)
		if !s.Word(", else ") {
			break
		}
	}
	switch {
	case s.Word(" is over "):
		s.r.Side = "high"
	case s.Word(" is under "):
		s.r.Side = "low"
	default:
		return false
	}
	s.r.Limits = map[string]float64{}
	for {
		v, err := s.Number()
		if err != nil || !s.Word(" (") {
			return false
		}
		g, err := s.Name()
		if err != nil || !s.Word(")") {
			return false
		}
		s.r.Limits[g] = v
		if !s.Word(" / ") {
			break
		}
	}
	if def, _ := coding.Lookup(s.r.Metrics[0]); def.Unit != "" {
		s.Word(" " + def.Unit)
	}
	return true
}

func (s *sentenceReader) condition() (string, error) {
	if s.Word("«") {
		text, rest, ok := strings.Cut(s.Rest, "»")
		if !ok {
			return "", s.Fail("» behind the expression")
		}
		s.Rest = rest
		return text, nil
	}
	m, err := s.Model()
	if err != nil {
		return "", err
	}
	return m.CEL()
}

func (s *sentenceReader) delay() (err error) {
	if !s.Word(" for ") {
		return nil
	}
	if s.r.Delay, err = s.Duration(); err != nil || !s.Word(" (") {
		return err
	}
	s.r.Delays = map[vigil.Metric]time.Duration{}
	for {
		d, err := s.Duration()
		if err != nil {
			return err
		}
		if !s.Word(" for ") {
			return s.Fail("for and a metric")
		}
		m, err := s.Metric()
		if err != nil {
			return err
		}
		s.r.Delays[m] = d
		if s.Word(")") {
			return nil
		}
		if !s.Word(", ") {
			return s.Fail("a closing bracket")
		}
	}
}

func (s *sentenceReader) clear() (err error) {
	if !s.Word("; ends when ") {
		return nil
	}
	switch {
	case s.Word("it is back by "):
		s.r.Clear.Hysteresis, err = s.Number()
	case s.Word("it is over"):
	default:
		s.r.Clear.When, err = s.condition()
	}
	if err == nil && s.Word(" for ") {
		s.r.Clear.Hold, err = s.Duration()
	}
	return err
}

// only reads one of the restrictions at the end.
func (s *sentenceReader) only() error {
	list := func(into *[]string) error {
		for {
			name, err := s.Name()
			if err != nil {
				return err
			}
			if *into = append(*into, name); !s.Word(" / ") {
				return nil
			}
		}
	}
	flag := func(want bool) error {
		name, err := s.Name()
		if s.r.Flags == nil {
			s.r.Flags = map[string]bool{}
		}
		s.r.Flags[name] = want
		return err
	}
	switch {
	case s.Word("; only from "):
		hours, err := s.Name()
		s.r.Schedule.Hours = hours
		return err
	case s.Word("; only on "):
		return list(&s.r.Schedule.Days)
	case s.Word("; only for age group "):
		return list(&s.r.Scope.AgeGroups)
	case s.Word("; only in unit "):
		return list(&s.r.Scope.Units)
	case s.Word("; only in programme "):
		return list(&s.r.Scope.Programmes)
	case s.Word("; only for patient "):
		return list(&s.r.Scope.Patients)
	case s.Word("; only for patients flagged "):
		return flag(true)
	case s.Word("; only for patients not flagged "):
		return flag(false)
	}
	return s.Fail("; ends when, ; only … or the end of the sentence")
}
