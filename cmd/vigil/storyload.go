package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

// load tells the story many times at once, each with invented patients, and prints how long Vigil took.
func (c *storyCmd) load(ctx context.Context, st *troupe, story *sim.Story) (err error) {
	names := story.Patients()
	beds, err := st.staff.beds(ctx, remoteUnit{"stories", "Stories"}, c.Times*len(names))
	if err != nil {
		return err
	}
	var casts []map[string]sim.Role
	defer func() {
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer stop()
		for _, cast := range casts {
			for _, role := range cast {
				err = errors.Join(err, st.staff.takeOff(end, role.Patch))
			}
		}
	}()
	show := bar(fmt.Sprintf("inventing %d patients", c.Times*len(names)))
	for n := 1; n <= c.Times; n++ {
		cast, err := c.invent(ctx, st, names, &beds, n)
		if err != nil {
			return err
		}
		casts = append(casts, cast)
		if show != nil {
			show(float64(n) / float64(c.Times))
		}
	}
	m := &measure{after: map[int][]time.Duration{}, lost: map[int]int{}}
	var wg sync.WaitGroup
	for _, cast := range casts {
		wg.Go(func() {
			stage := &remoteStage{troupe: st}
			t := sim.Teller{Story: story, Hospital: st.h, Stage: stage, Cast: cast, Speed: c.Speed, Tell: m.note}
			_, err := t.Run(ctx)
			m.done(stage.acks, err)
		})
	}
	wg.Wait()
	return m.print(story, c.Times)
}

// invent makes the patients of one telling, or finds them from an earlier one.
func (c *storyCmd) invent(ctx context.Context, st *troupe, names []string, beds *[]string, n int) (map[string]sim.Role, error) {
	cast := map[string]sim.Role{}
	for i, name := range names {
		role, err := st.h.RoleOf(name)
		if err != nil {
			return nil, err
		}
		id := fmt.Sprintf("%03d-%d", n, i+1)
		known, err := st.staff.guestNamed(ctx, "STORY-"+id)
		if err != nil {
			return nil, err
		}
		switch {
		case known != nil && known.Bed != nil:
			role.Patient = known.ID
		case len(*beds) == 0:
			return nil, vigil.Errorf(vigil.Conflict, "story.invent", "the unit Stories has no free bed left")
		default:
			g := guest{mrn: "STORY-" + id, family: "Story " + id, given: "Invented", sex: "F", age: 54}
			if role.Patient, err = st.staff.admit(ctx, g, known, (*beds)[0]); err != nil {
				return nil, err
			}
			*beds = (*beds)[1:]
		}
		role.Patch, role.Dispenser, role.Mute = "story-"+id, "", true
		if err := st.staff.wear(ctx, wornDevice{id: role.Patch, profile: "smart-patch", name: "Patch of story " + id, patient: role.Patient}); err != nil {
			return nil, err
		}
		cast[name] = role
	}
	return cast, nil
}

// measure gathers what all tellings met.
type measure struct {
	mu    sync.Mutex
	acks  []time.Duration
	after map[int][]time.Duration // by line
	lost  map[int]int
	errs  []error
}

func (m *measure) note(d sim.Told) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case d.Skipped:
	case !d.OK:
		m.lost[d.Line.No]++
	case d.Line.Expects() && d.Line.Do != sim.ExpectNone:
		m.after[d.Line.No] = append(m.after[d.Line.No], d.After)
	}
}

func (m *measure) done(acks []time.Duration, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acks = append(m.acks, acks...)
	if err != nil {
		m.errs = append(m.errs, err)
	}
}

func (m *measure) print(story *sim.Story, times int) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "told %d times\t\tp50\tp99\tmax\n", times)
	fmt.Fprintf(w, "message acknowledged\t%d\t%s\n", len(m.acks), delays(m.acks))
	failed := 0
	for i := range story.Lines {
		l := &story.Lines[i]
		if n := m.lost[l.No]; n > 0 {
			failed += n
			fmt.Fprintf(w, "✗ %s\t%d of %d\n", l.Text, n, times)
		}
		if list := m.after[l.No]; len(list) > 0 {
			fmt.Fprintf(w, "✓ %s\t%d\t%s\n", l.Text, len(list), delays(list))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(m.errs) > 0 {
		return fmt.Errorf("%d of %d could not be told; the first: %w", len(m.errs), times, m.errs[0])
	}
	if failed > 0 {
		return vigil.Errorf(vigil.Conflict, "story.load", "%d things did not happen as the story has them", failed)
	}
	return nil
}

func delays(list []time.Duration) string {
	if len(list) == 0 {
		return "–\t–\t–"
	}
	slices.Sort(list)
	at := func(q float64) time.Duration { return list[int(q*float64(len(list)-1))].Round(100 * time.Microsecond) }
	return fmt.Sprintf("%s\t%s\t%s", at(0.5), at(0.99), at(1))
}
