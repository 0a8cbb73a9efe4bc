package record

import (
	"errors"
	"net/url"
	"slices"
	"sort"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// maxMatches bounds the values of one parameter, maxClauses the parameters of one search.
const (
	maxMatches = 200
	maxClauses = 50
)

// parseSearch reads FHIR search parameters into a plan. All faults are named at once.
func (r *reader) search(typ string, params url.Values) (*plan, error) {
	p := &plan{query: Query{Type: typ, Limit: defaultCount}, reader: r}
	var faults []vigil.Fault
	keys := make([]string, 0, len(params))
	for k := range params {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, key := range keys {
		for _, value := range params[key] {
			if err := p.add(typ, key, value); err != nil {
				faults = append(faults, vigil.Fault{Path: key, Msg: vigil.Message(err)})
			}
		}
	}
	if len(p.query.Where) > maxClauses {
		faults = append(faults, vigil.Fault{Path: typ, Msg: "more than 50 parameters in one search"})
	}
	if c := params.Get("_cursor"); c != "" && len(faults) == 0 {
		var err error
		if p.query.After, err = readCursor(c, len(p.query.Sort)); err != nil {
			faults = append(faults, vigil.Fault{Path: "_cursor", Msg: vigil.Message(err)})
		}
	}
	if len(faults) > 0 {
		err := vigil.Errorf(vigil.Invalid, "record.search", "%s: %s", faults[0].Path, faults[0].Msg)
		err.Faults = faults
		return nil, err
	}
	return p, nil
}

func (p *plan) add(typ, key, value string) (err error) {
	switch key {
	case "_cursor", "_format", "_pretty", "_elements":
		return nil
	case "_count":
		p.query.Limit, err = parseCount(value)
		return err
	case "_summary":
		if !slices.Contains([]string{"true", "text", "data", "count", "false"}, value) {
			return invalid("%q is not one of true, text, data, count, false", value)
		}
		if value == "count" {
			p.query.Limit, p.query.Total = 0, -1
		}
		return nil
	case "_total":
		switch value {
		case "none":
			p.query.Total = 0
		case "accurate":
			p.query.Total = -1
		case "estimate":
			p.query.Total = countUpTo
		default:
			return invalid("%q is not one of none, estimate, accurate", value)
		}
		return nil
	case "_sort":
		return p.addSort(typ, value)
	}
	if name, modifier, _ := strings.Cut(key, ":"); name == "_include" || name == "_revinclude" {
		return p.addInclude(name == "_revinclude", modifier, value)
	}
	c, err := p.reader.clause(typ, key, value, 0)
	if err == nil {
		p.query.Where = append(p.query.Where, c)
	}
	return err
}

// errUnknown marks a parameter or modifier that the server does not support; a lenient client may go without it.
var errUnknown = errors.New("not supported")

// UnknownParams returns the names of the search parameters that Search would refuse as not supported; those that the
// site added are supported.
func (s *Store) UnknownParams(typ string, params url.Values) []string {
	var out []string
	for key, values := range params {
		p := &plan{reader: &reader{params: &s.params, terms: func(*fhir.Param, string, string) ([]Match, error) { return nil, nil }}}
		if len(values) > 0 && errors.Is(p.add(typ, key, values[0]), errUnknown) {
			out = append(out, key)
		}
	}
	sort.Strings(out)
	return out
}

func invalid(format string, args ...any) error {
	return vigil.Errorf(vigil.Invalid, "record.search", format, args...)
}

func (p *plan) addSort(typ, value string) error {
	for part := range strings.SplitSeq(value, ",") {
		name, desc := strings.CutPrefix(part, "-")
		prm, ok := p.reader.param(typ, name)
		if !ok {
			return invalid("cannot sort by %q: not a search parameter of %s: %w", name, typ, errUnknown)
		}
		if prm.Kind == fhir.ParamComposite || prm.Kind == fhir.ParamSpecial {
			return invalid("cannot sort by %q: a %s has no order: %w", name, prm.Kind, errUnknown)
		}
		p.query.Sort = append(p.query.Sort, Sort{Param: clauseKey(prm), Kind: prm.Kind, Desc: desc})
	}
	if len(p.query.Sort) > 4 {
		return invalid("more than four keys to sort by")
	}
	return nil
}

// addInclude reads Type:parameter[:Target], Type:* or *.
func (p *plan) addInclude(reverse bool, modifier, value string) error {
	inc := include{reverse: reverse, iterate: modifier == "iterate" || modifier == "recurse"}
	if modifier != "" && !inc.iterate {
		return invalid("modifier :%s is %w: only :iterate", modifier, errUnknown)
	}
	if value == "*" && !reverse {
		inc.all = true
		p.includes = append(p.includes, inc)
		return nil
	}
	parts := strings.Split(value, ":")
	if len(parts) < 2 || len(parts) > 3 || !fhir.KnownType(parts[0]) {
		return invalid("%q is not Type:parameter, Type:parameter:Target, Type:* or *", value)
	}
	if !reverse && !inc.iterate && parts[0] != p.query.Type {
		return invalid("%q begins with another type than is searched: %s", value, p.query.Type)
	}
	inc.typ = parts[0]
	if len(parts) == 3 {
		inc.target = parts[2]
	}
	if inc.all = parts[1] == "*"; !inc.all {
		prm, ok := p.reader.param(parts[0], parts[1])
		if !ok || prm.Kind != fhir.ParamReference {
			return invalid("%q is not a reference parameter of %s", parts[1], parts[0])
		}
		inc.param = prm
	}
	p.includes = append(p.includes, inc)
	return nil
}
