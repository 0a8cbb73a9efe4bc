package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/registry"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

type demoCmd struct {
	doorFlags `embed:""`
	Past      time.Duration `help:"How much of the past the patients bring." default:"12h"`
	Story     string        `help:"Tell a story once the ward is alive." type:"existingfile" placeholder:"FILE"`
	Speed     float64       `help:"How fast the story passes while nothing is awaited." default:"60"`
}

func system(ctx context.Context) context.Context { return access.AsSystem(ctx, "cmd") }

// Run implements the command.
func (c *demoCmd) Run(ctx context.Context, cfg server.Config, log *slog.Logger) error {
	c.apply(&cfg)
	began := time.Now()
	h, err := sim.LoadHospital()
	if err != nil {
		return err
	}
	cfg.Demo, cfg.Site = true, h.Site
	_, statErr := os.Stat(filepath.Join(cfg.Data, "records.db"))
	fresh := statErr != nil
	s, err := server.Open(ctx, cfg, log)
	if err != nil {
		return err
	}
	if fresh {
		if err := c.seed(ctx, s, h); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	send, wait := s.Stream("sim", 4096)
	ward := sim.NewWard(h, time.Now, worn(s, send))
	lived := make(chan error, 1)
	go func() {
		err := c.live(ctx, s, demoWard{ward, send, wait, fresh}, began)
		if err != nil {
			cancel() // a dead ward is no demonstration
		}
		lived <- err
	}()
	err = s.Run(ctx)
	cancel()
	return errors.Join(err, <-lived, s.Close())
}

func (c *demoCmd) seed(ctx context.Context, s *server.Server, h *sim.Hospital) error {
	_, err := h.Seed(ctx, sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now, Since: max(c.Past, time.Hour) + 24*time.Hour})
	return err
}

// demoWard is the ward and how to wait until all it said is on disk.
type demoWard struct {
	ward   *sim.Ward
	send   sim.Send
	settle func() error
	fresh  bool
}

// appWard is the ward as the simulations of applications see it, in real time.
type appWard struct {
	devices *registry.Registry
	send    sim.Send
}

// Now implements app.Ward.
func (appWard) Now() time.Time { return time.Now() }

// Wait implements app.Ward.
func (appWard) Wait(ctx context.Context, until time.Time) error {
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Devices implements app.Ward.
func (w appWard) Devices(profile string) (out []app.WardDevice) {
	for _, b := range w.devices.Current("") {
		if d, ok := w.devices.Lookup(b.Device); ok && d.Profile == profile && b.Subject.IsPatient() {
			out = append(out, app.WardDevice{ID: string(d.ID), Patient: b.Subject.ID(), Since: b.From})
		}
	}
	return out
}

// Send implements app.Ward.
func (w appWard) Send(ctx context.Context, device string, payload []byte) error {
	return w.send(ctx, device, payload)
}

// live brings the past of the patients, says where to look, and lets the ward live.
func (c *demoCmd) live(ctx context.Context, s *server.Server, w demoWard, began time.Time) error {
	select {
	case <-s.Ready():
	case <-ctx.Done():
		return nil
	}
	past := c.Past
	if !w.fresh {
		past = 0
	}
	if err := w.ward.Backfill(ctx, past, bar("filling in the patients' past")); err != nil {
		return err
	}
	if err := w.settle(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "A simulated hospital is alive at http://%s (ready after %s). Stop it with Ctrl-C.\n", s.Addr(), time.Since(began).Round(10*time.Millisecond))
	for _, a := range s.Applications() {
		if a.Simulate == nil {
			continue
		}
		go func() { // ends with ctx; the ward lives on without it
			if err := a.Simulate(ctx, appWard{s.Engines.Devices, w.send}); err != nil && ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "vigil: the simulation of %s ended: %v\n", a.Name, err)
			}
		}()
	}
	told := make(chan struct{})
	go func() {
		defer close(told)
		c.tell(ctx, s.Addr())
	}()
	err := w.ward.Run(ctx)
	<-told
	return err
}

// tell tells the story that was asked for; one that fails is said and ends nothing.
func (c *demoCmd) tell(ctx context.Context, at string) {
	if c.Story == "" {
		return
	}
	story := storyCmd{File: c.Story, Speed: c.Speed, Times: 1, remoteFlags: remoteFlags{URL: "http://" + at}}
	if err := story.Run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintln(os.Stderr, "vigil:", err)
	}
}

// worn lets devices speak that somebody wears: a patch that was taken off lies in a drawer.
func worn(s *server.Server, send sim.Send) sim.Send {
	return func(ctx context.Context, device string, payload []byte) error {
		list := s.Engines.Devices.Bindings(vigil.DeviceID(device))
		if n := len(list); n > 0 && !list[n-1].To.IsZero() && !list[n-1].To.After(time.Now()) {
			return nil
		}
		return send(ctx, device, payload)
	}
}

// bar draws a progress bar on a terminal, and nothing elsewhere.
func bar(title string) func(float64) {
	info, err := os.Stderr.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(done float64) {
		const width = 30
		full := int(done*width + 0.5)
		fmt.Fprintf(os.Stderr, "\r%s [%-*s] %3.0f %%", title, width, "##############################"[:full], done*100)
		if full == width {
			fmt.Fprintln(os.Stderr)
		}
	}
}
