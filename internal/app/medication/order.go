package medication

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/vigil-health/vigil/internal/engine/record"
	"github.com/vigil-health/vigil/internal/fhir"
)

// SystemMedication is the code system that a dispenser's events and a prescription share.
const SystemMedication = "urn:vigil:medication"

// Order is a prescription with fixed times of day.
type Order struct {
	ID      string
	Patient string
	Code    string // of the medicine, as the dispenser says it
	Name    string
	Dose    string          // in words
	Times   []time.Duration // since midnight, ascending
	From    time.Time       // in force from; doses before are nobody's fault
	To      time.Time       // exclusive; zero means open
	OnHold  bool
	Held    time.Time // on hold since
	Known   time.Time // the house has asked for it since; nobody is called for what was before
	vague   bool      // From is not prescribed, only when the record was written: what was taken before counts too
}

// newOrder reads a MedicationRequest; false when it is no order for fixed times of day that is, or was, in force.
func newOrder(rec record.Record) (Order, bool) {
	r, err := rec.Resource()
	if err != nil || rec.Deleted {
		return Order{}, false
	}
	subject := fhir.ParseReference(r.Str("subject.reference"))
	o := Order{ID: rec.ID, Patient: subject.ID, Name: r.Str("medicationCodeableConcept.text"), Dose: r.Str("dosageInstruction.0.text")}
	for _, c := range r.List("medicationCodeableConcept.coding") {
		if o.Code == "" || c.Str("system") == SystemMedication {
			o.Code = c.Str("code")
		}
		if o.Name == "" {
			o.Name = c.Str("display")
		}
	}
	if o.Code == "" {
		o.Code = rec.ID
	}
	if o.Name == "" {
		o.Name = o.Code
	}
	if o.Dose == o.Name {
		o.Dose = ""
	}
	for _, d := range r.List("dosageInstruction") {
		times, _ := d.Get("timing.repeat.timeOfDay").([]any)
		for _, x := range times {
			if s, ok := x.(string); ok {
				if t, err := time.Parse(time.TimeOnly, s); err == nil {
					o.Times = append(o.Times, t.Sub(t.Truncate(24*time.Hour)))
				}
			}
		}
	}
	slices.Sort(o.Times)
	o.Times = slices.Compact(o.Times)
	o.bounds(r, rec.Updated)
	if rec.Version == 1 && rec.Updated.After(o.From) { // brought in from elsewhere
		o.Known = rec.Updated
	}
	switch r.Str("status") {
	case "active":
	case "on-hold":
		o.OnHold, o.Held = true, rec.Updated
	case "completed", "stopped":
		if o.To.IsZero() {
			o.To = rec.Updated
		}
	default:
		return Order{}, false
	}
	return o, subject.Type == "Patient" && len(o.Times) > 0 && r.Str("intent") != "proposal"
}

func (o *Order) bounds(r fhir.Resource, updated time.Time) {
	period := r.Str("dosageInstruction.0.timing.repeat.boundsPeriod.start")
	for _, s := range []string{period, r.Str("authoredOn")} {
		if low, _, ok := fhir.DateRange(s); ok && o.From.IsZero() {
			o.From = time.UnixMicro(low)
		}
	}
	if o.From.IsZero() {
		o.From, o.vague = updated, true
	}
	o.Known = o.From
	if _, high, ok := fhir.DateRange(r.Str("dosageInstruction.0.timing.repeat.boundsPeriod.end")); ok {
		o.To = time.UnixMicro(high)
	}
}

// inForce reports whether the order asks for something at t.
func (o *Order) inForce(t time.Time) bool {
	return !t.Before(o.From) && (o.To.IsZero() || t.Before(o.To))
}

// heldAt reports whether the order was on hold at t.
func (o *Order) heldAt(t time.Time) bool { return o.OnHold && !t.Before(o.Held) }

// doses returns what the order asks for with a due time in [from, to), in order. A time of day that the clock skips in
// spring falls an hour later, one that comes twice in autumn is its first.
func (o *Order) doses(from, to time.Time, c Config) (out []Dose) {
	loc := c.Location
	y, m, d := from.In(loc).Date()
	for day := time.Date(y, m, d-1, 12, 0, 0, 0, loc); day.Before(to.Add(36 * time.Hour)); day = day.AddDate(0, 0, 1) {
		y, m, d := day.Date()
		for _, at := range o.Times {
			due := time.Date(y, m, d, int(at.Hours()), int(at.Minutes())%60, int(at.Seconds())%60, 0, loc)
			if o.inForce(due) {
				out = append(out, Dose{ID: doseID(o.ID, due), Order: o, Due: due, From: due.Add(-c.Early), To: due.Add(c.Late), Missed: due.Add(c.MissedAfter)})
			}
		}
	}
	out = slices.CompactFunc(out, func(a, b Dose) bool { return a.ID == b.ID })
	for i := range len(out) - 1 {
		if next := out[i+1].Due; next.Before(out[i].Missed) {
			out[i].Missed = next
		}
		if out[i].To.After(out[i].Missed) {
			out[i].To = out[i].Missed
		}
	}
	return slices.DeleteFunc(out, func(x Dose) bool { return x.Due.Before(from) || !x.Due.Before(to) })
}

// doseID names a dose for good: the order, the day and the time of day. It is a FHIR id with room for a prefix.
func doseID(order string, due time.Time) string {
	if len(order) > 44 {
		sum := sha256.Sum256([]byte(order))
		order = hex.EncodeToString(sum[:16])
	}
	return order + "." + due.Format("20060102-1504")
}
