package server

import (
	"context"
	"math/rand/v2"

	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/app/medication"
	"github.com/vigil-health/vigil/internal/app/rpm"
	"github.com/vigil-health/vigil/internal/driver/remotewrite"
	"github.com/vigil-health/vigil/internal/protocol"
)

// This file is the only list of rooms. A protocol or an application is added with one import and one entry.

// protocols is the list of device protocols.
func (d *doors) protocols() []protocol.Protocol {
	return []protocol.Protocol{
		d.broker.Protocol(),
		d.rest.Protocol(),
	}
}

// outlets is the list of what sends telemetry on, as far as it is configured.
func (e *Engines) outlets(cfg Config) ([]outlet, error) {
	var out []outlet
	if c := cfg.Outlets.RemoteWrite; c.URL != "" {
		o, err := remotewrite.New(remotewrite.Config{
			URL: c.URL, Headers: c.Headers, Labels: c.Labels, Source: e.Telemetry, Positions: e.db.Positions(), Random: rand.Float64, Log: e.logger, Version: cfg.Version,
		})
		if err != nil {
			return nil, err
		}
		out = append(out, outlet{"remote_write", o})
	}
	return out, nil
}

// applications is the list of applications, and what they give to the patient's own home.
type applications struct {
	list  []app.App
	today func(ctx context.Context, patient string) ([]webapi.Medicine, error)
	taken func(ctx context.Context, patient, medicine string) error
}

func newApplications() *applications {
	med := medication.New(medication.Config{})
	return &applications{
		list: []app.App{
			rpm.New(rpm.Config{}).App(),
			med.App(),
		},
		today: func(ctx context.Context, patient string) ([]webapi.Medicine, error) {
			list, err := med.Today(ctx, patient)
			out := make([]webapi.Medicine, len(list))
			for i, m := range list {
				out[i] = webapi.Medicine(m)
			}
			return out, err
		},
		taken: med.Taken,
	}
}
