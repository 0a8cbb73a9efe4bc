package peer

import (
	"errors"
	"fmt"
	"time"
)

// late is how old what waits may be before a peer without an error is told to be behind.
const late = 10 * time.Minute

// sum says in one sentence how the peer is.
func (s *State) sum(now time.Time) {
	s.OK = s.Error == "" && s.Dead == 0 && (s.Oldest.IsZero() || now.Sub(s.Oldest) < late)
	switch {
	case s.Error != "" && s.Next.After(now):
		s.Text = fmt.Sprintf("Nothing goes through: %s. Tried again in %s; %d wait and none is lost.", s.Error, s.Next.Sub(now).Round(time.Second), s.Waiting)
	case s.Error != "":
		s.Text = fmt.Sprintf("The last try failed: %s. %d wait.", s.Error, s.Waiting)
	case s.Dead > 0:
		s.Text = fmt.Sprintf("%d sent, %d pulled, %d wait; %d were refused for good and wait for somebody to look at them.", s.Sent, s.Pulled, s.Waiting, s.Dead)
	case !s.OK:
		s.Text = fmt.Sprintf("%d sent, %d pulled; %d wait, the oldest for %s.", s.Sent, s.Pulled, s.Waiting, now.Sub(s.Oldest).Round(time.Minute))
	default:
		s.Text = fmt.Sprintf("%d sent, %d pulled, %d wait.", s.Sent, s.Pulled, s.Waiting)
	}
}

func asFault(err error) (*Fault, bool) { return errors.AsType[*Fault](err) }
