package deterioration

import "math"

// points are the parts of scores that vital signs alone give; a value that is missing gives none. All are NaN when
// nothing was measured.
type points struct{ sirs, qsofa, news float64 }

// partial counts SIRS (ACCP/SCCM 1992), qSOFA (Sepsis-3, 2016) and NEWS2 (RCP 2017, SpO2 scale 1) without what no vital
// sign tells: white cells, consciousness, oxygen. They are features, not the scores shown to people (engine/score).
func partial(hr, spo2, temp, sys, rr float64) points {
	if math.IsNaN(hr) && math.IsNaN(spo2) && math.IsNaN(temp) && math.IsNaN(sys) && math.IsNaN(rr) {
		return points{math.NaN(), math.NaN(), math.NaN()}
	}
	var p points
	p.sirs = one(hr > 90) + one(rr > 20) + one(temp > 38 || temp < 36)
	p.qsofa = one(rr >= 22) + one(sys <= 100)
	p.news = step(hr, [...]float64{40.5, 50.5, 90.5, 110.5, 130.5}, [...]float64{3, 1, 0, 1, 2, 3}) +
		step(rr, [...]float64{8.5, 11.5, 20.5, 24.5, 1e9}, [...]float64{3, 1, 0, 2, 3, 3}) +
		step(spo2, [...]float64{91.5, 93.5, 95.5, 1e9, 1e9}, [...]float64{3, 2, 1, 0, 0, 0}) +
		step(temp, [...]float64{35.05, 36.05, 38.05, 39.05, 1e9}, [...]float64{3, 1, 0, 1, 2, 2}) +
		step(sys, [...]float64{90.5, 100.5, 110.5, 219.5, 1e9}, [...]float64{3, 2, 1, 0, 3, 3})
	return p
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// step returns the points of the first bound that the value is under; none for NaN.
func step(v float64, bounds [5]float64, points [6]float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	for i, b := range bounds {
		if v < b {
			return points[i]
		}
	}
	return points[5]
}
