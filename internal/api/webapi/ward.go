package webapi

import (
	"context"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/census"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/fhir"
)

func (a *API) metrics(*call) (any, error) {
	type view struct {
		Key      vigil.Metric  `json:"key"`
		Name     string        `json:"name"`
		Label    string        `json:"label"`
		LOINC    string        `json:"loinc,omitempty"`
		MDC      string        `json:"mdc,omitempty"`
		UCUM     string        `json:"ucum"`
		Unit     string        `json:"unit"`
		Decimals int           `json:"decimals"`
		Kind     coding.Shape  `json:"kind"`
		Signal   coding.Signal `json:"signal"`
		MaxAgeMS int64         `json:"max_age_ms"`
	}
	out := []view{}
	for _, m := range coding.Metrics() {
		out = append(out, view{m.Key, m.Name, m.Label, m.LOINC, m.MDCName, m.UCUM, m.Unit, m.Decimals, m.Shape, m.Signal, m.MaxAge.Milliseconds()})
	}
	return out, nil
}

type unitView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Kind string `json:"kind"`
	Beds int    `json:"beds"`
	Live int    `json:"live"`
}

func (a *API) units(*call) (any, error) {
	out := []unitView{}
	for _, u := range a.cfg.Census.Units() {
		v := unitView{ID: u.ID, Name: u.Name, Kind: "ward", Beds: len(a.cfg.Census.Beds(u.ID))}
		patients := a.cfg.Census.Patients(u.ID, "")
		if u.Home {
			v.Kind, v.Beds = "home", len(patients)
		}
		for _, p := range patients {
			if a.isLive(vigil.PatientSubject(p.ID)) {
				v.Live++
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// isLive reports whether any device of the subject spoke within its allowed silence.
func (a *API) isLive(s vigil.Subject) bool {
	for _, b := range a.cfg.Devices.Current(s) {
		if d, ok := a.cfg.Devices.Lookup(b.Device); ok && a.deviceState(d) == "online" {
			return true
		}
	}
	return false
}

type flagView struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

type bedView struct {
	ID      string          `json:"id"`
	Label   string          `json:"label"`
	State   census.BedState `json:"state"`
	Note    string          `json:"note,omitempty"`
	Until   *time.Time      `json:"until,omitempty"`
	Patient *patientShort   `json:"patient,omitempty"`
	Nurse   *personView     `json:"nurse,omitempty"`
	Flags   []flagView      `json:"flags"`
	Numbers []numberView    `json:"numbers"`
	Waves   []vigil.Metric  `json:"waves"`
	NEWS2   *scoreView      `json:"news2,omitempty"`
	Scores  []*int          `json:"scores"`
	Alarms  []alarmView     `json:"alarms"`
}

func (a *API) ward(c *call) (any, error) {
	unit, ok := a.cfg.Census.Unit(c.query("unit"))
	if !ok {
		units := a.cfg.Census.Units()
		if c.query("unit") != "" || len(units) == 0 {
			return nil, vigil.Errorf(vigil.NotFound, "webapi.ward", "no care unit %q", c.query("unit"))
		}
		unit = units[0]
	}
	beds := []bedView{}
	for _, b := range a.cfg.Census.Beds(unit.ID) {
		v, err := a.bed(c.ctx, b)
		if err != nil {
			return nil, err
		}
		beds = append(beds, v)
	}
	staff := []personView{}
	for _, s := range a.cfg.Census.StaffOf(unit.ID, "") {
		staff = append(staff, personView{s.ID, s.Initials, s.Name, s.Role})
	}
	online, total := a.deviceCounts()
	return map[string]any{
		"unit": map[string]string{"id": unit.ID, "name": unit.Name}, "beds": beds, "staff": staff, "shift": shift(a.cfg.Now()), "room": a.room(c.ctx, unit.ID),
		"devices": map[string]int{"online": online, "total": total}, "now_ms": a.cfg.Now().UnixMilli(),
	}, nil
}

// shift names the shift of the usual two-shift day.
func shift(now time.Time) string {
	if h := now.Hour()*60 + now.Minute(); h >= 7*60 && h < 19*60+30 {
		return "Day · 07:00–19:30"
	}
	return "Night · 19:00–07:30"
}

// room returns the climate of a unit from the sensors of the rooms below it.
func (a *API) room(ctx context.Context, unit string) map[string]float64 {
	out := map[string]float64{}
	for _, b := range a.cfg.Devices.Current("") {
		if b.Subject.Type() != "Location" || a.cfg.Census.UnitOf(b.Subject) != unit {
			continue
		}
		values, err := a.cfg.Telemetry.Last(ctx, b.Subject)
		if err != nil {
			continue
		}
		for _, v := range values {
			switch v.Metric {
			case "room-temperature":
				out["temperature"] = v.Value
			case "room-humidity":
				out["humidity"] = v.Value
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// bed returns one tile. Who may not see patients sees the bed and its state.
func (a *API) bed(ctx context.Context, b census.Bed) (bedView, error) {
	v := bedView{ID: b.ID, Label: b.Label, State: b.State, Note: b.Note, Flags: []flagView{}, Numbers: []numberView{}, Waves: []vigil.Metric{}, Scores: []*int{}, Alarms: []alarmView{}}
	if !b.Until.IsZero() {
		v.Until = &b.Until
	}
	subject := vigil.PatientSubject(b.Patient)
	p, ok := a.cfg.Census.Patient(b.Patient)
	if !ok || access.CheckSubject(ctx, subject) != nil {
		return v, nil
	}
	s := a.short(p)
	v.Patient, v.Nurse = &s, a.person(p.Nurse)
	for _, f := range p.Flags {
		v.Flags = append(v.Flags, flagView{f.Kind, f.Text})
	}
	var err error
	if v.Numbers, err = a.numbersOf(ctx, subject); err != nil {
		return v, err
	}
	v.Waves = a.wavesOf(ctx, subject)
	if r, ok := a.cfg.Rules.ScoreOf(subject); ok {
		v.NEWS2 = viewScore(r)
	}
	v.Scores = a.scores.halfHours(ctx, a, subject)
	who, _ := access.From(ctx)
	open, err := a.cfg.Desk.Open(ctx, alarm.Filter{Subject: subject})
	v.Alarms = a.viewAlarms(who, open)
	return v, err
}

// scoreCache keeps the score bars of a tile, which change every half hour and cost a query.
type scoreCache struct {
	mu sync.Mutex
	by map[string]cachedScores
}

type cachedScores struct {
	at     time.Time
	scores []*int
}

func (s *scoreCache) halfHours(ctx context.Context, a *API, subject vigil.Subject) []*int {
	now := a.cfg.Now()
	s.mu.Lock()
	hit, ok := s.by[string(subject)]
	s.mu.Unlock()
	if ok && now.Sub(hit.at) < 2*time.Minute {
		return hit.scores
	}
	out := []*int{}
	const step = 30 * time.Minute
	to := now
	list, err := a.cfg.Rules.ScoreHistory(ctx, "news2", telemetry.Query{Subject: subject, From: to.Add(-24*step + step), To: to.Add(time.Second)}, step)
	if err != nil {
		return out
	}
	for _, r := range list {
		out = append(out, r.Total)
	}
	s.mu.Lock()
	s.by[string(subject)] = cachedScores{now, out}
	s.mu.Unlock()
	return out
}

// admit puts a patient, known or new, into a free bed: a new Encounter in progress.
func (a *API) admit(c *call) (any, error) {
	var in struct {
		PatientID string `json:"patient_id"`
		Family    string `json:"family"`
		Given     string `json:"given"`
		BirthDate string `json:"birth_date"`
		Sex       string `json:"sex"`
		MRN       string `json:"mrn"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	a.beds.Lock()
	defer a.beds.Unlock()
	b, ok := a.cfg.Census.Bed(c.r.PathValue("id"))
	switch {
	case !ok:
		return nil, vigil.Errorf(vigil.NotFound, "webapi.admit", "no bed %q", c.r.PathValue("id"))
	case b.State != census.Free:
		return nil, vigil.Errorf(vigil.Conflict, "webapi.admit", "bed %s is %s", b.Label, b.State)
	}
	if in.PatientID == "" {
		if in.Family == "" || in.BirthDate == "" {
			return nil, &vigil.Error{Kind: vigil.Invalid, Op: "webapi.admit", Msg: "a new patient needs a name and a birth date",
				Faults: []vigil.Fault{{Path: "/family", Msg: "needed"}, {Path: "/birth_date", Msg: "needed, YYYY-MM-DD"}}}
		}
		gender := map[string]string{"F": "female", "M": "male", "O": "other"}[in.Sex]
		if gender == "" {
			gender = "unknown"
		}
		r := fhir.New("Patient", "").With("active", true).With("name", []fhir.Resource{fhir.HumanName(in.Family, in.Given)}).With("birthDate", in.BirthDate).With("gender", gender)
		if in.MRN != "" {
			r = r.With("identifier", []fhir.Resource{fhir.Identifier("urn:vigil:mrn", in.MRN).With("type", fhir.Concept("", fhir.Coding("http://terminology.hl7.org/CodeSystem/v2-0203", "MR", "")))})
		}
		rec, err := a.cfg.Records.Create(c.ctx, r)
		if err != nil {
			return nil, err
		}
		in.PatientID = rec.ID
	} else if p, ok := a.cfg.Census.Patient(in.PatientID); !ok {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.admit", "no patient %q", in.PatientID)
	} else if p.Bed != "" {
		return nil, vigil.Errorf(vigil.Conflict, "webapi.admit", "patient %s lies in a bed already", in.PatientID)
	}
	enc := fhir.New("Encounter", "").With("status", "in-progress").With("class", fhir.Coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP", "")).
		With("subject", fhir.Ref("Patient/"+in.PatientID, "")).With("period", fhir.Period(a.cfg.Now(), time.Time{})).
		With("location", []fhir.Resource{{"location": fhir.Ref("Location/"+b.ID, "")}})
	if _, err := a.cfg.Records.Create(c.ctx, enc); err != nil {
		return nil, err
	}
	return a.bedNow(c.ctx, b.ID)
}

func (a *API) bedNow(ctx context.Context, id string) (any, error) {
	b, ok := a.cfg.Census.Bed(id)
	if !ok {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.bed", "no bed %q", id)
	}
	return a.bed(ctx, b)
}

// discharge finishes the encounter and leaves the bed to be cleaned.
func (a *API) discharge(c *call) (any, error) {
	a.beds.Lock()
	defer a.beds.Unlock()
	b, ok := a.cfg.Census.Bed(c.r.PathValue("id"))
	if !ok {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.discharge", "no bed %q", c.r.PathValue("id"))
	}
	p, occupied := a.cfg.Census.Patient(b.Patient)
	if !occupied {
		return nil, vigil.Errorf(vigil.Conflict, "webapi.discharge", "nobody lies in this bed")
	}
	err := a.edit(c.ctx, "Encounter", p.Encounter, func(r fhir.Resource) {
		r["status"] = "finished"
		r["period"] = fhir.Resource{"start": r.Str("period.start"), "end": fhir.Instant(a.cfg.Now())}
	})
	if err != nil {
		return nil, err
	}
	if err := a.freeDevices(c.ctx, vigil.PatientSubject(p.ID)); err != nil {
		return nil, err
	}
	if err := a.placeState(c.ctx, b.ID, "H", "Terminal clean", time.Time{}); err != nil {
		return nil, err
	}
	return a.bedNow(c.ctx, b.ID)
}

// freeDevices unbinds what stays with the bed: it must not go on speaking for somebody who has left.
func (a *API) freeDevices(ctx context.Context, s vigil.Subject) error {
	for _, b := range a.cfg.Devices.Current(s) {
		d, ok := a.cfg.Devices.Lookup(b.Device)
		if !ok {
			continue
		}
		if p := a.cfg.Profiles[d.Profile]; p != nil && (p.Kind == "monitor" || p.Kind == "bed" || p.Kind == "pump") {
			if err := a.cfg.Devices.Bind(ctx, b.Device, "", time.Time{}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *API) bedState(c *call) (any, error) {
	var in struct {
		State census.BedState `json:"state"`
		Note  string          `json:"note"`
		Until time.Time       `json:"until"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	a.beds.Lock()
	defer a.beds.Unlock()
	b, ok := a.cfg.Census.Bed(c.r.PathValue("id"))
	if !ok {
		return nil, vigil.Errorf(vigil.NotFound, "webapi.bed", "no bed %q", c.r.PathValue("id"))
	}
	code := map[census.BedState]string{census.Free: "U", census.Cleaning: "H", census.Standby: "O", census.Occupied: "O"}[in.State]
	needsPatient := in.State == census.Standby || in.State == census.Occupied
	switch {
	case code == "":
		return nil, vigil.Errorf(vigil.Invalid, "webapi.bed", "state %q is not free, cleaning, standby or occupied", in.State)
	case needsPatient != (b.Patient != ""):
		return nil, vigil.Errorf(vigil.Conflict, "webapi.bed", "bed %s is %s", b.Label, b.State)
	}
	if needsPatient {
		p, _ := a.cfg.Census.Patient(b.Patient)
		status := map[census.BedState]string{census.Standby: "onleave", census.Occupied: "in-progress"}[in.State]
		if err := a.edit(c.ctx, "Encounter", p.Encounter, func(r fhir.Resource) { r["status"] = status }); err != nil {
			return nil, err
		}
	}
	if err := a.placeState(c.ctx, b.ID, code, in.Note, in.Until); err != nil {
		return nil, err
	}
	return a.bedNow(c.ctx, b.ID)
}

func (a *API) placeState(ctx context.Context, id, code, note string, until time.Time) error {
	return a.edit(ctx, "Location", id, func(r fhir.Resource) {
		r["operationalStatus"] = fhir.Coding("http://terminology.hl7.org/CodeSystem/v2-0116", code, "")
		delete(r, "description")
		delete(r, "extension")
		if note != "" {
			r["description"] = note
		}
		if !until.IsZero() {
			r["extension"] = []fhir.Resource{{"url": census.ExtensionUntil, "valueDateTime": until.UTC().Format(time.RFC3339)}}
		}
	})
}

// edit changes the current version of a record; somebody else's change in between is Conflict.
func (a *API) edit(ctx context.Context, typ, id string, change func(r fhir.Resource)) error {
	rec, err := a.cfg.Records.Read(ctx, typ, id)
	if err != nil {
		return err
	}
	r, err := rec.Resource()
	if err != nil {
		return err
	}
	change(r)
	_, err = a.cfg.Records.Update(ctx, r, rec.Version)
	return err
}
