package coding_test

import (
	"math"
	"testing"

	"github.com/vigil-health/vigil"
	"github.com/vigil-health/vigil/coding"
)

func TestCatalogueIsSound(t *testing.T) {
	keys, nums := map[vigil.Metric]bool{}, map[uint16]bool{}
	for _, m := range coding.Metrics() {
		if keys[m.Key] || nums[m.Num] {
			t.Errorf("%s: key or number %d stands twice", m.Key, m.Num)
		}
		keys[m.Key], nums[m.Num] = true, true
		if m.Low >= m.High || m.MaxAge <= 0 || m.UCUM == "" || m.Name == "" || m.Label == "" {
			t.Errorf("%s: incomplete: %+v", m.Key, m)
		}
		if got, ok := coding.ByNum(m.Num); !ok || got.Key != m.Key {
			t.Errorf("ByNum(%d) = %v, %v", m.Num, got.Key, ok)
		}
	}
}

func TestByCode(t *testing.T) {
	if got := coding.ByCode(coding.SystemLOINC, "8867-4"); len(got) != 1 || got[0].Key != "heart-rate" {
		t.Errorf("LOINC 8867-4 = %v", got)
	}
	if got := coding.ByCode(coding.SystemMDC, "150456"); len(got) != 1 || got[0].Key != "spo2" {
		t.Errorf("MDC 150456 = %v", got)
	}
	if got := coding.ByCode(coding.SystemMDC, "8867-4"); len(got) != 0 {
		t.Errorf("a LOINC code under MDC = %v", got)
	}
}

func TestConversion(t *testing.T) {
	for _, c := range []struct {
		from, to string
		in, want float64
	}{
		{"[degF]", "Cel", 98.6, 37}, {"Cel", "[degF]", 37, 98.6}, {"kPa", "mm[Hg]", 16, 120.00987},
		{"mmol/L", "mg/dL", 5.5, 99.0858}, {"Cel", "Cel", 36.6, 36.6}, {"", "Cel", 36.6, 36.6},
	} {
		a, b, err := coding.Conversion(c.from, c.to)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.in*a + b; math.Abs(got-c.want) > 1e-4 {
			t.Errorf("%g %s = %g %s, want %g", c.in, c.from, got, c.to, c.want)
		}
	}
	if _, _, err := coding.Conversion("furlong", "Cel"); vigil.KindOf(err) != vigil.Invalid {
		t.Errorf("furlong: %v", err)
	}
}
