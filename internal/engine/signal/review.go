package signal

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

// ReviewedBy names this reviewer in vigil.Demotion.By.
const ReviewedBy = "signal-quality"

const (
	reviewBack = 15 * time.Second // before the onset, what rates and pauses were made from
	useless    = 0.1              // under this an alarm goes down two steps
	redeemed   = 0.6              // over this, for redeemFor, a demoted alarm is trusted again
	redeemFor  = 10 * time.Second
)

// Review demotes an alarm on heart rate, rhythm or SpO₂ whose signal was under Floor when it began: by one priority, by
// two when the signal was useless, never under low. Asystole goes down one step only. It is a rule.Config.Review.
func (d *Deriver) Review(_ context.Context, a *vigil.Alarm) {
	of, label := signalOf(a.Metric)
	if of == "" || a.Class != vigil.Physiological || a.Priority <= vigil.PriorityLow {
		return
	}
	v, ok := d.Quality(a.Subject, of, a.Onset.Add(-reviewBack), d.cfg.Now())
	if !ok || v.Score >= Floor {
		return
	}
	steps := vigil.Priority(1)
	if v.Score < useless && a.Metric != Pause {
		steps = 2
	}
	from := a.Priority
	a.Priority = max(vigil.PriorityLow, from-min(steps, from))
	reason := label + ": " + v.Reason
	if a.Demoted != nil { // another reviewer was there before
		reason = a.Demoted.Reason + "; " + reason
		from = a.Demoted.From
	}
	a.Demoted = &vigil.Demotion{From: from, By: ReviewedBy, Reason: reason}
	if a.Evidence != nil {
		a.Evidence.Quality = fmt.Sprintf("%s: %s (%.2f of 1)", label, v.Reason, v.Score)
	}
}

// Redeemed reports whether an alarm that this reviewer demoted now rests on a good signal, and says so in words.
func (d *Deriver) Redeemed(a vigil.Alarm) (reason string, ok bool) {
	if a.Demoted == nil || a.Demoted.By != ReviewedBy || !a.Open() || !a.Active() {
		return "", false
	}
	of, label := signalOf(a.Metric)
	now := d.cfg.Now()
	v, judged := d.Quality(a.Subject, of, now.Add(-redeemFor), now)
	if !judged || v.Score < redeemed {
		return "", false
	}
	return label + " is good and the alarm still stands", true
}

// signalOf returns the waveform that a metric rests on, with its name for people; "" when none.
func signalOf(m vigil.Metric) (coding.Signal, string) {
	switch {
	case m == "heart-rate", m == AFib, m == Pause, strings.HasPrefix(string(m), "ecg-heart-rate"):
		return coding.SignalECG, "ECG"
	case m == "spo2", m == "pulse-rate":
		return coding.SignalSpO2, "Pulse wave"
	}
	return "", ""
}
