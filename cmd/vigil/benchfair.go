package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

type benchFairCmd struct {
	benchFlags  `embed:""`
	Connections int     `help:"Gateway connections of the good devices." default:"20"`
	Devices     int     `help:"Good devices, each on a patient of its own." default:"2000"`
	Rate        float64 `help:"Values per second of all good devices together." default:"50000"`
	Quota       float64 `help:"Messages per second that a device may send; 0 is without bound." default:"100"`
	Times       float64 `help:"How many times the quota the mad device sends." default:"50"`
	Mad         float64 `help:"Messages per second of the mad device where there is no quota." default:"50000"`
	Seconds     int     `help:"Length of each measurement, after three seconds of warming up." default:"15"`
}

// fairFigures is what vigil bench fair reports.
type fairFigures struct {
	Devices  int         `json:"good_devices"`
	Quota    float64     `json:"quota_messages_per_second"`
	Alone    loadFigures `json:"alone"`
	Beside   loadFigures `json:"beside"`
	Offered  float64     `json:"mad_messages_offered_per_second"` // what its connection took
	Accepted float64     `json:"mad_messages_taken_per_second"`
	Share    float64     `json:"good_share_kept"`
	Level    string      `json:"level"`
}

// Run implements the command.
func (c *benchFairCmd) Run(ctx context.Context) error {
	if c.Connections < 1 || c.Devices < c.Connections || c.Seconds < 1 || c.Rate <= 0 || c.Quota < 0 {
		return vigil.Errorf(vigil.Invalid, "bench.fair", "needs at least one connection, a device for each, a rate and a second")
	}
	line := newProgress()
	line.say("admitting %d patients with their devices", c.Devices)
	h, err := openBenchHouse(ctx, c.benchFlags, sim.LoadSize{Gateways: c.Connections + 1, Patches: c.Devices + 1})
	var out *fairFigures
	if err == nil {
		err = c.restart(ctx, h)
	}
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
		fmt.Printf("%d good devices through %d gateways; a mad one through a gateway of its own, quota %.0f messages/s\n", out.Devices, c.Connections, out.Quota)
		out.Alone.print("alone")
		out.Beside.print("beside the mad device")
		fmt.Printf("\nthe mad device: %.0f messages/s left it, %.0f messages/s were taken\nthe good ones kept %.1f %% of their rate; level at the end: %s\n", out.Offered, out.Accepted, 100*out.Share, out.Level)
	})
}

// restart gives the house its quota, as a site would: in vigil.yaml.
func (c *benchFairCmd) restart(ctx context.Context, h *benchHouse) error {
	if err := h.stop(); err != nil {
		return err
	}
	quota := c.Quota
	if quota == 0 {
		quota = 1e9
	}
	text := fmt.Sprintf("quotas:\n  device: {messages: %g, values: 1e12, bytes: 1e12, burst: 1s}\n", quota)
	if err := os.WriteFile(filepath.Join(h.dir, "vigil.yaml"), []byte(text), 0o600); err != nil {
		return err
	}
	return h.start(ctx, "serve")
}

func (c *benchFairCmd) measure(ctx context.Context, h *benchHouse, line progress) (*fairFigures, error) {
	l, err := openLoad(ctx, h, loadSpec{connections: c.Connections, devices: c.Devices, values: 5, window: 64})
	if err != nil {
		return nil, err
	}
	defer l.close()
	out := &fairFigures{Devices: c.Devices, Quota: c.Quota}
	span := time.Duration(c.Seconds) * time.Second
	if out.Alone, err = l.run(ctx, loadRun{name: "alone", rate: c.Rate, span: span}, line); err != nil {
		return nil, err
	}
	raging, calm := context.WithCancel(ctx)
	var sent atomic.Uint64
	mad := make(chan error, 1)
	go func() { mad <- c.rage(raging, h, &sent) }()
	began := time.Now()
	out.Beside, err = l.run(ctx, loadRun{name: "beside the mad device", rate: c.Rate, span: span}, line)
	took := time.Since(began).Seconds()
	out.Offered = math.Round(float64(sent.Load()) / took)
	var status struct{ Load struct{ Level string } }
	err = errors.Join(err, h.get(ctx, "/api/status", &status))
	taken, takenErr := c.taken(ctx, h)
	calm()
	if err = errors.Join(err, takenErr, <-mad); err != nil {
		return nil, err
	}
	out.Accepted = math.Round(taken / took)
	out.Level, out.Share = status.Load.Level, math.Round(1000*out.Beside.ValuesPS/out.Alone.ValuesPS)/1000
	return out, nil
}

// rage sends messages of one device at its rate, acknowledged or not, or as fast as the server reads them.
func (c *benchFairCmd) rage(ctx context.Context, h *benchHouse, sent *atomic.Uint64) error {
	conn, err := sim.DialLoad(ctx, sim.LoadLogin{Addr: h.mqtt, User: h.ward.Gateways[c.Connections], Token: h.ward.Tokens[c.Connections], Window: 1})
	if err != nil {
		return err
	}
	defer conn.Close()                                      //nolint:errcheck // it leaves as it came
	defer context.AfterFunc(ctx, func() { conn.Close() })() //nolint:errcheck // a flush may hang in a connection that is not read
	rate := c.Quota * c.Times
	if c.Quota == 0 {
		rate = c.Mad
	}
	topic, vitals := "vigil/"+h.ward.Devices[c.Devices]+"/data", sim.NewLoadVitals(99)
	at, began, n := time.Now().UnixMilli(), time.Now(), 0
	var body []byte
	for step := 1; ctx.Err() == nil; step++ {
		time.Sleep(time.Until(began.Add(time.Duration(step) * paceStep)))
		for want := int(float64(step) * paceStep.Seconds() * rate); n < want; n++ {
			at++
			body = vitals.Append(body[:0], at, 5)
			conn.Shout(topic, body)
			sent.Add(1)
		}
		if err := conn.Flush(); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// taken returns how many messages of the mad device had their turn since the server's start.
func (c *benchFairCmd) taken(ctx context.Context, h *benchHouse) (float64, error) {
	var device struct{ Load struct{ Taken float64 } }
	err := h.get(ctx, "/api/devices/"+h.ward.Devices[c.Devices], &device)
	return device.Load.Taken, err
}
