package census_test

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/driver/relational"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

const physical = "http://terminology.hl7.org/CodeSystem/location-physical-type"

func location(id, name, kind, within string) fhir.Resource {
	r := fhir.New("Location", id).With("name", name).With("status", "active").With("physicalType", fhir.Concept("", fhir.Coding(physical, kind, "")))
	if within != "" {
		r = r.With("partOf", fhir.Ref("Location/"+within, ""))
	}
	return r
}

func encounter(id, patient, place, status string) fhir.Resource {
	return fhir.New("Encounter", id).With("status", status).With("class", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP", "")).
		With("subject", fhir.Ref("Patient/"+patient, "")).With("period", fhir.Period(time.Unix(1_790_000_000, 0), time.Time{})).
		With("location", []fhir.Resource{{"location": fhir.Ref("Location/"+place, "")}}).
		With("participant", []fhir.Resource{{"individual": fhir.Ref("Practitioner/second", ""),
			"type": []fhir.Resource{fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "ATND", ""))}}})
}

func staff(id, role string, order int) []fhir.Resource {
	return []fhir.Resource{
		fhir.New("Practitioner", id).With("name", []fhir.Resource{fhir.HumanName("Dr "+id, "A")}),
		fhir.New("PractitionerRole", id).With("practitioner", fhir.Ref("Practitioner/"+id, "")).
			With("code", []fhir.Resource{fhir.Concept(role, fhir.Coding("urn:vigil:role", role, ""))}).
			With("extension", []fhir.Resource{{"url": census.ExtensionOrder, "valueInteger": order}}),
	}
}

func TestCensusFollowsTheRecords(t *testing.T) {
	db, err := relational.OpenSQLite(filepath.Join(t.TempDir(), "vigil.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	ctx := access.AsSystem(t.Context(), "test")
	store := record.New(record.Config{Backend: db.Records()})
	put := func(list ...fhir.Resource) {
		t.Helper()
		for _, r := range list {
			if _, err := store.Update(ctx, r, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(location("icu", "ICU", "wa", ""), location("bed-10", "10", "bd", "icu"), location("bed-2", "2", "bd", "icu"), location("room", "Air", "ro", "icu"))
	put(fhir.New("Patient", "sara").With("name", []fhir.Resource{fhir.HumanName("Okafor", "Sara")}).With("gender", "female").With("birthDate", "1972"))
	put(append(staff("first", "physician", 1), staff("second", "physician", 2)...)...)
	c, err := census.Open(ctx, store, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var heard []string
	c.OnChange(func(_, patient string) { heard = append(heard, patient) })

	put(encounter("e1", "sara", "bed-2", "in-progress"))
	beds := c.Beds("icu")
	if len(beds) != 2 || beds[0].Label != "2" || beds[0].State != census.Occupied || beds[1].State != census.Free {
		t.Errorf("beds %+v: 2 comes before 10, and sara lies in 2", beds)
	}
	p, ok := c.Patient("sara")
	if age, known := p.Age(time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)); !ok || p.Bed != "bed-2" || p.Unit != "icu" || !known || age != 54 {
		t.Errorf("patient %+v, age %d", p, age)
	}
	if u := c.UnitOf(vigil.LocationSubject("room")); u != "icu" {
		t.Errorf("the room's unit is %q", u)
	}
	for role, want := range map[string]string{"physician.primary": "Practitioner/second", "physician.second": "Practitioner/first"} {
		got, err := c.Holders(ctx, alarm.Post{Role: role, Subject: "Patient/sara"})
		if err != nil || len(got) != 1 || got[0].ID != want {
			t.Errorf("%s is %v, %v; the patient's own physician comes first", role, got, err)
		}
	}
	put(encounter("e1", "sara", "bed-2", "onleave"))
	if b, _ := c.Bed("bed-2"); b.State != census.Standby {
		t.Errorf("on leave the bed is %s", b.State)
	}
	put(encounter("e1", "sara", "bed-2", "finished"))
	if b, _ := c.Bed("bed-2"); b.State != census.Free || b.Patient != "" {
		t.Errorf("after the end the bed is %+v", b)
	}
	if d := cmp.Diff([]string{"sara", "sara", "sara"}, heard); d != "" {
		t.Error(d)
	}
}
