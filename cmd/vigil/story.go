package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

type storyCmd struct {
	remoteFlags `embed:""`
	File        string  `arg:"" help:"Story, such as test/story/sara.story." type:"existingfile"`
	Speed       float64 `help:"Seconds of the story in one second while nothing is awaited." default:"60"`
	Times       int     `help:"Tell it so many times at once, with invented patients, and measure." default:"1"`
}

// Run implements the command.
func (c *storyCmd) Run(ctx context.Context) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return vigil.Errorf(vigil.Invalid, "story.read", "%w", err)
	}
	story, err := sim.ParseStory(c.File, text)
	if err != nil {
		return err
	}
	h, err := sim.LoadHospital()
	if err != nil {
		return err
	}
	if err := story.Check(h); err != nil {
		return err
	}
	if c.Speed < 1 || c.Times < 1 || c.Times > 10_000 {
		return vigil.Errorf(vigil.Invalid, "story.flags", "--speed is at least 1, --times 1 to 10000")
	}
	if story.Begins != "" && time.Now().Format("15:04") != story.Begins {
		return vigil.Errorf(vigil.Invalid, "story.begins", "this story begins at %s, since it is about times of day; tell it then, or as a test: go test ./test/story", story.Begins)
	}
	staff, err := c.open(ctx, "nurse")
	if err != nil {
		return err
	}
	if err := staff.enrolGateway(ctx, "story-gateway", "Stories"); err != nil {
		return err
	}
	st := &troupe{cmd: c, h: h, staff: staff, people: map[string]*remote{}}
	if c.Times > 1 {
		return c.load(ctx, st, story)
	}
	return c.once(ctx, st, story)
}

// once tells the story with the patients of the simulated hospital and prints each line as it happens.
func (c *storyCmd) once(ctx context.Context, st *troupe, story *sim.Story) (err error) {
	cast, undress, err := st.dress(ctx, story)
	defer func() {
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer stop()
		for _, fn := range slices.Backward(undress) {
			err = errors.Join(err, fn(end))
		}
	}()
	if err != nil {
		return err
	}
	fmt.Println(story.Title)
	t := sim.Teller{Story: story, Hospital: st.h, Stage: &remoteStage{troupe: st}, Cast: cast, Speed: c.Speed, Poll: 250 * time.Millisecond, Tell: func(d sim.Told) {
		note := d.Detail
		if d.Line.Expects() && d.OK && !d.Skipped {
			note = strings.TrimSuffix(note+", ", ", ") + " after " + d.After.Round(10*time.Millisecond).String()
		}
		fmt.Printf("%9s %s %s  %s\n", d.At.Round(time.Second), d.Mark(), d.Line.Text, strings.TrimSpace(note))
	}}
	failed, err := t.Run(ctx)
	if err == nil && failed > 0 {
		err = vigil.Errorf(vigil.Conflict, "story.tell", "%d things did not happen as the story has them", failed)
	}
	return err
}

// troupe is everybody who plays on a running Vigil.
type troupe struct {
	cmd    *storyCmd
	h      *sim.Hospital
	staff  *remote
	mu     sync.Mutex
	people map[string]*remote
}

// as returns the session of a person. With an account of one's own, that account acts for all staff.
func (st *troupe) as(ctx context.Context, who string) (*remote, error) {
	login := st.h.LoginOf(who)
	if st.cmd.Login != "" {
		return st.staff, nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if r := st.people[login]; r != nil {
		return r, nil
	}
	r := newRemote(st.staff.url)
	if err := r.call(ctx, "POST", "/api/session/visit", map[string]string{"login": login}, nil); err != nil {
		return nil, err
	}
	st.people[login] = r
	return r, nil
}

// dress puts a patch of the story on each of its patients in place of their own, which goes into a drawer until undress.
func (st *troupe) dress(ctx context.Context, story *sim.Story) (cast map[string]sim.Role, undress []func(context.Context) error, err error) {
	cast = map[string]sim.Role{}
	for _, name := range story.Patients() {
		role, err := st.h.RoleOf(name)
		if err != nil {
			return cast, undress, err
		}
		if own := role.Patch; own != "" {
			role.Patch = "story-" + own
			subject := map[string]any{"subject": vigil.PatientSubject(role.Patient)}
			if err := st.staff.takeOff(ctx, own); err != nil {
				return cast, undress, fmt.Errorf("the story is about the simulated hospital: %w", err)
			}
			undress = append(undress, func(ctx context.Context) error {
				return errors.Join(st.staff.takeOff(ctx, role.Patch), st.staff.call(ctx, "POST", "/api/devices/"+own+"/bind", subject, nil))
			})
			if err := st.staff.wear(ctx, wornDevice{id: role.Patch, profile: "smart-patch", name: "Patch of the story", patient: role.Patient}); err != nil {
				return cast, undress, err
			}
		}
		role.Mute = role.Mute || st.cmd.Login != ""
		cast[name] = role
	}
	return cast, undress, nil
}

// remoteStage tells on a running Vigil.
type remoteStage struct {
	*troupe
	acks []time.Duration
}

// Now implements sim.Stage.
func (st *remoteStage) Now() time.Time { return time.Now() }

// Wait implements sim.Stage.
func (st *remoteStage) Wait(ctx context.Context, d time.Duration) error { return pause(ctx, d) }

// Send implements sim.Stage.
func (st *remoteStage) Send(ctx context.Context, device string, payload []byte) error {
	began := time.Now()
	err := st.staff.ingest(ctx, []sim.Packet{{Device: device, Payload: payload}})
	st.acks = append(st.acks, time.Since(began))
	return err
}

// Alarms implements sim.Stage.
func (st *remoteStage) Alarms(ctx context.Context, patient string, since time.Time) (out []vigil.Alarm, err error) {
	path := fmt.Sprintf("/api/patients/%s/alarms?from_ms=%d&to_ms=%d", url.PathEscape(patient), since.UnixMilli(), time.Now().Add(time.Minute).UnixMilli())
	return out, st.staff.call(ctx, "GET", path, nil, &out)
}

// Act implements sim.Stage.
func (st *remoteStage) Act(ctx context.Context, who, alarm string, a sim.Act) error {
	r, err := st.as(ctx, who)
	if err != nil {
		return err
	}
	return r.call(ctx, "POST", "/api/alarms/"+url.PathEscape(alarm)+"/"+a.Action, map[string]string{"text": a.Text}, nil)
}

// Talk implements sim.Stage.
func (st *remoteStage) Talk(ctx context.Context, who string, t sim.Talk) error {
	r, err := st.as(ctx, who)
	if err != nil {
		return err
	}
	if t.Verb == "open" {
		return r.call(ctx, "POST", "/api/consults", map[string]any{"patient_id": t.Patient, "alarm": t.Alarm, "video": true}, nil)
	}
	var list []struct{ ID, State string }
	if err := r.call(ctx, "GET", "/api/consults?patient_id="+url.QueryEscape(t.Patient), nil, &list); err != nil {
		return err
	}
	for _, c := range list {
		path := "/api/consults/" + url.PathEscape(c.ID) + "/"
		switch {
		case c.State == "closed":
			continue
		case t.Verb == "write":
			return r.call(ctx, "POST", path+"messages", map[string]string{"text": t.Text}, nil)
		case t.Verb == "close":
			return r.call(ctx, "POST", path+"close", map[string]string{"note": t.Text, "action": t.Action}, nil)
		}
		return r.call(ctx, "POST", path+t.Verb, nil, nil)
	}
	return vigil.Errorf(vigil.NotFound, "story.talk", "no consult is open")
}

// Value implements sim.Stage.
func (st *remoteStage) Value(ctx context.Context, patient, metric string, at time.Time) (float64, bool, error) {
	var trend struct {
		Series []struct {
			Metric string       `json:"metric"`
			Points [][4]float64 `json:"points"`
		} `json:"series"`
	}
	path := fmt.Sprintf("/api/patients/%s/trend?metrics=%s&from_ms=%d&to_ms=%d&points=500", url.PathEscape(patient), metric, at.Add(-30*time.Second).UnixMilli(), at.UnixMilli()+1)
	if err := st.staff.call(ctx, "GET", path, nil, &trend); err != nil {
		return 0, false, err
	}
	for _, s := range trend.Series {
		if n := len(s.Points); s.Metric == metric && n > 0 {
			return s.Points[n-1][1], true, nil
		}
	}
	return 0, false, nil
}

// Has implements sim.Stage.
func (st *remoteStage) Has(ctx context.Context, app string) bool {
	var session struct {
		Menu []struct {
			App string `json:"app"`
		} `json:"menu"`
	}
	if err := st.staff.call(ctx, "GET", "/api/session", nil, &session); err != nil {
		return false
	}
	for _, m := range session.Menu {
		if m.App == app {
			return true
		}
	}
	return false
}
