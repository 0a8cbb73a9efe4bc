// Package terminology answers about codes: which a value set holds, what they mean, how they are related and translated.
//
// It does no I/O: stored CodeSystem, ValueSet and ConceptMap resources come in through Shelf; those of R4 itself and the
// house's own codes are built in. It is no terminology server for SNOMED CT or all of LOINC: of what it does not hold it
// says so. Start at Service.
package terminology

import (
	"context"
	"strings"
	"sync"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Shelf finds stored resources. It may be called concurrently; the results are not changed.
type Shelf interface {
	// Canonical returns the CodeSystem, ValueSet or ConceptMap with the URL, that of the version when one is given, else
	// the one written last; nil when there is none.
	Canonical(ctx context.Context, typ, url, version string) (fhir.Resource, error)
	// ConceptMaps returns stored maps, those written last first, at most some hundred.
	ConceptMaps(ctx context.Context) ([]fhir.Resource, error)
}

// Service answers about codes. It is safe for concurrent use.
type Service struct {
	shelf    Shelf // may be nil
	mu       sync.Mutex
	compiled map[string]*system
}

// New returns a service on the built-in terminology and, when shelf is not nil, the stored one, which comes first.
func New(shelf Shelf) *Service { return &Service{shelf: shelf, compiled: map[string]*system{}} }

// Limits of one answer.
const (
	maxCodes    = 20_000 // of an expansion before it is paged
	maxDepth    = 16     // of value sets that import value sets
	maxCompiled = 500    // code systems kept ready
)

func invalid(op, format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "terminology."+op, format, args...)
}

func notFound(op, format string, args ...any) error {
	return vigil.Errorf(vigil.NotFound, "terminology."+op, format, args...)
}

// Resource returns a CodeSystem, ValueSet or ConceptMap by canonical URL, which may end in "|version". NotFound when
// the house does not hold it.
func (s *Service) Resource(ctx context.Context, typ, canonical string) (fhir.Resource, error) {
	url, version, _ := strings.Cut(canonical, "|")
	if s.shelf != nil {
		res, err := s.shelf.Canonical(ctx, typ, url, version)
		if err != nil || res != nil {
			return res, err
		}
	}
	if res := builtin(typ, url); res != nil && (version == "" || version == res.Str("version")) {
		return res, nil
	}
	if typ == "ValueSet" { // a code system names the set of all its codes
		if cs := wholeSystem(url); cs != "" {
			return fhir.Normal(fhir.New("ValueSet", "").With("url", url).With("status", "active").
				With("compose", fhir.Resource{"include": []fhir.Resource{{"system": cs}}})), nil
		}
	}
	return nil, notFound("resource", "this server does not hold the %s %q: upload it, or send it with the request", typ, canonical)
}

// Concept is one code with what is known of it.
type Concept struct {
	System, Version string
	Code, Display   string
	Definition      string
	Abstract        bool // stands for its kinds only and is not to be chosen
	Inactive        bool
	Designations    []fhir.Resource
	Properties      []fhir.Resource
	Parents         []string
	Children        []string
	SystemName      string
}

// Lookup returns what is known of a code. NotFound when the system is not held or has no such code. Given is a
// CodeSystem to look into instead of the one with the URL; it may be nil.
func (s *Service) Lookup(ctx context.Context, url, version, code string, given fhir.Resource) (Concept, error) {
	cs, err := s.systemOf(ctx, url, version, given)
	if err != nil {
		return Concept{}, err
	}
	c := cs.find(code)
	if c == nil {
		return Concept{}, notFound("lookup", "%s has no code %q%s", cs.url, code, cs.part())
	}
	out := cs.concept(c)
	for _, p := range c.parents {
		out.Parents = append(out.Parents, p.code)
	}
	for _, k := range c.children {
		out.Children = append(out.Children, k.code)
	}
	return out, nil
}

// Subsumes says how code a stands to code b: "equivalent", "subsumes", "subsumed-by" or "not-subsumed". NotFound when
// the system is not held or lacks one of them.
func (s *Service) Subsumes(ctx context.Context, url, version, a, b string, given fhir.Resource) (string, error) {
	cs, err := s.systemOf(ctx, url, version, given)
	if err != nil {
		return "", err
	}
	x, y := cs.find(a), cs.find(b)
	for code, c := range map[string]*node{a: x, b: y} {
		if c == nil {
			return "", notFound("subsumes", "%s has no code %q%s", cs.url, code, cs.part())
		}
	}
	switch {
	case x == y:
		return "equivalent", nil
	case y.under(x):
		return "subsumes", nil
	case x.under(y):
		return "subsumed-by", nil
	}
	return "not-subsumed", nil
}

// Relatives returns a code with all that it subsumes, or with up with all that subsume it. NotFound when the system is
// not held or has no such code.
func (s *Service) Relatives(ctx context.Context, url, code string, up bool) ([]string, error) {
	cs, err := s.systemOf(ctx, url, "", nil)
	if err != nil {
		return nil, err
	}
	c := cs.find(code)
	if c == nil {
		return nil, notFound("subsumes", "%s has no code %q%s", cs.url, code, cs.part())
	}
	var out []string
	for _, k := range cs.nodes {
		if k == c || up && c.under(k) || !up && k.under(c) {
			out = append(out, k.code)
		}
	}
	return out, nil
}

// Holds reports whether a value set holds a code, an empty system standing for any; known is false when the set, or
// a code system that it is made of, is not held. It serves memberOf of FHIRPath and the bindings of profiles.
func (s *Service) Holds(ctx context.Context, valueSet, system, code string) (in, known bool) {
	set, err := s.Resource(ctx, "ValueSet", valueSet)
	if err != nil {
		return false, false
	}
	found, err := s.contains(ctx, set, Coded{System: system, Code: code}, 0)
	return found != nil, err == nil
}
