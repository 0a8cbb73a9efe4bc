package access

import (
	"slices"
	"strings"
)

// Scope is what a program may do with resources of a type, as SMART on FHIR writes it: "system/Observation.read".
type Scope struct {
	Type  string // "*" for every type
	Read  bool
	Write bool
}

// String returns the scope as SMART 1 and 2 both know it: "system/Patient.read", ".write" or ".*".
func (s Scope) String() string {
	what := "*"
	switch {
	case !s.Write:
		what = "read"
	case !s.Read:
		what = "write"
	}
	return "system/" + s.Type + "." + what
}

// ParseScopes reads scopes that spaces separate. What is no system scope, or divides reading or writing further than this
// house does (SMART 2 "r" without "s"), is in unknown.
func ParseScopes(text string) (scopes []Scope, unknown []string) {
	for _, word := range strings.Fields(text) {
		if s, ok := parseScope(word); ok {
			scopes = append(scopes, s)
		} else {
			unknown = append(unknown, word)
		}
	}
	return scopes, unknown
}

func parseScope(word string) (s Scope, ok bool) {
	rest, ok := strings.CutPrefix(word, "system/")
	typ, what, dot := strings.Cut(rest, ".")
	if !ok || !dot || typ != "*" && !typeName(typ) {
		return s, false
	}
	switch s.Type = typ; what {
	case "*", "cruds":
		s.Read, s.Write = true, true
	case "read", "rs":
		s.Read = true
	case "write", "cud":
		s.Write = true
	default:
		return s, false
	}
	return s, true
}

// typeName reports whether the text could be a resource type: whether there is one, the records know.
func typeName(s string) bool {
	if s == "" || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') })
}

// JoinScopes writes scopes as a token endpoint does.
func JoinScopes(list []Scope) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = s.String()
	}
	return strings.Join(out, " ")
}

// common returns what is both asked for and allowed.
func common(asked, allowed []Scope) (out []Scope) {
	for _, a := range asked {
		for _, b := range allowed {
			s := Scope{Type: a.Type, Read: a.Read && b.Read, Write: a.Write && b.Write}
			switch {
			case a.Type == "*":
				s.Type = b.Type
			case b.Type != "*" && b.Type != a.Type:
				continue
			}
			if (s.Read || s.Write) && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// MayRead reports whether a program was let in to read resources of the type; "" and "*" ask for every type.
func (p Principal) MayRead(typ string) bool {
	return p.scoped(typ, func(s Scope) bool { return s.Read })
}

// MayWrite reports whether a program was let in to write resources of the type.
func (p Principal) MayWrite(typ string) bool {
	return p.scoped(typ, func(s Scope) bool { return s.Write })
}

func (p Principal) scoped(typ string, may func(Scope) bool) bool {
	return p.Has(Program) && slices.ContainsFunc(p.Scopes, func(s Scope) bool { return may(s) && (s.Type == "*" || s.Type == typ && typ != "") })
}
