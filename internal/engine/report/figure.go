package report

import (
	"math"
	"slices"
	"strconv"

	"github.com/vigil-health/vigil"
)

// quantile returns the value at share p of a sorted list by nearest rank, 0 for none.
func quantile[T int | float64](sorted []T, p float64) T {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[max(0, int(math.Ceil(p*float64(len(sorted))))-1)]
}

// spread sorts the list and returns its median and 90th centile.
func spread(list []float64) (median, p90 float64) {
	slices.Sort(list)
	return quantile(list, .5), quantile(list, .9)
}

// wilson returns the 95 % interval of k successes among n (Wilson, J Am Stat Assoc 1927;22:209-212). It stays within 0 and
// 1 and says something also of few cases and of none.
func wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	p, m := float64(k)/float64(n), float64(n)
	middle := p + z*z/(2*m)
	half := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, (middle-half)/(1+z*z/m)), min(1, (middle+half)/(1+z*z/m))
}

func share(part, all int) float64 {
	if all == 0 {
		return 0
	}
	return float64(part) / float64(all)
}

func (j *Judged) add(a *vigil.Alarm) {
	if a.Judged == nil {
		return
	}
	j.Judged++
	switch a.Judged.Truth {
	case vigil.TruthReal:
		j.Real++
	case vigil.TruthNoAction:
		j.NoAction++
	case vigil.TruthArtefact:
		j.Artefact++
	}
}

func (j *Judged) close() {
	j.False = share(j.Artefact, j.Judged)
	j.Low, j.High = wilson(j.Artefact, j.Judged)
}

func night(hour int) bool { return hour >= nightFrom || hour < nightTo }

// pseudonyms gives patients numbers in the order they are met.
type pseudonyms map[vigil.Subject]vigil.Subject

func (p pseudonyms) of(s vigil.Subject) vigil.Subject {
	if s == "" {
		return ""
	}
	if p[s] == "" {
		p[s] = vigil.Subject("P" + strconv.Itoa(len(p)+1))
	}
	return p[s]
}
