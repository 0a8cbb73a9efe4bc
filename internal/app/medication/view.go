package medication

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/census"
)

const misuseDays = 7 // the panel shows misuse so far back

type panelView struct {
	Rows []rowView `json:"rows"`
}

type rowView struct {
	Patient app.PatientShort `json:"patient"`
	Next    *nextView        `json:"next,omitempty"`
	Late    int              `json:"late"`
	Missed  int              `json:"missed"` // in the last 24 hours
	PDC     *float64         `json:"pdc,omitempty"`
	Misuse  []string         `json:"misuse"`
}

type nextView struct {
	Medication string `json:"medication"`
	DueMS      int64  `json:"due_ms"`
}

type dayView struct {
	Patient app.PatientShort `json:"patient"`
	Date    string           `json:"date"`
	PDC     *PDC             `json:"pdc,omitempty"`
	Doses   []doseView       `json:"doses"`
}

type doseView struct {
	ID         string `json:"id"`
	Medication string `json:"medication"`
	Dose       string `json:"dose"`
	DueMS      int64  `json:"due_ms"`
	FromMS     int64  `json:"from_ms"`
	ToMS       int64  `json:"to_ms"`
	State      State  `json:"state"`
	GivenMS    int64  `json:"given_ms,omitempty"`
	By         string `json:"by,omitempty"`
	Source     string `json:"source,omitempty"`
	Reason     string `json:"reason,omitempty"`
}

// panel answers GET /panel: everybody with medicines at fixed times, who needs somebody first.
func (m *Medication) panel(ctx context.Context, _ app.Request) (any, error) {
	out := panelView{Rows: []rowView{}}
	for _, id := range m.patients() {
		p, ok := m.host.Census.Patient(id)
		if !ok {
			continue
		}
		row, err := m.row(ctx, p)
		if err != nil {
			return nil, err
		}
		out.Rows = append(out.Rows, row)
	}
	slices.SortFunc(out.Rows, func(a, b rowView) int {
		return cmp.Or(cmp.Compare(len(b.Misuse), len(a.Misuse)), cmp.Compare(b.Late, a.Late), cmp.Compare(b.Missed, a.Missed), cmp.Compare(a.Patient.Name, b.Patient.Name))
	})
	return out, nil
}

func (m *Medication) row(ctx context.Context, p census.Patient) (rowView, error) {
	now := m.host.Now()
	today := m.midnight(now)
	first := today.AddDate(0, 0, -m.cfg.Days)
	c, err := m.chartOf(ctx, p.ID, first, now.Add(24*time.Hour))
	if err != nil {
		return rowView{}, err
	}
	row := rowView{Patient: app.Short(p, now), Misuse: []string{}}
	for i := range c.doses {
		d := &c.doses[i]
		switch {
		case d.State == Late:
			row.Late++
		case d.State == Missed && now.Sub(d.Due) < 24*time.Hour:
			row.Missed++
		case (d.State == Upcoming || d.State == Due) && row.Next == nil:
			row.Next = &nextView{d.Order.Name, d.Due.UnixMilli()}
		}
	}
	if pdc := Covered(c.doses, first, today); pdc != nil {
		row.PDC = &pdc.Value
	}
	for _, x := range c.misuse {
		if now.Sub(x.At) < misuseDays*24*time.Hour {
			row.Misuse = append(row.Misuse, x.At.In(m.cfg.Location).Format("2 Jan")+": "+sentence(x, m.cfg.Location))
		}
	}
	for _, at := range c.forced {
		if now.Sub(at) < misuseDays*24*time.Hour {
			row.Misuse = append(row.Misuse, at.In(m.cfg.Location).Format("2 Jan")+": dispenser opened by force at "+clock(at.In(m.cfg.Location)))
		}
	}
	return row, nil
}

// day answers GET /day?patient=&date=: the doses of a day, today without a date. A patient sees his own without naming himself.
func (m *Medication) day(ctx context.Context, r app.Request) (any, error) {
	patient, date := r.Query("patient"), m.host.Now().In(m.cfg.Location)
	if p, ok := access.From(ctx); ok && patient == "" && p.Has(access.Patient) {
		patient = p.Subject.ID()
	}
	if patient == "" {
		return nil, vigil.Errorf(vigil.Invalid, "medication.day", "patient=ID is missing")
	}
	if s := r.Query("date"); s != "" {
		t, err := time.ParseInLocation(time.DateOnly, s, m.cfg.Location)
		if err != nil {
			return nil, vigil.Errorf(vigil.Invalid, "medication.day", "date=%q is not YYYY-MM-DD", s)
		}
		date = t
	}
	return m.dayOf(ctx, patient, date)
}

func (m *Medication) dayOf(ctx context.Context, patient string, date time.Time) (any, error) {
	if err := access.CheckSubject(ctx, vigil.PatientSubject(patient)); err != nil {
		return nil, err
	}
	p, ok := m.host.Census.Patient(patient)
	if !ok {
		return nil, vigil.Errorf(vigil.NotFound, "medication.day", "no patient %q", patient)
	}
	now := m.host.Now()
	from, today := m.midnight(date), m.midnight(now)
	first := today.AddDate(0, 0, -m.cfg.Days)
	span := from
	if first.Before(from) {
		span = first
	}
	to := from.AddDate(0, 0, 1)
	c, err := m.chartOf(ctx, patient, span, latest(to, today))
	if err != nil {
		return nil, err
	}
	out := dayView{Patient: app.Short(p, now), Date: from.Format(time.DateOnly), PDC: Covered(c.doses, first, today), Doses: []doseView{}}
	for i := range c.doses {
		d := &c.doses[i]
		if d.Due.Before(from) || !d.Due.Before(to) {
			continue
		}
		v := doseView{ID: d.ID, Medication: d.Order.Name, Dose: d.Order.Dose, DueMS: d.Due.UnixMilli(), FromMS: d.From.UnixMilli(), ToMS: d.To.UnixMilli(),
			State: d.State, By: d.By, Source: d.Source, Reason: d.Reason}
		if d.State == Given {
			v.GivenMS = d.GivenAt.UnixMilli()
		}
		out.Doses = append(out.Doses, v)
	}
	return out, nil
}

func (m *Medication) midnight(t time.Time) time.Time {
	y, mo, d := t.In(m.cfg.Location).Date()
	return time.Date(y, mo, d, 0, 0, 0, 0, m.cfg.Location)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Medicine is one of today's doses as the patient sees it at home.
type Medicine struct {
	ID    string
	Name  string
	Due   *time.Time
	State string // taken, due, late, missed or on_hold; "" when its time has not come
	Text  string
}

// Today returns the patient's medicines of today, in order: each dose, and each medicine on hold once. It returns
// Denied when ctx may not see the patient.
func (m *Medication) Today(ctx context.Context, patient string) ([]Medicine, error) {
	from := m.midnight(m.host.Now())
	to := from.AddDate(0, 0, 1)
	c, err := m.chartOf(ctx, patient, from, to)
	if err != nil {
		return nil, err
	}
	out := []Medicine{}
	for _, o := range c.orders {
		if o.OnHold && (o.To.IsZero() || o.To.After(from)) {
			out = append(out, Medicine{ID: o.ID, Name: o.Name, State: "on_hold", Text: "On hold. Do not take it for now."})
		}
	}
	slices.SortFunc(out, func(a, b Medicine) int { return cmp.Compare(a.Name, b.Name) })
	var doses []Medicine
	for i := range c.doses {
		if d := &c.doses[i]; (!d.Order.OnHold || d.State != Held) && !d.Due.Before(from) && d.Due.Before(to) {
			doses = append(doses, m.medicine(d))
		}
	}
	return append(doses, out...), nil
}

func (m *Medication) medicine(d *Dose) Medicine {
	v := Medicine{ID: d.ID, Name: d.Order.Name, Due: &d.Due, State: string(d.State)}
	switch d.State {
	case Given:
		v.State, v.Text = "taken", "Taken "+clock(d.GivenAt.In(m.cfg.Location))
	case Upcoming:
		v.State, v.Text = "due", "At "+clock(d.Due)
	case Due:
		v.Text = "Take it now, until " + clock(d.To)
	case Late:
		v.Text = "Was due at " + clock(d.Due) + ". Please take it now."
	case Missed:
		v.Text = "Missed. Do not take it later; ask your nurse."
	case Held:
		v.State, v.Text = "on_hold", "On hold. Do not take it for now."
	}
	return v
}
