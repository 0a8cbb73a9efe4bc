// Package census knows who lies where: units, beds, patients, and the staff who answer for them.
//
// It is a view of records (Location, Encounter, Patient, PractitionerRole and what belongs to a chart's first page),
// kept in memory and renewed as records change; it stores nothing itself and holds no telemetry. Start at Census.
package census

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// Unit is a care unit: a Location of physical type wa (ward) or ho (at home).
type Unit struct {
	ID   string
	Name string
	Home bool
}

// Bed is a Location of physical type bd. Its state follows operationalStatus (HL7 v2 table 0116) and the encounter.
type Bed struct {
	ID      string
	Label   string
	Unit    string
	State   BedState
	Note    string
	Until   time.Time
	Patient string // id of the patient who lies there, ""
}

// BedState is what a bed is doing.
type BedState string

// The states of a bed.
const (
	Occupied BedState = "occupied"
	Free     BedState = "free"
	Cleaning BedState = "cleaning"
	Standby  BedState = "standby"
)

// Patient is the first page of a chart.
type Patient struct {
	ID            string
	Family, Given string
	Sex           string // F, M, O or U
	Birth         time.Time
	MRN           string
	Weight        float64 // kg, 0 unknown
	Allergies     []Allergy
	Problems      []string
	CodeStatus    string
	Isolation     string
	Flags         []Flag
	Running       []string // infusions under way
	Encounter     string
	Since         time.Time // start of the encounter
	Bed           string    // Location id, "" at home
	Unit          string
	Home          bool
	Away          string // on leave from the bed: where
	Nurse         string // Practitioner id
	Physician     string
}

// Allergy is one intolerance.
type Allergy struct {
	Text string
	High bool
}

// Flag is a warning on the chart, its kind a code such as falls or isolation.
type Flag struct{ Kind, Text string }

// Staff is a practitioner in his role.
type Staff struct {
	ID       string
	Name     string // "Dr Reyes"
	Initials string
	Role     string // physician, nurse, engineer, rapid-response
	Unit     string // Location id, "" for all
	Order    int    // place in the on-call order
}

// Name returns "Okafor, Sara".
func (p *Patient) Name() string { return p.Family + ", " + p.Given }

// Age returns completed years at a time, and false when the birth date is not known.
func (p *Patient) Age(at time.Time) (int, bool) {
	if p.Birth.IsZero() {
		return 0, false
	}
	y := at.Year() - p.Birth.Year()
	if at.Before(p.Birth.AddDate(y, 0, 0)) {
		y--
	}
	return max(y, 0), true
}

// Records is what the census reads: record.Store.
type Records interface {
	Search(ctx context.Context, typ string, params url.Values) (record.Page, error)
	Watch(fn func(record.Record))
}

// Census is the view. It is safe for concurrent use; what it returns are copies.
type Census struct {
	mu       sync.RWMutex
	stale    bool // records changed since the view was derived
	log      *slog.Logger
	records  map[string]map[string]fhir.Resource // type → id → resource, of the types below
	units    []Unit
	beds     []Bed
	patients map[string]*Patient
	staff    []Staff
	subs     []func(ref, patient string)
}

// types are the records that the census looks at.
func types() []string {
	return []string{"Location", "Patient", "Encounter", "Practitioner", "PractitionerRole", "AllergyIntolerance", "Condition", "Flag", "MedicationAdministration", "Observation"}
}

// Open reads the records and follows their changes.
func Open(ctx context.Context, records Records, log *slog.Logger) (*Census, error) {
	c := &Census{log: log, records: map[string]map[string]fhir.Resource{}, patients: map[string]*Patient{}}
	ctx = access.AsSystem(ctx, "census")
	for _, typ := range types() {
		c.records[typ] = map[string]fhir.Resource{}
		params := url.Values{"_count": {"1000"}}
		if typ == "Observation" {
			params.Set("code", "http://loinc.org|29463-7") // body weight
		}
		for params != nil {
			page, err := records.Search(ctx, typ, params)
			if err != nil {
				return nil, err
			}
			for _, r := range page.Records {
				c.take(r)
			}
			params = page.Next
		}
	}
	c.rebuild()
	records.Watch(c.changed)
	return c, nil
}

// take keeps a record if the census needs it, and reports whether it did.
func (c *Census) take(r record.Record) bool {
	byID, ok := c.records[r.Type]
	if !ok {
		return false
	}
	if r.Deleted {
		delete(byID, r.ID)
		return true
	}
	res, err := r.Resource()
	if err != nil {
		c.log.Error("census.record.unreadable", "type", r.Type, "id", r.ID)
		return false
	}
	if r.Type == "Observation" && res.Str("code.coding.0.code") != "29463-7" {
		return false
	}
	byID[r.ID] = res
	return true
}

func (c *Census) changed(r record.Record) {
	c.mu.Lock()
	if !c.take(r) {
		c.mu.Unlock()
		return
	}
	c.stale = true
	subs := slices.Clone(c.subs)
	patient := c.patientOf(r)
	c.mu.Unlock()
	for _, fn := range subs {
		fn(r.Ref(), patient)
	}
}

// patientOf returns the id of the patient whom a record is about, "" when it is about none.
func (c *Census) patientOf(r record.Record) string {
	if r.Type == "Patient" {
		return r.ID
	}
	res := c.records[r.Type][r.ID]
	for _, path := range []string{"subject.reference", "patient.reference"} {
		if id, ok := strings.CutPrefix(res.Str(path), "Patient/"); ok {
			return id
		}
	}
	return ""
}

// rlock holds the view for reading, derived anew when records changed: a thousand changes in a row cost one derivation.
func (c *Census) rlock() {
	c.mu.RLock()
	for c.stale {
		c.mu.RUnlock()
		c.mu.Lock()
		if c.stale {
			c.rebuild()
			c.stale = false
		}
		c.mu.Unlock()
		c.mu.RLock()
	}
}

// OnChange calls fn with the reference of each record that changed the view and the patient whom it is about, in order.
func (c *Census) OnChange(fn func(ref, patient string)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.subs = append(c.subs, fn)
}

// Units returns the care units by name.
func (c *Census) Units() []Unit {
	c.rlock()
	defer c.mu.RUnlock()
	return slices.Clone(c.units)
}

// Unit returns one unit.
func (c *Census) Unit(id string) (Unit, bool) {
	for _, u := range c.Units() {
		if u.ID == id {
			return u, true
		}
	}
	return Unit{}, false
}

// Beds returns the beds of a unit in their order, of all units when it is empty.
func (c *Census) Beds(unit string) []Bed {
	c.rlock()
	defer c.mu.RUnlock()
	var out []Bed
	for _, b := range c.beds {
		if unit == "" || b.Unit == unit {
			out = append(out, b)
		}
	}
	return out
}

// Bed returns one bed.
func (c *Census) Bed(id string) (Bed, bool) {
	c.rlock()
	defer c.mu.RUnlock()
	for _, b := range c.beds {
		if b.ID == id {
			return b, true
		}
	}
	return Bed{}, false
}

// Patient returns one patient who has a record, admitted or not.
func (c *Census) Patient(id string) (Patient, bool) {
	c.rlock()
	defer c.mu.RUnlock()
	p, ok := c.patients[id]
	if !ok {
		return Patient{}, false
	}
	return *p, true
}

// Patients returns those whose name or number contains every word of q, in order of their names; unit narrows to one unit.
func (c *Census) Patients(unit, q string) []Patient {
	words := strings.Fields(strings.ToLower(q))
	c.rlock()
	defer c.mu.RUnlock()
	var out []Patient
	for _, p := range c.patients {
		if unit != "" && p.Unit != unit {
			continue
		}
		hay := strings.ToLower(p.Name() + " " + p.MRN + " " + p.ID)
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(hay, w) }) {
			out = append(out, *p)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name() < out[j].Name() })
	return out
}

// UnitOf returns the unit that watches a subject, "" when none does.
func (c *Census) UnitOf(s vigil.Subject) string {
	c.rlock()
	defer c.mu.RUnlock()
	if p := c.patients[s.ID()]; s.IsPatient() && p != nil {
		return p.Unit
	}
	if s.Type() == "Location" {
		return c.unitOfLocation(s.ID())
	}
	return ""
}

// Staff returns one practitioner in his first role.
func (c *Census) Staff(id string) (Staff, bool) {
	c.rlock()
	defer c.mu.RUnlock()
	for _, s := range c.staff {
		if s.ID == id {
			return s, true
		}
	}
	return Staff{}, false
}

// StaffOf returns the staff of a unit in the on-call order, by role; all roles when it is empty.
func (c *Census) StaffOf(unit, role string) []Staff {
	c.rlock()
	defer c.mu.RUnlock()
	var out []Staff
	for _, s := range c.staff {
		if (s.Unit == "" || unit == "" || s.Unit == unit) && (role == "" || s.Role == role) {
			out = append(out, s)
		}
	}
	return out
}
