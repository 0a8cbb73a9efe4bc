// Package appraise keeps the trained models of the house: which of them runs, what each said, and whether it may speak.
//
// A model is off, in shadow (it judges, and only its book knows) or notifies. It may notify after it was right often
// enough in this house, and two people agreed. It trains nothing (training/), evaluates no trees (engine/predict) and pages
// nobody: a judged alarm is demoted by the rules, a risk is a metric that a rule watches. Start at Registry.
package appraise

import (
	"context"
	"log/slog"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/internal/engine/telemetry"
)

// The kinds of model.
const (
	FalseAlarm    = "false-alarm"
	Deterioration = "deterioration"
)

// State says how far a model may go.
type State string

// The states of a model.
const (
	Off    State = "off"
	Shadow State = "shadow"
	Notify State = "notify"
)

// Standing is where a model stands in this house. It is valid for one version: another begins off.
type Standing struct {
	Key      string    `json:"key"`
	Version  string    `json:"version"`
	State    State     `json:"state"`
	Since    time.Time `json:"since,omitzero"` // of the state
	By       string    `json:"by,omitempty"`   // account that set it
	Proposal *Proposal `json:"proposal,omitempty"`
	Approval *Approval `json:"approval,omitempty"` // of Notify
}

// Proposal asks that a model may notify.
type Proposal struct {
	By     string    `json:"by"` // account
	Name   string    `json:"name"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

// Approval is a second person's yes, with what was known at that time.
type Approval struct {
	By         string     `json:"by"`
	Name       string     `json:"name"`
	At         time.Time  `json:"at"`
	Proposed   Proposal   `json:"proposed"`
	Validation Validation `json:"validation"`
}

// Verdict is what a model said once.
type Verdict struct {
	ID          string        `json:"id"` // alarm id, or subject and hour
	Model       string        `json:"model"`
	Version     string        `json:"version"`
	Subject     vigil.Subject `json:"subject"`
	At          time.Time     `json:"at"`
	State       State         `json:"state"`       // of the model at that time
	Raw         float64       `json:"raw"`         // probability of the trees; the cut is on it
	Probability float64       `json:"probability"` // calibrated: of a true alarm, or of deterioration
	Acts        bool          `json:"acts"`        // would demote, or would notify
	Why         []string      `json:"why"`         // in words
	Missing     []string      `json:"missing,omitempty"`
	Truth       *bool         `json:"truth,omitempty"` // nil until somebody says
}

// Book keeps standings and verdicts. Calls may be concurrent; what returned nil is durable.
type Book interface {
	Standings(ctx context.Context) ([]Standing, error)
	PutStanding(ctx context.Context, s Standing) error
	// AddVerdict stores a verdict; one with the same model and ID stays as it is.
	AddVerdict(ctx context.Context, v Verdict) error
	// SetTruth marks the verdict of a model. It returns NotFound when there is none with the ID.
	SetTruth(ctx context.Context, model, id string, truth bool) error
	// AddOutcome notes that a subject deteriorated at a time.
	AddOutcome(ctx context.Context, o Outcome) error
	// Verdicts returns verdicts of a model and version since a time, oldest first, at most limit.
	Verdicts(ctx context.Context, model, version string, since time.Time, limit int) ([]Verdict, error)
	// Outcomes returns what happened since a time.
	Outcomes(ctx context.Context, since time.Time) ([]Outcome, error)
}

// Outcome is a deterioration that staff recorded: a rapid response, an unplanned move to intensive care, a death.
type Outcome struct {
	Subject vigil.Subject `json:"subject"`
	At      time.Time     `json:"at"`
	By      string        `json:"by"`
}

// Telemetry is what models read and write.
type Telemetry interface {
	Query(ctx context.Context, q telemetry.Query) ([]telemetry.Line, error)
	Waveforms(ctx context.Context, name vigil.Subject) ([]telemetry.WaveInfo, error)
	Waveform(ctx context.Context, name vigil.Subject, metric vigil.Metric, from, to time.Time) ([]vigil.Waveform, error)
	AppendWait(ctx context.Context, r *vigil.Report) error
}

// Person is what a model knows of a patient besides telemetry.
type Person struct {
	Subject vigil.Subject
	Age     float64 // years, NaN unknown
	Male    float64 // 1 male, 0 female, NaN unknown
}

// Config is what the registry needs.
type Config struct {
	Models    []catalog.Model
	Book      Book
	Telemetry Telemetry
	Patients  func() []Person // who is watched now
	Now       func() time.Time
	Log       *slog.Logger
	// Audit notes that somebody changed what a model may do. It returns once that is durable.
	Audit func(ctx context.Context, action, model, detail string) error
}
