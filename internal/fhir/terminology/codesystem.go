package terminology

import (
	"context"
	"slices"
	"strings"

	"github.com/vigil-health/vigil/internal/fhir"
)

// system is a CodeSystem made ready: its codes in the order of the document, with their hierarchy.
type system struct {
	url, version, name string
	content            string // complete, fragment, example, not-present, supplement
	caseless           bool
	nodes              []*node
	byCode             map[string]*node
	grammar            func(code string) bool // instead of a list
}

type node struct {
	code, display, definition string
	abstract, inactive        bool
	parents, children         []*node
	raw                       fhir.Resource
}

// under reports whether the node is a kind of another, at any depth.
func (n *node) under(other *node) bool {
	seen := map[*node]bool{}
	var climb func(*node) bool
	climb = func(c *node) bool {
		for _, p := range c.parents {
			if p == other {
				return true
			}
			if !seen[p] { // a stranger's hierarchy may go round
				seen[p] = true
				if climb(p) {
					return true
				}
			}
		}
		return false
	}
	return climb(n)
}

// complete reports whether a code that is not found does not exist.
func (s *system) complete() bool { return s.content == "complete" || s.grammar != nil }

// part says for a message that the system is not held whole.
func (s *system) part() string {
	if s.complete() {
		return ""
	}
	return " in the part of it that this server holds"
}

func (s *system) find(code string) *node {
	if s.grammar != nil {
		if s.grammar(code) {
			return &node{code: code}
		}
		return nil
	}
	if s.caseless {
		code = strings.ToLower(code)
	}
	return s.byCode[code]
}

func (s *system) concept(n *node) Concept {
	return Concept{System: s.url, Version: s.version, SystemName: s.name, Code: n.code, Display: n.display, Definition: n.definition, Abstract: n.abstract, Inactive: n.inactive,
		Designations: n.raw.List("designation"), Properties: n.raw.List("property")}
}

// systemOf returns a code system ready for use. NotFound when it is not held, or held without its codes.
func (s *Service) systemOf(ctx context.Context, url, version string, given fhir.Resource) (*system, error) {
	if given != nil {
		return compile(given), nil
	}
	if url == "" {
		return nil, invalid("system", "the code system is not named")
	}
	plain, inner, _ := strings.Cut(url, "|")
	if version == "" {
		version = inner
	}
	if g := grammarSystem(plain); g != nil {
		return g, nil
	}
	canonical := plain
	if version != "" {
		canonical += "|" + version
	}
	res, err := s.Resource(ctx, "CodeSystem", canonical)
	if err != nil {
		return nil, err
	}
	cs := s.ready(res)
	if len(cs.nodes) == 0 {
		return nil, notFound("system", "this server does not hold the codes of %s: upload the CodeSystem", plain)
	}
	return cs, nil
}

// ready compiles a code system, or returns it as it was compiled before.
func (s *Service) ready(res fhir.Resource) *system {
	key := res.Str("url") + "|" + res.Str("version") + "|" + res.ID() + "|" + res.Str("meta.versionId") + "|" + res.Str("meta.lastUpdated")
	s.mu.Lock()
	cs := s.compiled[key]
	s.mu.Unlock()
	if cs != nil {
		return cs
	}
	cs = compile(res)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.compiled) >= maxCompiled {
		clear(s.compiled)
	}
	s.compiled[key] = cs
	return cs
}

func compile(res fhir.Resource) *system {
	s := &system{url: res.Str("url"), version: res.Str("version"), name: res.Str("title"), content: res.Str("content"), caseless: res.Str("caseSensitive") == "false", byCode: map[string]*node{}}
	if s.name == "" {
		s.name = res.Str("name")
	}
	s.add(res.List("concept"), nil, 0)
	for _, n := range s.nodes { // a hierarchy may be told by properties instead of by nesting
		for _, p := range n.raw.List("property") {
			other := s.find(p.Str("valueCode"))
			switch code := p.Str("code"); {
			case other == nil || other == n:
			case code == "parent" || code == "subsumedBy":
				join(other, n)
			case code == "child":
				join(n, other)
			}
		}
	}
	return s
}

func join(parent, child *node) {
	if !slices.Contains(child.parents, parent) {
		child.parents, parent.children = append(child.parents, parent), append(parent.children, child)
	}
}

// maxNesting bounds how deep concepts lie in each other.
const maxNesting = 100

func (s *system) add(list []fhir.Resource, parent *node, depth int) {
	if depth > maxNesting {
		return
	}
	for _, c := range list {
		n := &node{code: c.Str("code"), display: c.Str("display"), definition: c.Str("definition"), raw: c}
		for _, p := range c.List("property") {
			switch p.Str("code") {
			case "inactive":
				n.inactive = n.inactive || p.Str("valueBoolean") == "true"
			case "status":
				n.inactive = n.inactive || p.Str("valueCode") == "retired" || p.Str("valueCode") == "inactive"
			case "notSelectable", "abstract":
				n.abstract = p.Str("valueBoolean") == "true"
			}
		}
		key := n.code
		if s.caseless {
			key = strings.ToLower(key)
		}
		if s.byCode[key] == nil {
			s.byCode[key], s.nodes = n, append(s.nodes, n)
		}
		if parent != nil {
			join(parent, s.byCode[key])
		}
		s.add(c.List("concept"), s.byCode[key], depth+1)
	}
}

// grammarSystem returns a code system whose codes follow a rule, nil for every other.
func grammarSystem(url string) *system {
	var rule func(string) bool
	switch url {
	case "urn:ietf:bcp:13", "http://terminology.hl7.org/CodeSystem/media-types":
		rule = func(c string) bool { return fhir.ValueSetOf("mimetypes").Holds("", c) }
	case "urn:iso:std:iso:4217":
		rule = func(c string) bool { return fhir.ValueSetOf("currencies").Holds("", c) }
	case "urn:ietf:bcp:47":
		rule = isLanguage
	default:
		return nil
	}
	return &system{url: url, grammar: rule}
}

// isLanguage reports whether a tag has the form of BCP 47: a language of 2 to 8 letters, then subtags of 1 to 8 letters
// or digits.
func isLanguage(tag string) bool {
	for i, sub := range strings.Split(tag, "-") {
		if len(sub) == 0 || len(sub) > 8 || i == 0 && len(sub) < 2 {
			return false
		}
		for _, r := range sub {
			letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
			if !letter && (i == 0 || r < '0' || r > '9') {
				return false
			}
		}
	}
	return true
}
