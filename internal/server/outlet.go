package server

import (
	"fmt"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/api/webapi"
	"github.com/vigil-health/vigil/internal/driver/remotewrite"
)

// outlet is something that sends telemetry on, under the name of its configuration.
type outlet struct {
	name string
	*remotewrite.Outlet
}

// late is when an outlet that has no trouble is told to be behind.
const late = 5 * time.Minute

// outletChecks are the lines of the system page about what is sent on.
func (e *Engines) outletChecks() []webapi.Check {
	out := []webapi.Check{}
	for _, o := range e.Outlets {
		s := o.Stats()
		c := webapi.Check{Name: o.name, OK: s.Trouble == "" && s.Behind < late && s.Dropped+s.Lost == 0}
		switch {
		case s.Trouble != "":
			c.Text = fmt.Sprintf("Nothing goes through since the last try: %s. %d records wait; none is lost within a day.", s.Trouble, s.Records)
		case s.Dropped+s.Lost > 0:
			c.Text = fmt.Sprintf("%d samples sent, %d refused by the receiver, %d records lost because it was away for too long.", s.Sent, s.Dropped, s.Lost)
		case s.Behind >= late:
			c.Text = fmt.Sprintf("%d samples sent, %s behind.", s.Sent, s.Behind.Round(time.Second))
		default:
			c.Text = fmt.Sprintf("%d samples sent, up to date.", s.Sent)
		}
		out = append(out, c)
	}
	return out
}

func outletFinding(err error) string {
	if err != nil {
		return vigil.Message(err)
	}
	return "the outlet is configured; whether its receiver answers is on the System page of a running Vigil"
}
