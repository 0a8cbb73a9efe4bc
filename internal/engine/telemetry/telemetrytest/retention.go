package telemetrytest

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

func age(text string) telemetry.Age {
	a, err := telemetry.ParseAge(text)
	if err != nil {
		panic(err)
	}
	return a
}

// shortPolicy keeps samples two days, summaries of vitals 40, and nothing else after that.
func shortPolicy() telemetry.Policy {
	forty := age("40d")
	return telemetry.Policy{
		coding.ClassVitals: {Raw: age("2d"), Summaries: &forty}, coding.ClassTechnical: {Raw: age("2d")},
		coding.ClassWaveforms: {Raw: age("3d")}, coding.ClassEvents: {Raw: age("4d")},
	}
}

// past is a subject's last days, a reading of three metrics every ten seconds, with a waveform and an event an hour.
func past(sub vigil.Subject, days int) (out []*vigil.Report) {
	for i := range days * 8640 {
		at := start.Add(time.Duration(i-days*8640) * 10 * time.Second).UnixNano()
		r := &vigil.Report{Device: "patch", Subject: sub, Received: at, Samples: []vigil.Sample{
			{Metric: "heart-rate", Time: at, Value: 70 + math.Round(20*math.Sin(float64(i)/700))}, {Metric: "battery", Time: at, Value: float64(100 - i%100)}}}
		if i%360 == 0 {
			r.Waveforms = []vigil.Waveform{{Metric: "ecg-ii", Start: at, Period: 4e6, Scale: 1, Data: []int16{1, 2, 3}}}
			r.Events = []vigil.Event{{Kind: "dose-taken", Time: at}}
			r.Samples = append(r.Samples, vigil.Sample{Metric: "room-temperature", Time: at, Value: 21})
		}
		out = append(out, r)
	}
	return out
}

func openWith(t *testing.T, d Disk, policy telemetry.Policy) *house {
	t.Helper()
	h := &house{policy: policy}
	h.log, h.series = d.Open(t)
	h.now.Store(start.UnixNano())
	h.open(t)
	return h
}

// retire runs steps of retention until a round is through.
func (h *house) retire(t *testing.T) {
	t.Helper()
	if err := h.Retain(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.now.Add(1) // the clock runs on
	for range 1000 {
		if err := h.Retain(context.Background()); err != nil {
			t.Fatal(err)
		}
		if h.Health().Retention.Subjects == 0 {
			return
		}
	}
	t.Fatal("retention never ends")
}

// kept is what a subject has left.
type kept struct{ raw, summed, battery, room, waves, events int }

func (h *house) kept(t *testing.T, sub vigil.Subject, days int) (k kept) {
	t.Helper()
	from, to := start.AddDate(0, 0, -days), start.Add(time.Hour)
	for _, l := range h.raw(t, telemetry.Query{Subject: sub, From: from, To: to}) {
		switch l.Metric {
		case "heart-rate":
			k.raw = len(l.Points)
		case "battery":
			k.battery = len(l.Points)
		case "room-temperature":
			k.room = len(l.Points)
		}
	}
	for _, l := range h.raw(t, telemetry.Query{Subject: sub, Metrics: []vigil.Metric{"heart-rate"}, From: from, To: start, Points: days * 24}) {
		for _, p := range l.Points {
			k.summed += p.Count
		}
	}
	waves, err := h.Waveform(system(), sub, "ecg-ii", from, to)
	if err != nil {
		t.Fatal(err)
	}
	events, err := h.Events(system(), sub, nil, from, to)
	if err != nil {
		t.Fatal(err)
	}
	k.waves, k.events = len(waves), len(events)
	return k
}

func (k kept) near(want kept) bool {
	close := func(a, b, by int) bool { return a >= b && a <= b+by }
	return close(k.raw, want.raw, 4400) && close(k.battery, want.battery, 4400) && k.summed == want.summed && k.room == want.room && close(k.waves, want.waves, 24) && close(k.events, want.events, 24)
}

func retentionDrops(t *testing.T, d Disk) {
	h := openWith(t, d, shortPolicy())
	const days = 10
	h.add(t, past(sara, days)...)
	if err := h.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := h.raw(t, telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}, From: start.AddDate(0, 0, -days), To: start, Points: days * 24})[0]
	h.retire(t)
	// Floors lie on midnight, start at eight o'clock: up to a day more than the policy stays.
	want := kept{raw: 2 * 8640, summed: days * 8640, battery: 2 * 8640, room: days * 24, waves: 3 * 24, events: 4 * 24}
	if got := h.kept(t, sara, days); !got.near(want) {
		t.Errorf("kept %+v, want about %+v", got, want)
	}
	after := h.raw(t, telemetry.Query{Subject: sara, Metrics: []vigil.Metric{"heart-rate"}, From: start.AddDate(0, 0, -days), To: start, Points: days * 24})[0]
	if fmt.Sprint(after.Points) != fmt.Sprint(before.Points) {
		t.Error("an hourly trend changed when its samples were dropped")
	}
	dropped := h.Health().Retention.Dropped
	if dropped[coding.ClassVitals].Blocks == 0 || dropped[coding.ClassTechnical].Bytes == 0 || dropped[coding.ClassWaveforms].Blocks < 6*24 || dropped[coding.ClassEvents].Blocks < 5*24 || dropped[coding.ClassEnvironment].Blocks != 0 {
		t.Errorf("counted %+v", dropped)
	}
	// What arrives older than is kept is counted and changes nothing; what arrives just younger does not harm the summaries.
	h.add(t, past(sara, days)[:100]...)
	late := start.AddDate(0, 0, -2).Add(-7 * time.Hour)
	h.add(t, &vigil.Report{Device: "patch", Subject: sara, Received: start.UnixNano(), Samples: []vigil.Sample{{Metric: "heart-rate", Time: late.UnixNano() + 5, Value: 33}}})
	if err := h.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	want.summed++
	if got := h.kept(t, sara, days); !got.near(want) {
		t.Errorf("after late samples: kept %+v, want about %+v", got, want)
	}
	if n := h.Health().Retention.Expired; n < 200 {
		t.Errorf("%d of what arrived too old was counted", n)
	}
	h.now.Store(start.AddDate(0, 0, 70).UnixNano())
	h.retire(t)
	if got := h.kept(t, sara, days); got != (kept{room: days * 24}) {
		t.Errorf("after everything is due: %+v", got)
	}
	if last, err := h.Last(system(), sara); err != nil || len(last) != 1 || last[0].Metric != "room-temperature" {
		t.Errorf("last values are %+v, %v", last, err)
	}
	h.stop(t)
}

// retentionSurvives cuts the power after each step and goes on with what the disk has.
func retentionSurvives(t *testing.T, d Disk) {
	h := openWith(t, d, shortPolicy())
	const days, patients = 6, 3
	for i := range patients {
		h.add(t, past(vigil.Subject(fmt.Sprintf("Patient/%d", i)), days)...)
	}
	if err := h.Checkpoint(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := kept{raw: 2 * 8640, summed: days * 8640, battery: 2 * 8640, room: days * 24, waves: 3 * 24, events: 4 * 24}
	for round := range 4 {
		if err := h.Retain(context.Background()); err != nil {
			t.Fatal(err)
		}
		cut := openWith(t, d.PowerCut(t, round*33), shortPolicy())
		for i := range patients {
			if got := cut.kept(t, vigil.Subject(fmt.Sprintf("Patient/%d", i)), days); got.summed != want.summed {
				t.Errorf("after a power cut summaries tell of %d samples, want %d", got.summed, want.summed)
			}
		}
		cut.retire(t)
		for i := range patients {
			if got := cut.kept(t, vigil.Subject(fmt.Sprintf("Patient/%d", i)), days); !got.near(want) {
				t.Errorf("after a power cut: kept %+v, want about %+v", got, want)
			}
		}
		cut.stop(t)
	}
	h.stop(t)
}

func legalHold(t *testing.T, d Disk) {
	h := openWith(t, d, shortPolicy())
	admin := access.With(context.Background(), access.Principal{ID: "a1", Name: "Ada Admin", Roles: []access.Role{access.Admin}})
	nurse := access.With(context.Background(), access.Principal{ID: "n1", Name: "Nora Nurse", Roles: []access.Role{access.Nurse}})
	const days, otto = 6, vigil.Subject("Patient/otto")
	h.add(t, past(sara, days)...)
	h.add(t, past(otto, days)...)
	for what, err := range map[string]error{
		"NurseSets": h.SetHold(nurse, sara, "because"), "NurseLifts": h.LiftHold(nurse, sara), "NobodySets": h.SetHold(context.Background(), sara, "because"),
	} {
		if vigil.KindOf(err) != vigil.Denied {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := h.SetHold(admin, sara, " "); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("without a reason: %v", err)
	}
	if err := h.LiftHold(admin, sara); vigil.KindOf(err) != vigil.NotFound {
		t.Errorf("lifting what is not set: %v", err)
	}
	if err := h.SetHold(admin, sara, "case 12/2026"); err != nil {
		t.Fatal(err)
	}
	if err := h.SetHold(admin, sara, "again"); vigil.KindOf(err) != vigil.Conflict {
		t.Errorf("a second hold: %v", err)
	}
	for round := range 2 { // as set, and after a power cut
		h.retire(t)
		all := days * 8640
		if got := h.kept(t, sara, days); got != (kept{all, all, all, days * 24, days * 24, days * 24}) {
			t.Errorf("round %d: of the held subject is left %+v", round, got)
		}
		if got := h.kept(t, otto, days); got.raw > 4*8640 {
			t.Errorf("round %d: another subject's samples stay: %+v", round, got)
		}
		err := h.Erase(system(), sara)
		if vigil.KindOf(err) != vigil.Conflict {
			t.Fatalf("erasing what is held: %v", err)
		}
		for _, want := range []string{"Ada Admin", "2025-10-09", "case 12/2026", "lift"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
		if list, err := h.Holds(admin); err != nil || len(list) != 1 || list[0].Subject != sara || list[0].ByID != "a1" {
			t.Errorf("holds %+v, %v", list, err)
		}
		if round == 0 {
			cut := openWith(t, d.PowerCut(t, 0), shortPolicy())
			h.stop(t)
			h = cut
		}
	}
	if err := h.LiftHold(admin, sara); err != nil {
		t.Fatal(err)
	}
	if err := h.SetRetention(admin, shortPolicy()); err != nil { // begins a round at once
		t.Fatal(err)
	}
	h.retire(t)
	if got := h.kept(t, sara, days); got.raw > 4*8640 || got.summed != days*8640 {
		t.Errorf("after the hold: %+v", got)
	}
	if err := h.Erase(system(), sara); err != nil {
		t.Error(err)
	}
	h.stop(t)
}
