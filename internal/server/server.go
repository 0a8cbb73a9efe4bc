// Package server puts the house together: stores, engines, rooms and doors, started and stopped in order.
//
// It decides nothing by itself; what the house does lives in internal/engine, and the rooms are listed in register.go
// alone. Start at Open.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/app"
	"github.com/vigil-health/vigil/internal/engine/ingest"
)

// Server is one running Vigil. A test starts it as main does: Open, Run, Close.
type Server struct {
	cfg     Config
	log     *slog.Logger
	Engines *Engines
	doors   *doors
	closers []func() error
	rooms   *rooms
	apps    *applications
	ready   chan struct{}
}

// Open starts the stores and engines on the data directory and listens on the doors; Run serves them.
// It returns Conflict when another process holds the directory, Unavailable when a port or the disk cannot be had.
func Open(ctx context.Context, cfg Config, log *slog.Logger) (s *Server, err error) {
	s = &Server{cfg: cfg, log: log, ready: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if err := cfg.Backup.fill(); err != nil {
		return s, err
	}
	unlock, err := cfg.prepare()
	if err != nil {
		return s, err
	}
	s.closers = append(s.closers, unlock)
	if s.Engines, err = openEngines(ctx, cfg, log); err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.Engines.close)
	s.apps = newApplications()
	if s.doors, err = openDoors(cfg, s.Engines, s.apps, log); err != nil {
		return s, err
	}
	s.closers = append(s.closers, s.doors.close)
	s.rooms = openRooms(s.apps, s.Engines, s.doors, log)
	return s, nil
}

// Addr returns where plain HTTP listens, "" when it is off.
func (s *Server) Addr() string { return s.doors.address(s.doors.http) }

// MQTTAddr returns where plain MQTT listens, "" when it is off.
func (s *Server) MQTTAddr() string { return s.doors.address(s.doors.mqtt) }

// Applications returns the applications of this build.
func (s *Server) Applications() []app.App { return s.apps.list }

// Ready is closed when Run serves.
func (s *Server) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends or a part fails, then stops everything in order: doors first, stores last.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work, serving sync.WaitGroup
	run := func(wg *sync.WaitGroup, name string, fn func(ctx context.Context) error) {
		wg.Go(func() {
			if err := fn(ctx); err != nil && ctx.Err() == nil {
				s.log.Error("server.part.failed", "part", name, "error", err)
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	if err := s.Engines.start(ctx); err != nil {
		return err
	}
	defer s.rooms.stop()
	if err := s.rooms.start(ctx); err != nil {
		return err
	}
	for _, p := range append(s.Engines.parts(), s.rooms.parts()...) {
		run(&work, p.name, p.run)
	}
	run(&work, "bulk", s.doors.bulk.Run)
	s.doors.ready.Store(true)
	for _, l := range s.doors.listeners() {
		srv := &http.Server{Handler: s.doors.handler, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
		run(&serving, "http "+l.Addr().String(), func(context.Context) error {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
				return err
			}
			return nil
		})
		serving.Go(func() {
			<-ctx.Done()
			end, stop := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer stop()
			if srv.Shutdown(end) != nil {
				srv.Close()
			}
		})
	}
	close(s.ready)
	s.log.Info("server.ready", "http", s.Addr(), "mqtt", s.MQTTAddr())
	<-ctx.Done()
	s.doors.ready.Store(false)
	serving.Wait()
	work.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// Close frees everything that Open took, in reverse order.
func (s *Server) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

// part is something that runs until its context ends.
type part struct {
	name string
	run  func(ctx context.Context) error
}

// Stream returns a way to hand devices' messages to the intake as a connection with a window does: send waits only
// while window messages are not on disk yet. wait returns when all are, with the first error there was.
func (s *Server) Stream(protocol string, window int) (send func(ctx context.Context, device string, payload []byte) error, wait func() error) {
	slots := make(chan struct{}, window)
	var first atomic.Pointer[error]
	send = func(ctx context.Context, device string, payload []byte) error {
		if err := first.Load(); err != nil {
			return *err
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.Engines.Ingest.Accept(ingest.Message{Device: vigil.DeviceID(device), Protocol: protocol, Payload: payload}, func(err error) {
			if err != nil {
				first.CompareAndSwap(nil, &err)
			}
			<-slots
		})
		return nil
	}
	wait = func() error {
		for range window {
			slots <- struct{}{}
		}
		for range window {
			<-slots
		}
		if err := first.Load(); err != nil {
			return *err
		}
		return nil
	}
	return send, wait
}
