package census

import (
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil/internal/fhir"
)

// Extensions that the census reads. Until is the end of a bed's cleaning or standby, order the place on call.
const (
	ExtensionUntil    = "urn:vigil:location-until"
	ExtensionOrder    = "urn:vigil:on-call-order"
	ExtensionInitials = "urn:vigil:initials"
)

// rebuild derives the whole view. Records of a hospital are thousands and change seldom, so that deriving everything
// is cheaper than being clever; telemetry never comes here.
func (c *Census) rebuild() {
	c.units, c.beds, c.staff, c.patients = nil, nil, nil, map[string]*Patient{}
	for id, r := range c.records["Patient"] {
		c.patients[id] = newPatient(id, r)
	}
	c.buildPlaces()
	c.buildStaff()
	encounters := make([]fhir.Resource, 0, len(c.records["Encounter"]))
	for _, r := range c.records["Encounter"] {
		encounters = append(encounters, r)
	}
	sort.Slice(encounters, func(i, j int) bool { return encounters[i].Str("period.start") < encounters[j].Str("period.start") })
	for _, r := range encounters {
		c.admit(r)
	}
	c.buildChart()
}

func newPatient(id string, r fhir.Resource) *Patient {
	p := &Patient{ID: id, Family: r.Str("name.0.family"), Given: r.Str("name.0.given.0"), Sex: "U"}
	switch r.Str("gender") {
	case "female":
		p.Sex = "F"
	case "male":
		p.Sex = "M"
	case "other":
		p.Sex = "O"
	}
	p.Birth = birth(r.Str("birthDate"))
	for _, i := range r.List("identifier") {
		if i.Str("type.coding.0.code") == "MR" || p.MRN == "" {
			p.MRN = i.Str("value")
		}
	}
	return p
}

// birth reads a FHIR date, which may be a year or a month only; what is not said counts as the middle.
func birth(s string) time.Time {
	for layout, middle := range map[string]func(time.Time) time.Time{
		"2006":        func(t time.Time) time.Time { return t.AddDate(0, 6, 0) },
		"2006-01":     func(t time.Time) time.Time { return t.AddDate(0, 0, 14) },
		time.DateOnly: func(t time.Time) time.Time { return t },
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return middle(t)
		}
	}
	return time.Time{}
}

func (c *Census) buildPlaces() {
	for id, r := range c.records["Location"] {
		switch kind := r.Str("physicalType.coding.0.code"); kind {
		case "wa", "ho":
			c.units = append(c.units, Unit{ID: id, Name: r.Str("name"), Home: kind == "ho"})
		case "bd":
			b := Bed{ID: id, Label: r.Str("name"), Unit: idOf(r.Str("partOf.reference")), State: Free, Note: r.Str("description")}
			b.Until, _ = time.Parse(time.RFC3339, extension(r, ExtensionUntil))
			if r.Str("operationalStatus.code") == "H" {
				b.State = Cleaning
			}
			c.beds = append(c.beds, b)
		}
	}
	sort.Slice(c.units, func(i, j int) bool {
		if c.units[i].Home != c.units[j].Home {
			return c.units[j].Home
		}
		return c.units[i].Name < c.units[j].Name
	})
	sort.Slice(c.beds, func(i, j int) bool { return bedLess(&c.beds[i], &c.beds[j]) })
}

// bedLess puts 2 before 10.
func bedLess(a, b *Bed) bool {
	if a.Unit != b.Unit {
		return a.Unit < b.Unit
	}
	x, errX := strconv.Atoi(a.Label)
	y, errY := strconv.Atoi(b.Label)
	if errX == nil && errY == nil {
		return x < y
	}
	return a.Label < b.Label
}

func (c *Census) buildStaff() {
	for _, r := range c.records["PractitionerRole"] {
		id := idOf(r.Str("practitioner.reference"))
		who := c.records["Practitioner"][id]
		if who == nil || r.Str("active") == "false" {
			continue
		}
		s := Staff{ID: id, Name: who.Str("name.0.text"), Initials: extension(who, ExtensionInitials), Role: r.Str("code.0.coding.0.code"), Unit: idOf(r.Str("location.0.reference"))}
		if s.Name == "" {
			s.Name = strings.TrimSpace(who.Str("name.0.given.0") + " " + who.Str("name.0.family"))
		}
		if s.Initials == "" {
			s.Initials = initials(who.Str("name.0.given.0")) + initials(who.Str("name.0.family"))
		}
		s.Order, _ = strconv.Atoi(extension(r, ExtensionOrder))
		c.staff = append(c.staff, s)
	}
	sort.Slice(c.staff, func(i, j int) bool {
		a, b := c.staff[i], c.staff[j]
		if a.Order != b.Order {
			return a.Order < b.Order
		}
		return a.ID+a.Role < b.ID+b.Role
	})
}

// admit puts the patient of an open encounter where it says; encounters come oldest first, so the newest wins.
func (c *Census) admit(r fhir.Resource) {
	status := r.Str("status")
	p := c.patients[idOf(r.Str("subject.reference"))]
	if p == nil || status != "in-progress" && status != "onleave" && status != "arrived" {
		return
	}
	p.Encounter, p.Bed, p.Unit, p.Nurse, p.Physician = r.ID(), "", "", "", ""
	p.Since, _ = time.Parse(time.RFC3339, r.Str("period.start"))
	place := idOf(r.Str("location.0.location.reference"))
	for i := range c.beds {
		if b := &c.beds[i]; b.ID == place {
			b.Patient, b.State, p.Bed = p.ID, Occupied, place
			if status == "onleave" {
				b.State, p.Away = Standby, b.Note
			}
		}
	}
	p.Unit = c.unitOfLocation(place)
	for _, u := range c.units {
		p.Home = p.Home || u.ID == p.Unit && u.Home
	}
	for _, part := range r.List("participant") {
		id := idOf(part.Str("individual.reference"))
		switch part.Str("type.0.coding.0.code") { // HL7 v3 ParticipationType
		case "ATND":
			p.Physician = id
		case "PPRF":
			p.Nurse = id
		}
	}
}

func (c *Census) unitOfLocation(id string) string {
	for range 5 { // a location tree is not deeper; a cycle ends
		r := c.records["Location"][id]
		if r == nil {
			return ""
		}
		if k := r.Str("physicalType.coding.0.code"); k == "wa" || k == "ho" {
			return id
		}
		id = idOf(r.Str("partOf.reference"))
	}
	return ""
}

func (c *Census) buildChart() {
	for _, r := range sorted(c.records["AllergyIntolerance"]) {
		if p := c.patients[idOf(r.Str("patient.reference"))]; p != nil {
			p.Allergies = append(p.Allergies, Allergy{Text: r.Str("code.text"), High: r.Str("criticality") == "high"})
		}
	}
	for _, r := range sorted(c.records["Condition"]) {
		if p := c.patients[idOf(r.Str("subject.reference"))]; p != nil {
			p.Problems = append(p.Problems, r.Str("code.text"))
		}
	}
	for _, r := range sorted(c.records["Flag"]) {
		p := c.patients[idOf(r.Str("subject.reference"))]
		if p == nil || r.Str("status") != "active" {
			continue
		}
		switch kind, text := r.Str("category.0.coding.0.code"), r.Str("code.text"); kind {
		case "code-status":
			p.CodeStatus = text
		case "isolation":
			p.Isolation = text
			p.Flags = append(p.Flags, Flag{kind, text})
		default:
			p.Flags = append(p.Flags, Flag{kind, text})
		}
	}
	for _, r := range sorted(c.records["MedicationAdministration"]) {
		if p := c.patients[idOf(r.Str("subject.reference"))]; p != nil && r.Str("status") == "in-progress" {
			p.Running = append(p.Running, strings.TrimSpace(r.Str("medicationCodeableConcept.text")+" "+r.Str("dosage.text")))
		}
	}
	for _, r := range sorted(c.records["Observation"]) {
		if p := c.patients[idOf(r.Str("subject.reference"))]; p != nil {
			p.Weight, _ = r.Num("valueQuantity.value")
		}
	}
}

func sorted(m map[string]fhir.Resource) []fhir.Resource {
	out := make([]fhir.Resource, 0, len(m))
	for _, r := range m {
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID() < out[j].ID() })
	return out
}

func idOf(ref string) string { return ref[strings.LastIndexByte(ref, '/')+1:] }

func extension(r fhir.Resource, url string) string {
	for _, e := range r.List("extension") {
		if e.Str("url") != url {
			continue
		}
		for _, key := range []string{"valueString", "valueInteger", "valueDateTime"} {
			if v := e.Str(key); v != "" {
				return v
			}
		}
	}
	return ""
}

func initials(name string) string {
	for _, r := range name {
		return string(r)
	}
	return ""
}
