package fhir

import (
	"sort"
	"strings"
)

// standardSets is where the value sets of the standard itself live.
const standardSets = "http://hl7.org/fhir/ValueSet/"

// ValueSet is the expansion of a value set that R4 binds as required, or a set with a grammar instead of a list: media
// types, currencies.
type ValueSet struct {
	Name    string
	systems map[string]map[string]bool // by system
	codes   map[string]bool            // of every system
	grammar func(code string) bool
}

// ValueSetOf returns a value set by canonical URL, with or without a version; nil when the server does not hold it.
func ValueSetOf(url string) *ValueSet {
	url, _, _ = strings.Cut(url, "|")
	name := strings.TrimPrefix(url, standardSets)
	if set := tables().sets[name]; set != nil {
		return set
	}
	return grammarSet(name)
}

// Holds reports whether the set holds the code. An empty system means that of the element, as for the type code.
func (s *ValueSet) Holds(system, code string) bool {
	switch {
	case s.grammar != nil:
		return s.grammar(code)
	case system == "":
		return s.codes[code]
	}
	return s.systems[system][code]
}

// Some returns the first codes of the set for a message.
func (s *ValueSet) Some() string {
	if s.grammar != nil {
		return "value set " + s.Name
	}
	codes := make([]string, 0, len(s.codes))
	for c := range s.codes {
		codes = append(codes, c)
	}
	sort.Strings(codes)
	if len(codes) > 12 {
		codes = append(codes[:12], "…")
	}
	return strings.Join(codes, ", ")
}

func newValueSet(name string, words []string) *ValueSet {
	s := &ValueSet{Name: name, systems: map[string]map[string]bool{}, codes: map[string]bool{}}
	var system map[string]bool
	for _, w := range words {
		if url, ok := strings.CutPrefix(w, "="); ok {
			if system = s.systems[url]; system == nil {
				system = map[string]bool{}
				s.systems[url] = system
			}
			continue
		}
		system[w], s.codes[w] = true, true
	}
	return s
}

// grammarSet returns a set whose codes follow a rule, nil for every other name.
func grammarSet(name string) *ValueSet {
	switch name {
	case "mimetypes": // BCP 13
		return &ValueSet{Name: name, grammar: isMediaType}
	case "currencies": // ISO 4217
		return &ValueSet{Name: name, grammar: func(c string) bool { return len(c) == 3 && strings.ToUpper(c) == c && letters(c) }}
	}
	return nil
}

// isMediaType reports whether c is a media type, or one of the short names for FHIR's own that TestScript allows.
func isMediaType(c string) bool {
	if c == "xml" || c == "json" || c == "ttl" || c == "none" {
		return true
	}
	c, _, _ = strings.Cut(c, ";")
	typ, sub, ok := strings.Cut(strings.TrimSpace(c), "/")
	return ok && typ != "" && sub != "" && !strings.ContainsAny(typ+sub, " ()<>@,;:\\\"[]?=/")
}

func letters(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') }) < 0
}
