package fhirapi

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/terminology"
)

// Terminology is for everybody who is signed in: what a code means is nobody's secret.
func signedIn(ctx context.Context, op string) error {
	if _, ok := access.From(ctx); !ok {
		return vigil.Errorf(vigil.Denied, "fhir."+op, "sign in first")
	}
	return nil
}

// term returns what a terminology operation is asked of: the resource at the path, the one sent as the named parameter
// or as the body, or that of the canonical URL; nil when none is named.
func (d *door) term(ctx context.Context, c call, name, url string) (fhir.Resource, error) {
	if c.id != "" {
		return d.cfg.Records.Term(ctx, c.typ, c.id)
	}
	for _, key := range []string{name, "resource"} {
		if res := c.part(key); res.Type() == c.typ {
			return res, nil
		}
	}
	if url == "" {
		return nil, nil
	}
	return d.cfg.Records.Terms().Resource(ctx, c.typ, url)
}

// number reads a whole parameter of 0 or more, otherwise when it is not given.
func (c call) number(op, name string, otherwise int) (int, error) {
	s := c.text(name)
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, vigil.Errorf(vigil.Invalid, "fhir."+op, "%s %s is not a whole number of 0 or more", name, quote(s))
	}
	return n, nil
}

// expand is ValueSet/$expand.
func (d *door) expand(r *http.Request, c call) (answer, error) {
	if err := signedIn(r.Context(), "expand"); err != nil {
		return answer{}, err
	}
	url := c.text("url")
	if v := c.text("valueSetVersion"); v != "" {
		url += "|" + v
	}
	set, err := d.term(r.Context(), c, "valueSet", url)
	if err != nil {
		return answer{}, err
	}
	if set == nil {
		return answer{}, required("expand", "url")
	}
	page := terminology.Page{Filter: c.text("filter"), ActiveOnly: c.text("activeOnly") == "true"}
	if page.Offset, err = c.number("expand", "offset", 0); err != nil {
		return answer{}, err
	}
	if page.Count, err = c.number("expand", "count", -1); err != nil {
		return answer{}, err
	}
	found, err := d.cfg.Records.Terms().Expand(r.Context(), set, page)
	if err != nil {
		return answer{}, err
	}
	out := fhir.Resource{}
	for key, v := range set {
		if key != "expansion" && key != "compose" && key != "text" || key == "compose" && c.text("includeDefinition") == "true" {
			out[key] = v
		}
	}
	if out["status"] == nil {
		out["status"] = "active"
	}
	out["expansion"] = expansion(found, page, fhir.Instant(d.cfg.Now()), c.text("includeDesignations") == "true")
	return answer{status: http.StatusOK, resource: out}, nil
}

func expansion(found terminology.Expansion, page terminology.Page, now string, designations bool) fhir.Resource {
	var list []fhir.Resource
	for _, k := range found.Concepts {
		one := fhir.Coding(k.System, k.Code, k.Display)
		if k.Version != "" {
			one["version"] = k.Version
		}
		if k.Abstract {
			one["abstract"] = true
		}
		if k.Inactive {
			one["inactive"] = true
		}
		if designations && len(k.Designations) > 0 {
			one["designation"] = k.Designations
		}
		list = append(list, one)
	}
	var params []fhir.Resource
	if page.Filter != "" {
		params = append(params, fhir.Resource{"name": "filter", "valueString": page.Filter})
	}
	if page.Count >= 0 {
		params = append(params, fhir.Resource{"name": "count", "valueInteger": page.Count}, fhir.Resource{"name": "offset", "valueInteger": page.Offset})
	}
	if page.ActiveOnly {
		params = append(params, fhir.Resource{"name": "activeOnly", "valueBoolean": true})
	}
	exp := fhir.Resource{"timestamp": now, "total": found.Total, "offset": page.Offset}
	if len(params) > 0 {
		exp["parameter"] = params
	}
	if len(list) > 0 {
		exp["contains"] = list
	}
	return exp
}

// lookup is CodeSystem/$lookup.
func (d *door) lookup(r *http.Request, c call) (answer, error) {
	if err := signedIn(r.Context(), "lookup"); err != nil {
		return answer{}, err
	}
	code := terminology.Coded{System: c.text("system"), Version: c.text("version"), Code: c.text("code")}
	if coding := c.part("coding"); coding != nil {
		code = coded(coding)
	}
	if code.Code == "" {
		return answer{}, required("lookup", "code")
	}
	given, err := d.term(r.Context(), c, "codeSystem", "")
	if err != nil {
		return answer{}, err
	}
	k, err := d.cfg.Records.Terms().Lookup(r.Context(), code.System, code.Version, code.Code, given)
	if err != nil {
		return answer{}, err
	}
	return returned(concept(k, c.texts("property"))...), nil
}

// texts returns every value of a repeated parameter of a simple type.
func (c call) texts(name string) (out []string) {
	for _, p := range c.in.List("parameter") {
		if p.Str("name") != name {
			continue
		}
		one := call{in: fhir.Resource{"parameter": []any{map[string]any(p)}}}
		if s := one.text(name); s != "" {
			out = append(out, s)
		}
	}
	return out
}

func concept(k terminology.Concept, only []string) []fhir.Resource {
	out := []fhir.Resource{{"name": "name", "valueString": orUnknown(k.SystemName)}}
	if k.Version != "" {
		out = append(out, fhir.Resource{"name": "version", "valueString": k.Version})
	}
	display := k.Display
	if display == "" {
		display = k.Code
	}
	out = append(out, fhir.Resource{"name": "display", "valueString": display})
	for _, g := range k.Designations {
		var parts []fhir.Resource
		for _, key := range []string{"language", "use", "value"} {
			if v := g[key]; v != nil {
				parts = append(parts, fhir.Resource{"name": key, map[string]string{"language": "valueCode", "use": "valueCoding", "value": "valueString"}[key]: v})
			}
		}
		out = append(out, fhir.Resource{"name": "designation", "part": parts})
	}
	property := func(code, key string, v any) {
		if len(only) == 0 || slices.Contains(only, code) {
			out = append(out, fhir.Resource{"name": "property", "part": []fhir.Resource{{"name": "code", "valueCode": code}, {"name": "value", key: v}}})
		}
	}
	if k.Definition != "" {
		property("definition", "valueString", k.Definition)
	}
	if k.Inactive {
		property("inactive", "valueBoolean", true)
	}
	for _, p := range k.Parents {
		property("parent", "valueCode", p)
	}
	for _, p := range k.Children {
		property("child", "valueCode", p)
	}
	for _, p := range k.Properties {
		for key, v := range p {
			if len(key) > 5 && key[:5] == "value" && p.Str("code") != "parent" && p.Str("code") != "child" {
				property(p.Str("code"), key, v)
			}
		}
	}
	return out
}

func coded(c fhir.Resource) terminology.Coded {
	return terminology.Coded{System: c.Str("system"), Version: c.Str("version"), Code: c.Str("code"), Display: c.Str("display")}
}

// codes reads what is to be judged or translated: a code with its system, a Coding or a CodeableConcept.
func (c call) codes(op string) ([]terminology.Coded, error) {
	if k := c.part("coding"); k != nil {
		return []terminology.Coded{coded(k)}, nil
	}
	if k := c.part("codeableConcept"); k != nil {
		var out []terminology.Coded
		for _, one := range k.List("coding") {
			out = append(out, coded(one))
		}
		if len(out) == 0 {
			return nil, vigil.Errorf(vigil.Invalid, "fhir."+op, "the codeableConcept has no coding")
		}
		return out, nil
	}
	if c.text("code") == "" {
		return nil, required(op, "code")
	}
	return []terminology.Coded{{System: c.text("system"), Version: c.text("systemVersion"), Code: c.text("code"), Display: c.text("display")}}, nil
}

// validateCode is ValueSet/$validate-code and CodeSystem/$validate-code.
func (d *door) validateCode(r *http.Request, c call) (answer, error) {
	if err := signedIn(r.Context(), "validate-code"); err != nil {
		return answer{}, err
	}
	list, err := c.codes("validate-code")
	if err != nil {
		return answer{}, err
	}
	var v terminology.Verdict
	if c.typ == "ValueSet" {
		v, err = d.inSet(r.Context(), c, list)
	} else {
		v, err = d.inSystem(r.Context(), c, list)
	}
	if err != nil {
		return answer{}, err
	}
	out := []fhir.Resource{{"name": "result", "valueBoolean": v.Result}}
	if v.Message != "" {
		out = append(out, fhir.Resource{"name": "message", "valueString": v.Message})
	}
	if v.Display != "" {
		out = append(out, fhir.Resource{"name": "display", "valueString": v.Display})
	}
	return returned(out...), nil
}

func (d *door) inSet(ctx context.Context, c call, list []terminology.Coded) (terminology.Verdict, error) {
	set, err := d.term(ctx, c, "valueSet", c.text("url"))
	if err != nil {
		return terminology.Verdict{}, err
	}
	if set == nil {
		return terminology.Verdict{}, required("validate-code", "url")
	}
	return d.cfg.Records.Terms().InSet(ctx, set, list)
}

func (d *door) inSystem(ctx context.Context, c call, list []terminology.Coded) (terminology.Verdict, error) {
	url := c.text("url")
	if url == "" {
		url = list[0].System
	}
	given, err := d.term(ctx, c, "codeSystem", "")
	if err != nil {
		return terminology.Verdict{}, err
	}
	return d.cfg.Records.Terms().InSystem(ctx, url, c.text("version"), given, list)
}

// subsumes is CodeSystem/$subsumes.
func (d *door) subsumes(r *http.Request, c call) (answer, error) {
	if err := signedIn(r.Context(), "subsumes"); err != nil {
		return answer{}, err
	}
	system, a, b := c.text("system"), c.text("codeA"), c.text("codeB")
	if x, y := c.part("codingA"), c.part("codingB"); x != nil && y != nil {
		if x.Str("system") != y.Str("system") {
			return answer{}, vigil.Errorf(vigil.Invalid, "fhir.subsumes", "codingA and codingB are of different systems")
		}
		system, a, b = x.Str("system"), x.Str("code"), y.Str("code")
	}
	if a == "" || b == "" {
		return answer{}, required("subsumes", "codeA and codeB")
	}
	given, err := d.term(r.Context(), c, "codeSystem", "")
	if err != nil {
		return answer{}, err
	}
	outcome, err := d.cfg.Records.Terms().Subsumes(r.Context(), system, c.text("version"), a, b, given)
	if err != nil {
		return answer{}, err
	}
	return returned(fhir.Resource{"name": "outcome", "valueCode": outcome}), nil
}

// translate is ConceptMap/$translate.
func (d *door) translate(r *http.Request, c call) (answer, error) {
	if err := signedIn(r.Context(), "translate"); err != nil {
		return answer{}, err
	}
	list, err := c.codes("translate")
	if err != nil {
		return answer{}, err
	}
	t := terminology.Translation{Codes: list, Source: c.text("source"), Target: c.text("target"), TargetSystem: c.text("targetsystem"), Reverse: c.text("reverse") == "true"}
	if t.Map, err = d.term(r.Context(), c, "conceptMap", c.text("url")); err != nil {
		return answer{}, err
	}
	found, err := d.cfg.Records.Terms().Translate(r.Context(), t)
	if err != nil {
		return answer{}, err
	}
	good := slices.ContainsFunc(found, func(m terminology.Match) bool { return m.Equivalence != "unmatched" && m.Equivalence != "disjoint" })
	out := []fhir.Resource{{"name": "result", "valueBoolean": good}}
	if !good {
		out = append(out, fhir.Resource{"name": "message", "valueString": "no map leads from the code to what is asked for"})
	}
	for _, m := range found {
		parts := []fhir.Resource{{"name": "equivalence", "valueCode": m.Equivalence}}
		if m.Concept.Code != "" {
			parts = append(parts, fhir.Resource{"name": "concept", "valueCoding": fhir.Coding(m.Concept.System, m.Concept.Code, m.Concept.Display)})
		}
		if m.Map != "" {
			parts = append(parts, fhir.Resource{"name": "source", "valueUri": m.Map})
		}
		out = append(out, fhir.Resource{"name": "match", "part": parts})
	}
	return returned(out...), nil
}
