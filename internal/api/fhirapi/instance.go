package fhirapi

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

func (d *door) read(r *http.Request, typ, id string) (answer, error) {
	if typ == "AuditEvent" {
		res, err := d.auditEvent(r.Context(), id)
		return answer{status: http.StatusOK, resource: res}, err
	}
	if key, ok := parseVitalID(id); ok && typ == "Observation" {
		res, err := d.vital(r.Context(), key)
		return answer{status: http.StatusOK, resource: res}, err
	}
	rec, err := d.cfg.Records.Read(r.Context(), typ, id)
	if err != nil {
		return answer{}, err
	}
	if v, err := ifMatch(r.Header.Get("If-None-Match")); err == nil && v == rec.Version {
		return answer{status: http.StatusNotModified, rec: &rec}, nil
	}
	return answer{status: http.StatusOK, json: rec.JSON, rec: &rec}, nil
}

func (d *door) vread(r *http.Request, typ, id, version string) (answer, error) {
	v, err := strconv.ParseInt(version, 10, 64)
	if err != nil {
		return answer{}, vigil.Errorf(vigil.NotFound, "fhir.vread", "there is no version %s", quote(version))
	}
	rec, err := d.cfg.Records.VRead(r.Context(), typ, id, v)
	return answer{status: http.StatusOK, json: rec.JSON, rec: &rec}, err
}

// typed reads the body and checks that it is of the type of the path.
func typed(r *http.Request, typ string) (fhir.Resource, error) {
	if typ == "AuditEvent" {
		return nil, httpError{http.StatusMethodNotAllowed, "not-supported", "the audit trail is written by the server only"}
	}
	res, err := body(r)
	if err == nil && res.Type() != typ {
		err = vigil.Errorf(vigil.Invalid, "fhir.body", "resourceType is %s, the path says %s", quote(res.Type()), typ)
	}
	return res, err
}

func (d *door) create(r *http.Request, typ string) (answer, error) {
	res, err := typed(r, typ)
	if err != nil {
		return answer{}, err
	}
	if cond := r.Header.Get("If-None-Exist"); cond != "" {
		rec, err := d.only(r, typ, cond)
		if err != nil || rec != nil {
			return d.written(r, http.StatusOK, rec), err
		}
	}
	rec, err := d.cfg.Records.Create(r.Context(), res)
	if err != nil {
		return answer{}, err
	}
	return d.written(r, http.StatusCreated, &rec), nil
}

// only returns the one record that a conditional search finds, nil when there is none.
func (d *door) only(r *http.Request, typ, query string) (*record.Record, error) {
	params, err := url.ParseQuery(query)
	if err != nil || len(params) == 0 {
		return nil, vigil.Errorf(vigil.Invalid, "fhir.condition", "the condition %s cannot be read", quote(query))
	}
	params.Set("_count", "2")
	page, err := d.cfg.Records.Search(r.Context(), typ, params)
	switch {
	case err != nil || len(page.Records) == 0:
		return nil, err
	case len(page.Records) > 1:
		return nil, httpError{http.StatusPreconditionFailed, "multiple-matches", "more than one " + typ + " matches the condition"}
	}
	return &page.Records[0], nil
}

// written answers a write; Prefer: return=minimal leaves the document out.
func (d *door) written(r *http.Request, status int, rec *record.Record) answer {
	if rec == nil {
		return answer{}
	}
	a := answer{status: status, json: rec.JSON, rec: rec, location: d.cfg.Base(r) + "/" + rec.Ref() + "/_history/" + strconv.FormatInt(rec.Version, 10)}
	switch r.Header.Get("Prefer") {
	case "return=minimal":
		a.json = nil
	case "return=OperationOutcome":
		a.json, a.resource = nil, fhir.New("OperationOutcome", "").With("issue", []fhir.Resource{{"severity": "information", "code": "informational", "diagnostics": "stored"}})
	}
	return a
}

func (d *door) update(r *http.Request, typ, id string) (answer, error) {
	res, err := typed(r, typ)
	if err != nil {
		return answer{}, err
	}
	if err := sameID(res, id); err != nil {
		return answer{}, err
	}
	match, err := ifMatch(r.Header.Get("If-Match"))
	if err != nil {
		return answer{}, err
	}
	rec, err := d.cfg.Records.Update(r.Context(), res, match)
	if err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	if rec.Version == 1 {
		status = http.StatusCreated
	}
	return d.written(r, status, &rec), nil
}

func sameID(res fhir.Resource, id string) error {
	if res.ID() != id {
		return vigil.Errorf(vigil.Invalid, "fhir.update", "the resource's id %s is not the id of the path", quote(res.ID()))
	}
	if _, ok := parseVitalID(id); ok && res.Type() == "Observation" {
		return httpError{http.StatusConflict, "business-rule", "this Observation is made from telemetry and cannot be written"}
	}
	return nil
}

func (d *door) remove(r *http.Request, typ, id string) (answer, error) {
	if typ == "AuditEvent" {
		return answer{}, httpError{http.StatusMethodNotAllowed, "not-supported", "the audit trail is written by the server only"}
	}
	err := d.cfg.Records.Delete(r.Context(), typ, id)
	if vigil.KindOf(err) == vigil.NotFound {
		err = nil // FHIR R4 3.1.0.7: deleting what is not there succeeds
	}
	return answer{status: http.StatusNoContent}, err
}

func (d *door) history(r *http.Request, typ, id string) (answer, error) {
	all, err := d.cfg.Records.History(r.Context(), typ, id)
	if err != nil {
		return answer{}, err
	}
	base := d.cfg.Base(r)
	entries := make([]fhir.Resource, 0, len(all))
	for _, rec := range all {
		e := fhir.Resource{"fullUrl": base + "/" + rec.Ref()}
		method, status := "PUT", "200"
		switch {
		case rec.Deleted:
			method, status = "DELETE", "204"
		case rec.Version == 1:
			method, status = "POST", "201"
		}
		if !rec.Deleted {
			e["resource"] = fhir.Raw(rec.JSON)
		}
		target := rec.Ref()
		if method == "POST" {
			target = rec.Type
		}
		e["request"] = fhir.Resource{"method": method, "url": target}
		e["response"] = fhir.Resource{"status": status, "etag": etag(rec.Version), "lastModified": fhir.Instant(rec.Updated)}
		entries = append(entries, e)
	}
	b := fhir.New("Bundle", "").With("type", "history").With("total", len(all)).With("link", []fhir.Resource{{"relation": "self", "url": base + "/" + typ + "/" + id + "/_history"}})
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, nil
}
