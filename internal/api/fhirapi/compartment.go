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

// compartment searches within a compartment: Patient/id/Type?… and Patient/id/*?…, and so for encounters, devices,
// practitioners and related persons.
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
	if !fhir.HasCompartment(owner) {
		return answer{}, httpError{http.StatusNotFound, "not-supported", "there is no compartment " + quote(owner) + ": there are those of " + strings.Join(fhir.CompartmentOwners(), ", ")}
	}
	if _, err := d.cfg.Records.Read(r.Context(), owner, id); err != nil {
		return answer{}, err
	}
	typ := rest[0]
	if typ == "*" {
		return d.searchTypes(r, params, within{owner, id})
	}
	if !fhir.KnownType(typ) || !(within{owner, id}).may(typ) {
		return answer{}, httpError{http.StatusNotFound, "not-supported", quote(typ) + " is in no compartment of " + owner}
	}
	if owner == "Patient" {
		return d.searchIn(r, typ, params, id)
	}
	return d.searchTypes(r, params, within{owner, id}, typ)
}

// within is a compartment; the zero value is none.
type within struct{ owner, id string }

// may reports whether a resource of the type can be in the compartment.
func (w within) may(typ string) bool {
	return w.owner == "" || typ == w.owner && w.owner == "Patient" || len(fhir.CompartmentOf(w.owner, typ)) > 0
}

// patient returns the patient whose compartment it is, "" for any other: the store knows those of patients by itself.
func (w within) patient() string {
	if w.owner == "Patient" {
		return w.id
	}
	return ""
}

// narrow asks a search to stay in the compartment.
func (w within) narrow(typ string, params url.Values) {
	if w.owner == "" || w.owner == "Patient" {
		return
	}
	var or []string
	for _, name := range fhir.CompartmentOf(w.owner, typ) {
		or = append(or, name+" eq "+w.owner+"/"+w.id)
	}
	params.Add("_filter", strings.Join(or, " or "))
}

// typePlace is where a page of a search of several types ends.
type typePlace struct {
	Type   string `json:"t"`
	Cursor string `json:"c,omitempty"`
}

// searchTypes searches several types in a compartment or everywhere, one after the other: those named, those of _type,
// or all of which there may be any.
func (d *door) searchTypes(r *http.Request, params url.Values, in within, types ...string) (answer, error) {
	named := len(types) > 0
	if !named {
		types = fhir.ResourceTypes()
	}
	if list := params.Get("_type"); list != "" && !named {
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
	s := typeSearch{d: d, r: r, in: in, types: types, params: inner}
	entries, next, err := s.page(at, limit)
	if err != nil {
		return answer{}, err
	}
	more, err := next.after(params)
	if err != nil {
		return answer{}, err
	}
	path := ""
	if in.owner != "" {
		path = "/" + in.owner + "/" + in.id + "/*"
		if named {
			path = "/" + in.owner + "/" + in.id + "/" + types[0]
		}
	}
	b := d.searchset(r, path, params, more)
	if s.total >= 0 && named {
		b["total"] = s.total
	}
	if len(entries) > 0 {
		b["entry"] = entries
	}
	return answer{status: http.StatusOK, resource: b}, nil
}

// after returns the parameters of the page that begins here, nil when there is none.
func (p *typePlace) after(params url.Values) (url.Values, error) {
	if p == nil {
		return nil, nil
	}
	b, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	more := cloned(params)
	more.Set("_cursor", string(b))
	return more, nil
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
	d      *door
	r      *http.Request
	in     within
	types  []string
	params url.Values
	narrow func(typ string, params url.Values) // what else is asked of a type; may be nil
	total  int                                 // of the last type searched, -1 when it was not counted
}

// page gathers entries from the place on, type by type.
func (s *typeSearch) page(at typePlace, limit int) (entries []any, next *typePlace, err error) {
	for i := slices.Index(s.types, at.Type); i < len(s.types); i++ {
		typ := s.types[i]
		if !s.in.may(typ) {
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
		s.in.narrow(typ, params)
		if s.narrow != nil {
			s.narrow(typ, params)
		}
		if typ == at.Type && at.Cursor != "" {
			params.Set("_cursor", at.Cursor)
		}
		a, err := s.d.searchIn(s.r, typ, params, s.in.patient())
		if vigil.KindOf(err) == vigil.Denied && len(s.types) > 1 {
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		if n, ok := a.resource["total"].(int); ok {
			s.total = n
		} else {
			s.total = -1
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
