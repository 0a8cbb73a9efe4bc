package sim

import (
	"strings"

	"github.com/vigil-health/vigil"
)

// plain takes case, spaces and signs from a recorded name: "ABP Sys" and "abp_sys" are one.
func plain(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToLower(name))
}

// numericMetric knows the names under which monitors and the PhysioNet databases record numbers.
func numericMetric(name string) (vigil.Metric, bool) {
	m, ok := map[string]vigil.Metric{
		"hr": "heart-rate", "heartrate": "heart-rate", "pulse": "pulse-rate", "pr": "pulse-rate", "pulserate": "pulse-rate",
		"resp": "respiratory-rate", "rr": "respiratory-rate", "resprate": "respiratory-rate", "respiratoryrate": "respiratory-rate",
		"spo2": "spo2", "o2sat": "spo2", "temp": "temperature", "temperature": "temperature",
		"abpsys": "art-systolic", "abpdias": "art-diastolic", "abpdia": "art-diastolic", "abpmean": "art-mean",
		"artsys": "art-systolic", "artdia": "art-diastolic", "artmean": "art-mean",
		"nbpsys": "bp-systolic", "nbpdias": "bp-diastolic", "nbpdia": "bp-diastolic", "nbpmean": "bp-mean",
		"sbp": "bp-systolic", "dbp": "bp-diastolic", "map": "bp-mean", "sys": "bp-systolic", "dia": "bp-diastolic",
		"etco2": "co2-end-tidal", "cvp": "cvp-mean", "cvpmean": "cvp-mean",
	}[plain(name)]
	return m, ok
}

// waveMetric knows the names under which they record waveforms.
func waveMetric(name string) (vigil.Metric, bool) {
	m, ok := map[string]vigil.Metric{
		"ii": "ecg-ii", "mlii": "ecg-ii", "ecgii": "ecg-ii", "v": "ecg-v", "v1": "ecg-v", "v5": "ecg-v", "avr": "ecg-avr", "ecg": "ecg-patch", "ecg1": "ecg-patch",
		"pleth": "pleth", "ppg": "pleth", "resp": "resp-wave", "abp": "art-wave", "art": "art-wave", "cvp": "cvp-wave", "co2": "co2-wave",
	}[plain(name)]
	return m, ok
}
