package fhirapi

import (
	"net/http"
	"strconv"
	"strings"
	"time"

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
	if unmodified(r, &rec) {
		return answer{status: http.StatusNotModified, rec: &rec}, nil
	}
	if typ == "Binary" && wantsRaw(r) {
		if c, ok := content(&rec); ok {
			return answer{status: http.StatusOK, raw: c, rec: &rec}, nil
		}
	}
	return d.projected(r, answer{status: http.StatusOK, json: rec.JSON, rec: &rec})
}

// unmodified reports whether the client has this version already (FHIR R4 3.1.0.1.1).
func unmodified(r *http.Request, rec *record.Record) bool {
	if v, err := ifMatch(r.Header.Get("If-None-Match")); err == nil && v != 0 {
		return v == rec.Version
	}
	since, err := http.ParseTime(r.Header.Get("If-Modified-Since"))
	return err == nil && !rec.Updated.Truncate(time.Second).After(since)
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
	if err := writable(typ, ""); err != nil {
		return nil, err
	}
	if typ == "Binary" {
		if res, is, err := sentBinary(r); is || err != nil {
			return res, err
		}
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
		cond = strings.TrimPrefix(strings.TrimPrefix(cond, typ), "?")
		defer d.turns.take(turnOf(typ, cond))()
		if a, done, err := d.measuredBefore(r, typ, cond); done || err != nil {
			return a, err
		}
		rec, err := d.only(r, typ, cond)
		if err != nil || rec != nil {
			return d.written(r, http.StatusOK, rec), err
		}
	}
	return d.store(r, res)
}

// written answers a write; Prefer: return=minimal leaves the document out.
func (d *door) written(r *http.Request, status int, rec *record.Record) answer {
	if rec == nil {
		return answer{}
	}
	a := answer{status: status, json: rec.JSON, rec: rec, location: d.cfg.Base(r) + "/" + rec.Ref() + "/_history/" + strconv.FormatInt(rec.Version, 10)}
	switch preference(r, "return") {
	case "minimal":
		a.json = nil
	case "OperationOutcome":
		a.json, a.resource = nil, fhir.New("OperationOutcome", "").With("issue", []fhir.Resource{{"severity": "information", "code": "informational", "diagnostics": "stored"}})
	}
	return a
}

func (d *door) update(r *http.Request, typ, id string) (answer, error) {
	res, err := typed(r, typ)
	if err != nil {
		return answer{}, err
	}
	if k, ok := parseVitalID(id); ok && typ == "Observation" && res.ID() == id && d.cfg.Intake != nil {
		return d.correct(r, res, k)
	}
	if err := sameID(res, id); err != nil {
		return answer{}, err
	}
	return d.put(r, res)
}

func sameID(res fhir.Resource, id string) error {
	if res.ID() != id {
		return vigil.Errorf(vigil.Invalid, "fhir.update", "the resource's id %s is not the id of the path", quote(res.ID()))
	}
	return writable(res.Type(), id)
}

func (d *door) remove(r *http.Request, typ, id string) (answer, error) {
	if err := writable(typ, id); err != nil {
		return answer{}, err
	}
	match, err := ifMatch(r.Header.Get("If-Match"))
	if err != nil {
		return answer{}, err
	}
	_, err = d.cfg.Records.Batch(r.Context(), []record.Write{{Op: record.OpDelete, Type: typ, ID: id, IfMatch: match}})
	if vigil.KindOf(err) == vigil.NotFound {
		err = nil // FHIR R4 3.1.0.7: deleting what is not there succeeds
	}
	return answer{status: http.StatusNoContent}, err
}
