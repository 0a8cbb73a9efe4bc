package alarm

import (
	"context"

	"github.com/vigil-health/vigil"
)

// truthStep is the step of the history that a judgement leaves.
func truthStep(t vigil.Truth) string {
	switch t {
	case vigil.TruthArtefact:
		return "marked_false"
	case vigil.TruthNoAction:
		return "marked_no_action"
	}
	return "marked_true"
}

// doJudge notes whether the alarm was real. It is asked once somebody has dealt with it, never before: a question must
// not stand between a person and an alarm. The same answer again changes nothing.
func (d *Desk) doJudge(ctx context.Context, a *vigil.Alarm, act Action) ([]Page, error) {
	switch {
	case !act.Truth.Valid():
		return nil, vigil.Errorf(vigil.Invalid, "alarm.judge", "truth %q is not one of real, artefact, no_action", act.Truth)
	case a.Kind != vigil.KindAlarm:
		return nil, vigil.Errorf(vigil.Conflict, "alarm.judge", "only alarms are judged")
	case !acknowledged(*a):
		return nil, vigil.Errorf(vigil.Conflict, "alarm.judge", "nobody has acknowledged the alarm yet")
	case a.Judged != nil && a.Judged.Truth == act.Truth:
		return nil, errUnchanged
	}
	a.Judged = &vigil.Judgement{Truth: act.Truth, By: whoOf(ctx), At: d.cfg.Now()}
	d.note(a, truthStep(act.Truth), whoOf(ctx), act.said())
	return nil, nil
}
