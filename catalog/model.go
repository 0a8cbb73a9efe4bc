package catalog

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"

	"github.com/vigil-health/vigil"
)

//go:embed models
var trained embed.FS

// modelLimit bounds the trees of one model once they are unpacked.
const modelLimit = 64 << 20

// Model is one trained model with what is known of it, as written in models/*.yaml by the training programs.
type Model struct {
	Key      string `yaml:"key"`
	Version  string `yaml:"version"`
	Kind     string `yaml:"kind"` // false-alarm or deterioration
	Title    string `yaml:"title"`
	Sentence string `yaml:"sentence"` // what it says, in one sentence
	Use      string `yaml:"use"`      // what it is meant for
	NotFor   string `yaml:"not_for"`  // what it must not be used for
	Data     string `yaml:"data"`     // what it was trained on
	Trees    string `yaml:"trees"`    // file beside this one, gzip of XGBoost's JSON
	Card     string `yaml:"card"`     // file beside this one, Markdown

	// Cut is the operating point on the probability of the trees: a false-alarm model demotes under it, a deterioration
	// model notifies from it.
	Cut float64 `yaml:"cut"`
	// Trust is how far the best channel must be trusted before a false-alarm model judges, 0 to 1.
	Trust float64 `yaml:"trust"`
	// Rules says which alarms a false-alarm model judges, and as which kind of arrhythmia.
	Rules map[string]string `yaml:"rules"`

	Calibration [][2]float64    `yaml:"calibration"` // [given, observed]
	Figures     []ModelFigure   `yaml:"figures"`
	Reliability []ModelBin      `yaml:"reliability"`
	Local       ModelValidation `yaml:"local"`
}

// ModelFigure is one measured property, with the bounds of its 95 % interval where it has one.
type ModelFigure struct {
	Key   string  `yaml:"key" json:"key"`
	Label string  `yaml:"label" json:"label"`
	Value float64 `yaml:"value" json:"value"`
	Low   float64 `yaml:"low" json:"low,omitempty"`
	High  float64 `yaml:"high" json:"high,omitempty"`
	Unit  string  `yaml:"unit" json:"unit,omitempty"`
}

// ModelBin compares the calibrated probability of a group of cases with how many of them were so.
type ModelBin struct {
	Given    float64 `yaml:"given" json:"given"`
	Observed float64 `yaml:"observed" json:"observed"`
	Count    int     `yaml:"count" json:"count"`
}

// ModelValidation is what a house must have seen of the model in shadow before it may notify.
type ModelValidation struct {
	Days    int     `yaml:"days" json:"days"`       // in shadow
	Judged  int     `yaml:"judged" json:"judged"`   // cases whose truth is known
	True    int     `yaml:"true" json:"true"`       // true alarms, or deteriorations, among them
	False   int     `yaml:"false" json:"false"`     // the others
	KeepAt  float64 `yaml:"keep_at" json:"keep_at"` // false alarm: share of true alarms that must stay
	AUROC   float64 `yaml:"auroc" json:"auroc"`     // at least
	Horizon int     `yaml:"horizon" json:"horizon"` // deterioration: hours before an event that count as right
}

// Models returns the models of the catalogue in the order of their files.
func Models() ([]Model, error) { return decodeFrom[Model](trained, "models") }

// Forest returns the trees of a model, unpacked.
func (m Model) Forest() ([]byte, error) {
	packed, err := trained.ReadFile("models/" + m.Trees)
	if err != nil {
		return nil, vigil.Errorf(vigil.NotFound, "catalog.model", "model %s: %w", m.Key, err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "catalog.model", "%s: %w", m.Trees, err)
	}
	data, err := io.ReadAll(io.LimitReader(z, modelLimit))
	if err != nil {
		return nil, vigil.Errorf(vigil.Invalid, "catalog.model", "%s: %w", m.Trees, err)
	}
	return data, nil
}

// CardText returns the model card, Markdown.
func (m Model) CardText() (string, error) {
	text, err := trained.ReadFile("models/" + m.Card)
	if err != nil {
		return "", vigil.Errorf(vigil.NotFound, "catalog.model", "model %s: %w", m.Key, err)
	}
	return string(text), nil
}
