package record

import (
	"context"
	"strings"
	"sync"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/terminology"
)

// Terms returns the terminology that is built in and stored here. What codes mean is no secret: it asks nobody who he is.
func (s *Store) Terms() *terminology.Service { return s.terms }

// shelf finds stored terminology for terminology.Service and keeps what it found until one of its kind is written.
type shelf struct {
	backend Backend
	mu      sync.Mutex
	round   int
	kept    map[string]fhir.Resource // nil for what is not there
}

// The bounds of a shelf.
const (
	maxKept = 1000
	maxMaps = 200
)

func terminologyType(typ string) bool {
	return typ == "CodeSystem" || typ == "ValueSet" || typ == "ConceptMap"
}

// wrote forgets what may have changed.
func (s *shelf) wrote(changes []Change) {
	for i := range changes {
		if terminologyType(changes[i].Record.Type) {
			s.mu.Lock()
			clear(s.kept)
			s.round++
			s.mu.Unlock()
			return
		}
	}
}

// Canonical implements terminology.Shelf.
func (s *shelf) Canonical(ctx context.Context, typ, url, version string) (fhir.Resource, error) {
	key := typ + " " + url + "|" + version
	s.mu.Lock()
	res, ok := s.kept[key]
	round := s.round
	s.mu.Unlock()
	if ok {
		return res, nil
	}
	q := Query{Type: typ, Limit: 1, Sort: []Sort{{Param: ParamLastUpdated, Kind: fhir.ParamDate, Desc: true}},
		Where: []Clause{{Param: typ + ".url", Kind: fhir.ParamURI, Any: []Match{{Op: OpEq, Value: fhir.Value{Kind: fhir.ParamURI, Text: url}}}}}}
	if version != "" {
		q.Where = append(q.Where, Clause{Param: typ + ".version", Kind: fhir.ParamToken, Any: []Match{{Op: OpEq, Value: fhir.Value{Kind: fhir.ParamToken, Code: version}}}})
	}
	found, err := s.backend.Find(ctx, q)
	if err != nil {
		return nil, err
	}
	if len(found.Records) > 0 {
		if res, err = found.Records[0].Resource(); err != nil {
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.round == round {
		if len(s.kept) >= maxKept {
			clear(s.kept)
		}
		s.kept[key] = res
	}
	return res, nil
}

// ConceptMaps implements terminology.Shelf.
func (s *shelf) ConceptMaps(ctx context.Context) ([]fhir.Resource, error) {
	found, err := s.backend.Find(ctx, Query{Type: "ConceptMap", Limit: maxMaps, Sort: []Sort{{Param: ParamLastUpdated, Kind: fhir.ParamDate, Desc: true}}})
	if err != nil {
		return nil, err
	}
	out := make([]fhir.Resource, 0, len(found.Records))
	for i := range found.Records {
		res, err := found.Records[i].Resource()
		if err != nil {
			return nil, err
		}
		out = append(out, res)
	}
	return out, nil
}

// maxCoded bounds the codes that a value set or a hierarchy may put into one parameter.
const maxCoded = 400

// coded reads the value of :in, :not-in, :above and :below into the codes that it stands for.
func (s *Store) coded(ctx context.Context, prm *fhir.Param, modifier, value string) ([]Match, error) {
	out := []Match{}
	add := func(system, code string) {
		m := Match{Op: OpEq, HasSystem: system != "" && !prm.PlainCode(), Value: fhir.Value{Kind: fhir.ParamToken, Code: code}}
		if m.HasSystem {
			m.System = system
		}
		out = append(out, m)
	}
	for _, item := range splitValues(value) {
		if modifier == "in" || modifier == "not-in" {
			codes, err := s.codesOf(ctx, item)
			if err != nil {
				return nil, err
			}
			for _, c := range codes {
				add(c.System, c.Code)
			}
			continue
		}
		parts := splitPipes(item)
		if len(parts) != 2 || parts[0] == "" || parts[1] == "" {
			return nil, invalid("%q is not system|code", item)
		}
		codes, err := s.terms.Relatives(ctx, parts[0], parts[1], modifier == "above")
		if err != nil {
			return nil, invalid("%s", vigil.Message(err))
		}
		for _, code := range codes {
			add(parts[0], code)
		}
	}
	if len(out) > maxCoded {
		return nil, invalid("the value stands for %d codes, a search takes at most %d", len(out), maxCoded)
	}
	return out, nil
}

// codesOf expands a value set, named by its canonical URL or as "ValueSet/id".
func (s *Store) codesOf(ctx context.Context, name string) ([]terminology.Concept, error) {
	set, err := s.valueSet(ctx, name)
	if err != nil {
		return nil, err
	}
	all, err := s.terms.Expand(ctx, set, terminology.Page{Count: -1})
	if kind := vigil.KindOf(err); err != nil && (kind == vigil.NotFound || kind == vigil.Invalid) {
		return nil, invalid("%s", vigil.Message(err))
	}
	return all.Concepts, err
}

func (s *Store) valueSet(ctx context.Context, name string) (fhir.Resource, error) {
	if id, ok := strings.CutPrefix(name, "ValueSet/"); ok {
		rec, err := s.cfg.Backend.Current(ctx, "ValueSet", id)
		if vigil.KindOf(err) == vigil.NotFound || err == nil && rec.Deleted {
			return nil, invalid("there is no ValueSet/%s", id)
		}
		if err != nil {
			return nil, err
		}
		return rec.Resource()
	}
	set, err := s.terms.Resource(ctx, "ValueSet", name)
	if vigil.KindOf(err) == vigil.NotFound {
		return nil, invalid("%s", vigil.Message(err))
	}
	return set, err
}

// Term returns a stored CodeSystem, ValueSet or ConceptMap by id, whoever asks. NotFound when there is none.
func (s *Store) Term(ctx context.Context, typ, id string) (fhir.Resource, error) {
	if !terminologyType(typ) {
		return nil, invalid("%q is no part of the terminology", typ)
	}
	rec, err := s.cfg.Backend.Current(ctx, typ, id)
	if err != nil {
		return nil, err
	}
	if rec.Deleted {
		return nil, vigil.Errorf(vigil.NotFound, "record.read", Gone)
	}
	return rec.Resource()
}
