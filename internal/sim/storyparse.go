package sim

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
)

const (
	storyLines = 10_000
	storySpan  = 30 * 24 * time.Hour
)

// ParseStory reads a story. Its Invalid error lists every fault with file, line and how to mend it.
func ParseStory(name string, text []byte) (*Story, error) {
	s := &Story{Name: name}
	var faults []vigil.Fault
	var now, event, asked time.Duration // story time, of the last event, until when was asked
	no := 0
	for raw := range bytes.SplitSeq(text, []byte("\n")) {
		if no++; no > storyLines {
			faults = append(faults, vigil.Fault{Path: place(name, no), Msg: "a story has at most 10000 lines; split it"})
			break
		}
		line := strings.TrimSpace(string(raw))
		if c, ok := strings.CutPrefix(line, "#"); ok && s.Title == "" {
			s.Title = strings.TrimSpace(c)
		}
		words, err := tokens(line)
		if err == nil && len(words) == 0 {
			continue
		}
		var l Line
		if err == nil {
			l, err = parseLine(s, words)
		}
		l.No, l.Text = no, strings.Join(strings.Fields(line), " ")
		switch {
		case err != nil:
		case l.Do == "":
			continue // a directive
		case l.Timed && l.At < max(now, asked):
			err = fmt.Errorf("%s has passed: the lines above reach to %s; lines stand in order of time, and an expectation takes up to its `within`", l.At, max(now, asked))
		case l.Timed:
			now = l.At
		}
		if err != nil {
			faults = append(faults, vigil.Fault{Path: place(name, no), Msg: err.Error()})
			continue
		}
		if l.Expects() {
			asked = max(asked, event+l.Within)
		} else {
			event = max(now, asked)
			now = event
		}
		s.Lines = append(s.Lines, l)
	}
	if len(faults) > 0 {
		return nil, &vigil.Error{Kind: vigil.Invalid, Op: "story.parse", Msg: "the story cannot be told", Faults: faults}
	}
	if len(s.Lines) == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "story.parse", "%s: nothing happens in it; write lines such as `0s sara systolic 121`", name)
	}
	return s, nil
}

func place(name string, line int) string { return fmt.Sprintf("%s:%d", name, line) }

// token is a word, or a text in quotes.
type token struct {
	text   string
	quoted bool
}

func tokens(line string) (out []token, err error) {
	for {
		line = strings.TrimLeft(line, " \t\r")
		if line == "" || line[0] == '#' {
			return out, nil
		}
		if line[0] == '"' {
			end := strings.IndexByte(line[1:], '"')
			if end < 0 {
				return nil, fmt.Errorf("the text %s has no end; close it with \"", line)
			}
			out = append(out, token{line[1 : 1+end], true})
			line = line[end+2:]
			continue
		}
		end := strings.IndexAny(line, " \t\r\"")
		if end < 0 {
			end = len(line)
		}
		out = append(out, token{text: line[:end]})
		line = line[end:]
	}
}

// words is what is left of a line.
type words struct{ list []token }

func (w *words) empty() bool { return len(w.list) == 0 }

// take returns the next word when it is one of those, "" otherwise; without any named it takes whatever comes.
func (w *words) take(of ...string) string {
	if w.empty() || w.list[0].quoted || len(of) > 0 && !slices.Contains(of, w.list[0].text) {
		return ""
	}
	t := w.list[0].text
	w.list = w.list[1:]
	return t
}

func (w *words) quote() (string, error) {
	if w.empty() || !w.list[0].quoted || w.list[0].text == "" {
		return "", fmt.Errorf("a text in quotes is missing, such as \"Fluids given\"")
	}
	t := w.list[0].text
	w.list = w.list[1:]
	return t, nil
}

// name takes a word or a quoted title.
func (w *words) name(what string) (string, error) {
	if w.empty() || w.list[0].text == "" {
		return "", fmt.Errorf("%s is missing", what)
	}
	t := w.list[0].text
	w.list = w.list[1:]
	return t, nil
}

func (w *words) number(what string) (float64, error) {
	t := w.take()
	v, err := strconv.ParseFloat(t, 64)
	if err != nil || v != v || v < -1000 || v > 100000 {
		return 0, fmt.Errorf("%q is no number for %s", t, what)
	}
	return v, nil
}

func (w *words) duration(what string) (time.Duration, error) {
	t := w.take()
	d, ok := parseSpan(t)
	if !ok {
		return 0, fmt.Errorf("%q is no time %s; write 5s, 2m5s or 1h", t, what)
	}
	return d, nil
}

func parseSpan(t string) (time.Duration, bool) {
	d, err := time.ParseDuration(t)
	return d, err == nil && d >= 0 && d <= storySpan
}

func parseLine(s *Story, list []token) (l Line, err error) {
	w := &words{list}
	switch w.take("begins", "needs", "expect") {
	case "begins":
		s.Begins = w.take()
		if _, perr := time.Parse("15:04", s.Begins); perr != nil {
			err = fmt.Errorf("%q is no time of day; write begins 07:50", s.Begins)
		}
	case "needs":
		l.Do = NeedApp
		l.Name, err = w.name("the application that the story needs")
	case "expect":
		err = parseExpect(w, &l)
	default:
		if !w.list[0].quoted {
			if d, ok := parseSpan(w.list[0].text); ok {
				l.Timed, l.At = true, d
				w.take()
			}
		}
		err = parseDeed(w, &l)
	}
	if err == nil && !w.empty() {
		err = fmt.Errorf("%q is too much; one line says one thing", w.list[0].text)
	}
	return l, err
}

// parseDeed reads "sara systolic 84" or "dr-lee acknowledges".
func parseDeed(w *words, l *Line) error {
	if l.Who = w.take(); l.Who == "" {
		return fmt.Errorf("nobody acts; a line begins with a time or with a name")
	}
	verb := w.take()
	switch verb {
	case "battery":
		l.Do = DoBattery
		return set(&l.Value)(w.number("the battery"))
	case "lead":
		l.Do = DoLead
		if l.Name = w.take("on", "off"); l.Name == "" {
			return fmt.Errorf("say lead off or lead on")
		}
	case "goes":
		l.Do = DoSilent
		return need(w, "silent", "goes silent")
	case "loses":
		l.Do = DoLose
		return need(w, "connection", "loses connection")
	case "reconnects":
		l.Do = DoReconnect
	case "takes", "misses":
		l.Do = map[string]Deed{"takes": DoTake, "misses": DoMiss}[verb]
		return set(&l.Name)(w.name("the medicine"))
	case "":
		return fmt.Errorf("what %s does is missing", l.Who)
	default:
		if _, _, ok := vitalOf(verb); ok {
			return parseVitals(w, l, verb)
		}
		return parseAct(w, l, verb)
	}
	return nil
}

func parseVitals(w *words, l *Line, name string) error {
	l.Do = DoVitals
	for {
		v, err := w.number(name)
		if err != nil {
			return err
		}
		l.Vitals = append(l.Vitals, Vital{name, v})
		if w.empty() {
			return nil
		}
		name = w.take()
		if _, _, ok := vitalOf(name); !ok {
			return fmt.Errorf("%q is no vital sign; there are %s", name, vitalNames)
		}
	}
}

// parseAct reads what a person does.
func parseAct(w *words, l *Line, verb string) error {
	alarmDeeds := map[string]Deed{"sees": DoSee, "acknowledges": DoAcknowledge, "passes": DoPass, "escalates": DoEscalate}
	textDeeds := map[string]Deed{"notes": DoNote, "orders": DoOrder, "writes": DoWrite}
	switch {
	case alarmDeeds[verb] != "":
		l.Do = alarmDeeds[verb]
		if !w.empty() {
			return set(&l.Name)(w.name("the alarm"))
		}
	case textDeeds[verb] != "":
		l.Do = textDeeds[verb]
		text, err := w.quote()
		l.Words = []string{text}
		return err
	case verb == "opens":
		l.Do = DoVideo
		if w.take("video") == "" || w.take("with") == "" {
			return fmt.Errorf("say opens video with sara")
		}
		return set(&l.Name)(w.name("the patient"))
	case verb == "joins":
		l.Do = DoJoin
	case verb == "leaves":
		l.Do = DoLeave
	case verb == "closes":
		l.Do = DoClose
		note, err := w.quote()
		l.Words = []string{note, ""}
		if err == nil && !w.empty() {
			l.Words[1], err = w.quote()
		}
		return err
	default:
		return fmt.Errorf("%q is nothing that happens in a story; bodies have %s; devices: battery, lead off, lead on, goes silent, loses connection, reconnects, takes, misses; "+
			"people: sees, acknowledges, passes, escalates, notes, orders, opens video with, joins, leaves, writes, closes", verb, vitalNames)
	}
	return nil
}

// parseExpect reads what must follow.
func parseExpect(w *words, l *Line) error {
	l.Within = defaultWithin
	switch w.take("alarm", "no", "history", "trend") {
	case "alarm":
		return parseExpectAlarm(w, l)
	case "no":
		l.Do = ExpectNone
		if w.take("alarm") == "" {
			return fmt.Errorf("say expect no alarm, or expect no alarm map-low for 2m")
		}
		if !w.empty() && (w.list[0].quoted || w.list[0].text != "for") {
			if err := set(&l.Name)(w.name("the alarm")); err != nil {
				return err
			}
		}
		if w.take("for") != "" {
			return set(&l.Within)(w.duration("after for"))
		}
		return nil
	case "history":
		l.Do = ExpectHistory
		if err := set(&l.Name)(w.name("the step, such as video_opened,")); err != nil {
			return err
		}
		return parseWithin(w, l)
	case "trend":
		return parseExpectTrend(w, l)
	}
	l.Do, l.Who = ExpectPaged, w.take()
	if l.Who == "" {
		return fmt.Errorf("what is expected is missing: a person paged, alarm, no alarm, history or trend")
	}
	if err := need(w, "paged", "expect dr-lee paged within 5s"); err != nil {
		return err
	}
	return parseWithin(w, l)
}

const defaultWithin = 10 * time.Second

func parseExpectAlarm(w *words, l *Line) error {
	l.Do = ExpectAlarm
	if err := set(&l.Name)(w.name("the alarm, by rule or title,")); err != nil {
		return err
	}
	state := w.take("raised", "acknowledged", "resolved")
	if state == "" {
		return fmt.Errorf("say what the alarm is: raised, acknowledged or resolved")
	}
	l.State = vigil.AlarmState(state)
	return parseWithin(w, l)
}

func parseExpectTrend(w *words, l *Line) error {
	l.Do, l.Who, l.Name = ExpectTrend, w.take(), w.take()
	if _, _, ok := vitalOf(l.Name); l.Who == "" || !ok {
		return fmt.Errorf("say expect trend sara systolic 84 at 10m; vital signs are %s", vitalNames)
	}
	if err := set(&l.Value)(w.number(l.Name)); err != nil {
		return err
	}
	if err := need(w, "at", "at 10m"); err != nil {
		return err
	}
	if err := set(&l.When)(w.duration("after at")); err != nil {
		return err
	}
	return parseWithin(w, l)
}

func parseWithin(w *words, l *Line) error {
	if w.take("within") == "" {
		return nil
	}
	return set(&l.Within)(w.duration("after within"))
}

func need(w *words, word, example string) error {
	if w.take(word) == "" {
		return fmt.Errorf("%q is missing; say %s", word, example)
	}
	return nil
}

// set keeps a value that was read, unless reading failed.
func set[T any](to *T) func(T, error) error {
	return func(v T, err error) error {
		if err == nil {
			*to = v
		}
		return err
	}
}
