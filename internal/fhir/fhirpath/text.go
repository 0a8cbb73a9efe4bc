package fhirpath

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// textFunctions work on one string.
var textFunctions = map[string]function{
	"indexOf":        {1, 1, onTexts(func(s, a string) Value { return integerOf(runeIndex(s, strings.Index(s, a))) })},
	"lastIndexOf":    {1, 1, onTexts(func(s, a string) Value { return integerOf(runeIndex(s, strings.LastIndex(s, a))) })},
	"startsWith":     {1, 1, onTexts(func(s, a string) Value { return booleanOf(strings.HasPrefix(s, a)) })},
	"endsWith":       {1, 1, onTexts(func(s, a string) Value { return booleanOf(strings.HasSuffix(s, a)) })},
	"contains":       {1, 1, onTexts(func(s, a string) Value { return booleanOf(strings.Contains(s, a)) })},
	"upper":          {0, 0, onText(strings.ToUpper)},
	"lower":          {0, 0, onText(strings.ToLower)},
	"trim":           {0, 0, onText(strings.TrimSpace)},
	"length":         {0, 0, length},
	"substring":      {1, 2, substring},
	"replace":        {2, 2, replace},
	"matches":        {1, 1, matches(false)},
	"matchesFull":    {1, 1, matches(true)},
	"replaceMatches": {2, 2, replaceMatches},
	"toChars":        {0, 0, toChars},
	"split":          {1, 1, split},
	"join":           {0, 1, join},
	"encode":         {1, 1, coded(encode)},
	"decode":         {1, 1, coded(decode)},
	"escape":         {1, 1, coded(escape)},
	"unescape":       {1, 1, coded(unescape)},
}

// input returns the one string that a function works on.
func input(in []Value) (s string, ok bool, err error) {
	v, ok, err := singleton(in)
	if err != nil || !ok || v.Kind == None {
		return "", false, err
	}
	if !textual(v) {
		return "", false, failure("a string is expected, not a %s", v.TypeName())
	}
	return v.text, true, nil
}

func onText(f func(string) string) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, _ []op) ([]Value, error) {
		s, ok, err := input(in)
		if err != nil || !ok {
			return nil, err
		}
		return st.string(f(s))
	}
}

func onTexts(f func(s, a string) Value) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, args []op) ([]Value, error) {
		s, ok, err := input(in)
		if err != nil || !ok {
			return nil, err
		}
		a, ok, err := st.text(args[0])
		if err != nil || !ok {
			return nil, err
		}
		st.left -= len(s) / 16
		return st.one(f(s, a)), nil
	}
}

// runeIndex turns a place in bytes into one in characters.
func runeIndex(s string, i int) int64 {
	if i < 0 {
		return -1
	}
	return int64(utf8.RuneCountInString(s[:i]))
}

func length(st *state, in []Value, _ []op) ([]Value, error) {
	s, ok, err := input(in)
	if err != nil || !ok {
		return nil, err
	}
	return st.one(integerOf(int64(utf8.RuneCountInString(s)))), nil
}

func substring(st *state, in []Value, args []op) ([]Value, error) {
	s, ok, err := input(in)
	if err != nil || !ok {
		return nil, err
	}
	start, ok, err := st.number(args[0])
	if err != nil || !ok {
		return nil, err
	}
	n := int64(len(s))
	if len(args) == 2 {
		given, ok, err := st.number(args[1])
		if err != nil {
			return nil, err
		}
		if ok {
			n = given
		}
	}
	r := []rune(s)
	if start < 0 || start >= int64(len(r)) {
		return nil, nil
	}
	r = r[start:]
	return st.string(string(r[:max(0, min(n, int64(len(r))))]))
}

func replace(st *state, in []Value, args []op) ([]Value, error) {
	s, from, to, ok, err := threeTexts(st, in, args)
	if err != nil || !ok {
		return nil, err
	}
	if n := strings.Count(s, from); n*len(to)+len(s) > maxText {
		return nil, failure("a string is longer than %d bytes", maxText)
	}
	return st.string(strings.ReplaceAll(s, from, to))
}

func threeTexts(st *state, in []Value, args []op) (s, a, b string, ok bool, err error) {
	if s, ok, err = input(in); err != nil || !ok {
		return s, a, b, ok, err
	}
	if a, ok, err = st.text(args[0]); err != nil || !ok {
		return s, a, b, ok, err
	}
	b, ok, err = st.text(args[1])
	return s, a, b, ok, err
}

// newRegexp reads a regular expression in single-line mode. It runs in time linear in the text, and so knows no
// look-around and no back references.
func newRegexp(s string, full bool) (*regexp.Regexp, error) {
	if len(s) > 4096 {
		return nil, failure("a regular expression is longer than 4096 bytes")
	}
	if full {
		s = "^(?:" + s + ")$"
	}
	re, err := regexp.Compile("(?s)" + s)
	if err != nil {
		return nil, failure("%q is not a regular expression: %v", s, err)
	}
	return re, nil
}

// pattern returns the regular expression of an argument; nil when it is empty.
func (st *state) pattern(arg op, full bool) (*regexp.Regexp, error) {
	if lit, ok := arg.(opRegexp); ok {
		return lit.re, nil
	}
	s, ok, err := st.text(arg)
	if err != nil || !ok {
		return nil, err
	}
	if err := st.tick(100 + len(s)); err != nil {
		return nil, err
	}
	return newRegexp(s, full)
}

func matches(full bool) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, args []op) ([]Value, error) {
		s, ok, err := input(in)
		if err != nil || !ok {
			return nil, err
		}
		re, err := st.pattern(args[0], full)
		if err != nil || re == nil {
			return nil, err
		}
		if err := st.tick(len(s)); err != nil {
			return nil, err
		}
		return st.bool(re.MatchString(s))
	}
}

func replaceMatches(st *state, in []Value, args []op) ([]Value, error) {
	s, ok, err := input(in)
	if err != nil || !ok {
		return nil, err
	}
	re, err := st.pattern(args[0], false)
	if err != nil || re == nil {
		return nil, err
	}
	to, ok, err := st.text(args[1])
	if err != nil || !ok {
		return nil, err
	}
	if re.String() == "(?s)" { // the suite: an empty expression changes nothing
		return st.string(s)
	}
	if err := st.tick(len(s)); err != nil {
		return nil, err
	}
	if len(s)*(len(to)+1) > maxText {
		return nil, failure("a string is longer than %d bytes", maxText)
	}
	return st.string(re.ReplaceAllString(s, to))
}

func toChars(st *state, in []Value, _ []op) ([]Value, error) {
	s, ok, err := input(in)
	if err != nil || !ok {
		return nil, err
	}
	if err := st.tick(len(s)); err != nil {
		return nil, err
	}
	mark := len(st.stack)
	for _, r := range s {
		st.stack = append(st.stack, stringOf(string(r)))
	}
	return st.stack[mark:], nil
}

func split(st *state, in []Value, args []op) ([]Value, error) {
	s, ok, err := input(in)
	if err != nil || !ok {
		return nil, err
	}
	sep, ok, err := st.text(args[0])
	if err != nil || !ok {
		return nil, err
	}
	if err := st.tick(len(s)); err != nil {
		return nil, err
	}
	mark := len(st.stack)
	for p := range strings.SplitSeq(s, sep) {
		st.stack = append(st.stack, stringOf(p))
	}
	return st.stack[mark:], nil
}

func join(st *state, in []Value, args []op) ([]Value, error) {
	sep := ""
	if len(args) == 1 {
		var err error
		if sep, _, err = st.text(args[0]); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	for i := range in {
		if !textual(in[i]) {
			return nil, failure("join() takes strings, not a %s", in[i].TypeName())
		}
		if i > 0 {
			b.WriteString(sep)
		}
		if b.WriteString(in[i].text); b.Len() > maxText {
			return nil, failure("a string is longer than %d bytes", maxText)
		}
	}
	return st.string(b.String())
}

// coded applies a code by name; an unknown name and a text that cannot be read give an empty result.
func coded(f func(s, format string) (string, bool)) func(*state, []Value, []op) ([]Value, error) {
	return func(st *state, in []Value, args []op) ([]Value, error) {
		s, ok, err := input(in)
		if err != nil || !ok {
			return nil, err
		}
		format, ok, err := st.text(args[0])
		if err != nil || !ok {
			return nil, err
		}
		out, ok := f(s, format)
		if !ok {
			return nil, nil
		}
		return st.string(out)
	}
}

func encode(s, format string) (string, bool) {
	switch format {
	case "base64":
		return base64.StdEncoding.EncodeToString([]byte(s)), true
	case "urlbase64":
		return base64.URLEncoding.EncodeToString([]byte(s)), true
	case "hex":
		return hex.EncodeToString([]byte(s)), true
	}
	return "", false
}

func decode(s, format string) (string, bool) {
	var b []byte
	var err error
	switch format {
	case "base64":
		b, err = base64.StdEncoding.DecodeString(s)
	case "urlbase64":
		b, err = base64.URLEncoding.DecodeString(s)
	case "hex":
		b, err = hex.DecodeString(s)
	default:
		return "", false
	}
	return string(b), err == nil && utf8.Valid(b)
}

func escape(s, format string) (string, bool) {
	switch format {
	case "html":
		return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s), true
	case "json":
		return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\f", `\f`).Replace(s), true
	}
	return "", false
}

func unescape(s, format string) (string, bool) {
	switch format {
	case "html":
		return html.UnescapeString(s), true
	case "json":
		var out string
		if json.Unmarshal([]byte(`"`+s+`"`), &out) != nil {
			return s, true
		}
		return out, true
	}
	return "", false
}
