package server

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/appraise"
	"github.com/vigil-health/vigil/internal/engine/audit"
)

// openModels reads the trained models of the catalogue and where they stand.
func (e *Engines) openModels(ctx context.Context) error {
	models, err := catalog.Models()
	if err != nil {
		return err
	}
	e.Models, err = appraise.New(ctx, appraise.Config{
		Models: models, Book: e.db.Appraisals(), Telemetry: e.Telemetry, Patients: e.watched, Now: time.Now, Log: e.logger,
		Audit: func(ctx context.Context, action, model, detail string) error {
			return e.Audit.Log(ctx, action, "model/"+model, audit.OK, detail)
		},
	})
	if err != nil {
		return fmt.Errorf("open models: %w", err)
	}
	return nil
}

// watched is who lies in a bed or is watched at home now.
func (e *Engines) watched() []appraise.Person {
	now := time.Now()
	var out []appraise.Person
	for _, p := range e.Census.Patients("", "") {
		x := appraise.Person{Subject: vigil.PatientSubject(p.ID), Age: math.NaN(), Male: math.NaN()}
		if years, ok := p.Age(now); ok {
			x.Age = float64(years)
		}
		switch p.Sex {
		case "M":
			x.Male = 1
		case "F":
			x.Male = 0
		}
		if math.IsNaN(x.Age) || x.Age >= youngestScored {
			out = append(out, x)
		}
	}
	return out
}

// judged tells the models what staff found an alarm to have been. Most alarms no model has judged.
func (e *Engines) judged(ctx context.Context, a vigil.Alarm) {
	err := e.Models.Mark(ctx, a.ID, a.Judged.Truth != vigil.TruthArtefact)
	if err != nil && vigil.KindOf(err) != vigil.NotFound {
		e.logger.Warn("models.mark", "error", err)
	}
}

// youngestScored is the age under which no patient was among those the deterioration model was trained on.
const youngestScored = 14

// review is what sees an alarm before the desk does: the quality of its signal, then the model of false alarms.
func (e *Engines) review(ctx context.Context, a *vigil.Alarm) {
	e.Signals.Review(ctx, a)
	e.Models.Review(ctx, a)
	e.Models.Explain(a)
}
