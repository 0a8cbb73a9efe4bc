package sim

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/engine/registry"
	"github.com/vigil-health/vigil/internal/fhir"
)

// LoadWard is a ward made for measuring: every device is on a patient of its own, gateways speak for all.
type LoadWard struct {
	Unit     string
	Gateways []string // device ids
	Tokens   []string // of the gateways
	Session  string   // of a signed-in nurse
	Devices  []string // "load-00001"; the patient has the same id
}

// LoadSize says how large a load ward is. The first Patches devices are smart patches, then come cuffs. The first Beds
// patients lie in beds of the unit, the others are in it without one.
type LoadSize struct{ Gateways, Patches, Cuffs, Beds int }

func (s LoadSize) devices() int { return s.Patches + s.Cuffs }

const (
	loadUnit  = "load"
	loadBatch = 500 // records written in one transaction
)

// LoadName is the id of the i-th device and of its patient, from 0.
func LoadName(i int) string { return fmt.Sprintf("load-%05d", i+1) }

// SeedLoad makes the ward on a fresh house. Devices are bound from an hour ago.
func SeedLoad(ctx context.Context, to House, size LoadSize) (*LoadWard, error) {
	ctx = access.AsSystem(ctx, "sim")
	w := &LoadWard{Unit: loadUnit}
	if err := seedLoadRecords(ctx, to, size); err != nil {
		return nil, fmt.Errorf("seed records: %w", err)
	}
	since := to.Now().Add(-time.Hour)
	for i := range size.Gateways {
		id := fmt.Sprintf("load-gateway-%02d", i+1)
		_, token, err := to.Devices.Register(ctx, registry.Device{ID: vigil.DeviceID(id), Profile: "gateway"})
		if err != nil {
			return nil, fmt.Errorf("seed gateway: %w", err)
		}
		w.Gateways, w.Tokens = append(w.Gateways, id), append(w.Tokens, token)
	}
	for i := range size.devices() {
		id, profile := LoadName(i), "smart-patch"
		if i >= size.Patches {
			profile = "bp-cuff"
		}
		if _, _, err := to.Devices.Register(ctx, registry.Device{ID: vigil.DeviceID(id), Profile: profile}); err != nil {
			return nil, fmt.Errorf("seed device: %w", err)
		}
		if err := to.Devices.Bind(ctx, vigil.DeviceID(id), vigil.PatientSubject(id), since); err != nil {
			return nil, fmt.Errorf("seed binding: %w", err)
		}
		w.Devices = append(w.Devices, id)
	}
	acc, err := to.Accounts.Create(ctx, access.NewAccount{Login: "load", Name: "Load Nurse", Initials: "LN", Roles: []access.Role{access.Nurse}, Person: "Practitioner/load-nurse"})
	if err != nil {
		return nil, fmt.Errorf("seed account: %w", err)
	}
	w.Session, _, err = to.Accounts.SignInAs(ctx, acc.ID)
	return w, err
}

func seedLoadRecords(ctx context.Context, to House, size LoadSize) error {
	kind := func(code string) fhir.Resource {
		return fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/location-physical-type", code, ""))
	}
	list := []fhir.Resource{
		fhir.New("Location", loadUnit).With("name", "Load").With("status", "active").With("physicalType", kind("wa")),
	}
	for _, s := range [][2]string{{"load-nurse", "nurse"}, {"load-physician", "physician"}} {
		list = append(list, fhir.New("Practitioner", s[0]).With("active", true).With("name", []fhir.Resource{fhir.HumanName("Load", s[1])}),
			fhir.New("PractitionerRole", s[0]).With("active", true).With("practitioner", fhir.Ref("Practitioner/"+s[0], "")).
				With("code", []fhir.Resource{fhir.Concept(s[1], fhir.Coding("urn:vigil:role", s[1], ""))}))
	}
	since := to.Now().Add(-time.Hour)
	for i := range size.devices() {
		id, place := LoadName(i), loadUnit
		if i < size.Beds {
			place = bedID(loadUnit, i+1)
			list = append(list, fhir.New("Location", place).With("name", strconv.Itoa(i+1)).With("status", "active").
				With("partOf", fhir.Ref("Location/"+loadUnit, "")).With("physicalType", kind("bd")).
				With("operationalStatus", fhir.Coding("http://terminology.hl7.org/CodeSystem/v2-0116", "O", "")))
		}
		list = append(list,
			fhir.New("Patient", id).With("active", true).With("name", []fhir.Resource{fhir.HumanName("Load", strconv.Itoa(i+1))}).With("birthDate", "1960-01-01"),
			fhir.New("Encounter", "enc-"+id).With("status", "in-progress").With("class", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP", "")).
				With("subject", fhir.Ref("Patient/"+id, "")).With("period", fhir.Period(since, time.Time{})).
				With("location", []fhir.Resource{{"location": fhir.Ref("Location/"+place, "")}}))
	}
	for len(list) > 0 {
		n := min(len(list), loadBatch)
		writes := make([]record.Write, n)
		for i, r := range list[:n] {
			writes[i] = record.Write{Op: record.OpUpdate, Resource: r}
		}
		if _, err := to.Records.Batch(ctx, writes); err != nil {
			return err
		}
		list = list[n:]
	}
	return nil
}
