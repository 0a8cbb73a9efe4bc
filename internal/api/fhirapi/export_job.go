package fhirapi

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/audit"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// exportAsk is what an export is asked for.
type exportAsk struct {
	OnlyPatients bool                `json:"only_patients,omitempty"` // no resource outside a patient's compartment
	Patients     []string            `json:"patients,omitempty"`      // ids; nil for everybody
	Types        []string            `json:"types"`
	Named        bool                `json:"named,omitempty"` // the types were asked for by name
	Since        string              `json:"since,omitempty"`
	Filters      map[string][]string `json:"filters,omitempty"` // by type: searches, any of which selects
	Elements     []string            `json:"elements,omitempty"`
}

// exportPage is how many records and vitals are held in memory.
const exportPage = 1000

// exportKickOff is $export of the system, of all patients, or of those of a group.
func (d *door) exportKickOff(r *http.Request, c call) (answer, error) {
	p, ok := access.From(r.Context())
	switch {
	case !ok:
		return answer{}, signedIn(r.Context(), "export")
	case d.cfg.Bulk == nil:
		return answer{}, httpError{http.StatusNotImplemented, "not-supported", "bulk data is switched off here"}
	case !p.Has(access.Admin, access.System, access.Program) && !p.ReadOnly:
		return answer{}, vigil.Errorf(vigil.Denied, "fhir.export", "administrators export, and programs as far as their token or their scopes let them see")
	}
	if err := asynchronous(r); err != nil {
		return answer{}, err
	}
	ask, err := d.exportAsk(r.Context(), c)
	if err != nil {
		return answer{}, err
	}
	if d.cfg.Audit != nil {
		if err := d.cfg.Audit.Later(r.Context(), audit.Entry{Action: "fhir.export", What: strings.Trim(c.typ+"/"+c.id, "/"), Detail: strings.Join(sortedKeys(c.values()), ",")}); err != nil {
			return answer{}, err
		}
	}
	j, err := d.cfg.Bulk.open(r, d.cfg.Base(r))
	if err != nil {
		return answer{}, err
	}
	j.Export = ask
	return d.cfg.Bulk.start(j)
}

// exportAsk reads the parameters of $export.
func (d *door) exportAsk(ctx context.Context, c call) (*exportAsk, error) {
	wrong := func(format string, args ...any) error {
		return vigil.Errorf(vigil.Invalid, "fhir.export", format, args...)
	}
	for _, p := range c.in.List("parameter") {
		if name := p.Str("name"); !slices.Contains([]string{"_since", "_type", "_typeFilter", "_outputFormat", "_elements", "patient"}, name) {
			return nil, wrong("parameter %s is not supported", quote(name))
		}
	}
	if f := strings.ReplaceAll(c.text("_outputFormat"), " ", "+"); f != "" && f != ndjson && f != "application/ndjson" && f != "ndjson" {
		return nil, wrong("_outputFormat %s is not application/fhir+ndjson", quote(f))
	}
	ask := &exportAsk{OnlyPatients: c.typ != "", Since: strings.ReplaceAll(c.text("_since"), " ", "+")}
	if _, _, ok := fhir.DateRange(ask.Since); ask.Since != "" && !ok {
		return nil, wrong("_since %s is not an instant", quote(ask.Since))
	}
	if err := ask.types(strings.Join(c.texts("_type"), ",")); err != nil {
		return nil, err
	}
	for _, list := range c.texts("_elements") {
		ask.Elements = append(ask.Elements, strings.Split(list, ",")...)
	}
	if err := d.filters(ctx, ask, c.texts("_typeFilter")); err != nil {
		return nil, err
	}
	if c.typ == "Group" {
		if err := d.members(ctx, ask, c.id); err != nil {
			return nil, err
		}
	}
	return ask, ask.only(c)
}

// only narrows an export to the patients that are named.
func (a *exportAsk) only(c call) error {
	var named []string
	for _, p := range c.in.List("parameter") {
		if p.Str("name") != "patient" {
			continue
		}
		text := p.Str("valueReference.reference")
		if text == "" {
			text = call{in: fhir.Resource{"parameter": []any{map[string]any(p)}}}.text("patient")
		}
		for one := range strings.SplitSeq(text, ",") {
			ref := fhir.ParseReference(one)
			if ref.Type == "" && fhir.ValidID(ref.ID) {
				ref.Type = "Patient"
			}
			if ref.Type != "Patient" {
				return vigil.Errorf(vigil.Invalid, "fhir.export", "patient %s is not Patient/id", quote(one))
			}
			named = append(named, ref.ID)
		}
	}
	switch {
	case named == nil:
		return nil
	case !a.OnlyPatients:
		return vigil.Errorf(vigil.Invalid, "fhir.export", "parameter patient belongs to Patient/$export and Group/id/$export")
	case a.Patients == nil:
		a.Patients = named
		return nil
	}
	a.Patients = slices.DeleteFunc(a.Patients, func(id string) bool { return !slices.Contains(named, id) })
	return nil
}

func (a *exportAsk) types(list string) error {
	may := func(typ string) bool {
		return typ != "AuditEvent" && (!a.OnlyPatients || typ == "Patient" || len(fhir.CompartmentParams(typ)) > 0)
	}
	if list == "" {
		for _, typ := range fhir.ResourceTypes() {
			if may(typ) {
				a.Types = append(a.Types, typ)
			}
		}
		return nil
	}
	a.Named = true
	for typ := range strings.SplitSeq(list, ",") {
		if !fhir.KnownType(typ) || !may(typ) {
			return vigil.Errorf(vigil.Invalid, "fhir.export", "_type: there is no %s to export here", quote(typ))
		}
		if !slices.Contains(a.Types, typ) {
			a.Types = append(a.Types, typ)
		}
	}
	return nil
}

// filters reads _typeFilter: "Type?search", several with commas between them or as several parameters.
func (d *door) filters(ctx context.Context, a *exportAsk, given []string) error {
	var parts []string
	for _, list := range given {
		for part := range strings.SplitSeq(list, ",") {
			typ, _, ok := strings.Cut(part, "?")
			if ok && fhir.KnownType(typ) || len(parts) == 0 {
				parts = append(parts, part)
			} else { // a comma within a search
				parts[len(parts)-1] += "," + part
			}
		}
	}
	for _, part := range parts {
		typ, search, ok := strings.Cut(part, "?")
		if !ok || !slices.Contains(a.Types, typ) {
			return vigil.Errorf(vigil.Invalid, "fhir.export", "_typeFilter %s is not Type?search of a type that is exported", quote(part))
		}
		params, err := url.ParseQuery(search)
		if err != nil {
			return vigil.Errorf(vigil.Invalid, "fhir.export", "_typeFilter %s cannot be read", quote(part))
		}
		if _, err := d.cfg.Records.ParseFilter(ctx, typ, params); err != nil {
			return err
		}
		if a.Filters == nil {
			a.Filters = map[string][]string{}
		}
		a.Filters[typ] = append(a.Filters[typ], search)
	}
	return nil
}

// members reads the patients of a group.
func (d *door) members(ctx context.Context, a *exportAsk, id string) error {
	rec, err := d.cfg.Records.Read(ctx, "Group", id)
	if err != nil {
		return err
	}
	group, err := rec.Resource()
	if err != nil {
		return err
	}
	a.Patients = []string{}
	for _, m := range group.List("member") {
		if ref := fhir.ParseReference(m.Str("entity.reference")); ref.Type == "Patient" && m.Str("inactive") != "true" && !slices.Contains(a.Patients, ref.ID) {
			a.Patients = append(a.Patients, ref.ID)
		}
	}
	return nil
}

// exporter writes one export.
type exporter struct {
	b     *Bulk
	j     *job
	ask   *exportAsk
	out   *writer
	count int
	done  int // types
	seen  map[string]bool
}

// export writes the files of a job from the beginning.
func (b *Bulk) export(ctx context.Context, j *job) error {
	x := &exporter{b: b, j: j, ask: j.Export}
	var output []bulkFile
	errs := &writer{b: b, j: j, typ: "OperationOutcome", name: "error"}
	for i, typ := range x.ask.Types {
		x.done, x.out = i, &writer{b: b, j: j, typ: typ, name: typ}
		err := x.exportType(ctx, typ)
		if cerr := x.out.close(); err == nil {
			err = cerr
		}
		if vigil.KindOf(err) == vigil.Denied && ctx.Err() == nil {
			if x.ask.Named {
				if err := errs.fault("forbidden", vigil.Message(err), ""); err != nil {
					return err
				}
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("export %s: %w", typ, err)
		}
		output = append(output, x.out.files...)
	}
	if err := errs.close(); err != nil {
		return err
	}
	b.mu.Lock()
	j.Output, j.Errors = output, errs.files
	b.mu.Unlock()
	return nil
}

// exportType writes what any of the type's filters selects, each resource once.
func (x *exporter) exportType(ctx context.Context, typ string) error {
	searches := x.ask.Filters[typ]
	x.seen = nil
	if len(searches) > 1 {
		x.seen = map[string]bool{}
	}
	if len(searches) == 0 {
		searches = []string{""}
	}
	for _, search := range searches {
		params, err := url.ParseQuery(search)
		if err != nil {
			return err
		}
		for _, name := range []string{"_count", "_sort", "_include", "_revinclude", "_summary", "_elements", "_cursor"} {
			params.Del(name)
		}
		if x.ask.Since != "" {
			params.Add("_lastUpdated", "ge"+x.ask.Since)
		}
		if err := x.stored(ctx, typ, params); err != nil {
			return err
		}
		if typ == "Observation" {
			if err := x.live(ctx, params); err != nil {
				return err
			}
		}
	}
	return nil
}

// stored writes records: a type at once, or patient by patient when they are named.
func (x *exporter) stored(ctx context.Context, typ string, params url.Values) error {
	if x.ask.Patients == nil {
		return x.pages(ctx, "", typ, params)
	}
	if x.seen == nil {
		x.seen = map[string]bool{} // one resource may be about two of them
	}
	for _, id := range x.ask.Patients {
		if err := x.pages(ctx, id, typ, params); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) pages(ctx context.Context, patient, typ string, params url.Values) error {
	ask := cloned(params)
	ask.Set("_count", "1000")
	for ask != nil {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := x.b.door.cfg.Records.SearchIn(ctx, patient, typ, ask)
		if err != nil {
			return err
		}
		for i := range page.Records {
			if err := x.record(&page.Records[i]); err != nil {
				return err
			}
		}
		ask = page.Next
	}
	return nil
}

func (x *exporter) record(rec *record.Record) error {
	if x.ask.OnlyPatients && len(rec.Patients) == 0 || !x.first(rec.ID) {
		return nil
	}
	if p := x.projection(rec.Type); p != nil {
		res, err := rec.Resource()
		if err != nil {
			return err
		}
		return x.out.resource(p.cut(res))
	}
	return x.out.line(rec.JSON)
}

// first reports whether the resource was not written yet, and counts it.
func (x *exporter) first(id string) bool {
	if x.seen != nil {
		if x.seen[id] {
			return false
		}
		x.seen[id] = true
	}
	if x.count++; x.count%progressStep == 1 {
		x.b.report(x.j, "%d of %d types, %d resources", x.done, len(x.ask.Types), x.count)
	}
	return true
}

// projection returns what _elements keeps of a type, nil for all of it.
func (x *exporter) projection(typ string) *projection {
	p := &projection{elements: map[string]bool{}}
	for _, name := range x.ask.Elements {
		if owner, el, ok := strings.Cut(name, "."); !ok {
			p.elements[name] = true
		} else if owner == typ {
			p.elements[el] = true
		}
	}
	if len(p.elements) == 0 {
		return nil
	}
	return p
}

// live writes the telemetry of the patients as Observations, the newest first, some thousands at a time.
func (x *exporter) live(ctx context.Context, params url.Values) error {
	d := x.b.door
	if d.cfg.Telemetry == nil {
		return nil
	}
	v, err := d.telemetrySearch(ctx, params, "")
	if err != nil || v == nil {
		return err
	}
	v.order = byTime()
	v.subjects = slices.DeleteFunc(v.subjects, func(s vigil.Subject) bool {
		return x.ask.OnlyPatients && !s.IsPatient() || x.ask.Patients != nil && !slices.Contains(x.ask.Patients, s.ID())
	})
	if len(v.subjects) == 0 {
		return nil
	}
	list, err := v.streams(ctx)
	if err != nil {
		return err
	}
	for _, s := range list {
		if err := x.subject(ctx, s); err != nil {
			return err
		}
		if err := d.noteVitals(ctx, s.subject, "export"); err != nil {
			return err
		}
	}
	return nil
}

func (x *exporter) subject(ctx context.Context, s *stream) error {
	for !s.done() {
		s.v.left = maxSamples // bounds a page, not a file
		if err := s.fill(ctx, exportPage); err != nil {
			return err
		}
		for i := range s.buf {
			res := s.buf[i].res
			if !x.first(s.buf[i].ID) {
				continue
			}
			if p := x.projection("Observation"); p != nil {
				res = p.cut(res)
			}
			if err := x.out.resource(res); err != nil {
				return err
			}
		}
		s.buf = nil
	}
	return nil
}
