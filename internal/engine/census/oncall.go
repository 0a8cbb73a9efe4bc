package census

import (
	"context"
	"strings"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/internal/engine/alarm"
)

// Holders returns who holds a post of the escalation chains now. The patient's own nurse and physician come before the
// on-call order of the unit; whoever was asked first is not the second.
func (c *Census) Holders(_ context.Context, post alarm.Post) ([]alarm.Recipient, error) {
	var own Patient
	if post.Subject.IsPatient() {
		own, _ = c.Patient(post.Subject.ID())
	}
	unit := post.Unit
	if unit == "" {
		unit = own.Unit
	}
	physicians := c.order(unit, "physician", own.Physician)
	nurses := c.order(unit, "nurse", own.Nurse)
	switch post.Role {
	case "physician.primary":
		return pick(physicians, 0), nil
	case "physician.second":
		return pick(physicians, 1), nil
	case "nurse":
		return pick(nurses, 0), nil
	case "nurse.charge":
		return pick(nurses, 1), nil
	case "rapid-response":
		if team := c.StaffOf("", "rapid-response"); len(team) > 0 {
			return recipients(team), nil
		}
		return append(recipients(physicians), pick(nurses, 1)...), nil // without a team everybody who can come
	default:
		return recipients(c.StaffOf("", post.Role)), nil
	}
}

// Recipient returns a practitioner, by reference or id, as one who can be paged; false when there is none.
func (c *Census) Recipient(ref string) (alarm.Recipient, bool) {
	s, ok := c.Staff(strings.TrimPrefix(ref, "Practitioner/"))
	if !ok {
		return alarm.Recipient{}, false
	}
	return recipients([]Staff{s})[0], true
}

// BedOf names the bed of a patient, or of the bed itself, "" when there is none.
func (c *Census) BedOf(s vigil.Subject) string {
	if !s.IsPatient() {
		if b, ok := c.Bed(s.ID()); ok {
			return b.ID
		}
		return ""
	}
	p, _ := c.Patient(s.ID())
	return p.Bed
}

// order returns the staff of the role with first in front.
func (c *Census) order(unit, role, first string) []Staff {
	all := c.StaffOf(unit, role)
	if len(all) == 0 {
		all = c.StaffOf("", role)
	}
	var out []Staff
	for _, s := range all {
		if s.ID == first {
			out = append([]Staff{s}, out...)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// pick returns the i-th, or the last there is: a chain never asks nobody while somebody is there.
func pick(list []Staff, i int) []alarm.Recipient {
	if len(list) == 0 {
		return nil
	}
	return recipients(list[min(i, len(list)-1) : min(i, len(list)-1)+1])
}

func recipients(list []Staff) []alarm.Recipient {
	out := make([]alarm.Recipient, len(list))
	for i, s := range list {
		out[i] = alarm.Recipient{ID: "Practitioner/" + s.ID, Name: s.Name, Initials: s.Initials, Role: s.Role}
	}
	return out
}
