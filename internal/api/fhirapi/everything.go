package fhirapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
)

// everythingPage bounds a page of $everything when _count does not: a patient's telemetry has millions of values.
const everythingPage = 1000

// clinicalDates are the search parameters that say when a resource was true of the patient; the first that a type has
// is bounded by start and end.
var clinicalDates = [...]string{"date", "authoredon", "effective", "effective-time", "whenhandedover", "recorded-date", "started", "created", "period", "issued"}

// around are the types outside every patient's compartment that a record is not readable without.
var around = [...]string{"Practitioner", "PractitionerRole", "Organization", "Location", "Medication", "Device", "Substance"}

// values returns the parameters of a simple type as a search has them.
func (c call) values() url.Values {
	out := url.Values{}
	for _, p := range c.in.List("parameter") {
		name := p.Str("name")
		if out[name] == nil {
			if list := c.texts(name); len(list) > 0 {
				out[name] = list
			}
		}
	}
	return out
}

// everything is Patient/$everything: the patient, his compartment with his telemetry, and who and what it names.
func (d *door) everything(r *http.Request, c call) (answer, error) {
	if c.id == "" {
		p, ok := access.From(r.Context())
		switch {
		case !ok:
			return answer{}, signedIn(r.Context(), "everything")
		case p.Clinical() || !p.Has(access.Patient):
			return answer{}, httpError{http.StatusNotFound, "not-supported", "ask for one patient, Patient/id/$everything, or for many with Patient/$export"}
		}
		c.id = p.Subject.ID()
	}
	if _, err := d.cfg.Records.Read(r.Context(), "Patient", c.id); err != nil {
		return answer{}, err
	}
	params := c.values()
	from, to := params.Get("start"), params.Get("end")
	g, err := d.gather(params, func(typ string) bool { return typ == "Patient" || len(fhir.CompartmentParams(typ)) > 0 })
	if err != nil {
		return answer{}, err
	}
	for name, bound := range map[string]string{"start": from, "end": to} {
		if _, _, ok := fhir.DateRange(bound); bound != "" && !ok {
			return answer{}, vigil.Errorf(vigil.Invalid, "fhir.everything", "%s %s is not a date", name, quote(bound))
		}
	}
	g.narrow = func(typ string, ask url.Values) {
		for _, name := range clinicalDates {
			if prm, ok := fhir.SearchParam(typ, name); ok && prm.Kind == fhir.ParamDate && typ != "Patient" {
				if from != "" {
					ask.Add(name, "ge"+from)
				}
				if to != "" {
					ask.Add(name, "le"+to)
				}
				return
			}
		}
	}
	return g.answer(d, r, c, c.id)
}

// encounterEverything is Encounter/id/$everything: the encounter, its patient, what names the encounter, and who and
// what that names.
func (d *door) encounterEverything(r *http.Request, c call) (answer, error) {
	rec, err := d.cfg.Records.Read(r.Context(), "Encounter", c.id)
	if err != nil {
		return answer{}, err
	}
	if len(rec.Patients) != 1 {
		return answer{}, vigil.Errorf(vigil.Invalid, "fhir.everything", "the encounter names no patient: what belongs to it cannot be told")
	}
	g, err := d.gather(c.values(), func(typ string) bool { return typ == "Encounter" || typ == "Patient" || encounterParam(typ) != "" })
	if err != nil {
		return answer{}, err
	}
	g.narrow = func(typ string, ask url.Values) {
		switch typ {
		case "Encounter":
			ask.Set("_id", c.id)
		case "Patient":
			ask.Set("_id", rec.Patients[0])
		default:
			ask.Set(encounterParam(typ), "Encounter/"+c.id)
		}
	}
	return g.answer(d, r, c, rec.Patients[0])
}

// encounterParam returns the search parameter by which a type names its encounter, "" when it has none.
func encounterParam(typ string) string {
	if len(fhir.CompartmentParams(typ)) == 0 {
		return ""
	}
	for _, name := range []string{"encounter", "context"} {
		if prm, ok := fhir.SearchParam(typ, name); ok && prm.Kind == fhir.ParamReference && slices.Contains(prm.Targets, "Encounter") {
			return name
		}
	}
	return ""
}

// gathering is one page of a record over many types.
type gathering struct {
	typeSearch
	given url.Values // as the operation was called
	limit int
	at    typePlace
	shown []string // types that _type names; nil for all
}

// gather reads what both $everything share; may says which types there can be any of.
func (d *door) gather(given url.Values, may func(typ string) bool) (*gathering, error) {
	g := &gathering{given: given, limit: everythingPage}
	g.types = []string{"Patient"}
	for _, typ := range fhir.ResourceTypes() {
		if typ != "Patient" && typ != "AuditEvent" && may(typ) {
			g.types = append(g.types, typ)
		}
	}
	if list := given["_type"]; len(list) > 0 {
		g.shown = strings.Split(strings.Join(list, ","), ",")
		for _, typ := range g.shown {
			if !fhir.KnownType(typ) {
				return nil, vigil.Errorf(vigil.Invalid, "fhir.everything", "_type: there is no resource type %s", quote(typ))
			}
		}
		g.types = slices.DeleteFunc(g.types, func(typ string) bool { return !slices.Contains(g.shown, typ) })
		if len(g.types) == 0 {
			return nil, vigil.Errorf(vigil.Invalid, "fhir.everything", "_type names none that belongs to a patient")
		}
	}
	g.params = url.Values{}
	if since := given.Get("_since"); since != "" {
		g.params.Set("_lastUpdated", "ge"+since)
	}
	n, err := call{in: fhir.Resource{"parameter": []any{map[string]any{"name": "_count", "valueString": given.Get("_count")}}}}.number("everything", "_count", everythingPage)
	if err != nil {
		return nil, err
	}
	g.limit = min(max(n, 1), everythingPage)
	g.at, err = readTypePlace(given.Get("_cursor"), g.types)
	return g, err
}

func (g *gathering) answer(d *door, r *http.Request, c call, patient string) (answer, error) {
	g.d, g.r, g.in = d, r, within{"Patient", patient}
	own := g.narrow
	g.narrow = func(typ string, ask url.Values) {
		own(typ, ask)
		ask["_include"] = []string{typ + ":*"}
	}
	entries, next, err := g.page(g.at, g.limit)
	if err != nil {
		return answer{}, err
	}
	more, err := next.after(g.given)
	if err != nil {
		return answer{}, err
	}
	b := d.searchset(r, "/"+c.typ+"/"+c.id+"/$everything", g.given, more)
	kept := g.kept(entries)
	if len(kept) > 0 {
		b["entry"] = kept
	}
	if more == nil && g.given.Get("_cursor") == "" {
		b["total"] = len(kept)
	}
	return answer{status: http.StatusOK, resource: b}, nil
}

// kept leaves out what came twice and what was included although it is another patient's or was not asked for.
func (g *gathering) kept(entries []any) []any {
	seen := map[string]bool{}
	var out []any
	for _, e := range entries {
		entry, ok := e.(fhir.Resource)
		if !ok || seen[entry.Str("fullUrl")] {
			continue
		}
		if entry.Str("search.mode") == "include" {
			parts := strings.Split(entry.Str("fullUrl"), "/")
			typ := parts[max(len(parts)-2, 0)]
			if !slices.Contains(around[:], typ) || g.shown != nil && !slices.Contains(g.shown, typ) {
				continue
			}
		}
		seen[entry.Str("fullUrl")] = true
		out = append(out, entry)
	}
	return out
}
