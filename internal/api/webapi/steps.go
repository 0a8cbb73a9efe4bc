package webapi

import (
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/fhir"
)

// nextStep is one line of the list beside an alarm: something to check, to order or to ask the pharmacy for.
type nextStep struct {
	ID   string     `json:"id"`
	Text string     `json:"text"`
	Kind string     `json:"kind"`
	Done bool       `json:"done"`
	By   string     `json:"by,omitempty"`
	At   *time.Time `json:"at,omitempty"`
}

// suggestions are the usual first steps by what alarms. They are reminders, not orders: the clinician decides.
func suggestions(metric vigil.Metric) []nextStep {
	switch metric {
	case "art-mean", "bp-mean", "art-systolic", "bp-systolic":
		return []nextStep{
			{ID: "line", Text: "Check line and transducer level, or repeat the cuff", Kind: "check"},
			{ID: "cultures", Text: "Blood cultures ×2", Kind: "check"},
			{ID: "fluid", Text: "Fluid 500 ml over 15 min", Kind: "order"},
			{ID: "vasopressor", Text: "Review vasopressor", Kind: "order"},
			{ID: "lactate", Text: "Repeat lactate", Kind: "order"},
			{ID: "antibiotic", Text: "Antibiotic, mind the allergies", Kind: "pharmacy"},
		}
	case "spo2":
		return []nextStep{
			{ID: "probe", Text: "Check probe and perfusion", Kind: "check"},
			{ID: "airway", Text: "Airway, position, suction", Kind: "check"},
			{ID: "oxygen", Text: "Titrate oxygen to target", Kind: "order"},
			{ID: "gas", Text: "Blood gas", Kind: "order"},
			{ID: "xray", Text: "Chest X-ray", Kind: "order"},
		}
	case "heart-rate":
		return []nextStep{
			{ID: "leads", Text: "Check electrodes, 12-lead ECG", Kind: "check"},
			{ID: "pressure", Text: "Blood pressure and perfusion", Kind: "check"},
			{ID: "electrolytes", Text: "Potassium and magnesium", Kind: "order"},
			{ID: "cause", Text: "Pain, fever, volume, drugs", Kind: "check"},
		}
	}
	return []nextStep{{ID: "look", Text: "See the patient", Kind: "check"}, {ID: "repeat", Text: "Repeat the measurement", Kind: "check"}}
}

// taskID is the record of one step of one alarm: an id that is the same for whoever ticks it.
func taskID(alarmID, step string) string {
	const fnv, prime = 14695981039346656037, 1099511628211
	h := uint64(fnv)
	for _, b := range []byte(alarmID + "/" + step) {
		h = (h ^ uint64(b)) * prime
	}
	return text("step-%016x", h)
}

func (a *API) nextSteps(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	al, ok, err := a.topAlarm(c, subject)
	if err != nil || !ok {
		return []nextStep{}, err
	}
	out := suggestions(al.Metric)
	for i := range out {
		rec, err := a.cfg.Records.Read(c.ctx, "Task", taskID(al.ID, out[i].ID))
		if vigil.KindOf(err) == vigil.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		r, err := rec.Resource()
		if err != nil {
			return nil, err
		}
		if out[i].Done = r.Str("status") == "completed"; out[i].Done {
			out[i].By, out[i].At = r.Str("owner.display"), &rec.Updated
		}
	}
	return out, nil
}

func (a *API) topAlarm(c *call, subject vigil.Subject) (vigil.Alarm, bool, error) {
	open, err := a.cfg.Desk.Open(c.ctx, alarm.Filter{Subject: subject})
	for _, al := range open {
		if al.Kind == vigil.KindAlarm && al.Class == vigil.Physiological {
			return al, true, err
		}
	}
	return vigil.Alarm{}, false, err
}

// tickStep notes that a step was done, as a Task record and in the alarm's history.
func (a *API) tickStep(c *call) (any, error) {
	_, subject, err := a.who(c)
	if err != nil {
		return nil, err
	}
	var in struct {
		Done bool `json:"done"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	a.steps.Lock()
	defer a.steps.Unlock()
	al, ok, err := a.topAlarm(c, subject)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, vigil.Errorf(vigil.Conflict, "webapi.steps", "the alarm is over")
	}
	for _, s := range suggestions(al.Metric) {
		if s.ID != c.r.PathValue("step") {
			continue
		}
		status := "cancelled"
		if in.Done {
			status = "completed"
		}
		r := fhir.New("Task", taskID(al.ID, s.ID)).With("status", status).With("intent", "order").With("code", fhir.Concept(s.Text)).With("for", fhir.Ref(string(subject), "")).
			With("identifier", []fhir.Resource{fhir.Identifier("urn:vigil:alarm", al.ID)})
		if c.who.Person != "" {
			r = r.With("owner", fhir.Ref(c.who.Person, c.who.Initials))
		}
		if _, err := a.cfg.Records.Update(c.ctx, r, 0); err != nil {
			return nil, err
		}
		if in.Done {
			if _, err := a.cfg.Desk.Do(c.ctx, al.ID, alarm.Action{Kind: "act", Text: s.Text}); err != nil {
				return nil, err
			}
		}
		return a.nextSteps(c)
	}
	return nil, vigil.Errorf(vigil.NotFound, "webapi.steps", "no step %q", c.r.PathValue("step"))
}
