package signal

import (
	"archive/zip"
	"encoding/csv"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// alarmRecord is one record of the PhysioNet/CinC 2015 challenge: the last 30 s before an alarm, 250 Hz.
type alarmRecord struct {
	name, kind string
	truth      bool
	signals    []string
	scales     []float64
	data       [][]int16
}

func alarmRecords(t testing.TB) []alarmRecord {
	dir := dataDir(t, "alarms_cinc2015")
	f, err := os.Open(filepath.Join(dir, "index.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, filepath.Join(dir, "data.zip"))
	var out []alarmRecord
	for _, r := range rows[1:] {
		a := alarmRecord{name: r[0], kind: r[1], truth: r[2] == "1", data: channels(files[r[0]+".vd"])}
		for s := range strings.SplitSeq(r[3], "|") {
			p := strings.Split(s, ":")
			scale, err := strconv.ParseFloat(p[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			a.signals, a.scales = append(a.signals, p[0]), append(a.scales, 1/scale)
		}
		out = append(out, a)
	}
	return out
}

func unzip(t testing.TB, path string) map[string][]byte {
	z, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	out := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
		r.Close()
	}
	return out
}

// verdicts judges a channel in stretches of five seconds.
func verdicts(t testing.TB, data []int16, scale float64) []Verdict {
	const fs = 250
	q, err := NewQRS(fs, scale)
	if err != nil {
		t.Fatal(err)
	}
	beats := q.Feed(data, nil)
	var out []Verdict
	for i := 0; i+5*fs <= len(data); i += 5 * fs {
		var in []int64
		for _, b := range beats {
			if b.At >= int64(i) && b.At < int64(i+5*fs) {
				in = append(in, b.At-int64(i))
			}
		}
		out = append(out, ECGQuality(data[i:i+5*fs], fs, scale, in))
	}
	return out
}

// TestBarsQuality prints how quality in the 15 s before an alarm tells true alarms from false ones.
func TestBarsQuality(t *testing.T) {
	type cell struct{ n, low int }
	counts := map[string]*cell{}
	reasons := map[string]int{}
	for _, r := range alarmRecords(t) {
		k := slices.IndexFunc(r.signals, func(s string) bool {
			return s == "II" || s == "I" || s == "III" || s == "V" || s == "MCL" || strings.HasPrefix(s, "aV")
		})
		if k < 0 {
			continue
		}
		v := verdicts(t, r.data[k], r.scales[k])
		worst := Verdict{Score: 1}
		for _, x := range v[len(v)-3:] {
			if x.Score < worst.Score {
				worst = x
			}
		}
		key := r.kind + " " + strconv.FormatBool(r.truth)
		if counts[key] == nil {
			counts[key] = &cell{}
		}
		counts[key].n++
		if worst.Score < Floor {
			counts[key].low++
			reasons[worst.Reason+" "+strconv.FormatBool(r.truth)]++
		}
	}
	for _, k := range slices.Sorted(keys(counts)) {
		t.Logf("%-34s %3d of %3d under the floor (%.0f %%)", k, counts[k].low, counts[k].n, 100*float64(counts[k].low)/float64(counts[k].n))
	}
	t.Log(reasons)
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// TestBarsCinc2017 prints what the RR intervals of half a minute of a patch's ECG say of fibrillation.
func TestBarsCinc2017(t *testing.T) {
	dir := dataDir(t, "af_cinc2017")
	f, err := os.ReadFile(filepath.Join(dir, "index.csv"))
	if err != nil {
		t.Fatal(err)
	}
	files := unzip(t, filepath.Join(dir, "data.zip"))
	var af, other []float64
	for _, line := range strings.Split(strings.TrimSpace(string(f)), "\n")[1:] {
		r := strings.Split(line, ",")
		if r[1] == "~" {
			continue
		}
		q, err := NewQRS(300, 1.0/200)
		if err != nil {
			t.Fatal(err)
		}
		beats := q.Feed(varints(files[r[0]+".vd"]), nil)
		var rr []float64
		for i := 1; i < len(beats); i++ {
			rr = append(rr, float64(beats[i].At-beats[i-1].At)/300)
		}
		p := AFProbability(rr)
		switch {
		case math.IsNaN(p):
		case r[1] == "A":
			af = append(af, p)
		default:
			other = append(other, p)
		}
	}
	won := 0.0
	for _, a := range af {
		for _, o := range other {
			if a > o {
				won++
			} else if a == o {
				won += 0.5
			}
		}
	}
	t.Logf("AUROC %.4f of %d records in fibrillation against %d others, each about 30 s", won/float64(len(af)*len(other)), len(af), len(other))
}
