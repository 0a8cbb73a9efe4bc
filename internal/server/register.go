package server

import (
	"context"
	"log/slog"

	"github.com/vigil-health/vigil/internal/protocol"
)

// protocols is the list of device protocols: one entry a room.
func (d *doors) protocols() []protocol.Protocol {
	return []protocol.Protocol{
		d.broker.Protocol(),
		d.rest.Protocol(),
	}
}

// rooms are the protocols and applications that run.
type rooms struct {
	doors *doors
	host  protocol.Host
}

// openRooms gives every room its host.
func openRooms(_ context.Context, _ Config, e *Engines, d *doors, log *slog.Logger) (*rooms, error) {
	return &rooms{doors: d, host: protocol.Host{Intake: intake{e}, Log: log}}, nil
}

func (r *rooms) parts() []part {
	out := []part{{"live", r.doors.api.Run}}
	for _, p := range r.doors.protocols() {
		out = append(out, part{p.Name, func(ctx context.Context) error { return p.Serve(ctx, r.host) }})
	}
	return out
}
