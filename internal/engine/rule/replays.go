package rule

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
)

// ReplayState is where a replay stands.
type ReplayState string

// The states of a replay. One that the end of the process interrupted is queued again.
const (
	ReplayQueued    ReplayState = "queued"
	ReplayRunning   ReplayState = "running"
	ReplayDone      ReplayState = "done"
	ReplayFailed    ReplayState = "failed"
	ReplayCancelled ReplayState = "cancelled"
)

// Replay is a run of changed rules over kept telemetry.
type Replay struct {
	ID       string      `json:"id"`
	State    ReplayState `json:"state"`
	Text     string      `json:"text"` // YAML of the rules
	Keys     []string    `json:"rules"`
	Note     string      `json:"note,omitempty"`
	By       string      `json:"by"`
	Name     string      `json:"name"`
	At       time.Time   `json:"at"`
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	Started  time.Time   `json:"started,omitzero"`
	Finished time.Time   `json:"finished,omitzero"`
	Events   []Known     `json:"events,omitempty"` // handed in, beside those of the house
	Units    []string    `json:"units,omitempty"`  // only subjects that these care units watch now; none is all

	HoursDone float64  `json:"subject_hours_done"`
	HoursAll  float64  `json:"subject_hours_all"`
	ETA       float64  `json:"eta_s,omitempty"`
	Error     string   `json:"error,omitempty"`
	Outcome   *Outcome `json:"outcome,omitempty"`
}

// ReplayBook keeps replays.
type ReplayBook interface {
	PutReplay(ctx context.Context, r Replay) error
	GetReplay(ctx context.Context, id string) (Replay, error)
	ListReplays(ctx context.Context, limit int) ([]Replay, error)
}

// ReplaysConfig is what replays need from outside.
type ReplaysConfig struct {
	Book       ReplayBook
	Rules      *Rulebook
	Raw        Raw
	Limits     Limits // nil: everybody is an adult
	Known      func(ctx context.Context, from, to time.Time) ([]Known, error)
	NewID      func() string
	Now        func() time.Time
	Busy       func() bool // the house has more urgent work: replays wait
	Background func()      // called at the start of every worker, to make its thread a low one; may be nil
}

// Replays runs replays, one after the other, each on at most two cores and behind everything else.
type Replays struct {
	cfg  ReplaysConfig
	wake chan struct{}
	mu   sync.Mutex
	now  *Replay // that runs
	stop context.CancelCauseFunc
}

const (
	replayWorkers = 2
	mostDays      = 366
	mostEvents    = 10_000
)

// NewReplays returns the runner; Run does the work.
func NewReplays(cfg ReplaysConfig) *Replays {
	return &Replays{cfg: cfg, wake: make(chan struct{}, 1)}
}

// ReplayRequest asks for a replay of the rules of a text over the last days.
type ReplayRequest struct {
	Text   string  `json:"text"`
	Days   int     `json:"days"`
	Note   string  `json:"note"`
	Events []Known `json:"events"`

	Units []string `json:"units"` // ids of care units; none is all
}

// Start checks a request and puts it in the queue. It returns Invalid with every fault, and Denied to who may not propose
// rules.
func (r *Replays) Start(ctx context.Context, q ReplayRequest) (Replay, error) {
	who, err := r.cfg.Rules.mayPropose(ctx)
	if err != nil {
		return Replay{}, err
	}
	if q.Days == 0 {
		q.Days = 30
	}
	if q.Days < 1 || q.Days > mostDays || len(q.Events) > mostEvents {
		return Replay{}, vigil.Errorf(vigil.Invalid, "rule.replay", "a replay looks back from 1 to %d days and knows at most %d events", mostDays, mostEvents)
	}
	if _, file, err := r.cfg.Rules.TryText(ctx, q.Text); err != nil {
		return Replay{}, err
	} else if len(file.Rules) == 0 {
		return Replay{}, vigil.Errorf(vigil.Invalid, "rule.replay", "the text holds no rule")
	} else {
		to := r.cfg.Now().UTC()
		out := Replay{
			ID: r.cfg.NewID(), State: ReplayQueued, Text: q.Text, Keys: keysOf(file), Note: q.Note, By: who.ID, Name: who.Name,
			At: to, To: to, From: to.AddDate(0, 0, -q.Days), Events: q.Events, Units: q.Units,
		}
		if err := r.cfg.Book.PutReplay(ctx, out); err != nil {
			return Replay{}, err
		}
		select {
		case r.wake <- struct{}{}:
		default:
		}
		return out, r.cfg.Rules.audit(ctx, "rule.replay", strings.Join(out.Keys, ","), out.ID)
	}
}

// Get returns a replay; of one that runs, as far as it is. Replays name patients, so they are for clinical staff and for
// who started them.
func (r *Replays) Get(ctx context.Context, id string) (Replay, error) {
	out, err := r.cfg.Book.GetReplay(ctx, id)
	if err != nil {
		return out, err
	}
	who, ok := access.From(ctx)
	if !ok || !who.Clinical() && out.By != who.ID {
		return Replay{}, vigil.Errorf(vigil.Denied, "rule.replay", "this replay is somebody else's")
	}
	if !who.Clinical() {
		out.hide()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now != nil && r.now.ID == id {
		live := *r.now
		live.Outcome = nil
		return live, nil
	}
	return out, nil
}

// hide takes away what names patients: an engineer sees how often, not who.
func (r *Replay) hide() {
	r.Events = nil
	if r.Outcome == nil {
		return
	}
	o := *r.Outcome
	o.Today.Top, o.After.Top, o.Change.Examples, o.Known.List = nil, nil, nil, nil
	o.ByRule = map[string]Load{}
	for k, l := range r.Outcome.ByRule {
		l.Top = nil
		o.ByRule[k] = l
	}
	r.Outcome = &o
}

// List returns the newest replays without their outcomes.
func (r *Replays) List(ctx context.Context) ([]Replay, error) {
	list, err := r.cfg.Book.ListReplays(ctx, 50)
	for i := range list {
		list[i].Outcome, list[i].Events = nil, nil
	}
	return list, err
}

// Cancel ends a replay that waits or runs. It returns Conflict when it is over.
func (r *Replays) Cancel(ctx context.Context, id string) error {
	who, err := r.cfg.Rules.mayPropose(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	if r.now != nil && r.now.ID == id {
		r.stop(errCancelled())
		r.mu.Unlock()
		return nil
	}
	r.mu.Unlock()
	out, err := r.cfg.Book.GetReplay(ctx, id)
	if err != nil {
		return err
	}
	if out.State != ReplayQueued && out.State != ReplayRunning {
		return vigil.Errorf(vigil.Conflict, "rule.replay", "the replay is %s already", out.State)
	}
	out.State, out.Error, out.Finished = ReplayCancelled, "cancelled by "+who.Name, r.cfg.Now().UTC()
	return r.cfg.Book.PutReplay(ctx, out)
}

func errCancelled() error { return vigil.Errorf(vigil.Conflict, "rule.replay", "cancelled") }

// Run works the queue off until the context ends. What it was at is queued again by the next Run.
func (r *Replays) Run(ctx context.Context) error {
	house := access.AsSystem(ctx, roomName)
	for {
		next, err := r.next(house)
		if err == nil && next != nil {
			err = r.run(house, *next)
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil && next != nil:
			continue
		}
		select {
		case <-r.wake:
		case <-time.After(time.Minute):
		case <-ctx.Done():
			return nil
		}
	}
}

// next returns the oldest replay that waits, or that was interrupted.
func (r *Replays) next(ctx context.Context) (*Replay, error) {
	list, err := r.cfg.Book.ListReplays(ctx, 1000)
	if err != nil {
		return nil, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].State == ReplayQueued || list[i].State == ReplayRunning {
			return &list[i], nil
		}
	}
	return nil, nil
}

// run plays one replay and keeps what came of it.
func (r *Replays) run(ctx context.Context, job Replay) error {
	job.State, job.Started, job.HoursDone, job.HoursAll = ReplayRunning, r.cfg.Now().UTC(), 0, 0
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	r.mu.Lock()
	r.now, r.stop = &job, stop
	r.mu.Unlock()
	if err := r.cfg.Book.PutReplay(ctx, job); err != nil {
		return err
	}
	out, err := r.play(inner, &job)
	r.mu.Lock()
	done := job
	r.now = nil
	r.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	done.Finished, done.ETA = r.cfg.Now().UTC(), 0
	switch {
	case err == nil:
		done.State, done.Outcome = ReplayDone, out
		out.Took = done.Finished.Sub(done.Started).Seconds()
	case inner.Err() != nil:
		done.State, done.Error = ReplayCancelled, "cancelled"
	default:
		done.State, done.Error = ReplayFailed, vigil.Message(err)
	}
	return r.cfg.Book.PutReplay(ctx, done)
}

// play runs the subjects side by side.
func (r *Replays) play(ctx context.Context, job *Replay) (*Outcome, error) {
	file, err := catalog.ParseRules("rule", []byte(job.Text))
	if err != nil {
		return nil, err
	}
	today, after, err := r.cfg.Rules.sets(ctx, file)
	if err != nil {
		return nil, err
	}
	p, err := newPlay(today, after, job.Keys)
	if err != nil {
		return nil, err
	}
	known := job.Events
	if r.cfg.Known != nil {
		more, err := r.cfg.Known(ctx, job.From, job.To)
		if err != nil {
			return nil, err
		}
		known = append(known, more...)
	}
	zone := r.cfg.Rules.cfg.Zone
	if zone == nil {
		zone = time.UTC
	}
	p.raw, p.from, p.to, p.profile, p.breathe = r.cfg.Raw, job.From, job.To, r.profile, r.breathe
	subjects, err := r.subjects(ctx, job.Units)
	if err != nil {
		return nil, err
	}
	known = slices.DeleteFunc(known, func(k Known) bool { return len(job.Units) > 0 && !slices.Contains(subjects, k.Subject) })
	r.mu.Lock()
	job.HoursAll = float64(len(subjects)) * job.To.Sub(job.From).Hours()
	r.mu.Unlock()
	p.progress = func(hours float64, _ int) { r.note(job, hours) }
	return r.crew(ctx, p, subjects, newTally(zone, job.To, known))
}

// subjects returns who is replayed: everybody, or those whom some units watch now.
func (r *Replays) subjects(ctx context.Context, units []string) ([]vigil.Subject, error) {
	all := r.cfg.Raw.Subjects(ctx)
	if len(units) == 0 {
		return all, nil
	}
	var out []vigil.Subject
	for _, s := range all {
		prof, err := r.profile(ctx, s)
		if err != nil {
			return nil, err
		}
		if slices.Contains(units, prof.Unit) {
			out = append(out, s)
		}
	}
	return out, nil
}

// crew shares the subjects out to the workers.
func (r *Replays) crew(ctx context.Context, p *play, subjects []vigil.Subject, sum *tally) (*Outcome, error) {
	var mu sync.Mutex
	todo := make(chan vigil.Subject)
	group, inner := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(todo)
		for _, s := range subjects {
			select {
			case todo <- s:
			case <-inner.Done():
				return inner.Err()
			}
		}
		return nil
	})
	for range min(replayWorkers, runtime.GOMAXPROCS(0)) {
		group.Go(func() error {
			if r.cfg.Background != nil {
				r.cfg.Background()
			}
			for s := range todo {
				out, err := p.subject(inner, s)
				if err != nil {
					return err
				}
				mu.Lock()
				sum.add(out)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return sum.result(), nil
}

func (r *Replays) profile(ctx context.Context, s vigil.Subject) (Profile, error) {
	if r.cfg.Limits == nil {
		return Profile{AgeGroup: Adult}, nil
	}
	return r.cfg.Limits.LimitsFor(ctx, s)
}

// breathe gives way between stretches and waits while the house has more urgent work.
func (r *Replays) breathe(ctx context.Context) error {
	runtime.Gosched()
	for r.cfg.Busy != nil && r.cfg.Busy() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return errors.Join(ctx.Err())
}

// note counts progress and says how long it will still take.
func (r *Replays) note(job *Replay, hours float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	job.HoursDone += hours
	if took := r.cfg.Now().Sub(job.Started).Seconds(); job.HoursDone > 0 {
		job.ETA = took / job.HoursDone * (job.HoursAll - job.HoursDone)
	}
}
