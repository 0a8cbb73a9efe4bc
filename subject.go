package vigil

import "strings"

// Subject names whom or what telemetry speaks of, as a FHIR reference: "Patient/<id>" or "Location/<id>".
type Subject string

// PatientSubject returns the subject of the patient with the given record id.
func PatientSubject(id string) Subject { return Subject("Patient/" + id) }

// LocationSubject returns the subject of the place with the given record id.
func LocationSubject(id string) Subject { return Subject("Location/" + id) }

// Type returns the FHIR resource type of the subject, "Patient" or "Location", or "" when s is not a reference.
func (s Subject) Type() string {
	t, _, ok := strings.Cut(string(s), "/")
	if !ok {
		return ""
	}
	return t
}

// ID returns the record id of the subject, or "" when s is not a reference.
func (s Subject) ID() string {
	_, id, _ := strings.Cut(string(s), "/")
	return id
}

// IsPatient reports whether s names a patient.
func (s Subject) IsPatient() bool { return s.Type() == "Patient" && s.ID() != "" }

// Valid reports whether s names a patient or a place.
func (s Subject) Valid() bool {
	t := s.Type()
	return (t == "Patient" || t == "Location") && s.ID() != ""
}
