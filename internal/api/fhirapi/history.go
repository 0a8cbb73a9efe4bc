package fhirapi

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// historyPage bounds one page of a history.
const historyPage = 1000

// historyQuery reads _count, _since, _at and the cursor of a page.
func historyQuery(params url.Values) (record.HistoryQuery, error) {
	q := record.HistoryQuery{Limit: 100}
	for key, values := range params {
		bad := vigil.Errorf(vigil.Invalid, "fhir.history", "%s %s cannot be read", key, quote(values[0]))
		switch key {
		case "_format", "_pretty":
		case "_count":
			n, err := strconv.Atoi(values[0])
			if err != nil || n < 1 {
				return q, bad
			}
			q.Limit = min(n, historyPage)
		case "_cursor":
			n, err := strconv.ParseInt(values[0], 10, 64)
			if err != nil || n < 1 {
				return q, bad
			}
			q.After = n
		case "_since", "_at":
			low, high, ok := fhir.DateRange(strings.ReplaceAll(values[0], " ", "+"))
			if !ok {
				return q, bad
			}
			if key == "_since" {
				q.Since = time.UnixMicro(low)
			} else {
				q.From, q.To = time.UnixMicro(low), time.UnixMicro(high)
			}
		default:
			return q, vigil.Errorf(vigil.Invalid, "fhir.history", "%s is not a parameter of a history: _count, _since and _at are", quote(key))
		}
	}
	return q, nil
}

func (d *door) history(r *http.Request, typ, id string) (answer, error) {
	if typ == "AuditEvent" {
		return answer{}, httpError{http.StatusNotFound, "not-supported", "the audit trail is never changed: it has no history"}
	}
	params := r.URL.Query()
	q, err := historyQuery(params)
	if err != nil {
		return answer{}, err
	}
	q.Type, q.ID = typ, id
	recs, more, err := d.cfg.Records.History(r.Context(), q)
	if err != nil {
		return answer{}, err
	}
	base := d.cfg.Base(r)
	at := base + strings.TrimSuffix("/"+typ+"/"+id, "/") + "/_history"
	at = strings.Replace(at, "//_history", "/_history", 1)
	links := []fhir.Resource{{"relation": "self", "url": at + query(params)}}
	if more {
		params.Set("_cursor", strconv.FormatInt(recs[len(recs)-1].Seq, 10))
		links = append(links, fhir.Resource{"relation": "next", "url": at + query(params)})
	}
	b := fhir.New("Bundle", "").With("type", "history").With("link", links)
	if !more && q.After == 0 {
		b["total"] = len(recs)
	}
	entries := make([]fhir.Resource, 0, len(recs))
	named := map[string]fhir.Resource{}
	for i := range recs {
		entries = append(entries, d.withAuthor(r.Context(), named, &recs[i], historyEntry(base, &recs[i])))
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, nil
}

// extAuthor says on an entry of a history who wrote the version.
const extAuthor = "urn:vigil:author"

// withAuthor adds who wrote the version; named keeps whom it has looked up already.
func (d *door) withAuthor(ctx context.Context, named map[string]fhir.Resource, rec *record.Record, e fhir.Resource) fhir.Resource {
	if d.cfg.Author == nil || rec.Author == "" {
		return e
	}
	ref, ok := named[rec.Author]
	if !ok {
		if person, name := d.cfg.Author(ctx, rec.Author); person != "" {
			ref = fhir.Ref(person, name)
		} else if name != "" {
			ref = fhir.Resource{"display": name}
		}
		named[rec.Author] = ref
	}
	if ref != nil {
		e["response"].(fhir.Resource)["extension"] = []fhir.Resource{{"url": extAuthor, "valueReference": ref}}
	}
	return e
}

func historyEntry(base string, rec *record.Record) fhir.Resource {
	e := fhir.Resource{"fullUrl": base + "/" + rec.Ref()}
	method, status, target := "PUT", "200", rec.Ref()
	switch {
	case rec.Deleted:
		method, status = "DELETE", "204"
	case rec.Version == 1:
		method, status, target = "POST", "201", rec.Type
	}
	if !rec.Deleted {
		e["resource"] = fhir.Raw(rec.JSON)
	}
	e["request"] = fhir.Resource{"method": method, "url": target}
	e["response"] = fhir.Resource{"status": status, "etag": etag(rec.Version), "lastModified": fhir.Instant(rec.Updated)}
	return e
}
