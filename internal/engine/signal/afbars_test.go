package signal

import (
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// won is the probability that one of a scores higher than one of b: the AUROC.
func won(a, b []float64) float64 {
	sum := 0.0
	slices.Sort(b)
	for _, x := range a {
		lo, _ := slices.BinarySearch(b, x)
		hi, _ := slices.BinarySearch(b, math.Nextafter(x, 2))
		sum += float64(lo) + float64(hi-lo)/2
	}
	return sum / float64(len(a)) / float64(len(b))
}

// TestBarsOtherPatients prints what the model says of patients under anaesthesia, whom it has never seen: the VitalDB
// arrhythmia database, beats and rhythms by hand.
func TestBarsOtherPatients(t *testing.T) {
	files := unzip(t, filepath.Join(dataDir(t, "rhythm_vitaldb_arrdb"), "data.zip"))
	var af, sinus, other []float64
	for _, data := range files {
		var rr []float64
		var labels []string
		last := math.NaN()
		for _, line := range strings.Split(strings.TrimSpace(string(data)), "\n")[1:] {
			f := strings.Split(line, ",")
			at, err := strconv.ParseFloat(f[0], 64)
			if err != nil {
				continue // a rhythm without a beat
			}
			if d := at - last; d > 0.2 && d < 3 && f[3] != "True" {
				rr, labels = append(rr, d), append(labels, strings.TrimSpace(f[2]))
			}
			last = at
			if len(rr) < AFWindow {
				continue
			}
			p := AFProbability(rr)
			switch {
			case all(labels, "AFIB/AFL"):
				af = append(af, p)
			case all(labels, "N"):
				sinus = append(sinus, p)
			case !slices.Contains(labels, "AFIB/AFL"):
				other = append(other, p)
			}
			rr, labels = rr[AFWindow/2:], labels[AFWindow/2:]
		}
	}
	over := func(list []float64) float64 {
		n := 0.0
		for _, p := range list {
			if p >= 0.5 {
				n++
			}
		}
		return 100 * n / float64(len(list))
	}
	t.Logf("fibrillation or flutter %d windows, %.1f %% told; sinus rhythm %d, %.1f %% told; with other arrhythmia %d, %.1f %% told", len(af), over(af), len(sinus), over(sinus), len(other), over(other))
	t.Logf("AUROC against sinus rhythm %.4f", won(af, sinus))
}

func all(list []string, want string) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return s != want })
}
