package fhirpath

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokEnd     tokenKind = iota
	tokIdent             // name, `name`
	tokString            // 'text'
	tokNumber            // 12, 1.50
	tokDate              // @2015-02
	tokInstant           // @2015-02T
	tokTime              // @T14:30
	tokDollar            // $this
	tokPercent           // %resource
	tokSymbol            // + - <= …
)

type token struct {
	kind   tokenKind
	text   string // unescaped
	quoted bool   // an identifier in backticks is never a keyword
	pos    int
}

// maxDigits bounds a number literal; FHIR asks for 18 digits.
const maxDigits = 64

// lexer cuts an expression into tokens.
type lexer struct {
	src string
	pos int
}

// next returns the next token or an Invalid error with its place.
func (l *lexer) next() (token, error) {
	if err := l.skipSpace(); err != nil {
		return token{}, err
	}
	start := l.pos
	if start >= len(l.src) {
		return token{kind: tokEnd, pos: start}, nil
	}
	switch c := l.src[start]; {
	case isLetter(c):
		return token{kind: tokIdent, text: l.word(), pos: start}, nil
	case isDigit(c):
		return l.number()
	case c == '\'':
		return l.quoted(tokString)
	case c == '`' || c == '"':
		t, err := l.quoted(tokIdent)
		t.quoted = true
		return t, err
	case c == '@':
		return l.temporal()
	case c == '$':
		l.pos++
		return token{kind: tokDollar, text: l.word(), pos: start}, nil
	case c == '%':
		return l.variable()
	}
	return l.symbol()
}

func (l *lexer) skipSpace() error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\u00a0", rest[0]) >= 0:
			l.pos++
		case strings.HasPrefix(rest, "//"):
			i := strings.IndexByte(rest, '\n')
			if i < 0 {
				i = len(rest) - 1
			}
			l.pos += i + 1
		case strings.HasPrefix(rest, "/*"):
			i := strings.Index(rest[2:], "*/")
			if i < 0 {
				return syntax(l.pos, "a comment is not closed")
			}
			l.pos += i + 4
		default:
			return nil
		}
	}
	return nil
}

func (l *lexer) word() string {
	start := l.pos
	for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos])) {
		l.pos++
	}
	return l.src[start:l.pos]
}

func (l *lexer) digits() {
	for l.pos < len(l.src) && isDigit(l.src[l.pos]) {
		l.pos++
	}
}

func (l *lexer) number() (token, error) {
	start := l.pos
	l.digits()
	if l.pos+1 < len(l.src) && l.src[l.pos] == '.' && isDigit(l.src[l.pos+1]) {
		l.pos++
		l.digits()
	}
	if l.pos-start > maxDigits {
		return token{}, syntax(start, "a number has more than 64 digits")
	}
	return token{kind: tokNumber, text: l.src[start:l.pos], pos: start}, nil
}

func (l *lexer) variable() (token, error) {
	start := l.pos
	l.pos++
	if l.pos < len(l.src) && strings.IndexByte("`'\"", l.src[l.pos]) >= 0 {
		t, err := l.quoted(tokPercent)
		t.pos = start
		return t, err
	}
	from := l.pos
	for l.pos < len(l.src) && (isLetter(l.src[l.pos]) || isDigit(l.src[l.pos]) || l.src[l.pos] == '-' && from != l.pos) {
		l.pos++
	}
	if from == l.pos {
		return token{}, syntax(start, "a variable has no name")
	}
	return token{kind: tokPercent, text: l.src[from:l.pos], pos: start}, nil
}

// temporal reads @2015-02-04T14:34:28.123+10:00 and its shorter forms.
func (l *lexer) temporal() (token, error) {
	start := l.pos
	l.pos++
	kind := tokDate
	if l.peek() == 'T' {
		kind = tokTime
		l.pos++
		l.clock()
	} else {
		l.digits()
		for l.peek() == '-' && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1]) {
			l.pos++
			l.digits()
		}
		if l.peek() == 'T' {
			kind = tokInstant
			l.pos++
			l.clock()
			l.zone()
		}
	}
	text := l.src[start+1 : l.pos]
	t := token{kind: kind, text: text, pos: start}
	if kind == tokTime {
		t.text = text[1:]
	}
	if _, ok := parseTemporal(t.text, temporalKind(kind)); !ok {
		return token{}, syntax(start, "@%s is not a date, time or dateTime", text)
	}
	return t, nil
}

func temporalKind(k tokenKind) Kind {
	switch k {
	case tokDate:
		return Date
	case tokTime:
		return Time
	}
	return DateTime
}

func (l *lexer) peek() byte {
	if l.pos < len(l.src) {
		return l.src[l.pos]
	}
	return 0
}

func (l *lexer) clock() {
	l.digits()
	for l.peek() == ':' {
		l.pos++
		l.digits()
	}
	if l.peek() == '.' && l.pos+1 < len(l.src) && isDigit(l.src[l.pos+1]) {
		l.pos++
		l.digits()
	}
}

func (l *lexer) zone() {
	switch l.peek() {
	case 'Z':
		l.pos++
	case '+', '-':
		rest := l.src[l.pos:]
		if len(rest) >= 6 && rest[3] == ':' {
			l.pos += 6
		}
	}
}

// quoted reads a text between two equal quotes, with its escapes.
func (l *lexer) quoted(kind tokenKind) (token, error) {
	start := l.pos
	quote := l.src[l.pos]
	l.pos++
	var b strings.Builder
	for l.pos < len(l.src) {
		c := l.src[l.pos]
		switch {
		case c == quote:
			l.pos++
			return token{kind: kind, text: b.String(), pos: start}, nil
		case c == '\\':
			if err := l.escape(&b); err != nil {
				return token{}, err
			}
		default:
			b.WriteByte(c)
			l.pos++
		}
	}
	return token{}, syntax(start, "a quoted text is not closed")
}

func (l *lexer) escape(b *strings.Builder) error {
	if l.pos+1 >= len(l.src) {
		return syntax(l.pos, "a quoted text ends in a backslash")
	}
	c := l.src[l.pos+1]
	l.pos += 2
	switch c {
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case 'f':
		b.WriteByte('\f')
	case 'u':
		if l.pos+4 > len(l.src) {
			return syntax(l.pos, `\u needs four hexadecimal digits`)
		}
		n, err := strconv.ParseUint(l.src[l.pos:l.pos+4], 16, 32)
		if err != nil {
			return syntax(l.pos, `\u needs four hexadecimal digits`)
		}
		l.pos += 4
		b.WriteRune(rune(n))
	default: // \' \" \` \\ \/ and what expressions of R4 escape without need
		if c != '\'' && c != '"' && c != '`' && c != '\\' && c != '/' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return nil
}

func (l *lexer) symbol() (token, error) {
	rest := l.src[l.pos:]
	for _, s := range []string{"<=", ">=", "!=", "!~"} {
		if strings.HasPrefix(rest, s) {
			l.pos += 2
			return token{kind: tokSymbol, text: s, pos: l.pos - 2}, nil
		}
	}
	if strings.IndexByte("+-*/&|=~<>()[]{},.", rest[0]) >= 0 {
		l.pos++
		return token{kind: tokSymbol, text: rest[:1], pos: l.pos - 1}, nil
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return token{}, syntax(l.pos, "%q is not part of an expression", r)
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
