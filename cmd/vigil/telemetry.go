package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// telemetryCmd is what administrators do about telemetry that is kept.
type telemetryCmd struct {
	Retention retentionCmd `cmd:"" help:"Show or change how long telemetry is kept in a running Vigil."`
	Hold      holdCmd      `cmd:"" help:"Legal holds: list, set, lift."`
}

type retentionCmd struct {
	remoteFlags `embed:""`
	Set         []string `help:"Class and ages: vitals=1y,10y keeps samples a year and summaries ten; waveforms=30d has no summaries." placeholder:"CLASS=RAW[,SUMMARIES]" sep:"none"`
	Reset       bool     `help:"Go back to what the configuration says."`
}

// retentionState is the answer of GET /api/telemetry/retention.
type retentionState struct {
	telemetry.PolicyState
	Dropped map[coding.Class]struct{ Blocks, Bytes uint64 }
	Expired uint64
}

// Run implements the command.
func (c *retentionCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "admin")
	if err != nil {
		return err
	}
	var now retentionState
	if err := r.call(ctx, "GET", "/api/telemetry/retention", nil, &now); err != nil {
		return err
	}
	if c.Reset || len(c.Set) > 0 {
		policy := now.Policy
		if c.Reset {
			policy = nil
		}
		for _, text := range c.Set {
			class, keep, err := parseKeep(text)
			if err != nil {
				return err
			}
			if policy == nil {
				policy = telemetry.Policy{}
			}
			policy[class] = keep
		}
		now = retentionState{}
		if err := r.call(ctx, "PUT", "/api/telemetry/retention", map[string]any{"policy": policy}, &now); err != nil {
			return err
		}
	}
	return now.print()
}

// parseKeep reads "vitals=1y,10y".
func parseKeep(text string) (coding.Class, telemetry.Keep, error) {
	class, ages, ok := strings.Cut(text, "=")
	raw, summaries, both := strings.Cut(ages, ",")
	var keep telemetry.Keep
	if !ok {
		return "", keep, vigil.Errorf(vigil.Invalid, "telemetry.retention", "%q is not CLASS=RAW[,SUMMARIES], for example vitals=1y,10y", text)
	}
	age, err := telemetry.ParseAge(raw)
	if err != nil {
		return "", keep, err
	}
	keep.Raw = age
	if both {
		age, err := telemetry.ParseAge(summaries)
		if err != nil {
			return "", keep, err
		}
		keep.Summaries = &age
	}
	return coding.Class(class), keep, nil
}

func (s *retentionState) print() error {
	from := "from the configuration"
	if s.Set {
		from = fmt.Sprintf("decided by %s on %s", s.By, s.At.Format(time.DateOnly))
	}
	fmt.Println("What is kept,", from)
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "class\tsamples\tsummaries\tdropped since start")
	for _, class := range coding.Classes() {
		k, d := s.Policy[class], s.Dropped[class]
		summaries := "-"
		if k.Summaries != nil {
			summaries = k.Summaries.String()
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d blocks, %.1f MB\n", class, k.Raw, summaries, d.Blocks, float64(d.Bytes)/1e6)
	}
	return w.Flush()
}

type holdCmd struct {
	List holdListCmd `cmd:"" help:"List legal holds."`
	Set  holdSetCmd  `cmd:"" help:"Keep everything of a patient or place until the hold is lifted."`
	Lift holdLiftCmd `cmd:"" help:"End a legal hold."`
}

type holdListCmd struct {
	remoteFlags `embed:""`
}

// Run implements the command.
func (c *holdListCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "admin")
	if err != nil {
		return err
	}
	var list []telemetry.Hold
	if err := r.call(ctx, "GET", "/api/telemetry/holds", nil, &list); err != nil {
		return err
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	for _, h := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", h.Subject, h.At.Format("2006-01-02 15:04"), h.By, h.Reason)
	}
	return w.Flush()
}

type holdSetCmd struct {
	remoteFlags `embed:""`
	Subject     vigil.Subject `arg:"" help:"Patient/<id> or Location/<id>."`
	Reason      string        `arg:"" help:"Why, for example the case number."`
}

// Run implements the command.
func (c *holdSetCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "admin")
	if err != nil {
		return err
	}
	return r.call(ctx, "PUT", "/api/telemetry/holds/"+string(c.Subject), map[string]string{"reason": c.Reason}, nil)
}

type holdLiftCmd struct {
	remoteFlags `embed:""`
	Subject     vigil.Subject `arg:"" help:"Patient/<id> or Location/<id>."`
}

// Run implements the command.
func (c *holdLiftCmd) Run(ctx context.Context) error {
	r, err := c.open(ctx, "admin")
	if err != nil {
		return err
	}
	return r.call(ctx, "DELETE", "/api/telemetry/holds/"+string(c.Subject), nil, nil)
}
