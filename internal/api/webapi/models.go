package webapi

import (
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/access"
	"github.com/vigil-health/vigil/internal/engine/appraise"
)

// modelRow is one line of the list of models.
type modelRow struct {
	Key        string              `json:"key"`
	Version    string              `json:"version"`
	Kind       string              `json:"kind"`
	Title      string              `json:"title"`
	Sentence   string              `json:"sentence"`
	Standing   appraise.Standing   `json:"standing"`
	Validation appraise.Validation `json:"validation"`
}

// modelView is everything that is known of a model.
type modelView struct {
	modelRow
	Use         string                `json:"use"`
	NotFor      string                `json:"not_for"`
	Data        string                `json:"data"`
	Features    int                   `json:"features"`
	Trees       int                   `json:"trees"`
	Cut         float64               `json:"cut"`
	Figures     []catalog.ModelFigure `json:"figures"`
	Reliability []catalog.ModelBin    `json:"reliability"`
	Card        string                `json:"card"`
	Lost        uint64                `json:"lost"`
	MayApprove  bool                  `json:"may_approve"` // the reader is not who proposed
}

// modelRoutes are the routes of trained models.
func (a *API) modelRoutes(staff, clinical []access.Role) []route {
	deciders := []access.Role{access.Physician, access.Admin}
	return []route{
		{"GET /api/models", staff, a.models},
		{"GET /api/models/{key}", staff, a.model},
		{"POST /api/models/{key}/{action}", deciders, a.changeModel},
		{"POST /api/models/marks", clinical, a.markVerdict},
		{"POST /api/models/outcomes", clinical, a.noteOutcome},
		{"GET /api/patients/{id}/risk", clinical, a.risk},
	}
}

func rowOf(v appraise.View) modelRow {
	return modelRow{v.Key, v.Version, v.Kind, v.Title, v.Sentence, v.Standing, v.Validation}
}

func (a *API) models(c *call) (any, error) {
	list, err := a.cfg.Models.List(c.ctx)
	if err != nil {
		return nil, err
	}
	out := []modelRow{}
	for _, v := range list {
		out = append(out, rowOf(v))
	}
	return out, nil
}

func (a *API) model(c *call) (any, error) {
	v, err := a.cfg.Models.Get(c.ctx, c.r.PathValue("key"))
	if err != nil {
		return nil, err
	}
	card, err := v.CardText()
	if err != nil {
		return nil, err
	}
	may := c.who.Has(access.Admin, access.Physician)
	return modelView{
		modelRow: rowOf(v), Use: v.Use, NotFor: v.NotFor, Data: v.Data, Features: v.Features, Trees: v.TreeCount, Cut: v.Cut,
		Figures: v.Figures, Reliability: v.Reliability, Card: card, Lost: v.Lost,
		MayApprove: may && v.Standing.Proposal != nil && v.Standing.Proposal.By != c.who.ID,
	}, nil
}

// changeModel takes a model off, into shadow, proposes that it may notify, or approves that.
func (a *API) changeModel(c *call) (any, error) {
	var in struct {
		Reason string `json:"reason"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	var err error
	key := c.r.PathValue("key")
	switch action := c.r.PathValue("action"); action {
	case "off", "shadow":
		err = a.cfg.Models.Set(c.ctx, key, appraise.State(action))
	case "propose":
		err = a.cfg.Models.Propose(c.ctx, key, in.Reason)
	case "approve":
		err = a.cfg.Models.Approve(c.ctx, key)
	default:
		err = vigil.Errorf(vigil.NotFound, "webapi.model", "a model can be put off, in shadow, be proposed or approved, not %q", action)
	}
	if err != nil {
		return nil, err
	}
	return a.model(c)
}

// markVerdict notes whether an alarm that a model judged was true.
func (a *API) markVerdict(c *call) (any, error) {
	var in struct {
		Alarm string `json:"alarm"`
		True  *bool  `json:"true"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	if in.Alarm == "" || in.True == nil {
		return nil, vigil.Errorf(vigil.Invalid, "webapi.mark", "name the alarm, and whether it was true")
	}
	return nil, a.cfg.Models.Mark(c.ctx, in.Alarm, *in.True)
}

// noteOutcome notes that a patient deteriorated.
func (a *API) noteOutcome(c *call) (any, error) {
	var in struct {
		Patient string    `json:"patient"`
		At      time.Time `json:"at"`
	}
	if err := c.body(&in); err != nil {
		return nil, err
	}
	return nil, a.cfg.Models.Happened(c.ctx, vigil.PatientSubject(in.Patient), in.At)
}

// risk is what the deterioration model says of the patient, null while it does not notify.
func (a *API) risk(c *call) (any, error) {
	s := vigil.PatientSubject(c.r.PathValue("id"))
	if err := access.CheckSubject(c.ctx, s); err != nil {
		return nil, err
	}
	v, ok := a.cfg.Models.Risk(c.ctx, s)
	if !ok {
		return nil, nil
	}
	return v, nil
}
