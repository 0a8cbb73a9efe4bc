package ingest

import (
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
	"github.com/vigil-health/vigil/coding"
)

// TryResult is what a profile makes of a message, for people: the author of a profile and the examination of the catalogue.
type TryResult struct {
	Profile  string       `json:"profile"`
	Messages []TryMessage `json:"messages"`
}

// TryMessage is one JSON object of the payload.
type TryMessage struct {
	Time      string        `json:"time"` // device clock, RFC 3339, or "receipt"
	Samples   []TrySample   `json:"samples,omitempty"`
	Waveforms []TryWaveform `json:"waveforms,omitempty"`
	Events    []TryEvent    `json:"events,omitempty"`
	Problems  []TryProblem  `json:"problems,omitempty"`
}

// TrySample is one coded value.
type TrySample struct {
	Metric       vigil.Metric `json:"metric"`
	Value        float64      `json:"value"`
	Unit         string       `json:"unit"`
	LOINC        string       `json:"loinc,omitempty"`
	MDC          string       `json:"mdc,omitempty"`
	Questionable bool         `json:"questionable,omitempty"`
}

// TryWaveform is one block.
type TryWaveform struct {
	Metric  vigil.Metric `json:"metric"`
	Rate    float64      `json:"rate"`
	Scale   float64      `json:"scale"`
	Unit    string       `json:"unit"`
	Samples int          `json:"samples"`
}

// TryEvent is one event.
type TryEvent struct {
	Kind vigil.EventKind   `json:"kind"`
	Data map[string]string `json:"data,omitempty"`
}

// TryProblem is one part that would go to the quarantine.
type TryProblem struct {
	Reason Reason `json:"reason"`
	Path   string `json:"path"`
	Detail string `json:"detail"`
}

// Try maps a payload by a profile without storing anything. A malformed payload is an Invalid error. Try takes the
// device clock as right, so that a sample file does not age.
func Try(p *catalog.Profile, payload []byte) (TryResult, error) {
	m, err := Compile(p)
	if err != nil {
		return TryResult{}, err
	}
	probe, err := m.Map(payload, time.Now())
	if err != nil {
		return TryResult{}, err
	}
	out := TryResult{Profile: p.Key, Messages: make([]TryMessage, 0, len(probe))}
	for _, mp := range probe {
		out.Messages = append(out.Messages, describe(&mp))
	}
	return out, nil
}

func describe(mp *Mapped) TryMessage {
	msg := TryMessage{Time: "receipt"}
	if mp.HasTime {
		msg.Time = time.Unix(0, mp.DeviceTime).UTC().Format(time.RFC3339Nano)
	}
	for _, s := range mp.Report.Samples {
		c, _ := coding.Lookup(s.Metric)
		msg.Samples = append(msg.Samples, TrySample{s.Metric, s.Value, c.UCUM, c.LOINC, c.MDCName, s.Quality&vigil.QualityQuestionable != 0})
	}
	for _, w := range mp.Report.Waveforms {
		c, _ := coding.Lookup(w.Metric)
		msg.Waveforms = append(msg.Waveforms, TryWaveform{w.Metric, w.Rate(), w.Scale, c.UCUM, len(w.Data)})
	}
	for _, e := range mp.Report.Events {
		msg.Events = append(msg.Events, TryEvent{e.Kind, e.Data})
	}
	for _, p := range mp.Problems {
		msg.Problems = append(msg.Problems, TryProblem{p.Reason, p.Path, p.Detail})
	}
	return msg
}
