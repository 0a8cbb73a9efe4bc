package fhirapi

import (
	"net/http"
	"net/url"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

func (d *door) search(r *http.Request, typ string, params url.Values) (answer, error) {
	if preference(r, "handling") == "lenient" {
		return d.lenient(r, typ, params)
	}
	return d.searchIn(r, typ, params, "")
}

// lenient leaves out the parameters that are not supported and says so in the answer.
func (d *door) lenient(r *http.Request, typ string, params url.Values) (answer, error) {
	known := cloned(params)
	var ignored []fhir.Resource
	for _, name := range d.cfg.Records.UnknownParams(typ, params) {
		known.Del(name)
		ignored = append(ignored, fhir.Resource{"severity": "warning", "code": "not-supported", "diagnostics": "parameter " + quote(name) + " is not supported and was ignored"})
	}
	a, err := d.searchIn(r, typ, known, "")
	if err != nil || len(ignored) == 0 {
		return a, err
	}
	entries, _ := a.resource["entry"].([]fhir.Resource)
	a.resource["entry"] = append(entries, fhir.Resource{"resource": fhir.New("OperationOutcome", "").With("issue", ignored), "search": fhir.Resource{"mode": "outcome"}})
	return a, nil
}

// searchIn searches a type, within a patient's compartment when one is given.
func (d *door) searchIn(r *http.Request, typ string, params url.Values, patient string) (answer, error) {
	a, err := d.found(r, typ, params, patient)
	if err != nil {
		return a, err
	}
	return d.projected(r, a)
}

func (d *door) found(r *http.Request, typ string, params url.Values, patient string) (answer, error) {
	if typ == "AuditEvent" {
		return d.auditEvents(r, params)
	}
	if typ == "Observation" {
		v, err := d.telemetrySearch(r.Context(), params, patient)
		if err != nil {
			return answer{}, err
		}
		if v != nil {
			return d.merged(r, v, params)
		}
	}
	page, err := d.cfg.Records.SearchIn(r.Context(), patient, typ, params)
	if err != nil {
		return answer{}, err
	}
	b := d.searchset(r, pathOf(typ, patient), params, page.Next)
	if page.Total >= 0 {
		b["total"] = page.Total
	}
	var entries []fhir.Resource
	for i, list := range [][]record.Record{page.Records, page.Included} {
		for _, rec := range list {
			entries = append(entries, d.entry(r, rec.Ref(), fhir.Raw(rec.JSON), [...]string{"match", "include"}[i]))
		}
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, nil
}

// entry is one entry of a search result; res is a fhir.Resource or a fhir.Raw document.
func (d *door) entry(r *http.Request, ref string, res any, mode string) fhir.Resource {
	return fhir.Resource{"fullUrl": d.cfg.Base(r) + "/" + ref, "resource": res, "search": fhir.Resource{"mode": mode}}
}

func pathOf(typ, patient string) string {
	if patient != "" {
		return "/Patient/" + patient + "/" + typ
	}
	return "/" + typ
}

// searchset opens the Bundle of a search; path is that of the search below the door.
func (d *door) searchset(r *http.Request, path string, params, next url.Values) fhir.Resource {
	at := d.cfg.Base(r) + path
	links := []fhir.Resource{{"relation": "self", "url": at + query(params)}}
	if next != nil {
		links = append(links, fhir.Resource{"relation": "next", "url": at + query(next)})
	}
	return fhir.New("Bundle", "").With("type", "searchset").With("link", links)
}

func query(params url.Values) string {
	if len(params) == 0 {
		return ""
	}
	return "?" + params.Encode()
}
