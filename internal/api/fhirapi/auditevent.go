package fhirapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// auditPrefix begins the id of an AuditEvent made from the trail.
const auditPrefix = "a-"

func (d *door) auditEvent(ctx context.Context, id string) (fhir.Resource, error) {
	missing := vigil.Errorf(vigil.NotFound, "fhir.audit", "there is no AuditEvent %s", quote(id))
	seq, err := strconv.ParseInt(strings.TrimPrefix(id, auditPrefix), 10, 64)
	if d.cfg.Audit == nil || err != nil || seq < 1 || !strings.HasPrefix(id, auditPrefix) {
		return nil, missing
	}
	list, err := d.cfg.Audit.List(ctx, audit.Filter{After: seq - 1, Before: seq + 1})
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, missing
	}
	return asAuditEvent(list[0]), nil
}

// auditEvents searches the trail by patient and date, newest first.
func (d *door) auditEvents(r *http.Request, params url.Values) (answer, error) {
	var f audit.Filter
	plain, err := d.cfg.Records.ParseFilter(r.Context(), "AuditEvent", params)
	if err != nil {
		return answer{}, err
	}
	f.Limit = max(plain.Limit, 1)
	if v := params.Get("_cursor"); v != "" {
		if f.Before, err = strconv.ParseInt(v, 10, 64); err != nil || f.Before < 1 {
			return answer{}, vigil.Errorf(vigil.Invalid, "fhir.audit", "_cursor is not one that this server made for this search")
		}
	}
	for _, c := range plain.Where {
		switch {
		case c.Param == "AuditEvent.patient" && len(c.Any) == 1:
			f.Subject = c.Any[0].ID
		case c.Param == "AuditEvent.date" && len(c.Any) == 1:
			low, high := time.UnixMicro(c.Any[0].Low), time.UnixMicro(c.Any[0].High)
			switch c.Any[0].Op {
			case record.OpEq:
				f.From, f.To = low, high
			case record.OpGe:
				f.From = low
			case record.OpGt, record.OpSa:
				f.From = high
			case record.OpLt, record.OpEb:
				f.To = low
			case record.OpLe:
				f.To = high
			}
		default:
			return answer{}, vigil.Errorf(vigil.Invalid, "fhir.audit", "%s: the audit trail is searched by patient and date", c.Param)
		}
	}
	if d.cfg.Audit == nil {
		return answer{}, httpError{http.StatusNotFound, "not-supported", "no audit trail is kept"}
	}
	list, err := d.cfg.Audit.List(r.Context(), f)
	if err != nil {
		return answer{}, err
	}
	var next url.Values
	if len(list) == f.Limit {
		next = url.Values{}
		for k, v := range params {
			next[k] = v
		}
		next.Set("_cursor", strconv.FormatInt(list[len(list)-1].Seq, 10))
	}
	b := d.searchset(r, "AuditEvent", params, next)
	var entries []fhir.Resource
	for _, e := range list {
		res := asAuditEvent(e)
		entries = append(entries, d.entry(r, res.Ref(), res, "match"))
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, nil
}

// asAuditEvent writes an entry of the trail as FHIR R4 AuditEvent.
func asAuditEvent(e audit.Record) fhir.Resource {
	outcome := map[string]string{audit.OK: "0", audit.Denied: "4", audit.Failed: "8"}[e.Outcome]
	if outcome == "" {
		outcome = "8"
	}
	_, verb, _ := strings.Cut(e.Action, ".")
	action := map[string]string{"create": "C", "read": "R", "vread": "R", "history": "R", "search": "E", "update": "U", "delete": "D"}[verb]
	if action == "" {
		action = "E"
	}
	who := e.Who
	if who == "" {
		who = "unknown"
	}
	entities := []fhir.Resource{{"what": fhir.Resource{"display": e.What}, "description": e.Action}}
	if e.Detail != "" {
		entities[0]["detail"] = []fhir.Resource{{"type": "detail", "valueString": e.Detail}}
	}
	for _, s := range e.Subjects {
		entities = append(entities, fhir.Resource{"what": fhir.Ref("Patient/"+s, ""), "role": fhir.Coding("http://terminology.hl7.org/CodeSystem/object-role", "1", "Patient")})
	}
	at := fhir.Instant(e.At)
	return fhir.Normal(fhir.New("AuditEvent", auditPrefix+strconv.FormatInt(e.Seq, 10)).
		With("meta", fhir.Resource{"versionId": "1", "lastUpdated": at}).
		With("type", fhir.Coding("http://terminology.hl7.org/CodeSystem/audit-event-type", "rest", "RESTful Operation")).
		With("subtype", []fhir.Resource{fhir.Coding("urn:vigil:audit-action", e.Action, "")}).
		With("action", action).With("recorded", at).With("outcome", outcome).
		With("agent", []fhir.Resource{{"who": fhir.Resource{"identifier": fhir.Identifier("urn:vigil:account", who)}, "requestor": true}}).
		With("source", fhir.Resource{"observer": fhir.Resource{"display": "Vigil"}}).With("entity", entities))
}
