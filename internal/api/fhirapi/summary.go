package fhirapi

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/fhir"
)

// section is one section of the International Patient Summary (HL7 FHIR IPS 1.1).
type section struct {
	title, code, display string
	required             bool // stands in the document even when it is empty
	find                 []finding
}

// finding is a search in the patient's compartment.
type finding struct{ typ, query string }

// sectionLimit bounds what one search brings into a section: the newest.
const sectionLimit = 100

func sections() []section {
	return []section{
		{title: "Allergies and Intolerances", code: "48765-2", display: "Allergies and adverse reactions Document", required: true, find: []finding{{"AllergyIntolerance", ""}}},
		{title: "Medication Summary", code: "10160-0", display: "History of Medication use Narrative", required: true,
			find: []finding{{"MedicationStatement", "status=active,intended,on-hold,unknown"}, {"MedicationRequest", "status=active,on-hold,unknown"}}},
		{title: "Problem List", code: "11450-4", display: "Problem list - Reported", required: true, find: []finding{{"Condition", "clinical-status:not=inactive,resolved,remission"}}},
		{title: "Immunizations", code: "11369-6", display: "History of Immunization Narrative", find: []finding{{"Immunization", "status=completed"}}},
		{title: "History of Procedures", code: "47519-4", display: "History of Procedures Document", find: []finding{{"Procedure", "status=completed,in-progress"}}},
		{title: "Medical Devices", code: "46264-8", display: "History of medical device use", find: []finding{{"DeviceUseStatement", "subject:missing=false"}}},
		{title: "Diagnostic Results", code: "30954-2", display: "Relevant diagnostic tests/laboratory data Narrative",
			find: []finding{{"DiagnosticReport", "status=final,amended,corrected"}, {"Observation", "category=laboratory&status=final,amended,corrected"}}},
		{title: "Vital Signs", code: "8716-3", display: "Vital signs"},
		{title: "Plan of Care", code: "18776-5", display: "Plan of care note", find: []finding{{"CarePlan", "status=active"}}},
	}
}

// summary is Patient/id/$summary: an International Patient Summary of what the records and telemetry hold.
func (d *door) summary(r *http.Request, c call) (answer, error) {
	rec, err := d.cfg.Records.Read(r.Context(), "Patient", c.id)
	if err != nil {
		return answer{}, err
	}
	patient, err := rec.Resource()
	if err != nil {
		return answer{}, err
	}
	author := fhir.New("Device", uuid()).With("deviceName", []fhir.Resource{{"name": "Vigil", "type": "manufacturer-name"}}).With("version", []fhir.Resource{{"value": orUnknown(d.cfg.Version)}})
	now := d.cfg.Now()
	comp := fhir.New("Composition", uuid()).With("meta", fhir.Resource{"profile": []string{"http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips"}}).
		With("status", "final").With("type", fhir.Concept("", fhir.Coding(coding.SystemLOINC, "60591-5", "Patient summary Document"))).
		With("subject", fhir.Ref("Patient/"+c.id, "")).With("date", fhir.Instant(now)).With("title", "Patient summary").
		With("author", []fhir.Resource{fhir.Ref(author.Ref(), "")})
	held := []fhir.Resource{patient, author}
	var parts []fhir.Resource
	for _, s := range sections() {
		list, err := d.inSection(r.Context(), s, c.id)
		if err != nil {
			return answer{}, err
		}
		if len(list) == 0 && !s.required {
			continue
		}
		parts = append(parts, s.part(list))
		held = append(held, list...)
	}
	comp["section"] = parts
	comp["text"] = narrative("generated", "<p>Patient summary of "+html.EscapeString(nameOf(patient))+", made at "+now.UTC().Format(time.RFC3339)+".</p>")
	b := d.opened(r, fhir.Normal(comp)).With("meta", fhir.Resource{"profile": []string{"http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips"}})
	entries, _ := b["entry"].([]fhir.Resource)
	seen := map[string]bool{}
	for _, res := range held {
		if !seen[res.Ref()] {
			seen[res.Ref()] = true
			entries = append(entries, fhir.Resource{"fullUrl": d.cfg.Base(r) + "/" + res.Ref(), "resource": res})
		}
	}
	return answer{status: http.StatusOK, resource: b.With("entry", entries)}, nil
}

// inSection finds a section's resources. Vital signs are the newest of each kind.
func (d *door) inSection(ctx context.Context, s section, patient string) ([]fhir.Resource, error) {
	var out []fhir.Resource
	if s.find == nil {
		list, err := d.newestOf(ctx, url.Values{"patient": {patient}, "category": {"vital-signs"}}, 1)
		for _, it := range list {
			out = append(out, it.res)
		}
		return out, err
	}
	for _, f := range s.find {
		params, err := url.ParseQuery(f.query)
		if err != nil {
			return nil, err
		}
		params.Set("_count", "100")
		params.Set("_sort", "-_lastUpdated")
		page, err := d.cfg.Records.SearchIn(ctx, patient, f.typ, params)
		if err != nil {
			return nil, err
		}
		for i := range page.Records {
			res, err := page.Records[i].Resource()
			if err != nil {
				return nil, err
			}
			if !inError(res) && len(out) < sectionLimit {
				out = append(out, res)
			}
		}
	}
	return out, nil
}

// inError reports whether somebody said that the resource should not be.
func inError(res fhir.Resource) bool {
	return res.Str("status") == "entered-in-error" || slices.ContainsFunc(res.List("verificationStatus.coding"), func(c fhir.Resource) bool { return c.Str("code") == "entered-in-error" })
}

func (s *section) part(list []fhir.Resource) fhir.Resource {
	out := fhir.Resource{"title": s.title, "code": fhir.Concept("", fhir.Coding(coding.SystemLOINC, s.code, s.display))}
	if len(list) == 0 {
		out["text"] = narrative("generated", "<p>There is no information about this here.</p>")
		out["emptyReason"] = fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/list-empty-reason", "unavailable", "Unavailable"))
		return out
	}
	var rows strings.Builder
	var refs []fhir.Resource
	rows.WriteString("<table><thead><tr><th>What</th><th>Value or status</th><th>When</th></tr></thead><tbody>")
	for _, res := range list {
		refs = append(refs, fhir.Ref(res.Ref(), ""))
		rows.WriteString("<tr>")
		for _, cell := range []string{whatOf(res), valueOf(res), whenOf(res)} {
			rows.WriteString("<td>" + html.EscapeString(cell) + "</td>")
		}
		rows.WriteString("</tr>")
	}
	rows.WriteString("</tbody></table>")
	out["text"], out["entry"] = narrative("generated", rows.String()), refs
	return out
}

func narrative(status, body string) fhir.Resource {
	return fhir.Resource{"status": status, "div": `<div xmlns="http://www.w3.org/1999/xhtml">` + body + `</div>`}
}

func nameOf(p fhir.Resource) string {
	n := p.Str("name.0.text")
	if n == "" {
		n = strings.TrimSpace(p.Str("name.0.given.0") + " " + p.Str("name.0.family"))
	}
	if n == "" {
		return "Patient/" + p.ID()
	}
	return n
}

// conceptText returns what people call a CodeableConcept.
func conceptText(res fhir.Resource, path string) string {
	for _, at := range []string{".text", ".coding.0.display", ".coding.0.code"} {
		if s := res.Str(path + at); s != "" {
			return s
		}
	}
	return ""
}

func whatOf(res fhir.Resource) string {
	for _, path := range []string{"code", "medicationCodeableConcept", "vaccineCode", "category.0"} {
		if s := conceptText(res, path); s != "" {
			return s
		}
	}
	for _, path := range []string{"medicationReference.display", "medicationReference.reference", "device.display", "device.reference", "title"} {
		if s := res.Str(path); s != "" {
			return s
		}
	}
	return res.Type()
}

func valueOf(res fhir.Resource) string {
	if s := quantityText(res); s != "" {
		return s
	}
	var parts []string
	for _, c := range res.List("component") {
		if s := quantityText(c); s != "" {
			parts = append(parts, s)
		}
	}
	if len(parts) > 0 {
		return strings.Join(parts, " / ")
	}
	if s := conceptText(res, "clinicalStatus"); s != "" {
		return s
	}
	return res.Str("status")
}

func quantityText(res fhir.Resource) string {
	if v := res.Str("valueQuantity.value"); v != "" {
		return strings.TrimSpace(v + " " + res.Str("valueQuantity.unit"))
	}
	if s := res.Str("valueString"); s != "" {
		return s
	}
	return conceptText(res, "valueCodeableConcept")
}

func whenOf(res fhir.Resource) string {
	for _, path := range []string{"effectiveDateTime", "effectivePeriod.start", "onsetDateTime", "recordedDate", "performedDateTime", "performedPeriod.start", "occurrenceDateTime", "authoredOn", "timingDateTime", "issued", "period.start"} {
		if s := res.Str(path); s != "" {
			return s
		}
	}
	return ""
}
