package fhirapi

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
	"github.com/vigil-health/vigil/internal/fhir/conformance"
)

// shelf finds profiles and references among the records, as the principal of the request may see them.
type shelf struct{ records *record.Store }

// StructureDefinition returns the profile of a canonical URL that was uploaded last; nil when there is none.
func (s shelf) StructureDefinition(ctx context.Context, canonical string) fhir.Resource {
	plain, version, _ := strings.Cut(canonical, "|")
	q := url.Values{"url": {plain}, "_sort": {"-_lastUpdated"}, "_count": {"1"}}
	if version != "" {
		q.Set("version", version)
	}
	page, err := s.records.Search(ctx, "StructureDefinition", q)
	if err != nil || len(page.Records) == 0 {
		return nil
	}
	res, err := page.Records[0].Resource()
	if err != nil {
		return nil
	}
	return res
}

// Resolve returns the record that a reference names; nil when it is not here or not for the principal.
func (s shelf) Resolve(ctx context.Context, reference string) fhir.Resource {
	ref := fhir.ParseReference(reference)
	if ref.Type == "" {
		return nil
	}
	rec, err := s.records.Read(ctx, ref.Type, ref.ID)
	if err != nil {
		return nil
	}
	res, err := rec.Resource()
	if err != nil {
		return nil
	}
	return res
}

// validate is $validate: it names every fault of a resource at once and stores nothing.
func (d *door) validate(r *http.Request, c call) (answer, error) {
	if _, ok := access.From(r.Context()); !ok {
		return answer{}, vigil.Errorf(vigil.Denied, "fhir.validate", "sign in first")
	}
	res, mode := c.part("resource"), c.text("mode")
	if res == nil && c.id != "" { // the resource as it is stored
		rec, err := d.cfg.Records.Read(r.Context(), c.typ, c.id)
		if err != nil {
			return answer{}, err
		}
		if res, err = rec.Resource(); err != nil {
			return answer{}, err
		}
	}
	switch {
	case res == nil && mode != "delete":
		return answer{}, required("validate", "resource")
	case mode != "" && mode != "create" && mode != "update" && mode != "delete" && mode != "profile":
		return answer{}, vigil.Errorf(vigil.Invalid, "fhir.validate", "mode %s is none of create, update, delete and profile", quote(mode))
	case mode == "delete":
		return answer{status: http.StatusOK, resource: conformance.Outcome(nil)}, writable(c.typ, c.id)
	}
	issues := inMode(c, res, mode)
	var profiles []string
	for _, p := range c.in.List("parameter") {
		if p.Str("name") == "profile" {
			for _, key := range []string{"valueUri", "valueCanonical", "valueUrl", "valueString"} {
				if u := p.Str(key); u != "" {
					profiles = append(profiles, u)
				}
			}
		}
	}
	issues = append(issues, d.validator.Validate(r.Context(), res, profiles...)...)
	return answer{status: http.StatusOK, resource: conformance.Outcome(issues)}, nil
}

// inMode names what is wrong with a resource where it is sent to.
func inMode(c call, res fhir.Resource, mode string) []conformance.Issue {
	fault := func(code, place, msg string) []conformance.Issue {
		return []conformance.Issue{{Severity: conformance.Error, Code: code, Expression: place, Diagnostics: msg}}
	}
	switch {
	case res.Type() != c.typ:
		return fault("invalid", "", "resourceType is "+quote(res.Type())+", the path says "+c.typ)
	case mode == "update" && res.ID() == "":
		return fault("required", c.typ+".id", "an update needs the resource's id")
	case mode == "update" && c.id != "" && res.ID() != c.id:
		return fault("value", c.typ+".id", "the resource's id "+quote(res.ID())+" is not the id of the path")
	}
	return nil
}
