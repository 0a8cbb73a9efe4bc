package story_test

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/alarm"
	"github.com/vigil-health/vigil/internal/engine/consult"
	"github.com/vigil-health/vigil/internal/engine/ingest"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
	"github.com/vigil-health/vigil/internal/server"
	"github.com/vigil-health/vigil/internal/sim"
)

// TestStories tells every story to a whole Vigil on virtual time: real engines on real stores, with every door shut.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("*.story")
	if err != nil || len(files) < 4 {
		t.Fatalf("%d stories, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".story"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			story, err := sim.ParseStory(file, text)
			if err != nil {
				t.Fatal(err)
			}
			if out := play(t, story, ""); out.skipped != "" {
				t.Skip(out.skipped)
			}
		})
	}
}

// TestStoryNotices holds that a story fails when what it expects does not happen.
func TestStoryNotices(t *testing.T) {
	for name, text := range map[string]string{
		"NobodyPaged": "0s sara systolic 121\nexpect dr-lee paged within 20s\n",
		"AlarmRaised": "0s sara systolic 80\nexpect no alarm for 20s\n",
		"NotResolved": "0s sara systolic 80\nexpect alarm map-low resolved within 20s\n",
		"OtherTrend":  "0s sara systolic 121\n30s sara systolic 120\nexpect trend sara systolic 90 at 10s\n",
		"NoAlarm":     "0s sara systolic 121\ndr-lee acknowledges\n",
	} {
		t.Run(name, func(t *testing.T) {
			story, err := sim.ParseStory(name, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if out := tell(t, story, ""); out.failed != 1 || out.err != nil {
				t.Errorf("%d failed, %v", out.failed, out.err)
			}
		})
	}
}

type outcome struct {
	failed  int
	err     error
	skipped string
	lines   []string
}

// play tells the story and fails the test with the whole course when something expected did not happen.
func play(t *testing.T, story *sim.Story, records string) outcome {
	t.Helper()
	out := tell(t, story, records)
	if out.failed > 0 || out.err != nil {
		t.Errorf("%d expectations failed, %v\n%s", out.failed, out.err, strings.Join(out.lines, "\n"))
	}
	return out
}

// tell tells the story to a Vigil that keeps its records in the place, in its directory when that is "".
func tell(t *testing.T, story *sim.Story, records string) (out outcome) {
	t.Helper()
	dir := t.TempDir()
	h, err := sim.LoadHospital()
	if err != nil {
		t.Fatal(err)
	}
	if err := story.Check(h); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(until(t, time.Now(), story.Begins))
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		s, err := server.Open(ctx, server.Config{Data: dir, Records: records, Site: h.Site, Demo: true}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.Seed(ctx, sim.House{Records: s.Engines.Records, Devices: s.Engines.Devices, Accounts: s.Engines.Accounts, Now: time.Now, Since: time.Hour}); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Ready()
		cast := map[string]sim.Role{}
		for _, name := range story.Patients() {
			if cast[name], err = h.RoleOf(name); err != nil {
				t.Fatal(err)
			}
		}
		st := &stage{e: s.Engines, h: h, apps: s.Applications()}
		teller := sim.Teller{Story: story, Hospital: h, Stage: st, Cast: cast, Tell: func(d sim.Told) {
			out.lines = append(out.lines, fmt.Sprintf("%8s %s %s  (%s)", d.At, d.Mark(), d.Line.Text, d.Detail))
			if d.Skipped {
				out.skipped = cmp.Or(out.skipped, d.Detail)
			}
		}}
		out.failed, out.err = teller.Run(ctx)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return out
}

// until returns how long it is from the beginning of virtual time, in the year 2000, to a day of 2026 at the time of day.
func until(t *testing.T, now time.Time, begins string) time.Duration {
	t.Helper()
	clock, err := time.Parse("15:04", cmp.Or(begins, "10:00"))
	if err != nil {
		t.Fatal(err)
	}
	return time.Date(2026, 5, 4, clock.Hour(), clock.Minute(), 0, 0, time.Local).Sub(now)
}

// stage is a Vigil in this process.
type stage struct {
	e *server.Engines
	h *sim.Hospital

	apps []app.App
}

func (st *stage) Now() time.Time { return time.Now() }

func (st *stage) Wait(_ context.Context, d time.Duration) error {
	time.Sleep(d)
	synctest.Wait()
	return nil
}

func (st *stage) Send(_ context.Context, device string, payload []byte) error {
	done := make(chan error, 1)
	st.e.Ingest.Accept(ingest.Message{Device: vigil.DeviceID(device), Protocol: "story", Payload: payload}, func(err error) { done <- err })
	err := <-done
	synctest.Wait()
	return err
}

func (st *stage) Alarms(ctx context.Context, patient string, since time.Time) ([]vigil.Alarm, error) {
	ctx = access.AsSystem(ctx, "story")
	list, err := st.e.Desk.List(ctx, alarm.Query{Subject: vigil.PatientSubject(patient), From: since})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i], err = st.e.Desk.Get(ctx, list[i].ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// as signs a person of the hospital in.
func (st *stage) as(ctx context.Context, who string) (context.Context, error) {
	all, err := st.e.Accounts.List(access.AsSystem(ctx, "story"))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(a access.Account) bool { return a.Login == st.h.LoginOf(who) })
	if i < 0 {
		return nil, vigil.Errorf(vigil.NotFound, "story.as", "%s has no account", who)
	}
	return access.With(ctx, all[i].Principal()), nil
}

func (st *stage) Act(ctx context.Context, who, id string, a sim.Act) error {
	ctx, err := st.as(ctx, who)
	if err != nil {
		return err
	}
	_, err = st.e.Desk.Do(ctx, id, alarm.Action{Kind: a.Action, Text: a.Text})
	return err
}

func (st *stage) Talk(ctx context.Context, who string, t sim.Talk) error {
	ctx, err := st.as(ctx, who)
	if err != nil {
		return err
	}
	patient := vigil.PatientSubject(t.Patient)
	if t.Verb == "open" {
		_, err := st.e.Consults.Open(ctx, consult.Request{Patient: patient, Alarm: t.Alarm, Video: true})
		return err
	}
	c, err := st.e.Consults.Current(ctx, patient)
	if err != nil {
		return err
	}
	switch t.Verb {
	case "join":
		_, err = st.e.Consults.Join(ctx, c.ID)
	case "leave":
		_, err = st.e.Consults.Leave(ctx, c.ID)
	case "write":
		_, err = st.e.Consults.Say(ctx, c.ID, consult.KindMessage, t.Text)
	case "close":
		_, err = st.e.Consults.Close(ctx, c.ID, t.Text, t.Action)
	}
	return err
}

func (st *stage) Value(ctx context.Context, patient, metric string, at time.Time) (float64, bool, error) {
	lines, err := st.e.Telemetry.Query(access.AsSystem(ctx, "story"), telemetry.Query{
		Subject: vigil.PatientSubject(patient), Metrics: []vigil.Metric{vigil.Metric(metric)}, From: at.Add(-30 * time.Second), To: at.Add(time.Millisecond)})
	if err != nil || len(lines) == 0 || len(lines[0].Points) == 0 {
		return 0, false, err
	}
	return lines[0].Points[len(lines[0].Points)-1].Mean, true, nil
}

// Has is answered by the applications of the build.
func (st *stage) Has(_ context.Context, name string) bool {
	return slices.ContainsFunc(st.apps, func(a app.App) bool { return a.Name == name })
}
