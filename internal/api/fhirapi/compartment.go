package fhirapi

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/fhir"
)

// compartment searches within a patient's compartment: Patient/id/Type?… and Patient/id/*?…
func (d *door) compartment(r *http.Request, owner, id string, rest []string) (answer, error) {
	params := r.URL.Query()
	post := len(rest) == 2 && rest[1] == "_search" && r.Method == http.MethodPost
	if !post && (len(rest) != 1 || !gets(r)) {
		return notHere(r)
	}
	if post {
		var err error
		if params, err = formParams(r); err != nil {
			return answer{}, err
		}
	}
	if owner != "Patient" {
		return answer{}, httpError{http.StatusNotFound, "not-supported", "there is no compartment " + quote(owner) + ": only patients' compartments can be searched"}
	}
	if _, err := d.cfg.Records.Read(r.Context(), owner, id); err != nil {
		return answer{}, err
	}
	if rest[0] == "*" {
		return d.searchTypes(r, params, id)
	}
	if !fhir.KnownType(rest[0]) || len(fhir.CompartmentParams(rest[0])) == 0 && rest[0] != "Patient" {
		return answer{}, httpError{http.StatusNotFound, "not-supported", quote(rest[0]) + " is in no patient's compartment"}
	}
	return d.searchIn(r, rest[0], params, id)
}

// typePlace is where a page of a search of several types ends.
type typePlace struct {
	Type   string `json:"t"`
	Cursor string `json:"c,omitempty"`
}

// searchTypes searches several types, one after the other: those of _type, or all of which there may be any. A patient
// narrows the search to his compartment.
func (d *door) searchTypes(r *http.Request, params url.Values, patient string) (answer, error) {
	types := fhir.ResourceTypes()
	if list := params.Get("_type"); list != "" {
		types = strings.Split(list, ",")
		for _, typ := range types {
			if !fhir.KnownType(typ) {
				return answer{}, vigil.Errorf(vigil.Invalid, "fhir.search", "_type: there is no resource type %s", quote(typ))
			}
		}
	}
	inner := url.Values{}
	for k, v := range params {
		if k != "_type" && k != "_cursor" {
			inner[k] = v
		}
	}
	limit := 50
	if n, err := strconv.Atoi(params.Get("_count")); err == nil && n > 0 {
		limit = n
	}
	at, err := readTypePlace(params.Get("_cursor"), types)
	if err != nil {
		return answer{}, err
	}
	s := typeSearch{d: d, r: r, patient: patient, types: types, params: inner}
	entries, next, err := s.page(at, limit)
	if err != nil {
		return answer{}, err
	}
	var more url.Values
	if next != nil {
		b, err := json.Marshal(next)
		if err != nil {
			return answer{}, err
		}
		more = cloned(params)
		more.Set("_cursor", string(b))
	}
	path := ""
	if patient != "" {
		path = "/Patient/" + patient + "/*"
	}
	b := d.searchset(r, path, params, more)
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, nil
}

func cloned(params url.Values) url.Values {
	out := url.Values{}
	for k, v := range params {
		out[k] = slices.Clone(v)
	}
	return out
}

func readTypePlace(s string, types []string) (typePlace, error) {
	at := typePlace{Type: types[0]}
	if s == "" {
		return at, nil
	}
	if err := json.Unmarshal([]byte(s), &at); err != nil || !slices.Contains(types, at.Type) {
		return at, vigil.Errorf(vigil.Invalid, "fhir.search", "_cursor is not one that this server made for this search")
	}
	return at, nil
}

type typeSearch struct {
	d       *door
	r       *http.Request
	patient string
	types   []string
	params  url.Values
	narrow  func(typ string, params url.Values) // what else is asked of a type; may be nil
}

// page gathers entries from the place on, type by type.
func (s *typeSearch) page(at typePlace, limit int) (entries []any, next *typePlace, err error) {
	for i := slices.Index(s.types, at.Type); i < len(s.types); i++ {
		typ := s.types[i]
		if s.patient != "" && typ != "Patient" && len(fhir.CompartmentParams(typ)) == 0 {
			continue
		}
		if typ == "AuditEvent" && len(s.types) > 1 {
			continue // the trail is for its readers only: it is searched by itself
		}
		if len(entries) >= limit {
			return entries, &typePlace{Type: typ}, nil
		}
		params := cloned(s.params)
		params.Set("_count", strconv.Itoa(limit-len(entries)))
		if s.narrow != nil {
			s.narrow(typ, params)
		}
		if typ == at.Type && at.Cursor != "" {
			params.Set("_cursor", at.Cursor)
		}
		a, err := s.d.searchIn(s.r, typ, params, s.patient)
		if vigil.KindOf(err) == vigil.Denied && len(s.types) > 1 {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		found, _ := a.resource["entry"].([]fhir.Resource)
		for _, e := range found {
			entries = append(entries, e)
		}
		if cursor := nextCursor(a.resource); cursor != "" {
			return entries, &typePlace{Type: typ, Cursor: cursor}, nil
		}
	}
	return entries, nil, nil
}

func nextCursor(b fhir.Resource) string {
	links, _ := b["link"].([]fhir.Resource)
	for _, l := range links {
		if l.Str("relation") != "next" {
			continue
		}
		if u, err := url.Parse(l.Str("url")); err == nil {
			return u.Query().Get("_cursor")
		}
	}
	return ""
}
