package main

import (
	"context"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/appraise"
)

// modelCmd is what people do about trained models.
type modelCmd struct {
	List     modelListCmd     `cmd:"" help:"List the models of a running Vigil and what they may do."`
	Show     modelShowCmd     `cmd:"" help:"Show the figures of a model, from training and in this house."`
	Validate modelValidateCmd `cmd:"" help:"Say whether a model has shown enough in this house to notify; exit code not 0 when not."`
}

// modelView is the answer of GET /api/models/{key}, and a line of GET /api/models.
type modelView struct {
	Key, Version, Kind, Title, Sentence string
	Standing                            appraise.Standing
	Validation                          appraise.Validation
	Figures                             []catalog.ModelFigure
}

type modelListCmd struct {
	remoteFlags `embed:""`
}

// Run implements the command.
func (c *modelListCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "physician")
	if err != nil {
		return err
	}
	var list []modelView
	if err := r.call(ctx, "GET", "/api/models", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "model\tversion\tstate\tsince\tjudgements\ttitle")
	for _, m := range list {
		since := "-"
		if !m.Standing.Since.IsZero() {
			since = m.Standing.Since.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\n", m.Key, m.Version, m.Standing.State, since, m.Validation.Verdicts, m.Title)
	}
	return w.Flush()
}

type modelShowCmd struct {
	remoteFlags `embed:""`
	Model       string `arg:"" help:"Key of the model, see vigil model list."`
}

func (f remoteFlags) model(ctx context.Context, key string) (m modelView, err error) {
	r, err := f.open(ctx, "physician")
	if err != nil {
		return m, err
	}
	return m, r.call(ctx, "GET", "/api/models/"+key, nil, &m)
}

// Run implements the command.
func (c *modelShowCmd) Run(ctx context.Context) error {
	m, err := c.model(ctx, c.Model)
	if err != nil {
		return err
	}
	fmt.Printf("%s, version %s: %s\n%s\n\n", m.Title, m.Version, m.Standing.State, m.Sentence)
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, f := range m.Figures {
		spread := ""
		if f.High > 0 {
			spread = fmt.Sprintf("(%g to %g)", f.Low, f.High)
		}
		fmt.Fprintf(w, "%s\t%g %s\t%s\n", f.Label, f.Value, f.Unit, spread)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	m.print()
	return nil
}

func (m modelView) print() {
	v := m.Validation
	fmt.Printf("\nIn this house: %d days, %d judgements, %d with known truth (%d true, %d false), AUROC %.3f\n", v.Days, v.Verdicts, v.Judged, v.True, v.False, v.AUROC)
	for _, w := range v.Wanting {
		fmt.Println("  wanting:", w)
	}
}

type modelValidateCmd struct {
	remoteFlags `embed:""`
	Model       string `arg:"" help:"Key of the model, see vigil model list."`
}

// Run implements the command.
func (c *modelValidateCmd) Run(ctx context.Context) error {
	m, err := c.model(ctx, c.Model)
	if err != nil {
		return err
	}
	m.print()
	if !m.Validation.Passed {
		return vigil.Errorf(vigil.Conflict, "model.validate", "%s may not notify yet", m.Key)
	}
	fmt.Println("It may be proposed and approved on the page Models.")
	return nil
}
