package fhirapi

import (
	"net/http"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// projection says which elements of each resource an answer holds: _elements and _summary (FHIR R4 3.1.1.5.8).
type projection struct {
	elements map[string]bool // of _elements; nil for none
	summary  string          // text, data or true
}

const subsetted = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue"

func projectionOf(r *http.Request) (*projection, error) {
	params := r.URL.Query()
	if r.Form != nil {
		params = r.Form
	}
	p := &projection{}
	switch s := params.Get("_summary"); s {
	case "", "false", "count":
	case "true", "text", "data":
		p.summary = s
	default:
		return nil, vigil.Errorf(vigil.Invalid, "fhir.search", "_summary %s is not one of true, text, data, count, false", quote(s))
	}
	if list := params.Get("_elements"); list != "" {
		if p.summary != "" {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.search", "give either _elements or _summary, not both")
		}
		p.elements = map[string]bool{}
		for name := range strings.SplitSeq(list, ",") {
			p.elements[strings.TrimSpace(name)] = true
		}
	}
	if p.summary == "" && p.elements == nil {
		return nil, nil
	}
	return p, nil
}

// projected takes out of an answer what the request did not ask for.
func (d *door) projected(r *http.Request, a answer) (answer, error) {
	p, err := projectionOf(r)
	if p == nil || err != nil {
		return a, err
	}
	if a.json != nil {
		res, err := fhir.Parse(a.json)
		if err != nil {
			return a, err
		}
		a.json, a.resource = nil, p.cut(res)
		return a, nil
	}
	entries, _ := a.resource["entry"].([]fhir.Resource)
	for _, e := range entries {
		if e.Str("search.mode") == "outcome" {
			continue
		}
		var res fhir.Resource
		switch x := e["resource"].(type) {
		case fhir.Raw:
			if res, err = fhir.Parse(x); err != nil {
				return a, err
			}
		case fhir.Resource:
			res = x
		}
		e["resource"] = p.cut(res)
	}
	return a, nil
}

// cut returns the resource with the elements that the projection keeps, marked as a part.
func (p *projection) cut(res fhir.Resource) fhir.Resource {
	out := fhir.Resource{}
	for key, v := range res {
		if p.keeps(res.Type(), strings.TrimPrefix(key, "_")) {
			out[key] = v
		}
	}
	meta := fhir.Resource{}
	for key, v := range object(res["meta"]) {
		meta[key] = v
	}
	tags, _ := meta["tag"].([]any)
	meta["tag"] = append(tags[:len(tags):len(tags)], map[string]any{"system": subsetted, "code": "SUBSETTED"})
	return out.With("meta", meta)
}

func object(v any) map[string]any {
	switch x := v.(type) {
	case map[string]any:
		return x
	case fhir.Resource:
		return x
	}
	return nil
}

func (p *projection) keeps(typ, key string) bool {
	el, ok := fhir.ElementOf(typ, key)
	switch {
	case key == "resourceType" || key == "id" || key == "meta":
		return true
	case p.elements != nil:
		return p.elements[key] || ok && (el.Required || p.elements[el.Choice])
	case p.summary == "data":
		return key != "text"
	case p.summary == "text":
		return key == "text" || ok && el.Required
	}
	return ok && (el.Summary || el.Required)
}
