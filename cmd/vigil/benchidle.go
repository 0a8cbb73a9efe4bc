package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

type benchIdleCmd struct {
	benchFlags  `embed:""`
	Connections int `help:"MQTT connections that say nothing but that they are there." default:"10000"`
	Seconds     int `help:"How long they stay before the memory is read." default:"30"`
	Keepalive   int `help:"Keepalive of each, seconds; the pings go on." default:"20"`
}

// idleFigures is what vigil bench idle reports.
type idleFigures struct {
	Connections int     `json:"connections"`
	Pings       uint64  `json:"pings_answered"`
	BeforeMB    float64 `json:"server_rss_before_mb"`
	AfterMB     float64 `json:"server_rss_after_mb"`
	BytesEach   float64 `json:"rss_bytes_per_connection"`
	Heap        float64 `json:"heap_bytes_per_connection"`
	Stacks      float64 `json:"stack_bytes_per_connection"`
	Cores       float64 `json:"server_cores"`
}

// Run implements the command.
func (c *benchIdleCmd) Run(ctx context.Context) error {
	if c.Connections < 1 || c.Connections > 60_000 || c.Seconds < 1 || c.Keepalive < 5 {
		return vigil.Errorf(vigil.Invalid, "bench.idle", "needs 1 to 60000 connections, a second and a keepalive of 5 s or more")
	}
	line := newProgress()
	h, err := openBenchHouse(ctx, c.benchFlags, sim.LoadSize{Gateways: 1, Patches: 1})
	var out *idleFigures
	if err == nil {
		out, err = c.measure(ctx, h, line)
	}
	line.end()
	if h != nil {
		err = errors.Join(err, h.close())
	}
	if err != nil {
		return err
	}
	return c.show(out, func() {
		fmt.Printf("%d idle connections, %d pings answered, %.2f cores\n", out.Connections, out.Pings, out.Cores)
		fmt.Printf("heap %.0f and stacks %.0f bytes a connection\n", out.Heap, out.Stacks)
		fmt.Printf("resident %.0f MB before, %.0f MB after: %.0f bytes a connection\n", out.BeforeMB, out.AfterMB, out.BytesEach)
	})
}

func (c *benchIdleCmd) measure(ctx context.Context, h *benchHouse, line progress) (*idleFigures, error) {
	before, err := h.usage(ctx)
	if err != nil {
		return nil, err
	}
	line.say("opening %d connections", c.Connections)
	login := sim.LoadLogin{Addr: h.mqtt, User: h.ward.Gateways[0], Token: h.ward.Tokens[0]}
	fleet, err := sim.DialIdle(ctx, login, c.Connections, time.Duration(c.Keepalive)*time.Second)
	if err != nil {
		return nil, err
	}
	defer fleet.Close() //nolint:errcheck // nothing waits
	line.say("%d connections idle for %d s", c.Connections, c.Seconds)
	opened, err := h.usage(ctx)
	if err != nil {
		return nil, err
	}
	stay, stop := context.WithTimeout(ctx, time.Duration(c.Seconds)*time.Second)
	defer stop()
	if err := fleet.Ping(stay); err != nil {
		return nil, err
	}
	after, err := h.usage(ctx)
	if err != nil {
		return nil, err
	}
	each := func(bytes float64) float64 { return math.Round(bytes / float64(c.Connections)) }
	return &idleFigures{
		Heap: each(after.heap - before.heap), Stacks: each(after.stacks - before.stacks), BytesEach: each(after.rss - before.rss),
		Connections: c.Connections, Pings: fleet.Pings(), BeforeMB: math.Round(before.rss / 1e6), AfterMB: math.Round(after.rss / 1e6),
		Cores: math.Round(100*(after.cpu-opened.cpu).Seconds()/after.at.Sub(opened.at).Seconds()) / 100,
	}, nil
}
