package signal

import (
	"math"
	"path/filepath"
	"strings"
	"testing"
)

// resampled takes a signal of 360 samples a second to another rate: interpolated, or averaged where that is slower.
func resampled(data []int16, fs float64) []int16 {
	out := make([]int16, int(float64(len(data))*fs/360))
	width := int(360/fs+0.5) / 2
	for i := range out {
		x := float64(i) * 360 / fs
		k := min(int(x), len(data)-2)
		f := x - float64(k)
		v := float64(data[k])*(1-f) + float64(data[k+1])*f
		if fs < 360 {
			sum, n := 0.0, 0.0
			for at := max(0, k-width); at <= min(len(data)-1, k+width); at++ {
				sum, n = sum+float64(data[at]), n+1
			}
			v = sum / n
		}
		out[i] = int16(math.Round(v))
	}
	return out
}

// TestBarsRates prints QRS detection on the MIT-BIH records at other sampling rates.
func TestBarsRates(t *testing.T) {
	dir := dataDir(t, "ecg_mitdb")
	files, err := filepath.Glob(filepath.Join(dir, "*.vd.gz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, fs := range []float64{100, 125, 200, 250, 500, 1000} {
		var sum tally
		for _, f := range files {
			ref := annotations(t, strings.TrimSuffix(f, ".vd.gz")+".ann.csv.gz")
			for i := range ref {
				ref[i].at = int64(float64(ref[i].at) * fs / 360)
			}
			s := match(ref, detect(t, fs, 1.0/200, resampled(varints(gunzip(t, f)), fs)), fs)
			sum.tp, sum.fp, sum.fn = sum.tp+s.tp, sum.fp+s.fp, sum.fn+s.fn
		}
		t.Logf("%4.0f Hz  Se %.2f  PPV %.2f  F1 %.3f", fs, sum.se(), sum.ppv(), sum.f1())
		if sum.f1() < 99.6 {
			t.Errorf("F1 at %g Hz is to be 99.6 %% at least", fs)
		}
	}
}
