package ingest

import (
	"math"
	"strconv"
	"unicode/utf8"
	"unsafe"
)

// scanner walks one JSON document in place. It builds nothing: values are handed to the mapper as they pass.
// Depth is bounded, it never panics, and an error names the byte where the document stops being JSON.
type scanner struct {
	buf   []byte
	pos   int
	depth int
}

const maxDepth = 32

type syntaxError struct {
	pos  int
	what string
}

func (e *syntaxError) Error() string { return e.what + " at byte " + strconv.Itoa(e.pos) }

func (s *scanner) fail(what string) error { return &syntaxError{s.pos, what} }

func (s *scanner) space() {
	for s.pos < len(s.buf) {
		switch s.buf[s.pos] {
		case ' ', '\n', '\r', '\t':
			s.pos++
		default:
			return
		}
	}
}

// peek returns the next byte that is no white space, 0 at the end.
func (s *scanner) peek() byte {
	s.space()
	if s.pos >= len(s.buf) {
		return 0
	}
	return s.buf[s.pos]
}

func (s *scanner) expect(c byte) error {
	if s.peek() != c {
		return s.fail("expected '" + string(rune(c)) + "'")
	}
	s.pos++
	return nil
}

// object calls field for every member; field must consume the value.
func (s *scanner) object(field func(key []byte) error) error {
	if err := s.enter('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.leave()
		return nil
	}
	for {
		key, err := s.str()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := field(key); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
			s.space()
		case '}':
			s.leave()
			return nil
		default:
			return s.fail("expected ',' or '}'")
		}
	}
}

// array calls item for every element; item must consume the value.
func (s *scanner) array(item func() error) error {
	if err := s.enter('['); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.leave()
		return nil
	}
	for {
		if err := item(); err != nil {
			return err
		}
		switch s.peek() {
		case ',':
			s.pos++
		case ']':
			s.leave()
			return nil
		default:
			return s.fail("expected ',' or ']'")
		}
	}
}

func (s *scanner) enter(c byte) error {
	if err := s.expect(c); err != nil {
		return err
	}
	if s.depth++; s.depth > maxDepth {
		return s.fail("nested too deeply")
	}
	return nil
}

func (s *scanner) leave() {
	s.pos++
	s.depth--
}

// str returns the text of a string. Without escapes it is a part of the input and valid as long as that is.
func (s *scanner) str() ([]byte, error) {
	if err := s.expect('"'); err != nil {
		return nil, err
	}
	start := s.pos
	for s.pos < len(s.buf) {
		switch c := s.buf[s.pos]; {
		case c == '"':
			out := s.buf[start:s.pos]
			s.pos++
			return out, nil
		case c == '\\':
			return s.escaped(start)
		case c < 0x20:
			return nil, s.fail("control character in a string")
		}
		s.pos++
	}
	return nil, s.fail("unterminated string")
}

func (s *scanner) escaped(start int) ([]byte, error) {
	out := append([]byte(nil), s.buf[start:s.pos]...)
	for s.pos < len(s.buf) {
		c := s.buf[s.pos]
		switch {
		case c == '"':
			s.pos++
			return out, nil
		case c < 0x20:
			return nil, s.fail("control character in a string")
		case c != '\\':
			out = append(out, c)
			s.pos++
			continue
		}
		r, err := s.escape()
		if err != nil {
			return nil, err
		}
		out = utf8.AppendRune(out, r)
	}
	return nil, s.fail("unterminated string")
}

func (s *scanner) escape() (rune, error) {
	if s.pos+1 >= len(s.buf) {
		return 0, s.fail("unterminated string")
	}
	c := s.buf[s.pos+1]
	s.pos += 2
	switch c {
	case '"', '\\', '/':
		return rune(c), nil
	case 'b':
		return '\b', nil
	case 'f':
		return '\f', nil
	case 'n':
		return '\n', nil
	case 'r':
		return '\r', nil
	case 't':
		return '\t', nil
	case 'u':
		if s.pos+4 <= len(s.buf) {
			if v, err := strconv.ParseUint(string(s.buf[s.pos:s.pos+4]), 16, 16); err == nil {
				s.pos += 4
				return rune(v), nil
			}
		}
	}
	return 0, s.fail("bad escape")
}

// literal returns the bytes of a number, true, false or null.
func (s *scanner) literal() ([]byte, error) {
	s.space()
	start := s.pos
	for s.pos < len(s.buf) {
		switch s.buf[s.pos] {
		case ',', '}', ']', ' ', '\n', '\r', '\t', ':', '"', '{', '[':
			if s.pos == start {
				return nil, s.fail("expected a value")
			}
			return s.buf[start:s.pos], nil
		}
		s.pos++
	}
	if s.pos == start {
		return nil, s.fail("expected a value")
	}
	return s.buf[start:s.pos], nil
}

// skip passes over one value of any kind.
func (s *scanner) skip() error {
	switch s.peek() {
	case '{':
		return s.object(func([]byte) error { return s.skip() })
	case '[':
		return s.array(s.skip)
	case '"':
		_, err := s.str()
		return err
	}
	lit, err := s.literal()
	if err != nil {
		return err
	}
	switch string(lit) {
	case "true", "false", "null":
		return nil
	}
	if _, ok := number(lit); !ok {
		return s.fail("expected a value")
	}
	return nil
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// number parses a JSON number. Up to 15 digits it needs one exact division, so the result is the nearest float64;
// the rest goes to strconv. NaN and infinities are no numbers.
func number(b []byte) (float64, bool) {
	i, neg := 0, false
	if len(b) > 0 && b[0] == '-' {
		i, neg = 1, true
	}
	var mant uint64
	digits, frac := 0, -1
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case c >= '0' && c <= '9':
			mant = mant*10 + uint64(c-'0')
			if digits++; digits > 15 {
				return slowNumber(b)
			}
			if frac >= 0 {
				frac++
			}
		case c == '.' && frac < 0 && digits > 0:
			frac = 0
		default:
			return slowNumber(b)
		}
	}
	if digits == 0 || frac == 0 {
		return 0, false
	}
	v := float64(mant)
	if frac > 0 {
		v /= powers[frac]
	}
	if neg {
		v = -v
	}
	return v, true
}

func slowNumber(b []byte) (float64, bool) {
	for _, c := range b {
		switch {
		case c >= '0' && c <= '9', c == '-', c == '+', c == '.', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	if len(b) > 64 {
		return 0, false
	}
	v, err := strconv.ParseFloat(unsafe.String(unsafe.SliceData(b), len(b)), 64)
	return v, err == nil && !math.IsInf(v, 0)
}
