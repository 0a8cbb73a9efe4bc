package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/sim"
)

type benchAlarmCmd struct {
	benchFlags  `embed:""`
	Rate        float64 `help:"Values per second of the load in the background." default:"50000"`
	Connections int     `help:"Gateway connections of the load." default:"20"`
	Devices     int     `help:"Devices of the load." default:"2000"`
	Probes      int     `help:"Patients whose pressure drops, one after the other." default:"60"`
}

// alarmFigures is what vigil bench alarm reports.
type alarmFigures struct {
	Rule     string      `json:"rule"`
	Delay    string      `json:"delay_of_the_rule"`
	Screen   spread      `json:"publish_to_screen"`
	Desk     spread      `json:"publish_to_desk"`
	Missed   int         `json:"missed"`
	Load     loadFigures `json:"load"`
	Watching int         `json:"patients_on_the_screen"`
}

// Run implements the command.
func (c *benchAlarmCmd) Run(ctx context.Context) error {
	if c.Connections < 1 || c.Devices < c.Connections || c.Probes < 1 || c.Rate <= 0 {
		return vigil.Errorf(vigil.Invalid, "bench.alarm", "needs at least one probe, one connection, a device for each and a rate")
	}
	line := newProgress()
	line.say("admitting %d patients with their devices", c.Devices+c.Probes)
	h, err := openBenchHouse(ctx, c.benchFlags, sim.LoadSize{Gateways: c.Connections + 1, Patches: c.Probes + c.Devices, Beds: c.Probes})
	if err != nil {
		return err
	}
	out, err := c.measure(ctx, h, line)
	line.end()
	if err = errors.Join(err, h.close()); err != nil {
		return err
	}
	return c.show(out, func() {
		fmt.Printf("value over its limit to alarm on the screen (rule %s, whose delay is %s), %d patients on the screen, %.0f values/s in the background\n", out.Rule, out.Delay, out.Watching, out.Load.ValuesPS)
		fmt.Printf("  publish to screen  %s\n  publish to desk    %s\n  missed             %d\n", out.Screen, out.Desk, out.Missed)
		out.Load.print("the load meanwhile")
	})
}

const (
	probeEvery = 200 * time.Millisecond
	probeLimit = 5 * time.Second // then it counts as missed
)

func (c *benchAlarmCmd) measure(ctx context.Context, h *benchHouse, line progress) (*alarmFigures, error) {
	l, err := openLoad(ctx, h, loadSpec{connections: c.Connections, first: c.Probes, devices: c.Devices, values: 5, window: 256})
	if err != nil {
		return nil, err
	}
	defer l.close()
	screen, err := openScreen(ctx, h)
	if err != nil {
		return nil, err
	}
	defer screen.conn.CloseNow()
	out := &alarmFigures{Rule: "map-low", Delay: "0 s for a cuff or patch", Watching: c.Probes}
	var onScreen, onDesk latencies
	probe := func(ctx context.Context) (spread, error) {
		conn, err := sim.DialLoad(ctx, sim.LoadLogin{Addr: h.mqtt, User: h.ward.Gateways[c.Connections], Token: h.ward.Tokens[c.Connections], Window: 16})
		if err != nil {
			return spread{}, err
		}
		defer conn.Close()
		for i := range c.Probes {
			if ctx.Err() != nil { // the time is up; what was not sent is not missed
				break
			}
			sent := time.Now()
			id := h.ward.Devices[i]
			conn.Publish("vigil/"+id+"/data", fmt.Appendf(nil, `{"ts":%d,"hr":96,"spo2":97,"rr":18,"sys":84,"dia":44,"map":57}`, sent.UnixMilli()), 0, sent)
			if err := conn.Flush(); err != nil {
				return spread{}, err
			}
			at, al, err := screen.next(ctx, vigil.PatientSubject(id))
			switch {
			case err != nil:
				return spread{}, err
			case at.IsZero() && ctx.Err() != nil:
			case at.IsZero():
				out.Missed++
			default:
				onScreen.add(at.Sub(sent))
				onDesk.add(al.Raised.Sub(sent))
			}
			time.Sleep(probeEvery)
		}
		return spread{}, nil
	}
	span := time.Duration(c.Probes) * (probeEvery + 50*time.Millisecond)
	out.Load, err = l.run(ctx, loadRun{name: "alarms", rate: c.Rate, span: max(span, 5*time.Second), probe: probe}, line)
	out.Screen, out.Desk = onScreen.spread(), onDesk.spread()
	return out, err
}

// screen is a central station: it follows the unit over the live channel.
type screen struct {
	conn   *websocket.Conn
	alarms chan seenAlarm
}

type seenAlarm struct {
	at    time.Time
	alarm vigil.Alarm
}

func openScreen(ctx context.Context, h *benchHouse) (*screen, error) {
	head := http.Header{"Cookie": {"vigil_session=" + h.ward.Session}}
	conn, _, err := websocket.Dial(ctx, "ws://"+h.http+"/live", &websocket.DialOptions{HTTPHeader: head, Subprotocols: []string{"vigil.1"}})
	if err != nil {
		return nil, err
	}
	conn.SetReadLimit(64 << 20)
	s := &screen{conn: conn, alarms: make(chan seenAlarm, 4096)}
	if err := conn.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"op":"sub","id":1,"topic":"ward","unit":%q}`, h.ward.Unit)); err != nil {
		return nil, errors.Join(err, conn.CloseNow())
	}
	go s.read(ctx)
	return s, nil
}

func (s *screen) read(ctx context.Context) {
	defer close(s.alarms)
	for {
		_, b, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		at := time.Now()
		var msg struct {
			Op    string      `json:"op"`
			Alarm vigil.Alarm `json:"alarm"`
		}
		if len(b) > 1 && b[0] == 3 && json.Unmarshal(b[1:], &msg) == nil && msg.Op == "alarm" {
			select {
			case s.alarms <- seenAlarm{at, msg.Alarm}:
			case <-ctx.Done():
				return
			}
		}
	}
}

// next waits for the first alarm of a subject; a zero time means that none came.
func (s *screen) next(ctx context.Context, subject vigil.Subject) (time.Time, vigil.Alarm, error) {
	limit := time.NewTimer(probeLimit)
	defer limit.Stop()
	for {
		select {
		case a, ok := <-s.alarms:
			if !ok {
				return time.Time{}, vigil.Alarm{}, vigil.Errorf(vigil.Unavailable, "bench.screen", "the live channel closed")
			}
			if a.alarm.Subject == subject && a.alarm.Class == vigil.Physiological {
				return a.at, a.alarm, nil
			}
		case <-limit.C:
			return time.Time{}, vigil.Alarm{}, nil
		case <-ctx.Done():
			return time.Time{}, vigil.Alarm{}, nil
		}
	}
}
