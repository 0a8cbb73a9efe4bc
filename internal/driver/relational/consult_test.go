package relational_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/fhir"
)

type records struct {
	list []fhir.Resource
	fail error
}

func (r *records) Create(_ context.Context, res fhir.Resource) error {
	if r.fail == nil {
		r.list = append(r.list, res)
	}
	return r.fail
}

type steps []vigil.AlarmStep

func (s *steps) Mark(_ context.Context, id string, step vigil.AlarmStep) error {
	*s = append(*s, vigil.AlarmStep{What: id + " " + step.What, Who: step.Who, Text: step.Text})
	return nil
}

func as(t *testing.T, id string, role access.Role) context.Context {
	p := access.Principal{ID: id, Name: id, Roles: []access.Role{role}, Person: "Practitioner/" + id}
	if role == access.Patient {
		p.Subject, p.Person = vigil.PatientSubject(id), "Patient/"+id
	}
	return access.With(t.Context(), p)
}

// TestConsultFromRingToNote plays Sara's conversation with Dr Kim over a restart.
func TestConsultFromRingToNote(t *testing.T) { each(t, examineConsultFromRingToNote) }

func examineConsultFromRingToNote(t *testing.T, h *house) {
	reopen, rec, marks, n := h.reopen(t), &records{}, &steps{}, 0
	start := func() *consult.Desk {
		return consult.NewDesk(consult.Config{Book: reopen().Consults(), Records: rec, Alarms: marks, Now: time.Now,
			NewID: func() string { n++; return fmt.Sprintf("id%d", n) }})
	}
	kim, sara, omar, eng := as(t, "dr-kim", access.Physician), as(t, "sara", access.Patient), as(t, "omar", access.Patient), as(t, "eng", access.Engineer)
	d := start()
	sub := d.Subscribe(100)
	if _, err := d.Open(sara, consult.Request{Patient: "Patient/sara", Video: true}); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("a patient rings: %v", err)
	}
	c, err := d.Open(kim, consult.Request{Patient: "Patient/sara", Alarm: "a1", Video: true})
	if err != nil || c.State != consult.Ringing || c.Clinician.ID != "dr-kim" {
		t.Fatalf("%+v, %v", c, err)
	}
	for name, ctx := range map[string]context.Context{"another patient": omar, "an engineer": eng, "nobody": t.Context()} {
		if _, err := d.Get(ctx, c.ID); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("%s reads it: %v", name, err)
		}
		if _, err := d.Join(ctx, c.ID); vigil.KindOf(err) != vigil.Denied {
			t.Errorf("%s joins: %v", name, err)
		}
	}
	if err := d.Signal(kim, c.ID, json.RawMessage(`{}`)); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("signal before joining: %v", err)
	}
	d.Join(kim, c.ID)
	if c, err = d.Join(sara, c.ID); err != nil || c.State != consult.Video || len(c.Joined) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := d.Join(as(t, "ruiz", access.Nurse), c.ID); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("a third joins: %v", err)
	}
	if err := d.Signal(kim, c.ID, json.RawMessage(`{"sdp":"x"}`)); err != nil {
		t.Error(err)
	}
	var signals int
	for len(sub.C) > 0 {
		if e := <-sub.C; e.Signal != nil && e.From == "dr-kim" && len(e.To) == 1 && e.To[0] == "sara" {
			signals++
		}
	}
	if signals != 1 || sub.Missed() {
		t.Errorf("%d signals", signals)
	}
	d.Say(sara, c.ID, consult.KindMessage, "I feel dizzy")
	rec.fail = errors.New("record store is closed")
	d.Say(kim, c.ID, consult.KindNote, "pale on video")
	rec.fail = nil
	d = start()
	if c, err = d.Get(kim, c.ID); err != nil || c.State != consult.Open || len(c.Messages) != 2 {
		t.Errorf("after a restart: %+v, %v", c, err)
	}
	if c, _ := d.Get(sara, c.ID); len(c.Messages) != 1 {
		t.Errorf("the patient sees notes: %+v", c.Messages)
	}
	if err := d.Settle(t.Context()); err != nil || len(rec.list) != 2 {
		t.Errorf("on record: %d, %v", len(rec.list), err)
	}
	if _, err := d.Close(sara, c.ID, "fine", ""); vigil.KindOf(err) != vigil.Denied {
		t.Errorf("the patient closes: %v", err)
	}
	if c, err = d.Close(kim, c.ID, "hypovolaemia", "250 mL fluids"); err != nil || c.State != consult.Closed {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := d.Say(kim, c.ID, consult.KindMessage, "hello"); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("speaks after the end: %v", err)
	}
	want := steps{{What: "a1 video_opened", Who: "dr-kim"}, {What: "a1 note", Who: "dr-kim", Text: "hypovolaemia"}, {What: "a1 action", Who: "dr-kim", Text: "250 mL fluids"}}
	if fmt.Sprint(*marks) != fmt.Sprint(want) {
		t.Errorf("the alarm was told %v", *marks)
	}
	if len(rec.list) != 3 || rec.list[0].Str("subject.reference") != "Patient/sara" || rec.list[0].Str("sender.reference") != "Patient/sara" {
		t.Errorf("on record: %v", rec.list)
	}
	if next, err := d.Open(sara, consult.Request{Patient: "Patient/sara"}); err != nil || next.ID == c.ID {
		t.Errorf("a new consult: %+v, %v", next, err)
	}
}
