package record

import (
	"context"
	"net/url"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// include is one _include or _revinclude.
type include struct {
	typ     string      // of the resources whose references are followed; "" for every type
	param   *fhir.Param // nil for all
	all     bool
	target  string
	reverse bool
	iterate bool
}

// The bounds of one search's includes.
const (
	maxIncluded      = 1000
	maxIncludeRounds = 10
	includeBatch     = 100
)

// Included returns what _include and _revinclude of a search name, for resources that were made on the way; as Search
// does it leaves out what the principal may not see. Invalid names a parameter that cannot be read.
func (s *Store) Included(ctx context.Context, typ string, params url.Values, recs []Record) ([]Record, error) {
	only := url.Values{}
	for key, v := range params {
		if name, _, _ := strings.Cut(key, ":"); name == "_include" || name == "_revinclude" {
			only[key] = v
		}
	}
	plan, err := s.reader(ctx).search(typ, only)
	if err != nil {
		return nil, err
	}
	out, err := s.include(ctx, plan.includes, recs)
	if err != nil || len(out) == 0 {
		return nil, err
	}
	return out, s.noted(ctx, "record.search", typ, "_include", touched(Page{Included: out}))
}

// include reads what the includes name; what is gone, elsewhere or not for this principal is left out.
func (s *Store) include(ctx context.Context, includes []include, recs []Record) ([]Record, error) {
	if len(includes) == 0 {
		return nil, nil
	}
	in := &includer{s: s, ctx: ctx, seen: map[string]bool{}}
	for _, r := range recs {
		in.seen[r.Ref()] = true
	}
	next := recs
	for round := 0; len(next) > 0 && round < maxIncludeRounds && len(in.out) < maxIncluded; round++ {
		begin := len(in.out)
		for _, inc := range includes {
			if round > 0 && !inc.iterate {
				continue
			}
			follow := in.forward
			if inc.reverse {
				follow = in.backward
			}
			if err := follow(inc, next); err != nil {
				return nil, err
			}
		}
		next = in.out[begin:]
	}
	return in.out[:min(len(in.out), maxIncluded)], nil
}

type includer struct {
	s    *Store
	ctx  context.Context
	seen map[string]bool
	out  []Record
}

// forward adds what the records refer to.
func (in *includer) forward(inc include, recs []Record) error {
	for _, r := range recs {
		if inc.typ != "" && r.Type != inc.typ {
			continue
		}
		doc, err := r.Resource()
		if err != nil {
			return err
		}
		params := []*fhir.Param{inc.param}
		if inc.all {
			params = in.s.params.List(r.Type)
		}
		for _, prm := range params {
			if prm.Kind != fhir.ParamReference {
				continue
			}
			for _, v := range prm.Values(doc) {
				if v.Type == "" || inc.target != "" && v.Type != inc.target {
					continue
				}
				if err := in.add(v.Type, v.ID); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (in *includer) add(typ, id string) error {
	ref := typ + "/" + id
	if in.seen[ref] || !fhir.KnownType(typ) {
		return nil
	}
	in.seen[ref] = true
	rec, err := in.s.cfg.Backend.Current(in.ctx, typ, id)
	if vigil.KindOf(err) == vigil.NotFound || err == nil && (rec.Deleted || !visible(in.ctx, rec)) {
		return nil
	}
	if err != nil {
		return err
	}
	in.out = append(in.out, rec)
	return nil
}

// backward adds what refers to the records.
func (in *includer) backward(inc include, recs []Record) error {
	only, err := checkRead(in.ctx, inc.typ)
	if err != nil {
		return nil // what the principal may not read is left out
	}
	params := []*fhir.Param{inc.param}
	if inc.all {
		params = in.s.params.List(inc.typ)
	}
	for _, prm := range params {
		if prm.Kind != fhir.ParamReference {
			continue
		}
		if err := in.referring(inc, prm, only, recs); err != nil {
			return err
		}
	}
	return nil
}

func (in *includer) referring(inc include, prm *fhir.Param, only string, recs []Record) error {
	for len(recs) > 0 {
		batch := recs[:min(len(recs), includeBatch)]
		recs = recs[len(batch):]
		c := Clause{Param: prm.Key(), Kind: fhir.ParamReference}
		for _, r := range batch {
			if inc.target == "" || inc.target == r.Type {
				c.Any = append(c.Any, Match{Op: OpEq, Value: fhir.Value{Kind: fhir.ParamReference, Type: r.Type, ID: r.ID}})
			}
		}
		room := maxIncluded - len(in.out)
		if len(c.Any) == 0 || room <= 0 {
			continue
		}
		found, err := in.s.cfg.Backend.Find(in.ctx, Query{Type: inc.typ, Patient: only, Where: []Clause{c}, Limit: room})
		if err != nil {
			return err
		}
		for _, rec := range found.Records {
			if ref := rec.Ref(); !in.seen[ref] {
				in.seen[ref] = true
				in.out = append(in.out, rec)
			}
		}
	}
	return nil
}
