package sim

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/registry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// House is what seeding writes to.
type House struct {
	Records  *record.Store
	Devices  *registry.Registry
	Accounts *access.Accounts
	Now      func() time.Time
	Since    time.Duration // how far back encounters and bindings reach
}

// GatewayID is the device through which the simulated hospital speaks.
const GatewayID = "sim-gateway"

// Seed admits the hospital: records, accounts without a usable password, devices and their bindings. It returns the
// token of the gateway that speaks for all of them.
func (h *Hospital) Seed(ctx context.Context, to House) (token string, err error) {
	ctx = access.AsSystem(ctx, "sim")
	since := to.Now().Add(-to.Since)
	var writes []record.Write
	for _, r := range append(h.places(to.Now()), append(h.people(), h.charts(since)...)...) {
		writes = append(writes, record.Write{Op: record.OpUpdate, Resource: r})
	}
	if _, err := to.Records.Batch(ctx, writes); err != nil {
		return "", fmt.Errorf("seed records: %w", err)
	}
	if err := h.accounts(ctx, to.Accounts); err != nil {
		return "", fmt.Errorf("seed accounts: %w", err)
	}
	return h.devices(ctx, to.Devices, since.AddDate(0, 0, -40)) // dispensers bring a month of doses
}

func (h *Hospital) places(now time.Time) (out []fhir.Resource) {
	kind := func(code, name string) fhir.Resource {
		return fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/location-physical-type", code, name))
	}
	out = append(out, fhir.New("Organization", "hospital").With("name", h.Site).With("active", true))
	for _, u := range h.Units {
		r := fhir.New("Location", u.ID).With("name", u.Name).With("status", "active").With("managingOrganization", fhir.Ref("Organization/hospital", h.Site))
		if u.Kind == "home" {
			out = append(out, r.With("physicalType", kind("ho", "House")))
			continue
		}
		out = append(out, r.With("physicalType", kind("wa", "Ward")))
		for n := 1; n <= u.Beds; n++ {
			out = append(out, h.bed(u.ID, n, now).With("physicalType", kind("bd", "Bed")))
		}
	}
	for _, room := range h.Rooms {
		out = append(out, fhir.New("Location", room.ID).With("name", room.Name).With("status", "active").
			With("physicalType", kind("ro", "Room")).With("partOf", fhir.Ref("Location/"+room.Unit, "")))
	}
	return out
}

func (h *Hospital) bed(unit string, n int, now time.Time) fhir.Resource {
	status, note := "U", ""
	var until time.Time
	for _, p := range h.Patients {
		if p.Bed == n {
			status, note = "O", p.Standby
			if p.Standby != "" {
				until = now.Add(18 * time.Minute)
			}
		}
	}
	if h.Cleaning.Bed == n {
		status, note, until = "H", h.Cleaning.Note, now.Add(time.Duration(h.Cleaning.Minutes)*time.Minute)
	}
	r := fhir.New("Location", bedID(unit, n)).With("name", strconv.Itoa(n)).With("status", "active").With("partOf", fhir.Ref("Location/"+unit, "")).
		With("operationalStatus", fhir.Coding("http://terminology.hl7.org/CodeSystem/v2-0116", status, ""))
	if note != "" {
		r = r.With("description", note)
	}
	if !until.IsZero() {
		r = r.With("extension", []fhir.Resource{{"url": census.ExtensionUntil, "valueDateTime": until.UTC().Format(time.RFC3339)}})
	}
	return r
}

func bedID(unit string, n int) string { return fmt.Sprintf("%s-bed-%d", unit, n) }

func (h *Hospital) people() (out []fhir.Resource) {
	for _, s := range h.Staff {
		name := fhir.HumanName(s.Family, s.Given).With("text", s.Name())
		if s.Title != "" {
			name = name.With("prefix", []string{s.Title})
		}
		out = append(out,
			fhir.New("Practitioner", s.ID).With("active", true).With("name", []fhir.Resource{name}).
				With("extension", []fhir.Resource{{"url": census.ExtensionInitials, "valueString": s.Initials}}),
			fhir.New("PractitionerRole", s.ID).With("active", true).With("practitioner", fhir.Ref("Practitioner/"+s.ID, s.Name())).
				With("organization", fhir.Ref("Organization/hospital", "")).
				With("code", []fhir.Resource{fhir.Concept(s.Role, fhir.Coding("urn:vigil:role", s.Role, ""))}).
				With("extension", []fhir.Resource{{"url": census.ExtensionOrder, "valueInteger": s.Order}}))
	}
	return out
}

func (h *Hospital) charts(since time.Time) (out []fhir.Resource) {
	for i := range h.Patients {
		out = append(out, h.Patients[i].chart(since)...)
	}
	return out
}

func (p *Patient) chart(since time.Time) []fhir.Resource {
	subject := fhir.Ref("Patient/"+p.ID, p.Family+", "+p.Given)
	gender := map[string]string{"F": "female", "M": "male"}[p.Sex]
	patient := fhir.New("Patient", p.ID).With("active", true).With("name", []fhir.Resource{fhir.HumanName(p.Family, p.Given)}).
		With("gender", gender).With("birthDate", p.Born).
		With("identifier", []fhir.Resource{fhir.Identifier("urn:vigil:mrn", p.MRN).With("type", fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "")))})
	place, class, status := "Location/home-care", "HH", "in-progress"
	if !p.Home {
		place, class = "Location/"+bedID("icu-north", p.Bed), "IMP"
	}
	if p.Standby != "" {
		status = "onleave"
	}
	encounter := fhir.New("Encounter", "enc-"+p.ID).With("status", status).With("class", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", class, "")).
		With("subject", subject).With("period", fhir.Period(since, time.Time{})).With("location", []fhir.Resource{{"location": fhir.Ref(place, "")}}).
		With("participant", p.participants())
	out := []fhir.Resource{patient, encounter}
	if p.Weight > 0 {
		out = append(out, fhir.New("Observation", "weight-"+p.ID).With("status", "final").With("subject", subject).
			With("category", []fhir.Resource{fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs", ""))}).
			With("code", fhir.Concept("Body weight", fhir.Coding("http://loinc.org", "29463-7", "Body weight"))).
			With("effectiveDateTime", since.UTC().Format(time.RFC3339)).With("valueQuantity", fhir.Quantity(p.Weight, "kg", "kg")))
	}
	return append(append(out, p.warnings(subject)...), p.prescriptions(subject, since.AddDate(0, 0, -40))...)
}

func (p *Patient) participants() (out []fhir.Resource) {
	part := func(code, id string) {
		if id != "" {
			out = append(out, fhir.Resource{"individual": fhir.Ref("Practitioner/"+id, ""),
				"type": []fhir.Resource{fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", code, ""))}})
		}
	}
	part("ATND", p.Physician)
	part("PPRF", p.Nurse)
	return out
}

func (p *Patient) warnings(subject fhir.Resource) (out []fhir.Resource) {
	if p.Allergy != "" {
		criticality := "low"
		if strings.Contains(p.Allergy, "anaphylaxis") {
			criticality = "high"
		}
		out = append(out, fhir.New("AllergyIntolerance", "allergy-"+p.ID).With("patient", subject).With("code", fhir.Concept(p.Allergy)).With("criticality", criticality).
			With("clinicalStatus", fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical", "active", ""))))
	}
	for i, text := range p.Problems {
		out = append(out, fhir.New("Condition", fmt.Sprintf("problem-%s-%d", p.ID, i+1)).With("subject", subject).With("code", fhir.Concept(text)).
			With("clinicalStatus", fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/condition-clinical", "active", ""))))
	}
	flag := func(id, kind, text string) {
		out = append(out, fhir.New("Flag", id+"-"+p.ID).With("status", "active").With("subject", subject).With("code", fhir.Concept(text)).
			With("category", []fhir.Resource{fhir.Concept("", fhir.Coding("urn:vigil:flag", kind, ""))}))
	}
	if p.Code != "" {
		flag("code", "code-status", p.Code)
	}
	if p.Isolation != "" {
		flag("isolation", "isolation", p.Isolation)
	}
	for _, f := range p.Flags {
		text := f
		if f == "Scale2" {
			text = "SpO₂ scale 2, target 88–92 %" // hypercapnic respiratory failure (RCP 2017)
		}
		flag(strings.ToLower(f), strings.ToLower(f), text)
	}
	return out
}

// prescriptions were written a good month ago, so that adherence has something to say.
func (p *Patient) prescriptions(subject fhir.Resource, written time.Time) (out []fhir.Resource) {
	for i, text := range p.Running {
		out = append(out, fhir.New("MedicationAdministration", fmt.Sprintf("running-%s-%d", p.ID, i+1)).With("status", "in-progress").
			With("subject", subject).With("medicationCodeableConcept", fhir.Concept(text)).With("effectiveDateTime", written.AddDate(0, 0, 40).UTC().Format(time.DateOnly)))
	}
	for _, m := range p.Medicines {
		status := "active"
		if m.Hold {
			status = "on-hold"
		}
		times := make([]string, len(m.Times))
		for i, t := range m.Times {
			times[i] = t + ":00"
		}
		repeat := fhir.Resource{"frequency": len(times), "period": 1, "periodUnit": "d", "timeOfDay": times}
		out = append(out, fhir.New("MedicationRequest", "rx-"+p.ID+"-"+m.Code).With("status", status).With("intent", "order").With("subject", subject).
			With("authoredOn", written.UTC().Format(time.DateOnly)).With("medicationCodeableConcept", fhir.Concept(m.Name, fhir.Coding("urn:vigil:medication", m.Code, m.Name))).
			With("dosageInstruction", []fhir.Resource{{"text": m.Name, "timing": fhir.Resource{"repeat": repeat}}}))
	}
	if p.Programme != "" {
		out = append(out, fhir.New("CarePlan", "programme-"+p.ID).With("status", "active").With("intent", "plan").With("subject", subject).
			With("category", []fhir.Resource{fhir.Concept("", fhir.Coding("urn:vigil:programme", p.Programme, ""))}))
	}
	return out
}

func (h *Hospital) devices(ctx context.Context, reg *registry.Registry, since time.Time) (string, error) {
	_, token, err := reg.Register(ctx, registry.Device{ID: GatewayID, Name: "Simulated hospital", Profile: "gateway"})
	if vigil.KindOf(err) == vigil.Conflict {
		token, err = reg.NewToken(ctx, GatewayID)
	}
	if err != nil {
		return "", err
	}
	add := func(id, profile, name string, subject vigil.Subject) error {
		_, _, err := reg.Register(ctx, registry.Device{ID: vigil.DeviceID(id), Profile: profile, Name: name})
		if err != nil && vigil.KindOf(err) != vigil.Conflict {
			return err
		}
		if len(reg.Bindings(vigil.DeviceID(id))) > 0 {
			return nil
		}
		return reg.Bind(ctx, vigil.DeviceID(id), subject, since)
	}
	for i := range h.Patients {
		p := &h.Patients[i]
		subject := vigil.PatientSubject(p.ID)
		for _, d := range [][3]string{
			{p.Monitor(), "bedside-monitor", fmt.Sprintf("Monitor bed %d", p.Bed)}, {p.Patch, "smart-patch", "Patch " + strings.ToUpper(strings.TrimPrefix(p.Patch, "patch-"))},
			{p.Dispenser, "pill-dispenser", "Pill dispenser"},
		} {
			if d[0] == "" {
				continue
			}
			if err := add(d[0], d[1], d[2], subject); err != nil {
				return "", fmt.Errorf("device %s: %w", d[0], err)
			}
		}
	}
	for _, r := range h.Rooms {
		if err := add(r.Device, "room-climate", r.Name, vigil.LocationSubject(r.ID)); err != nil {
			return "", fmt.Errorf("device %s: %w", r.Device, err)
		}
	}
	return token, nil
}

// accounts gives every member of staff, and the patients who have one, an account that nobody can sign in to by
// password: visitors of the simulated hospital are let in by role.
func (h *Hospital) accounts(ctx context.Context, to *access.Accounts) error {
	add := func(n access.NewAccount) error {
		n.Password = rand.Text()
		_, err := to.Create(ctx, n)
		if vigil.KindOf(err) == vigil.Conflict {
			return nil
		}
		return err
	}
	for _, s := range h.Staff {
		err := add(access.NewAccount{Login: s.Login, Name: s.Name(), Initials: s.Initials, Roles: []access.Role{access.Role(s.Role)}, Person: "Practitioner/" + s.ID})
		if err != nil {
			return fmt.Errorf("%s: %w", s.Login, err)
		}
	}
	for _, p := range h.Patients {
		if p.Account == "" {
			continue
		}
		err := add(access.NewAccount{Login: p.Account, Name: p.Given + " " + p.Family, Initials: p.Given[:1] + p.Family[:1], Roles: []access.Role{access.Patient}, Person: "Patient/" + p.ID})
		if err != nil {
			return fmt.Errorf("%s: %w", p.Account, err)
		}
	}
	return nil
}
