package terminology

import (
	"context"

	"github.com/vigil-health/vigil/internal/fhir"
)

// Translation asks for what codes are elsewhere. Map is one to use; nil for every map that fits Source, Target and
// TargetSystem, each of which may be "".
type Translation struct {
	Map          fhir.Resource
	Codes        []Coded
	Source       string // value set of the code
	Target       string // value set of the wanted codes
	TargetSystem string
	Reverse      bool // from target to source
}

// Match is one code that another stands for; Equivalence is a word of the value set concept-map-equivalence, said of
// the target in relation to the source.
type Match struct {
	Equivalence string
	Concept     Concept
	Map         string // canonical URL
}

// Translate returns the matches, none when no map has any.
func (s *Service) Translate(ctx context.Context, t Translation) ([]Match, error) {
	maps := []fhir.Resource{t.Map}
	if t.Map == nil {
		maps = builtinMaps()
		if s.shelf != nil {
			stored, err := s.shelf.ConceptMaps(ctx)
			if err != nil {
				return nil, err
			}
			maps = append(stored, maps...)
		}
	}
	var out []Match
	for _, m := range maps {
		source, target := either(m, "sourceUri", "sourceCanonical"), either(m, "targetUri", "targetCanonical")
		if t.Reverse {
			source, target = target, source
		}
		if t.Map == nil && (t.Source != "" && t.Source != source || t.Target != "" && t.Target != target) {
			continue
		}
		for _, c := range t.Codes {
			found, err := s.translated(ctx, m, c, &t, 0)
			if err != nil {
				return nil, err
			}
			out = append(out, found...)
		}
	}
	return out, nil
}

func either(r fhir.Resource, keys ...string) string {
	for _, k := range keys {
		if v := r.Str(k); v != "" {
			return v
		}
	}
	return ""
}

// translated looks a code up in one map.
func (s *Service) translated(ctx context.Context, m fhir.Resource, c Coded, t *Translation, depth int) ([]Match, error) {
	var out []Match
	for _, g := range m.List("group") {
		source, target := g.Str("source"), g.Str("target")
		if t.Reverse {
			source, target = target, source
		}
		if c.System != "" && source != "" && c.System != source || t.TargetSystem != "" && t.TargetSystem != target {
			continue
		}
		found := mapped(g, c.Code, target, t.Reverse)
		if len(found) == 0 && !t.Reverse {
			var err error
			if found, err = s.unmapped(ctx, g, c, t, depth); err != nil {
				return nil, err
			}
		}
		for i := range found {
			if found[i].Map == "" {
				found[i].Map = m.Str("url")
			}
		}
		out = append(out, found...)
	}
	return out, nil
}

func mapped(g fhir.Resource, code, target string, reverse bool) (out []Match) {
	for _, e := range g.List("element") {
		for _, to := range e.List("target") {
			from, hit := e, to
			if reverse {
				from, hit = to, e
			}
			if from.Str("code") == code && hit.Str("code") != "" {
				out = append(out, Match{Equivalence: equivalence(to.Str("equivalence"), reverse), Concept: Concept{System: target, Code: hit.Str("code"), Display: hit.Str("display")}})
			}
		}
	}
	return out
}

// equivalence returns the word as it reads from the other side when a map is used in reverse.
func equivalence(word string, reverse bool) string {
	if word == "" {
		word = "relatedto"
	}
	if !reverse {
		return word
	}
	switch word {
	case "wider":
		return "narrower"
	case "narrower":
		return "wider"
	case "subsumes":
		return "specializes"
	case "specializes":
		return "subsumes"
	}
	return word
}

// unmapped answers for a code that a group does not name.
func (s *Service) unmapped(ctx context.Context, g fhir.Resource, c Coded, t *Translation, depth int) ([]Match, error) {
	switch g.Str("unmapped.mode") {
	case "provided":
		return []Match{{Equivalence: "equal", Concept: Concept{System: g.Str("target"), Code: c.Code, Display: c.Display}}}, nil
	case "fixed":
		return []Match{{Equivalence: "inexact", Concept: Concept{System: g.Str("target"), Code: g.Str("unmapped.code"), Display: g.Str("unmapped.display")}}}, nil
	case "other-map":
		if depth > maxDepth {
			return nil, invalid("translate", "concept maps lead to each other more than %d deep", maxDepth)
		}
		other, err := s.Resource(ctx, "ConceptMap", g.Str("unmapped.url"))
		if err != nil {
			return nil, err
		}
		return s.translated(ctx, other, c, t, depth+1)
	}
	return nil, nil
}
