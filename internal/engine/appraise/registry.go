package appraise

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/predict"
	"github.com/vigil-health/vigil/internal/engine/predict/deterioration"
	"github.com/vigil-health/vigil/internal/engine/predict/falsealarm"
)

const (
	queued   = 256 // alarms that wait to be judged in shadow, or verdicts to be stored
	roomName = "models"
)

// Registry holds the models.
//
//	off ──► shadow ──► proposed ──► notify        Set, Propose (validated here), Approve (somebody else)
//	  ◄───────┴────────────┴──────────┘           Set: back at once, by one person
type Registry struct {
	cfg    Config
	models []*model
	work   chan func(context.Context)
	lost   atomic.Uint64 // judgements that found no room in the queue
	latest sync.Map      // vigil.Subject → Verdict, the newest risk while a model notifies
	change sync.Mutex    // one change of a standing at a time
	hour   atomic.Int64  // that Hourly has scored, Unix seconds; 0 after a change of a standing
}

// model is one of the catalogue, ready to run.
type model struct {
	catalog.Model
	forest   *predict.Forest
	curve    predict.Curve
	standing atomic.Pointer[Standing]
}

// New reads the models and where they stand. It returns Invalid for a model that does not fit the features made here.
func New(ctx context.Context, cfg Config) (*Registry, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	r := &Registry{cfg: cfg, work: make(chan func(context.Context), queued)}
	kept, err := cfg.Book.Standings(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range cfg.Models {
		m, err := open(c)
		if err != nil {
			return nil, err
		}
		m.standing.Store(&Standing{Key: c.Key, Version: c.Version, State: Off})
		for _, s := range kept {
			if s.Key == c.Key && s.Version == c.Version {
				m.standing.Store(&s)
			}
		}
		r.models = append(r.models, m)
	}
	return r, nil
}

func open(c catalog.Model) (*model, error) {
	data, err := c.Forest()
	if err != nil {
		return nil, err
	}
	m := &model{Model: c, curve: predict.Curve(c.Calibration)}
	if m.forest, err = predict.Decode(data); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "appraise.open", "model %s: %w", c.Key, err)
	}
	if err := m.curve.Check(); err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "appraise.open", "model %s: %w", c.Key, err)
	}
	var names []string
	switch c.Kind {
	case FalseAlarm:
		names = falsealarm.Names()
	case Deterioration:
		for _, f := range deterioration.Names() {
			names = append(names, f.Key())
		}
	default:
		return nil, vigil.Errorf(vigil.Invalid, "appraise.open", "model %s is of kind %q, neither %s nor %s", c.Key, c.Kind, FalseAlarm, Deterioration)
	}
	if !slices.Equal(names, m.forest.Names()) {
		return nil, vigil.Errorf(vigil.Invalid, "appraise.open", "model %s was trained on other features; train it again with this version (training/README.md)", c.Key)
	}
	return m, nil
}

func (r *Registry) model(key string) (*model, error) {
	for _, m := range r.models {
		if m.Key == key {
			return m, nil
		}
	}
	return nil, vigil.Errorf(vigil.NotFound, "appraise.model", "there is no model %q", key)
}

// of returns the model of a kind that is not off, nil when there is none.
func (r *Registry) of(kind string) (*model, State) {
	for _, m := range r.models {
		if s := m.standing.Load().State; m.Kind == kind && s != Off {
			return m, s
		}
	}
	return nil, Off
}

// View is a model as people see it.
type View struct {
	catalog.Model
	Standing   Standing
	Validation Validation
	Features   int
	TreeCount  int
	Lost       uint64 // judgements that were skipped because too many came at once, since the start
}

// List returns every model with where it stands.
func (r *Registry) List(ctx context.Context) (out []View, err error) {
	for _, m := range r.models {
		v, err := r.view(ctx, m)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// Get returns one model, or NotFound.
func (r *Registry) Get(ctx context.Context, key string) (View, error) {
	m, err := r.model(key)
	if err != nil {
		return View{}, err
	}
	return r.view(ctx, m)
}

func (r *Registry) view(ctx context.Context, m *model) (View, error) {
	val, err := r.validate(ctx, m)
	return View{Model: m.Model, Standing: *m.standing.Load(), Validation: val, Features: len(m.forest.Names()), TreeCount: m.forest.Trees(), Lost: r.lost.Load()}, err
}

// Set puts a model off or into shadow at once; what it may do beyond that takes Propose and Approve. The time in shadow
// begins anew only when it comes from off. It returns Invalid for another state.
func (r *Registry) Set(ctx context.Context, key string, to State) error {
	if to != Off && to != Shadow {
		return vigil.Errorf(vigil.Invalid, "appraise.set", "state %q is neither off nor shadow; to notify, a model is proposed and approved", to)
	}
	return r.alter(ctx, key, "model."+string(to), func(m *model, who access.Principal, s *Standing) error {
		if s.State != to && !(s.State == Notify && to == Shadow) {
			s.Since = r.cfg.Now().UTC()
		}
		if s.State == Notify && to == Shadow && s.Approval != nil {
			s.Since = s.Approval.Validation.Since
		}
		s.State, s.By, s.Proposal, s.Approval = to, who.ID, nil, nil
		return nil
	})
}

// Propose asks that a model may notify. It returns Conflict when the model is not in shadow, or what it showed here is
// not enough; the message says what is wanting.
func (r *Registry) Propose(ctx context.Context, key, reason string) error {
	if reason == "" {
		return vigil.Errorf(vigil.Invalid, "appraise.propose", "say why the model should notify")
	}
	return r.alter(ctx, key, "model.propose", func(m *model, who access.Principal, s *Standing) error {
		if _, err := r.mayNotify(ctx, m, s); err != nil {
			return err
		}
		s.Proposal = &Proposal{By: who.ID, Name: who.Name, At: r.cfg.Now().UTC(), Reason: reason}
		return nil
	})
}

// Approve lets a proposed model notify. Somebody else than who proposed must do it, and the figures must still stand.
func (r *Registry) Approve(ctx context.Context, key string) error {
	return r.alter(ctx, key, "model.notify", func(m *model, who access.Principal, s *Standing) error {
		if s.Proposal == nil {
			return vigil.Errorf(vigil.Conflict, "appraise.approve", "nobody has proposed that %s may notify", m.Key)
		}
		if s.Proposal.By == who.ID {
			return vigil.Errorf(vigil.Denied, "appraise.approve", "a second person must approve what you proposed")
		}
		val, err := r.mayNotify(ctx, m, s)
		if err != nil {
			return err
		}
		now := r.cfg.Now().UTC()
		s.Approval = &Approval{By: who.ID, Name: who.Name, At: now, Proposed: *s.Proposal, Validation: val}
		s.State, s.Since, s.By, s.Proposal = Notify, now, who.ID, nil
		return nil
	})
}

func (r *Registry) mayNotify(ctx context.Context, m *model, s *Standing) (Validation, error) {
	if s.State != Shadow {
		return Validation{}, vigil.Errorf(vigil.Conflict, "appraise.validate", "%s is %s; it must be in shadow to be validated here", m.Key, s.State)
	}
	val, err := r.validate(ctx, m)
	if err == nil && !val.Passed {
		err = vigil.Errorf(vigil.Conflict, "appraise.validate", "not enough is known of %s in this house yet: %s", m.Key, val.wanting())
	}
	return val, err
}

// alter changes a standing for a person who may: stored first, then audited, then in force.
func (r *Registry) alter(ctx context.Context, key, action string, fn func(*model, access.Principal, *Standing) error) error {
	who, ok := access.From(ctx)
	if !ok || !who.Has(access.Admin, access.Physician) {
		return vigil.Errorf(vigil.Denied, action, "this needs the role physician or admin")
	}
	m, err := r.model(key)
	if err != nil {
		return err
	}
	r.change.Lock()
	defer r.change.Unlock()
	next := *m.standing.Load()
	if err := fn(m, who, &next); err != nil {
		return err
	}
	if err := r.cfg.Audit(ctx, action, key, "version "+m.Version); err != nil {
		return err
	}
	if err := r.cfg.Book.PutStanding(ctx, next); err != nil {
		return err
	}
	m.standing.Store(&next)
	r.hour.Store(0)
	return nil
}

// Mark notes whether what a model judged was true: an alarm, by its id. It returns NotFound when no model judged it.
func (r *Registry) Mark(ctx context.Context, id string, truth bool) error {
	var found bool
	for _, m := range r.models {
		if m.Kind != FalseAlarm {
			continue
		}
		switch err := r.cfg.Book.SetTruth(ctx, m.Key, id, truth); vigil.KindOf(err) {
		case "":
			found = true
		case vigil.NotFound:
		default:
			return err
		}
	}
	if !found {
		return vigil.Errorf(vigil.NotFound, "appraise.mark", "no model has judged this alarm")
	}
	return nil
}

// Happened notes that a patient deteriorated.
func (r *Registry) Happened(ctx context.Context, s vigil.Subject, at time.Time) error {
	who, _ := access.From(ctx)
	if !s.IsPatient() || at.IsZero() || at.After(r.cfg.Now().Add(time.Minute)) {
		return vigil.Errorf(vigil.Invalid, "appraise.happened", "name a patient, and a time that is not in the future")
	}
	return r.cfg.Book.AddOutcome(ctx, Outcome{Subject: s, At: at.UTC(), By: who.ID})
}

// Run judges what waits until ctx ends.
func (r *Registry) Run(ctx context.Context) error {
	ctx = access.AsSystem(ctx, roomName)
	for {
		select {
		case fn := <-r.work:
			fn(ctx)
		case <-ctx.Done():
			return nil
		}
	}
}

// later does something beside the path of alarms. What finds no room is counted, and nothing waits for it.
func (r *Registry) later(fn func(context.Context)) {
	select {
	case r.work <- fn:
	default:
		r.lost.Add(1)
	}
}

func (r *Registry) store(ctx context.Context, v Verdict) {
	if err := r.cfg.Book.AddVerdict(ctx, v); err != nil {
		r.lost.Add(1)
		r.cfg.Log.Error("models.verdict_not_stored", "model", v.Model, "error", err)
	}
}
