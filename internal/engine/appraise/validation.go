package appraise

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/catalog"
)

const verdictsRead = 200_000 // of a validation; about half a year of a ward of forty

// Validation is what a model has shown in this house since it came into shadow.
type Validation struct {
	Since    time.Time               `json:"since,omitzero"`
	Days     int                     `json:"days"`
	Verdicts int                     `json:"verdicts"`
	Acted    int                     `json:"acted"` // would have demoted, or notified
	Judged   int                     `json:"judged"`
	True     int                     `json:"true"`
	False    int                     `json:"false"`
	Kept     float64                 `json:"kept"`     // false alarm: share of true alarms that stay
	Demoted  float64                 `json:"demoted"`  // false alarm: share of false alarms demoted
	PPV      float64                 `json:"ppv"`      // deterioration: share of notices that were right
	PerDay   float64                 `json:"per_day"`  // deterioration: notices a day per 100 patients
	AUROC    float64                 `json:"auroc"`    // 0 while it cannot be known
	Bins     []catalog.ModelBin      `json:"bins"`     // calibration here
	Wanted   catalog.ModelValidation `json:"wanted"`   // what must be reached
	Passed   bool                    `json:"passed"`   //
	Wanting  []string                `json:"wanting"`  // in words
	Notifies bool                    `json:"notifies"` // the figures are of alarms that the model could change
}

func (v Validation) wanting() string { return strings.Join(v.Wanting, "; ") }

// judged is a verdict whose truth is known.
type judged struct {
	p     float64 // of the trees
	given float64 // calibrated
	acts  bool
	truth bool
}

// validate counts what the model said since it came into shadow. A risk counts as right when an outcome of the patient
// followed within the horizon; hours younger than the horizon are not judged yet, nor hours just after an outcome.
func (r *Registry) validate(ctx context.Context, m *model) (Validation, error) {
	s := m.standing.Load()
	v := Validation{Wanted: m.Local, Since: s.Since, Notifies: s.State == Notify, Wanting: []string{}, Bins: []catalog.ModelBin{}}
	if s.State == Notify && s.Approval != nil {
		v.Since = s.Approval.Validation.Since
	}
	if s.State == Off {
		v.Wanting = append(v.Wanting, "the model is off")
		return v, nil
	}
	now := r.cfg.Now()
	v.Days = int(now.Sub(v.Since).Hours() / 24)
	list, err := r.cfg.Book.Verdicts(ctx, m.Key, m.Version, v.Since, verdictsRead)
	if err != nil {
		return v, err
	}
	var happened map[vigil.Subject][]time.Time
	if m.Kind == Deterioration {
		if happened, err = r.outcomes(ctx, v.Since); err != nil {
			return v, err
		}
	}
	var known []judged
	for _, x := range list {
		v.Verdicts++
		if x.Acts {
			v.Acted++
		}
		truth := x.Truth
		if m.Kind == Deterioration {
			truth = followed(x, happened[x.Subject], time.Duration(m.Local.Horizon)*time.Hour, now)
		}
		if truth != nil {
			known = append(known, judged{x.Raw, x.Probability, x.Acts, *truth})
		}
	}
	v.count(m.Kind, known)
	v.check(m.Kind)
	return v, nil
}

func (r *Registry) outcomes(ctx context.Context, since time.Time) (map[vigil.Subject][]time.Time, error) {
	list, err := r.cfg.Book.Outcomes(ctx, since)
	out := map[vigil.Subject][]time.Time{}
	for _, o := range list {
		out[o.Subject] = append(out[o.Subject], o.At)
	}
	return out, err
}

func followed(x Verdict, at []time.Time, horizon time.Duration, now time.Time) *bool {
	yes := slices.ContainsFunc(at, func(t time.Time) bool { return t.After(x.At) && !t.After(x.At.Add(horizon)) })
	after := slices.ContainsFunc(at, func(t time.Time) bool { return !t.After(x.At) && x.At.Before(t.Add(horizon)) })
	if !yes && (after || now.Before(x.At.Add(horizon))) {
		return nil
	}
	return &yes
}

func (v *Validation) count(kind string, known []judged) {
	v.Judged = len(known)
	var kept, demoted, right, acted int
	for _, k := range known {
		if k.truth {
			v.True++
		} else {
			v.False++
		}
		switch {
		case k.acts && k.truth:
			right++
		case !k.acts && k.truth:
			kept++
		}
		if k.acts {
			acted++
			if !k.truth {
				demoted++
			}
		}
	}
	if kind == FalseAlarm {
		v.Kept, v.Demoted = ratio(kept, v.True), ratio(demoted, v.False)
	} else {
		v.PPV = ratio(right, acted)
		v.PerDay = 2400 * ratio(acted, v.Judged) // a verdict an hour and patient
	}
	v.AUROC = auroc(known)
	v.Bins = bins(known)
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

// auroc is the chance that a true case has the higher probability of a true and a false one; 0 without both.
func auroc(known []judged) float64 {
	slices.SortFunc(known, func(a, b judged) int {
		switch {
		case a.p < b.p:
			return -1
		case a.p > b.p:
			return 1
		}
		return 0
	})
	var pairs, below float64
	for i := 0; i < len(known); {
		j, pos, neg := i, 0.0, 0.0
		for ; j < len(known) && known[j].p == known[i].p; j++ {
			if known[j].truth {
				pos++
			} else {
				neg++
			}
		}
		pairs += pos * (below + neg/2)
		below += neg
		i = j
	}
	if n := float64(len(known)) - below; n > 0 && below > 0 {
		return pairs / n / below
	}
	return 0
}

// bins compares tenths of the cases, from the lowest probability, with what was so.
func bins(known []judged) []catalog.ModelBin {
	out := []catalog.ModelBin{}
	for i := range 10 {
		lo, hi := i*len(known)/10, (i+1)*len(known)/10
		if hi-lo < 5 {
			continue
		}
		b := catalog.ModelBin{Count: hi - lo}
		for _, k := range known[lo:hi] {
			b.Given += k.given / float64(hi-lo)
			if k.truth {
				b.Observed += 1 / float64(hi-lo)
			}
		}
		out = append(out, b)
	}
	return out
}

// check says in words what is wanting.
func (v *Validation) check(kind string) {
	w := v.Wanted
	need := func(ok bool, format string, args ...any) {
		if !ok {
			v.Wanting = append(v.Wanting, fmt.Sprintf(format, args...))
		}
	}
	need(v.Days >= w.Days, "%d of %d days in shadow", v.Days, w.Days)
	need(v.Judged >= w.Judged, "%d of %d judged cases", v.Judged, w.Judged)
	if kind == FalseAlarm {
		need(v.True >= w.True, "%d of %d alarms marked true", v.True, w.True)
		need(v.False >= w.False, "%d of %d alarms marked false", v.False, w.False)
		need(v.Kept >= w.KeepAt, "%.1f %% of true alarms stay, %.1f %% wanted", 100*v.Kept, 100*w.KeepAt)
	} else {
		need(v.True >= w.True, "%d of %d hours before a deterioration", v.True, w.True)
		need(v.False >= w.False, "%d of %d other hours", v.False, w.False)
	}
	if v.True == 0 || v.False == 0 {
		need(w.AUROC == 0, "AUROC not known yet, %.2f wanted", w.AUROC)
	} else {
		need(v.AUROC >= w.AUROC, "AUROC %.2f, %.2f wanted", v.AUROC, w.AUROC)
	}
	v.Passed = len(v.Wanting) == 0
}
