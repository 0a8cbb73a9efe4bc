package apptest

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
)

// The invented people of the examination. Both patients are at home, in the care of the same nurse and physician.
const (
	Vera  = "vera"
	Otto  = "otto"
	Nurse = "nora"
	Chief = "dora"
)

// As returns a context that acts as a member of staff with the role, or as the patient of that id for role Patient.
func As(role access.Role, id string) context.Context {
	p := access.Principal{ID: "account-" + id, Name: strings.ToUpper(id[:1]) + id[1:], Initials: strings.ToUpper(id[:2]), Roles: []access.Role{role}, Person: "Practitioner/" + id}
	if role == access.Patient {
		p.Person, p.Subject = "Patient/"+id, vigil.PatientSubject(id)
	}
	return access.With(context.Background(), p)
}

// Input is a call without a door: the values of the query string and the pattern, and the body.
type Input struct {
	Params map[string]string // query string and pattern
	Body   string            // JSON
}

// Query implements app.Request.
func (in Input) Query(key string) string { return in.Params[key] }

// Path implements app.Request.
func (in Input) Path(key string) string { return in.Params[key] }

// Decode implements app.Request.
func (in Input) Decode(v any) error {
	if in.Body == "" {
		return nil
	}
	dec := json.NewDecoder(strings.NewReader(in.Body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return vigil.Errorf(vigil.Invalid, "apptest.body", "the body is not what this route takes: %w", err)
	}
	return nil
}

func full(name, pattern string) string {
	method, path, _ := strings.Cut(pattern, " ")
	return method + " /api/app/" + name + path
}

func (h *House) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(lines{h}, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// lines shows warnings of the application in the test's output.
type lines struct{ h *House }

func (l lines) Write(b []byte) (int, error) {
	l.h.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// hospital is the records of two patients at home, a nurse and a physician.
func hospital(at time.Time) (out []fhir.Resource) {
	out = append(out, fhir.New("Location", "home-care").With("name", "Home care").With("status", "active").
		With("physicalType", fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/location-physical-type", "ho", "House"))))
	staff := func(id, family, role string) {
		out = append(out, fhir.New("Practitioner", id).With("active", true).With("name", []fhir.Resource{fhir.HumanName(family)}),
			fhir.New("PractitionerRole", id).With("active", true).With("practitioner", fhir.Ref("Practitioner/"+id, family)).
				With("code", []fhir.Resource{fhir.Concept(role, fhir.Coding("urn:vigil:role", role, ""))}))
	}
	staff(Nurse, "Nordin", "nurse")
	staff(Chief, "Dorn", "physician")
	for i, p := range [][3]string{{Vera, "Verdan", "Vera"}, {Otto, "Ottinger", "Otto"}} {
		id, subject := p[0], fhir.Ref("Patient/"+p[0], "")
		part := func(code, who string) fhir.Resource {
			return fhir.Resource{"individual": fhir.Ref("Practitioner/"+who, ""),
				"type": []fhir.Resource{fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code, ""))}}
		}
		out = append(out,
			fhir.New("Patient", id).With("name", []fhir.Resource{fhir.HumanName(p[1], p[2])}).With("gender", "female").With("birthDate", "1960-04-01").
				With("identifier", []fhir.Resource{fhir.Identifier("urn:vigil:mrn", []string{"90-001", "90-002"}[i])}),
			fhir.New("Encounter", "enc-"+id).With("status", "in-progress").With("class", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "HH", "")).
				With("subject", subject).With("period", fhir.Period(at.AddDate(0, 0, -60), time.Time{})).
				With("location", []fhir.Resource{{"location": fhir.Ref("Location/home-care", "")}}).
				With("participant", []fhir.Resource{part("ATND", Chief), part("PPRF", Nurse)}),
			Prescription(id, "metoprolol-25", "Metoprolol 25 mg", "08:00", "20:00"),
			Programme(id, "hypertension"))
	}
	return out
}

// Prescription is an active MedicationRequest "rx-<patient>-<code>" for the times of day, "08:00".
func Prescription(patient, code, name string, times ...string) fhir.Resource {
	of := make([]string, len(times))
	for i, t := range times {
		of[i] = t + ":00"
	}
	return fhir.New("MedicationRequest", "rx-"+patient+"-"+code).With("status", "active").With("intent", "order").With("subject", fhir.Ref("Patient/"+patient, "")).
		With("medicationCodeableConcept", fhir.Concept(name, fhir.Coding("urn:vigil:medication", code, name))).
		With("dosageInstruction", []fhir.Resource{{"text": name, "timing": fhir.Resource{"repeat": fhir.Resource{"frequency": len(times), "period": 1, "periodUnit": "d", "timeOfDay": of}}}})
}

// Programme is an active CarePlan "programme-<patient>".
func Programme(patient, code string) fhir.Resource {
	return fhir.New("CarePlan", "programme-"+patient).With("status", "active").With("intent", "plan").With("subject", fhir.Ref("Patient/"+patient, "")).
		With("category", []fhir.Resource{fhir.Concept("", fhir.Coding("urn:vigil:programme", code, ""))})
}
