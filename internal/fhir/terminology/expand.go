package terminology

import (
	"context"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// Expansion is one page of what a value set holds.
type Expansion struct {
	Concepts []Concept
	Total    int // of all pages
}

// Page says which part of an expansion is wanted.
type Page struct {
	Filter     string // words, each of which begins a word of the display or the code; "" for all
	ActiveOnly bool
	Offset     int
	Count      int // negative for all
}

// Expand returns the codes of a value set in the order of its definition, each once. Invalid when the definition cannot
// be read or holds more than 20 000 codes, NotFound when a code system or value set that it is made of is not held.
func (s *Service) Expand(ctx context.Context, set fhir.Resource, p Page) (Expansion, error) {
	all, err := s.expand(ctx, set, 0)
	if err != nil {
		return Expansion{}, err
	}
	words := strings.Fields(strings.ToLower(p.Filter))
	kept := all[:0]
	for _, c := range all {
		if (!p.ActiveOnly || !c.Inactive) && hasWords(&c, words) {
			kept = append(kept, c)
		}
	}
	out := Expansion{Total: len(kept)}
	from := min(max(p.Offset, 0), len(kept))
	to := len(kept)
	if p.Count >= 0 {
		to = min(from+p.Count, to)
	}
	out.Concepts = kept[from:to]
	return out, nil
}

func hasWords(c *Concept, words []string) bool {
	text := " " + strings.ToLower(c.Display) + " " + strings.ToLower(c.Code)
	text = strings.NewReplacer("-", " ", "/", " ", "(", " ", ",", " ").Replace(text) + text
	for _, w := range words {
		if !strings.Contains(text, " "+w) {
			return false
		}
	}
	return true
}

// union gathers codes, each once, in the order they came.
type union struct {
	list []Concept
	at   map[string]bool
}

func key(system, code string) string { return system + "|" + code }

func (u *union) add(c Concept) {
	if k := key(c.System, c.Code); !u.at[k] {
		u.at[k] = true
		u.list = append(u.list, c)
	}
}

func (s *Service) expand(ctx context.Context, set fhir.Resource, depth int) ([]Concept, error) {
	if depth > maxDepth {
		return nil, invalid("expand", "value sets import each other more than %d deep", maxDepth)
	}
	compose := fhir.Resource{}
	if c, ok := set["compose"].(map[string]any); ok {
		compose = c
	}
	all := union{at: map[string]bool{}}
	if len(compose) == 0 {
		flatten(set.List("expansion.contains"), &all, 0)
		return all.list, nil
	}
	for _, inc := range compose.List("include") {
		codes, err := s.include(ctx, inc, depth)
		if err != nil {
			return nil, err
		}
		for _, c := range codes {
			all.add(c)
		}
		if len(all.list) > maxCodes {
			return nil, invalid("expand", "the value set holds more than %d codes: ask with validate-code, or for a smaller set", maxCodes)
		}
	}
	out := map[string]bool{}
	for _, exc := range compose.List("exclude") {
		codes, err := s.include(ctx, exc, depth)
		if err != nil {
			return nil, err
		}
		for _, c := range codes {
			out[key(c.System, c.Code)] = true
		}
	}
	kept := make([]Concept, 0, len(all.list))
	for _, c := range all.list {
		if !out[key(c.System, c.Code)] && (!c.Inactive || compose.Str("inactive") != "false") {
			kept = append(kept, c)
		}
	}
	return kept, nil
}

// flatten reads an expansion that came with the value set.
func flatten(list []fhir.Resource, into *union, depth int) {
	for _, c := range list {
		if c.Str("code") != "" && c.Str("abstract") != "true" {
			into.add(Concept{System: c.Str("system"), Version: c.Str("version"), Code: c.Str("code"), Display: c.Str("display"), Inactive: c.Str("inactive") == "true"})
		}
		if depth < maxNesting {
			flatten(c.List("contains"), into, depth+1)
		}
	}
}

// include returns the codes of one include or exclude: those of its system that are in each of its value sets.
func (s *Service) include(ctx context.Context, inc fhir.Resource, depth int) ([]Concept, error) {
	var out []Concept
	bounded := false
	if inc.Str("system") != "" {
		var err error
		if out, err = s.included(ctx, inc); err != nil {
			return nil, err
		}
		bounded = true
	}
	for _, url := range texts(inc["valueSet"]) {
		set, err := s.Resource(ctx, "ValueSet", url)
		if err != nil {
			return nil, err
		}
		codes, err := s.expand(ctx, set, depth+1)
		if err != nil {
			return nil, err
		}
		if !bounded {
			out, bounded = codes, true
			continue
		}
		in := map[string]bool{}
		for _, c := range codes {
			in[key(c.System, c.Code)] = true
		}
		kept := []Concept{}
		for _, c := range out {
			if in[key(c.System, c.Code)] {
				kept = append(kept, c)
			}
		}
		out = kept
	}
	if !bounded {
		return nil, invalid("expand", "an include names neither a system nor a value set")
	}
	return out, nil
}

// included returns the codes of an include's system: those listed, those that pass its filters, or all.
func (s *Service) included(ctx context.Context, inc fhir.Resource) ([]Concept, error) {
	cs, err := s.systemOf(ctx, inc.Str("system"), inc.Str("version"), nil)
	listed := inc.List("concept")
	if len(listed) > 0 {
		return s.listed(inc, cs, err == nil), nil
	}
	switch {
	case err != nil:
		return nil, err
	case cs.grammar != nil:
		return nil, invalid("expand", "the codes of %s follow a rule and cannot be listed", cs.url)
	}
	tests, err := cs.tests(inc.List("filter"))
	if err != nil {
		return nil, err
	}
	var out []Concept
	for _, n := range cs.nodes {
		if passes(n, tests) {
			out = append(out, cs.concept(n))
		}
	}
	return out, nil
}

// listed returns the codes that an include lists, with what the code system knows of them when it is held.
func (s *Service) listed(inc fhir.Resource, cs *system, held bool) []Concept {
	var out []Concept
	for _, c := range inc.List("concept") {
		one := Concept{System: inc.Str("system"), Version: inc.Str("version"), Code: c.Str("code")}
		if held {
			if n := cs.find(one.Code); n != nil {
				one = cs.concept(n)
				one.System = inc.Str("system")
			}
		}
		if d := c.Str("display"); d != "" {
			one.Display = d
		}
		one.Designations = append(one.Designations, c.List("designation")...)
		out = append(out, one)
	}
	return out
}

func passes(n *node, tests []test) bool {
	for _, t := range tests {
		if !t(n) {
			return false
		}
	}
	return true
}

func texts(v any) (out []string) {
	list, _ := v.([]any)
	for _, it := range list {
		if s, ok := it.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
