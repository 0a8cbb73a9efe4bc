package fhirapi

import (
	"net/http"
	"slices"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// labels are the parts of a meta that $meta gathers and $meta-add and $meta-delete change.
var labels = [...]string{"profile", "security", "tag"}

// meta answers $meta: the labels of one resource, or those in use within a type or everywhere, as far as the newest
// thousand resources of each type show them.
func (d *door) meta(r *http.Request, c call) (answer, error) {
	if c.id != "" {
		rec, err := d.cfg.Records.Read(r.Context(), c.typ, c.id)
		if err != nil {
			return answer{}, err
		}
		res, err := rec.Resource()
		if err != nil {
			return answer{}, err
		}
		return returned(fhir.Resource{"name": "return", "valueMeta": res["meta"]}), nil
	}
	types := []string{c.typ}
	if c.typ == "" {
		types = fhir.ResourceTypes()
	}
	sum := map[string]any{}
	for _, typ := range types {
		recs, _, err := d.cfg.Records.History(r.Context(), record.HistoryQuery{Type: typ, Limit: historyPage})
		if err != nil {
			return answer{}, err
		}
		for i := range recs {
			res, err := recs[i].Resource()
			if err != nil {
				return answer{}, err
			}
			given, _ := res["meta"].(map[string]any)
			join(sum, given)
		}
	}
	out := fhir.Resource{"name": "return"}
	if len(sum) > 0 {
		out["valueMeta"] = sum
	}
	return returned(out), nil
}

func (d *door) metaAdd(r *http.Request, c call) (answer, error) {
	return d.relabel(r, c, join)
}

func (d *door) metaDelete(r *http.Request, c call) (answer, error) {
	return d.relabel(r, c, func(meta, given map[string]any) {
		for _, key := range labels {
			items, _ := meta[key].([]any)
			drop, _ := given[key].([]any)
			items = slices.DeleteFunc(items, func(v any) bool {
				return slices.ContainsFunc(drop, func(w any) bool { return sameLabel(v, w) })
			})
			if meta[key] = items; len(items) == 0 {
				delete(meta, key)
			}
		}
	})
}

func (d *door) relabel(r *http.Request, c call, change func(meta, given map[string]any)) (answer, error) {
	given := c.part("meta")
	if given == nil {
		return answer{}, required("meta", "meta")
	}
	if err := writable(c.typ, c.id); err != nil {
		return answer{}, err
	}
	rec, err := d.cfg.Records.Read(r.Context(), c.typ, c.id)
	if err != nil {
		return answer{}, err
	}
	res, err := rec.Resource()
	if err != nil {
		return answer{}, err
	}
	meta, _ := res["meta"].(map[string]any)
	change(meta, given)
	next, err := d.cfg.Records.Update(r.Context(), res, rec.Version)
	if err != nil {
		return answer{}, err
	}
	if res, err = next.Resource(); err != nil {
		return answer{}, err
	}
	a := returned(fhir.Resource{"name": "return", "valueMeta": res["meta"]})
	a.rec = &next
	return a, nil
}

// join adds the labels of given that meta does not have.
func join(meta, given map[string]any) {
	for _, key := range labels {
		items, _ := meta[key].([]any)
		more, _ := given[key].([]any)
		for _, v := range more {
			if !slices.ContainsFunc(items, func(w any) bool { return sameLabel(v, w) }) {
				items = append(items, v)
			}
		}
		if len(items) > 0 {
			meta[key] = items
		}
	}
}

// sameLabel compares profiles by their URL, codings by system and code.
func sameLabel(a, b any) bool {
	x, okX := a.(map[string]any)
	y, okY := b.(map[string]any)
	if !okX || !okY {
		s, isText := a.(string)
		return isText && s == b
	}
	return x["system"] == y["system"] && x["code"] == y["code"]
}

// writable refuses what only the server writes: the audit trail and what is made from telemetry.
func writable(typ, id string) error {
	if typ == "AuditEvent" {
		return httpError{http.StatusMethodNotAllowed, "not-supported", "the audit trail is written by the server only"}
	}
	if _, ok := parseVitalID(id); ok && typ == "Observation" {
		return httpError{http.StatusConflict, "business-rule", "this Observation is made from telemetry and cannot be written"}
	}
	return nil
}
