package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

type replayCmd struct {
	remoteFlags `embed:""`
	Files       []string          `arg:"" name:"file" help:"Recordings: .csv, .hea (WFDB), .vd, each also .gz, .zip of .vd, or a directory."`
	Gateway     string            `help:"Device that speaks for the replayed monitors." default:"replay-gateway"`
	Token       string            `help:"Token of the gateway; then nothing is registered, and the devices replay-<id> must be there." env:"VIGIL_TOKEN"`
	Unit        string            `help:"Unit in which the recordings' patients lie; it is made when it is not there." default:"replay"`
	Speed       string            `help:"Seconds of the recording in one second, or max." default:"1"`
	At          bool              `help:"Keep the times of the recording instead of letting it happen now."`
	FromNow     bool              `help:"Let the recording happen now (the default)." default:"true"`
	Loop        bool              `help:"Begin again at the end, until it is stopped."`
	Only        []string          `help:"Play only the records with these ids." placeholder:"ID"`
	Map         map[string]string `help:"CSV: a column and its metric." placeholder:"HR=heart-rate"`
	Time        string            `help:"CSV: column of the time." placeholder:"COLUMN"`
	TimeUnit    string            `help:"CSV: unit of a number there: s, min, h, ms." placeholder:"UNIT"`
	ID          string            `help:"CSV: column of the record's id." placeholder:"COLUMN"`
	Missing     []float64         `help:"CSV: values that mean not measured." placeholder:"0"`
	Mapping     string            `help:"CSV: a YAML file with time, unit, id, columns and missing." type:"existingfile"`
	Signals     string            `help:".vd: the signals, NAME:UNIT:SCALE[:OFFSET] joined by |." placeholder:"II:mV:500"`
	Rate        int               `help:".vd: samples a second." placeholder:"HZ"`
	Notes       bool              `help:"WFDB: print the changes of rhythm that the .atr file beside the record tells."`
}

// Run implements the command.
func (c *replayCmd) Run(ctx context.Context) error {
	speed, err := c.speed()
	if err != nil {
		return err
	}
	how, err := c.reading()
	if err != nil {
		return err
	}
	records, err := sim.OpenRecordings(c.Files, how)
	if err != nil {
		return err
	}
	for _, r := range records {
		if c.At && (r.Start.IsZero() || time.Since(r.Start) > 400*24*time.Hour) {
			return vigil.Errorf(vigil.Invalid, "replay.at", "record %s has no date of its own within the last 400 days; leave out --at", r.ID)
		}
		for _, why := range r.Left {
			fmt.Fprintf(os.Stderr, "record %s without %s\n", r.ID, why)
		}
	}
	if c.Notes {
		if err := printNotes(c.Files); err != nil {
			return err
		}
	}
	p := &sim.Replay{Recordings: records, Speed: speed, Original: c.At, Device: deviceOf, Now: time.Now, Sleep: pause}
	return c.play(ctx, p)
}

func (c *replayCmd) speed() (float64, error) {
	if c.Speed == "max" {
		if c.Loop {
			return 0, vigil.Errorf(vigil.Invalid, "replay.speed", "--loop plays at --speed 1: faster, each round would happen at the time of the last")
		}
		return 0, nil
	}
	v, err := strconv.ParseFloat(c.Speed, 64)
	switch {
	case err != nil || v < 1 || v > 1e6:
		return 0, vigil.Errorf(vigil.Invalid, "replay.speed", "--speed %s is neither max nor a number from 1 on", c.Speed)
	case c.Loop && v != 1:
		return 0, vigil.Errorf(vigil.Invalid, "replay.speed", "--loop plays at --speed 1: faster, each round would happen at the time of the last")
	}
	return v, nil
}

func (c *replayCmd) reading() (sim.Reading, error) {
	how := sim.Reading{Signals: c.Signals, Rate: c.Rate, Only: c.Only}
	if c.Mapping != "" {
		text, err := os.ReadFile(c.Mapping)
		if err != nil {
			return how, vigil.Errorf(vigil.Invalid, "replay.mapping", "%w", err)
		}
		if how.Columns, err = sim.ParseColumns(c.Mapping, text); err != nil {
			return how, err
		}
	}
	if how.Columns.Map == nil {
		how.Columns.Map = map[string]string{}
	}
	for k, v := range c.Map {
		how.Columns.Map[k] = v
	}
	for to, flag := range map[*string]string{&how.Columns.Time: c.Time, &how.Columns.Unit: c.TimeUnit, &how.Columns.ID: c.ID} {
		if flag != "" {
			*to = flag
		}
	}
	how.Columns.Missing = append(how.Columns.Missing, c.Missing...)
	return how, nil
}

// play prepares the house, plays, takes the monitors off and says what happened.
func (c *replayCmd) play(ctx context.Context, p *sim.Replay) (err error) {
	r, staff := newRemote(c.URL), c.Token == "" || c.Login != ""
	if staff {
		if r, err = c.open(ctx, "nurse"); err != nil {
			return err
		}
	}
	if r.gateway, r.token = c.Gateway, c.Token; c.Token == "" {
		if err := r.enrolGateway(ctx, c.Gateway, "Replayed recordings"); err != nil {
			return err
		}
	}
	before := 0
	if staff {
		if err := c.prepare(ctx, r, p); err != nil {
			return err
		}
		if before, err = r.quarantined(ctx); err != nil {
			return err
		}
		defer func() {
			end, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer stop()
			for _, rec := range p.Recordings { // else each would be missed as a device that fell silent
				err = errors.Join(err, r.takeOff(end, deviceOf(rec)))
			}
		}()
	}
	sent, acknowledged := 0, 0
	p.Send = func(ctx context.Context, batch []sim.Packet) error {
		sent += len(batch)
		if err := r.ingest(ctx, batch); err != nil {
			return err
		}
		acknowledged += len(batch)
		return nil
	}
	p.Progress = bar(fmt.Sprintf("playing %d records", len(p.Recordings)))
	began, values, samples := time.Now(), 0, 0
	for {
		done, perr := p.Run(ctx)
		values, samples = values+done.Values, samples+done.Samples
		if perr != nil && !errors.Is(perr, context.Canceled) {
			return perr
		}
		if perr != nil || !c.Loop {
			break
		}
	}
	fmt.Printf("%d messages sent, %d acknowledged, with %d values and %d waveform samples, in %s\n", sent, acknowledged, values, samples, time.Since(began).Round(10*time.Millisecond))
	if !staff {
		fmt.Println("what was quarantined is seen by who signs in: --login")
		return nil
	}
	after, err := r.quarantined(context.WithoutCancel(ctx))
	if err == nil {
		fmt.Printf("%d quarantined\n", max(0, after-before))
	}
	return err
}

// prepare makes unit, beds, patients, devices and bindings as far as they are not there.
func (c *replayCmd) prepare(ctx context.Context, r *remote, p *sim.Replay) error {
	known := make([]*found, len(p.Recordings))
	need := 0
	for i, rec := range p.Recordings {
		var err error
		if known[i], err = r.guestNamed(ctx, mrnOf(rec)); err != nil {
			return err
		}
		if known[i] == nil || known[i].Bed == nil {
			need++
		}
	}
	name := strings.ToUpper(c.Unit[:1]) + c.Unit[1:]
	beds, err := r.beds(ctx, remoteUnit{c.Unit, name}, need)
	if err != nil {
		return err
	}
	show := bar(fmt.Sprintf("admitting %d patients", need))
	for i, rec := range p.Recordings {
		var patient string
		if k := known[i]; k != nil && k.Bed != nil {
			patient = k.ID
		} else {
			if len(beds) == 0 {
				return vigil.Errorf(vigil.Conflict, "replay.admit", "the unit %s has no free bed; name another with --unit", c.Unit)
			}
			family, given, _ := strings.Cut(rec.Title(), ", ")
			if patient, err = r.admit(ctx, guest{mrn: mrnOf(rec), family: family, given: given, sex: rec.Sex, age: rec.Age}, k, beds[0]); err != nil {
				return err
			}
			beds = beds[1:]
		}
		from := p.Begins(rec, time.Now()).Add(-time.Minute)
		d := wornDevice{id: deviceOf(rec), profile: sim.ReplayProfile, name: "Monitor of " + rec.Title(), patient: patient, from: from}
		if err := r.wear(ctx, d); vigil.KindOf(err) == vigil.Conflict {
			d.from = time.Time{} // it played a moment ago; what lies before goes to the quarantine
			err = r.wear(ctx, d)
			if err != nil {
				return err
			}
		} else if err != nil {
			return err
		}
		if show != nil {
			show(float64(i+1) / float64(len(p.Recordings)))
		}
	}
	return nil
}

// quarantined counts what waits in the quarantine of the replayed monitors.
func (r *remote) quarantined(ctx context.Context) (n int, err error) {
	var list []struct {
		Quarantined int `json:"quarantined"`
	}
	if err := r.call(ctx, "GET", "/api/devices?q=replay-", nil, &list); err != nil {
		return 0, err
	}
	for _, d := range list {
		n += d.Quarantined
	}
	return n, nil
}

var notID = regexp.MustCompile(`[^a-z0-9]+`)

// slug makes an id of what a recording is called.
func slug(r *sim.Recording) string {
	return strings.Trim(notID.ReplaceAllString(strings.ToLower(r.Source+"-"+r.ID), "-"), "-")
}

func deviceOf(r *sim.Recording) string { return "replay-" + slug(r) }

func mrnOf(r *sim.Recording) string { return "REPLAY-" + slug(r) }

func itoa(n int) string { return strconv.Itoa(n) }

// printNotes prints the rhythms that the annotations beside WFDB headers tell.
func printNotes(files []string) error {
	for _, f := range files {
		base, ok := strings.CutSuffix(f, ".hea")
		if !ok {
			continue
		}
		text, err := os.ReadFile(base + ".atr")
		if err != nil {
			continue // not every record is annotated
		}
		notes, err := sim.ParseWFDBNotes(text)
		if err != nil {
			return err
		}
		beats := 0
		for _, n := range notes {
			if n.Text != "" {
				fmt.Printf("%s: sample %d: %s\n", f, n.Sample, n.Text)
			} else {
				beats++
			}
		}
		fmt.Printf("%s: %d annotations without a text\n", f, beats)
	}
	return nil
}
