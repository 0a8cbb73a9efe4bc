package condition

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
)

// Slot is a piece of a sentence. Kind text is fixed; every other kind is something a person may change in its place:
// metric, fn, op, value, bound, unit, window, score, flag, programme, variable, texts, cel, and those of package rule.
type Slot struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Path string `json:"path,omitempty"` // JSON pointer into the edit model
}

// Text joins slots to a sentence.
func Text(slots []Slot) string {
	var b strings.Builder
	for _, s := range slots {
		b.WriteString(s.Text)
	}
	return b.String()
}

func fixed(text string) Slot { return Slot{Kind: "text", Text: text} }

// MetricName is the name of a metric in sentences; no two metrics share one.
func MetricName(m vigil.Metric) string {
	def, ok := coding.Lookup(m)
	if !ok {
		return string(m)
	}
	name, _, _ := strings.Cut(def.Name, " (")
	for _, other := range coding.Metrics() {
		if short, _, _ := strings.Cut(other.Name, " ("); short == name && other.Key != m && other.Shape == coding.Numeric {
			return def.Name
		}
	}
	return name
}

// unitOf is the unit of what a model compares, for people.
func unitOf(m Model) string {
	def, _ := coding.Lookup(m.Metric)
	switch m.Fn {
	case "last", "mean", "min", "max", "delta":
		return def.Unit
	case "slope", "rate":
		return strings.TrimSpace(def.Unit + " a minute")
	case "age", "duration_over", "duration_under":
		return "s"
	}
	return ""
}

// opWords are comparisons as sentences say them.
func opWords() [][2]string {
	return [][2]string{{">=", "at least"}, {"<=", "at most"}, {">", "over"}, {"<", "under"}, {"==", "exactly"}, {"!=", "not"}}
}

func opWord(op string) string {
	for _, w := range opWords() {
		if w[0] == op {
			return w[1]
		}
	}
	return op
}

// ofWords are the functions that sentences say as "the … of X over 5 min".
func ofWords() [][2]string {
	return [][2]string{{"mean", "mean"}, {"min", "minimum"}, {"max", "maximum"}, {"slope", "slope"}, {"delta", "change"}, {"rate", "rate of change"}}
}

// Phrase says a model in English, with its slots. Path is where the model stands in the edit model.
func (m Model) Phrase(path string) []Slot { return m.phrase(path, false) }

func (m Model) phrase(path string, inner bool) []Slot {
	list, join, key := m.All, " and ", "/all/"
	if len(m.Any) > 0 {
		list, join, key = m.Any, " or ", "/any/"
	}
	if len(list) == 0 {
		return m.clause(path)
	}
	var out []Slot
	for i, x := range list {
		if i > 0 {
			out = append(out, fixed(join))
		}
		out = append(out, x.phrase(path+key+strconv.Itoa(i), len(list) > 1)...)
	}
	if inner && len(list) > 1 {
		out = append([]Slot{fixed("(")}, append(out, fixed(")"))...)
	}
	return out
}

func (m Model) clause(path string) []Slot {
	metric := Slot{"metric", MetricName(m.Metric), path + "/metric"}
	window := Slot{"window", SpanText(m.Window), path + "/window"}
	is := " is "
	if m.Not {
		is = " is not "
	}
	side := "over"
	if strings.HasSuffix(m.Fn, "under") {
		side = "under"
	}
	bound := func() []Slot {
		def, _ := coding.Lookup(m.Metric)
		out := []Slot{fixed(" " + side + " "), {"bound", plain(deref(m.Bound)), path + "/bound"}}
		if def.Unit != "" {
			out = append(out, fixed(" "+def.Unit))
		}
		return append(out, fixed(" in "), window)
	}
	var out []Slot
	switch m.Fn {
	case "missing":
		return []Slot{metric, fixed(is + "missing for "), window}
	case "flag":
		return []Slot{fixed("the patient" + is + "flagged "), {"flag", m.Name, path + "/name"}}
	case "programme":
		return []Slot{fixed("the patient" + is + "in programme "), {"programme", m.Name, path + "/name"}}
	case "unit", "weekday", "age_group":
		return m.textClause(path)
	case "last":
		if out = []Slot{metric}; m.Window != "" {
			out = []Slot{metric, fixed(" of the last "), window}
		}
	case "age":
		out = []Slot{fixed("the age of "), metric}
	case "score":
		out = []Slot{fixed("the score "), {"score", m.Name, path + "/name"}}
	case "score_known":
		out = []Slot{fixed("the known part of the score "), {"score", m.Name, path + "/name"}}
	case "count_over", "count_under":
		out = append([]Slot{fixed("the number of "), metric, fixed(" values")}, bound()...)
	case "duration_over", "duration_under":
		out = append([]Slot{fixed("the time of "), metric}, bound()...)
	case "hour", "age_years", "postop_day":
		out = []Slot{{"variable", variableWord(m.Fn), path + "/fn"}}
	default:
		out = []Slot{fixed("the "), {"fn", m.Fn, path + "/fn"}, fixed(" of "), metric, fixed(" over "), window}
		for _, w := range ofWords() {
			if w[0] == m.Fn {
				out[1].Text = w[1]
			}
		}
	}
	out = append(out, fixed(" is "), Slot{"op", opWord(m.Op), path + "/op"}, fixed(" "), Slot{"value", plain(deref(m.Value)), path + "/value"})
	if u := unitOf(m); u != "" {
		out = append(out, Slot{"unit", " " + u, ""})
	}
	return out
}

func variableWord(fn string) string {
	return map[string]string{"hour": "the hour", "age_years": "the age in years", "postop_day": "the post-op day", "unit": "the care unit", "weekday": "the day", "age_group": "the age group"}[fn]
}

func (m Model) textClause(path string) []Slot {
	is := " is "
	if m.Op == "!=" {
		is = " is not "
	}
	return []Slot{{"variable", variableWord(m.Fn), path + "/fn"}, fixed(is), {"texts", strings.Join(m.Texts, " / "), path + "/texts"}}
}

func deref(v *float64) float64 {
	if v == nil {
		return 0
	}
	return *v
}

// SpanText says a duration as sentences do: "90 s", "5 min", "2 h".
func SpanText(span string) string {
	d, err := catalog.ParseSpan(span)
	if err != nil {
		return span
	}
	return DurationText(d)
}

// DurationText says a duration as sentences do, without loss down to a nanosecond.
func DurationText(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return plain(d.Hours()) + " h"
	case d >= time.Minute && d%time.Minute == 0:
		return plain(d.Minutes()) + " min"
	}
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}

// Reader reads a sentence from left to right.
type Reader struct {
	Rest string
	all  string
}

// NewReader returns a reader of a sentence.
func NewReader(text string) *Reader {
	text = strings.Join(strings.Fields(text), " ")
	return &Reader{text, text}
}

// Word takes a text when the sentence goes on with it.
func (r *Reader) Word(text string) bool {
	rest, ok := strings.CutPrefix(r.Rest, text)
	if ok {
		r.Rest = rest
	}
	return ok
}

// Fail says that something else was expected here.
func (r *Reader) Fail(want string) error {
	at := len(r.all) - len(r.Rest)
	return vigil.Errorf(vigil.Invalid, "condition.sentence", "at letter %d, before %q: %s is expected", at+1, cut(r.Rest, 30), want)
}

func cut(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n]) + "…"
	}
	return s
}

// Number takes a number.
func (r *Reader) Number() (float64, error) {
	n := 0
	for n < len(r.Rest) && strings.IndexByte("0123456789.-", r.Rest[n]) >= 0 {
		n++
	}
	for n > 0 && r.Rest[n-1] == '.' {
		n--
	}
	v, err := strconv.ParseFloat(r.Rest[:n], 64)
	if err != nil {
		return 0, r.Fail("a number")
	}
	r.Rest = r.Rest[n:]
	return v, nil
}

// Duration takes "90 s", "5 min" or "2 h".
func (r *Reader) Duration() (time.Duration, error) {
	v, err := r.Number()
	if err != nil {
		return 0, err
	}
	for _, u := range []struct {
		word string
		d    time.Duration
	}{{" min", time.Minute}, {" s", time.Second}, {" h", time.Hour}} {
		if r.Word(u.word) {
			return time.Duration(v*float64(u.d) + 0.5), nil
		}
	}
	return 0, r.Fail("s, min or h")
}

// Metric takes the name of a metric.
func (r *Reader) Metric() (vigil.Metric, error) {
	list := coding.Metrics()
	slices.SortFunc(list, func(a, b coding.Metric) int { return cmp.Compare(len(MetricName(b.Key)), len(MetricName(a.Key))) })
	for _, m := range list {
		if m.Shape == coding.Numeric && r.Word(MetricName(m.Key)) {
			return m.Key, nil
		}
	}
	return "", r.Fail("the name of a metric")
}

// Name takes letters up to a blank, a bracket, a comma or a semicolon.
func (r *Reader) Name() (string, error) {
	n := strings.IndexAny(r.Rest+" ", " (),;")
	if n == 0 {
		return "", r.Fail("a name")
	}
	name := r.Rest[:n]
	r.Rest = r.Rest[n:]
	return name, nil
}

// Model takes a condition in English. It is the inverse of Phrase.
func (r *Reader) Model() (Model, error) {
	first, err := r.term()
	if err != nil {
		return Model{}, err
	}
	for join, any := range map[string]bool{" and ": false, " or ": true} {
		list := []Model{first}
		for r.Word(join) {
			m, err := r.term()
			if err != nil {
				return Model{}, err
			}
			list = append(list, m)
		}
		switch {
		case len(list) > 1 && any:
			return Model{Any: list}, nil
		case len(list) > 1:
			return Model{All: list}, nil
		}
	}
	return first, nil
}

func (r *Reader) term() (Model, error) {
	if !r.Word("(") {
		return r.clause()
	}
	m, err := r.Model()
	if err == nil && !r.Word(")") {
		err = r.Fail("a closing bracket")
	}
	return m, err
}

func (r *Reader) clause() (m Model, err error) {
	switch {
	case r.Word("the patient"):
		return r.yesNo()
	case r.Word("the score "):
		m.Fn = "score"
		m.Name, err = r.Name()
	case r.Word("the known part of the score "):
		m.Fn = "score_known"
		m.Name, err = r.Name()
	case r.Word("the number of "):
		return r.beyond("count", " values")
	case r.Word("the time of "):
		return r.beyond("duration", "")
	case r.Word("the age of "):
		m.Fn = "age"
		m.Metric, err = r.Metric()
	case r.variable(&m):
		if isTextVariable(m.Fn) {
			return r.texts(m)
		}
	case r.Word("the "):
		err = r.ofWindow(&m)
	default:
		m.Fn = "last"
		if m.Metric, err = r.Metric(); err != nil {
			return m, err
		}
		if r.Word(" of the last ") {
			m.Window, err = r.window()
		}
		if not := r.Word(" is not missing for "); err == nil && (not || r.Word(" is missing for ")) {
			m.Fn, m.Not = "missing", not
			m.Window, err = r.window()
			return m, err
		}
	}
	if err != nil {
		return m, err
	}
	return r.compared(m)
}

func (r *Reader) variable(m *Model) bool {
	for _, v := range Variables() {
		if r.Word(variableWord(v.Name) + " is") {
			r.Rest = " is" + r.Rest
			m.Fn = v.Name
			return true
		}
	}
	return false
}

func (r *Reader) yesNo() (m Model, err error) {
	m.Not = r.Word(" is not ")
	if !m.Not && !r.Word(" is ") {
		return m, r.Fail("is or is not")
	}
	switch {
	case r.Word("flagged "):
		m.Fn = "flag"
	case r.Word("in programme "):
		m.Fn = "programme"
	default:
		return m, r.Fail("flagged or in programme")
	}
	m.Name, err = r.Name()
	return m, err
}

func (r *Reader) window() (string, error) {
	d, err := r.Duration()
	if err != nil {
		return "", err
	}
	return ShortSpan(d), nil
}

// ShortSpan writes a duration as rules do: 5m, 1h, 90s.
func ShortSpan(d time.Duration) string {
	text := strings.ReplaceAll(DurationText(d), " ", "")
	if d%time.Second != 0 {
		return d.String()
	}
	return strings.Replace(text, "min", "m", 1)
}

func (r *Reader) ofWindow(m *Model) (err error) {
	for i := range ofWords() {
		w := ofWords()[len(ofWords())-1-i]
		if r.Word(w[1] + " of ") {
			m.Fn = w[0]
			break
		}
	}
	if m.Fn == "" {
		return r.Fail("mean, minimum, maximum, slope, change or rate of change")
	}
	if m.Metric, err = r.Metric(); err != nil {
		return err
	}
	if !r.Word(" over ") {
		return r.Fail("over and a duration")
	}
	m.Window, err = r.window()
	return err
}

func (r *Reader) beyond(fn, values string) (m Model, err error) {
	if m.Metric, err = r.Metric(); err != nil {
		return m, err
	}
	side := "over"
	if !r.Word(values+" over ") && r.Word(values+" under ") {
		side = "under"
	}
	m.Fn = fn + "_" + side
	v, err := r.Number()
	if err != nil {
		return m, err
	}
	m.Bound = &v
	def, _ := coding.Lookup(m.Metric)
	if def.Unit != "" {
		r.Word(" " + def.Unit)
	}
	if !r.Word(" in ") {
		return m, r.Fail("in and a duration")
	}
	if m.Window, err = r.window(); err != nil {
		return m, err
	}
	return r.compared(m)
}

func (r *Reader) compared(m Model) (Model, error) {
	if !r.Word(" is ") {
		return m, r.Fail("is")
	}
	for _, w := range opWords() {
		if r.Word(w[1] + " ") {
			m.Op = w[0]
			break
		}
	}
	if m.Op == "" {
		return m, r.Fail("over, under, at least, at most, exactly or not")
	}
	v, err := r.Number()
	if err != nil {
		return m, err
	}
	m.Value, m.Unit = &v, unitOf(m)
	if m.Unit != "" {
		r.Word(" " + m.Unit)
	}
	return m, nil
}

func (r *Reader) texts(m Model) (Model, error) {
	m.Op = "=="
	if r.Word(" is not ") {
		m.Op = "!="
	} else if !r.Word(" is ") {
		return m, r.Fail("is or is not")
	}
	for {
		name, err := r.Name()
		if err != nil {
			return m, err
		}
		m.Texts = append(m.Texts, name)
		if !r.Word(" / ") {
			break
		}
	}
	if len(m.Texts) > 1 {
		m.Op = "in"
	}
	return m, nil
}
