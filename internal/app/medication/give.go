package medication

import (
	"context"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/fhir"
)

const reasonMax = 500

// noteWithin is how far from its due time a dose can be noted; the chart's margin of a day then finds the note again.
const noteWithin = 24 * time.Hour

// give answers POST /doses/{id}/give: the nurse gave it. What is given already stays as it is.
func (m *Medication) give(ctx context.Context, r app.Request) (any, error) {
	if err := r.Decode(&struct{}{}); err != nil {
		return nil, err
	}
	return m.note(ctx, r.Path("id"), true, "")
}

// hold answers POST /doses/{id}/hold: it is not given, for a reason.
func (m *Medication) hold(ctx context.Context, r app.Request) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	if in.Reason = strings.TrimSpace(in.Reason); in.Reason == "" || len(in.Reason) > reasonMax {
		return nil, vigil.Errorf(vigil.Invalid, "medication.hold", "a dose is held for a reason of 1 to %d bytes", reasonMax)
	}
	return m.note(ctx, r.Path("id"), false, in.Reason)
}

func (m *Medication) note(ctx context.Context, id string, done bool, reason string) (any, error) {
	patient, due, err := m.find(id)
	if err != nil {
		return nil, err
	}
	day := due.In(m.cfg.Location)
	err = m.record(ctx, patient, id, due, func(d *Dose, now time.Time) (fhir.Resource, error) {
		switch {
		case d.State == Given && !done:
			return nil, vigil.Errorf(vigil.Conflict, "medication.hold", "the dose was given at %s", clock(d.GivenAt.In(m.cfg.Location)))
		case d.State == Given, d.State == Held && !done:
			return nil, nil
		case d.Order.heldAt(now):
			return nil, vigil.Errorf(vigil.Conflict, "medication.give", "the prescription is on hold")
		case d.Due.Sub(now).Abs() > noteWithin:
			return nil, vigil.Errorf(vigil.Conflict, "medication.give", "the dose of %s is more than a day away; write it in the record", d.Due.Format("2 Jan 15:04"))
		}
		return m.resource(ctx, d, now, done, reason), nil
	})
	if err != nil {
		return nil, err
	}
	return m.dayOf(ctx, patient, day)
}

// record writes the MedicationAdministration that decide returns for the dose, nil for none, and brings the desk in line.
func (m *Medication) record(ctx context.Context, patient, id string, due time.Time, decide func(d *Dose, now time.Time) (fhir.Resource, error)) error {
	turn := m.turn(patient)
	turn.Lock()
	c, err := m.chartOf(ctx, patient, due.Add(-12*time.Hour), due.Add(12*time.Hour))
	if err != nil {
		turn.Unlock()
		return err
	}
	err = vigil.Errorf(vigil.NotFound, "medication.dose", "no dose %q", id)
	for i := range c.doses {
		if c.doses[i].ID != id {
			continue
		}
		var r fhir.Resource
		if r, err = decide(&c.doses[i], c.now); err == nil && r != nil {
			// A patient may not write records; that this dose is his was checked above.
			_, err = m.host.Records.Update(m.writer(ctx), r, 0)
		}
	}
	turn.Unlock()
	if err != nil {
		return err
	}
	return m.evaluate(access.AsSystem(ctx, "medication"), patient)
}

func (m *Medication) writer(ctx context.Context) context.Context {
	if p, ok := access.From(ctx); ok && p.Clinical() {
		return ctx
	}
	return access.AsSystem(ctx, "medication")
}

// resource is what was done about the dose, as FHIR. Its id is made from the dose: noted twice, it is one record.
func (m *Medication) resource(ctx context.Context, d *Dose, now time.Time, done bool, reason string) fhir.Resource {
	p, _ := access.From(ctx)
	r := fhir.New("MedicationAdministration", "dose."+d.ID).With("identifier", []fhir.Resource{fhir.Identifier(SystemDose, d.ID)}).
		With("status", "completed").With("subject", fhir.Ref("Patient/"+d.Order.Patient, "")).
		With("medicationCodeableConcept", fhir.Concept(d.Order.Name, fhir.Coding(SystemMedication, d.Order.Code, d.Order.Name))).
		With("effectiveDateTime", fhir.Instant(now)).With("request", fhir.Ref("MedicationRequest/"+d.Order.ID, ""))
	if p.Person != "" {
		r = r.With("performer", []fhir.Resource{{"actor": fhir.Ref(p.Person, p.Name)}})
	}
	if d.Order.Dose != "" {
		r = r.With("dosage", fhir.Resource{"text": d.Order.Dose})
	}
	if !done {
		r = r.With("status", "not-done").With("statusReason", []fhir.Resource{fhir.Concept(reason)})
	}
	return r
}

// find returns whose dose an id names, and when it is due.
func (m *Medication) find(id string) (patient string, due time.Time, err error) {
	order, stamp, ok := cutLast(id)
	if ok {
		due, err = time.ParseInLocation("20060102-1504", stamp, m.cfg.Location)
	}
	if ok && err == nil {
		m.mu.RLock()
		defer m.mu.RUnlock()
		for _, o := range m.orders {
			if o.ID == order || doseID(o.ID, due) == id {
				return o.Patient, due, nil
			}
		}
	}
	return "", due, vigil.Errorf(vigil.NotFound, "medication.dose", "no dose %q", id)
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// Taken notes that the patient says he took the dose: as himself, or as clinical staff. It returns Conflict when the
// dose cannot be taken now, NotFound when there is none, Denied for the dose of another.
func (m *Medication) Taken(ctx context.Context, patient, id string) error {
	if err := access.CheckSubject(ctx, vigil.PatientSubject(patient)); err != nil {
		return err
	}
	whose, due, err := m.find(id)
	if err != nil || whose != patient {
		return vigil.Errorf(vigil.NotFound, "medication.taken", "no dose %q", id)
	}
	return m.record(ctx, patient, id, due, func(d *Dose, now time.Time) (fhir.Resource, error) {
		switch d.State {
		case Given:
			return nil, nil
		case Upcoming:
			return nil, vigil.Errorf(vigil.Conflict, "medication.taken", "it is not time yet: please take it from %s", clock(d.From))
		case Missed:
			return nil, vigil.Errorf(vigil.Conflict, "medication.taken", "it is too late for this dose: please ask your nurse")
		case Held:
			return nil, vigil.Errorf(vigil.Conflict, "medication.taken", "this medicine is on hold: please ask your nurse")
		}
		return m.resource(ctx, d, now, true, ""), nil
	})
}
