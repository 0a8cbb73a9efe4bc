package acm

import (
	"strings"
	"time"

	"github.com/vigil-health/vigil"
)

// message is an HL7 v2 message: segments of fields, as they stand between the separators | and CR. Escapes are kept until
// a value is read.
type message struct{ segments [][]string }

const (
	maxSegments = 2000
	stamp       = "20060102150405.000-0700"
)

// parse reads a message whose separators are |^~\&, as every one of these profiles has (IHE PCD TF-2, appendix C.1).
// It returns Invalid when it is none.
func parse(text string) (message, error) {
	var m message
	if !strings.HasPrefix(text, `MSH|^~\&|`) {
		return m, vigil.Errorf(vigil.Invalid, "acm.parse", `the message does not begin with MSH|^~\&|`)
	}
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\n", "\r"), "\r") {
		if line == "" {
			continue
		}
		if len(m.segments) == maxSegments {
			return m, vigil.Errorf(vigil.Invalid, "acm.parse", "the message has more than %d segments", maxSegments)
		}
		f := strings.Split(line, "|")
		if f[0] == "MSH" { // the first separator is a field by itself
			f = append([]string{"MSH", "|"}, f[1:]...)
		}
		m.segments = append(m.segments, f)
	}
	return m, nil
}

// String writes the message, each segment ended by CR.
func (m message) String() string {
	var b strings.Builder
	for _, s := range m.segments {
		if s[0] == "MSH" && len(s) > 1 {
			s = append([]string{"MSH"}, s[2:]...)
		}
		b.WriteString(strings.Join(s, "|"))
		b.WriteByte('\r')
	}
	return b.String()
}

// get returns a component of a field of the first segment of a name, counted from 1 as HL7 does, unescaped; "" when it
// is not there.
func (m message) get(segment string, field, component int) string {
	for _, s := range m.segments {
		if s[0] == segment {
			return component1(s, field, component)
		}
	}
	return ""
}

func component1(segment []string, field, component int) string {
	if field >= len(segment) {
		return ""
	}
	first, _, _ := strings.Cut(segment[field], "~")
	parts := strings.Split(first, "^")
	if component > len(parts) {
		return ""
	}
	return unescape(parts[component-1])
}

// escape writes a value so that it holds no separator (HL7 v2.6, 2.7).
func escape(s string) string {
	return strings.NewReplacer(`\`, `\E\`, "|", `\F\`, "^", `\S\`, "&", `\T\`, "~", `\R\`, "\r", `\X0D\`, "\n", `\X0A\`, "\x0b", "", "\x1c", "").Replace(s)
}

func unescape(s string) string {
	return strings.NewReplacer(`\E\`, `\`, `\F\`, "|", `\S\`, "^", `\T\`, "&", `\R\`, "~", `\X0D\`, "\r", `\X0A\`, "\n").Replace(s)
}

// header returns the first segment of a message of a type such as "ORU^R40^ORU_R40".
func header(typ, id, to, profile string, at time.Time) []string {
	return []string{"MSH", "|", `^~\&`, "VIGIL", "", escape(to), "", at.Format(stamp), "", typ, escape(id), "P", "2.6", "", "", "AL", "NE", "", "UNICODE UTF-8", "", "", profile}
}

// acknowledgement answers a message (HL7 v2.6, 2.9.2): AA when taken, else AE with what is wrong.
func acknowledgement(m message, err error, at time.Time) message {
	code, text := "AA", ""
	if err != nil {
		code, text = "AE", vigil.Message(err)
	}
	id := m.get("MSH", 10, 1)
	return message{[][]string{
		header("ACK^"+escape(m.get("MSH", 9, 2))+"^ACK", "A"+id, m.get("MSH", 3, 1), "", at),
		{"MSA", code, escape(id), escape(text)},
	}}
}
