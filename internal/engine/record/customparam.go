package record

import (
	"context"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/fhirpath"
)

// A SearchParameter resource that is active adds a parameter to its base types: its expression is evaluated for every
// resource that is written from then on, and by Reindex for those that were written before. R4's own cannot be changed.

const standardParams = "http://hl7.org/fhir/SearchParameter/"

// customParams returns the parameters that a SearchParameter adds; none when it is not active or one of R4's own.
func customParams(r fhir.Resource) ([]*fhir.Param, error) {
	if r.Str("status") != "active" || strings.HasPrefix(r.Str("url"), standardParams) {
		return nil, nil
	}
	kind := fhir.ParamKind(r.Str("type"))
	switch kind {
	case fhir.ParamToken, fhir.ParamString, fhir.ParamReference, fhir.ParamDate, fhir.ParamQuantity, fhir.ParamNumber, fhir.ParamURI:
	default:
		return nil, invalidParam("SearchParameter.type", "a parameter of type %s cannot be added", kind)
	}
	code, text := r.Str("code"), r.Str("expression")
	if code == "" || strings.ContainsAny(code, ".:_ ") {
		return nil, invalidParam("SearchParameter.code", "%q cannot be the name of a parameter", code)
	}
	if text == "" {
		return nil, invalidParam("SearchParameter.expression", "is needed to find the values")
	}
	expr, err := fhirpath.Compile(text)
	if err != nil {
		return nil, invalidParam("SearchParameter.expression", "%s", vigil.Message(err))
	}
	var targets []string
	for _, t := range texts(r["target"]) {
		targets = append(targets, t)
	}
	var out []*fhir.Param
	for _, base := range texts(r["base"]) {
		if _, standard := fhir.SearchParam(base, code); standard {
			return nil, invalidParam("SearchParameter.code", "%s has a parameter %q of R4", base, code)
		}
		out = append(out, fhir.NewParam(base, code, kind, targets, func(r fhir.Resource, found fhir.Found) {
			root := fhirpath.Root(r)
			values, err := expr.Eval(context.Background(), &fhirpath.Env{Resource: root, MaxSteps: 20_000}, root)
			if err != nil {
				return // a resource on which the expression fails has no value
			}
			for _, v := range values {
				found(v.JSON(), v.TypeName())
			}
		}))
	}
	return out, nil
}

func texts(v any) (out []string) {
	items, _ := v.([]any)
	for _, item := range items {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

func invalidParam(place, format string, args ...any) error {
	err := vigil.Errorf(vigil.Invalid, "record.param", place+" "+format, args...)
	err.Faults = []vigil.Fault{{Path: place, Msg: strings.TrimPrefix(err.Msg, place+" ")}}
	return err
}

// LoadParams adds the parameters of the stored SearchParameter resources. It is called once, before the first search.
func (s *Store) LoadParams(ctx context.Context) error {
	q := Query{Type: "SearchParameter", Limit: maxCount}
	for {
		found, err := s.cfg.Backend.Find(ctx, q)
		if err != nil {
			return err
		}
		for i := range found.Records {
			s.learn(&found.Records[i])
		}
		if q.After = found.Cursor; q.After == nil {
			return nil
		}
	}
}

// learn takes over what a version of a SearchParameter says.
func (s *Store) learn(rec *Record) {
	if rec.Type != "SearchParameter" {
		return
	}
	s.paramsMu.Lock()
	defer s.paramsMu.Unlock()
	for _, prm := range s.learned[rec.ID] {
		s.params.Remove(prm.Type, prm.Name)
	}
	delete(s.learned, rec.ID)
	if rec.Deleted {
		return
	}
	res, err := rec.Resource()
	if err != nil {
		return
	}
	added, err := customParams(res)
	if err != nil || len(added) == 0 {
		return
	}
	for _, prm := range added {
		s.params.Add(prm)
	}
	if s.learned == nil {
		s.learned = map[string][]*fhir.Param{}
	}
	s.learned[rec.ID] = added
}

// Params returns the type's search parameters, those that the site added among them.
func (s *Store) Params(typ string) []*fhir.Param { return s.params.List(typ) }

// ParamsOf returns the types to which a SearchParameter has added a parameter.
func (s *Store) ParamsOf(id string) (types []string) {
	s.paramsMu.Lock()
	defer s.paramsMu.Unlock()
	for _, prm := range s.learned[id] {
		types = append(types, prm.Type)
	}
	return types
}

// reindexBatch is how many resources share one transaction of Reindex.
const reindexBatch = 200

// Reindex makes the search rows of all current resources of the types anew, without a new version of any, and returns how
// many there were. Writers may go on beside it. Only administrators and the house itself may; progress may be nil.
func (s *Store) Reindex(ctx context.Context, types []string, progress func(done int)) (n int, err error) {
	if p, ok := access.From(ctx); !ok || !p.Has(access.Admin) && !p.Has(access.System) {
		s.denied(ctx, "record.reindex", "", "")
		return 0, vigil.Errorf(vigil.Denied, "record.reindex", "only an administrator may reindex")
	}
	for _, typ := range types {
		if err := checkType(typ); err != nil {
			return n, err
		}
		for after := int64(0); ; {
			next, count, err := s.cfg.Backend.Reindex(ctx, typ, after, reindexBatch, s.params.Index)
			if err != nil {
				return n, err
			}
			if n += count; progress != nil {
				progress(n)
			}
			if count == 0 {
				break
			}
			after = next
		}
	}
	return n, nil
}
