package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/protocol"
)

// rooms are the protocols and applications that run.
type rooms struct {
	engines *Engines
	doors   *doors
	host    protocol.Host
	apps    []*app.Room
}

// openRooms ties every application to the stream and the records; they start with the house.
func openRooms(apps *applications, e *Engines, d *doors, log *slog.Logger) *rooms {
	r := &rooms{engines: e, doors: d, host: protocol.Host{Intake: intake{e}, Log: log}}
	for _, a := range apps.list {
		room := app.NewRoom(a, e.Schedule.Every, log)
		e.Telemetry.Consume("app."+a.Name, room.Take)
		e.Records.Watch(room.Changed)
		r.apps = append(r.apps, room)
	}
	return r
}

// start starts the applications and mounts what they answer.
func (r *rooms) start(ctx context.Context) error {
	e := r.engines
	for _, room := range r.apps {
		err := room.Start(ctx, app.Host{Records: e.Records, Telemetry: e.Telemetry, Desk: e.Desk, Census: e.Census, Schedule: e.Schedule, Consults: e.Consults, Now: time.Now})
		if err != nil {
			return err
		}
		for _, rt := range room.Routes() {
			r.doors.api.Mount(r.doors.apps, rt.Pattern, rt.Roles.List(), func(ctx context.Context, req *http.Request) (any, error) {
				return rt.Serve(ctx, request{req})
			})
		}
	}
	return nil
}

func (r *rooms) stop() {
	for _, room := range r.apps {
		room.Stop()
	}
}

func (r *rooms) parts() []part {
	out := []part{{"live", r.doors.api.Run}}
	for _, p := range r.doors.protocols() {
		out = append(out, part{p.Name, func(ctx context.Context) error { return p.Serve(ctx, r.host) }})
	}
	return out
}

// request is an HTTP request as applications see it.
type request struct{ r *http.Request }

// Query implements app.Request.
func (q request) Query(key string) string { return q.r.URL.Query().Get(key) }

// Path implements app.Request.
func (q request) Path(key string) string { return q.r.PathValue(key) }

// Decode implements app.Request.
func (q request) Decode(v any) error {
	dec := json.NewDecoder(q.r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return vigil.Errorf(vigil.Invalid, "app.body", "the body is not what this route takes: %w", err)
	}
	return nil
}

// menu is what the applications put into the user interface.
func (a *applications) menu() (out []webapi.MenuEntry) {
	for _, x := range a.list {
		for _, p := range x.Pages {
			out = append(out, webapi.MenuEntry{App: x.Name, Title: p.Title, Path: p.Path, Icon: p.Icon, Roles: p.Roles.List()})
		}
	}
	return out
}
