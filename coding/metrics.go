package coding

import (
	"time"

	"github.com/vigil-health/vigil"
)

// Metric is one thing that is measured, with its codes, its canonical unit and the range that a body or a room can show.
type Metric struct {
	Key      vigil.Metric
	Num      uint16 // stable for ever: stores write it
	Name     string
	Label    string // on screens
	LOINC    string
	MDCName  string // IEEE 11073-10101 reference identifier
	MDC      string // IEEE 11073-10101 code
	UCUM     string // canonical unit
	Unit     string // canonical unit for people
	Decimals int
	Shape    Shape
	Signal   Signal
	Low      float64 // plausible range; outside is a fault of the device, not of the patient
	High     float64
	MaxAge   time.Duration // older is not live
}

// metrics is the catalogue. Numbers are never reused. MDC codes after IEEE 11073-10101:2019 (partition*65536 + term),
// LOINC after the FHIR vital-signs profiles where they name one.
var metrics = [...]Metric{
	{"heart-rate", 1, "Heart rate", "HR", "8867-4", "MDC_ECG_HEART_RATE", "147842", "/min", "bpm", 0, Numeric, SignalECG, 0, 350, 10 * time.Second},
	{"pulse-rate", 2, "Pulse rate", "PR", "8889-8", "MDC_PULS_OXIM_PULS_RATE", "149530", "/min", "bpm", 0, Numeric, SignalSpO2, 0, 350, 10 * time.Second},
	{"spo2", 3, "Oxygen saturation", "SpO₂", "59408-5", "MDC_PULS_OXIM_SAT_O2", "150456", "%", "%", 0, Numeric, SignalSpO2, 0, 100, 10 * time.Second},
	{"respiratory-rate", 4, "Respiratory rate", "RR", "9279-1", "MDC_RESP_RATE", "151562", "/min", "/min", 0, Numeric, SignalResp, 0, 150, 30 * time.Second},
	{"temperature", 5, "Body temperature", "T", "8310-5", "MDC_TEMP_BODY", "150364", "Cel", "°C", 1, Numeric, SignalTemp, 20, 46, 1 * time.Hour},
	{"temperature-skin", 6, "Skin temperature", "T skin", "60838-8", "MDC_TEMP_SKIN", "150388", "Cel", "°C", 1, Numeric, SignalTemp, 5, 46, 5 * time.Minute},
	{"bp-systolic", 7, "Systolic blood pressure", "NIBP", "8480-6", "MDC_PRESS_BLD_NONINV_SYS", "150021", "mm[Hg]", "mmHg", 0, Numeric, SignalBP, 20, 320, 1 * time.Hour},
	{"bp-diastolic", 8, "Diastolic blood pressure", "NIBP dia", "8462-4", "MDC_PRESS_BLD_NONINV_DIA", "150022", "mm[Hg]", "mmHg", 0, Numeric, SignalBP, 10, 250, 1 * time.Hour},
	{"bp-mean", 9, "Mean blood pressure", "MAP", "8478-0", "MDC_PRESS_BLD_NONINV_MEAN", "150023", "mm[Hg]", "mmHg", 0, Numeric, SignalBP, 10, 280, 1 * time.Hour},
	{"art-systolic", 10, "Arterial systolic pressure", "ART", "76215-3", "MDC_PRESS_BLD_ART_SYS", "150033", "mm[Hg]", "mmHg", 0, Numeric, SignalBP, -30, 350, 10 * time.Second},
	{"art-diastolic", 11, "Arterial diastolic pressure", "ART dia", "76213-8", "MDC_PRESS_BLD_ART_DIA", "150034", "mm[Hg]", "mmHg", 0, Numeric, SignalBP, -30, 300, 10 * time.Second},
	{"art-mean", 12, "Arterial mean pressure", "MAP", "76214-6", "MDC_PRESS_BLD_ART_MEAN", "150035", "mm[Hg]", "mmHg", 0, Numeric, SignalBP, -30, 320, 10 * time.Second},
	{"glucose", 13, "Blood glucose", "Glucose", "2339-0", "MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD", "160184", "mg/dL", "mg/dL", 0, Numeric, SignalOther, 5, 1000, 24 * time.Hour},
	{"glucose-interstitial", 14, "Interstitial glucose", "CGM", "99504-3", "MDC_CONC_GLU_ISF", "160212", "mg/dL", "mg/dL", 0, Numeric, SignalOther, 20, 600, 15 * time.Minute},
	{"weight", 15, "Body weight", "Weight", "29463-7", "MDC_MASS_BODY_ACTUAL", "188736", "kg", "kg", 1, Numeric, SignalOther, 0.3, 400, 168 * time.Hour},
	{"battery", 16, "Battery level", "Battery", "", "MDC_ATTR_VAL_BATT_CHARGE", "67996", "%", "%", 0, Numeric, SignalOther, 0, 100, 1 * time.Hour},
	{"signal", 17, "Radio signal strength", "Signal", "", "", "", "dB[mW]", "dBm", 0, Numeric, SignalOther, -150, 20, 1 * time.Hour},
	{"co2-end-tidal", 18, "End-tidal carbon dioxide", "EtCO₂", "19891-1", "MDC_CONC_AWAY_CO2_ET", "151708", "mm[Hg]", "mmHg", 0, Numeric, SignalCO2, 0, 150, 20 * time.Second},
	{"cvp-mean", 19, "Central venous pressure", "CVP", "60985-9", "MDC_PRESS_BLD_VEN_CENT_MEAN", "150087", "mm[Hg]", "mmHg", 0, Numeric, SignalPressure, -30, 60, 20 * time.Second},
	{"fio2", 20, "Inspired oxygen", "FiO₂", "3150-6", "MDC_CONC_AWAY_O2_INSP", "152196", "%", "%", 0, Numeric, SignalResp, 15, 100, 1 * time.Hour},
	{"oxygen-flow", 21, "Oxygen flow", "O₂", "3151-8", "", "", "L/min", "L/min", 1, Numeric, SignalResp, 0, 80, 1 * time.Hour},
	{"consciousness", 22, "Level of consciousness (0 alert, 1 confusion, 2 voice, 3 pain, 4 unresponsive)", "ACVPU", "67775-7", "", "", "1", "", 0, Numeric, SignalOther, 0, 4, 12 * time.Hour},
	{"steps", 23, "Steps", "Steps", "55423-8", "MDC_HF_STEPS", "8454195", "{steps}", "steps", 0, Numeric, SignalOther, 0, 200000, 24 * time.Hour},
	{"perfusion-index", 24, "Perfusion index", "PI", "61006-3", "MDC_BLD_PERF_INDEX", "150488", "%", "%", 1, Numeric, SignalSpO2, 0, 30, 30 * time.Second},
	{"infusion-rate", 25, "Infusion rate", "Rate", "", "MDC_FLOW_FLUID_PUMP", "157784", "mL/h", "mL/h", 1, Numeric, SignalOther, 0, 2000, 2 * time.Minute},
	{"infusion-volume-remaining", 26, "Volume remaining", "Left", "", "MDC_VOL_FLUID_TBI_REMAIN", "157872", "mL", "mL", 0, Numeric, SignalOther, 0, 5000, 2 * time.Minute},
	{"infusion-volume", 27, "Volume infused", "Given", "", "MDC_VOL_FLUID_DELIV", "157864", "mL", "mL", 0, Numeric, SignalOther, 0, 20000, 2 * time.Minute},
	{"bed-occupied", 28, "Bed occupied (0 no, 1 yes)", "Bed", "", "", "", "1", "", 0, Numeric, SignalOther, 0, 1, 10 * time.Minute},
	{"bed-angle", 29, "Head of bed angle", "Head", "", "", "", "deg", "°", 0, Numeric, SignalOther, -15, 90, 10 * time.Minute},
	{"bed-rail", 30, "Side rails up", "Rails", "", "", "", "1", "", 0, Numeric, SignalOther, 0, 4, 10 * time.Minute},
	{"room-temperature", 31, "Room temperature", "Room", "60832-1", "", "", "Cel", "°C", 1, Numeric, SignalTemp, -40, 80, 15 * time.Minute},
	{"room-humidity", 32, "Relative humidity", "RH", "65643-7", "", "", "%", "%", 0, Numeric, SignalOther, 0, 100, 15 * time.Minute},
	{"room-co2", 33, "Room carbon dioxide", "CO₂", "", "", "", "[ppm]", "ppm", 0, Numeric, SignalCO2, 0, 40000, 15 * time.Minute},
	{"room-pressure", 34, "Room differential pressure", "ΔP", "", "", "", "Pa", "Pa", 1, Numeric, SignalPressure, -500, 500, 15 * time.Minute},
	{"pacing-percent", 35, "Percent paced", "Paced", "", "MDC_IDC_STAT_BRADY_RV_PERCENT_PACED", "737504", "%", "%", 0, Numeric, SignalECG, 0, 100, 48 * time.Hour},
	{"lead-impedance", 36, "Lead impedance", "Lead", "", "MDC_IDC_MSMT_LEADCHNL_RV_IMPEDANCE_VALUE", "720320", "Ohm", "Ω", 0, Numeric, SignalOther, 0, 5000, 48 * time.Hour},
	{"inhaler-doses-left", 37, "Inhaler doses left", "Doses", "", "", "", "{puff}", "puffs", 0, Numeric, SignalOther, 0, 400, 168 * time.Hour},
	{"peak-flow", 38, "Peak expiratory flow", "PEF", "33452-4", "MDC_FLOW_AWAY_EXP_FORCED_PEAK", "152584", "L/min", "L/min", 0, Numeric, SignalResp, 30, 1000, 24 * time.Hour},
	{"heart-rate-variability", 39, "Heart rate variability (SDNN)", "HRV", "80404-7", "", "", "ms", "ms", 0, Numeric, SignalECG, 0, 500, 10 * time.Minute},
	{"lactate", 40, "Lactate", "Lactate", "2524-7", "", "", "mmol/L", "mmol/L", 1, Numeric, SignalOther, 0, 40, 24 * time.Hour},
	{"posture", 41, "Posture (0 lying, 1 sitting, 2 standing)", "Posture", "", "", "", "1", "", 0, Numeric, SignalOther, 0, 2, 10 * time.Minute},
	{"battery-voltage", 42, "Battery voltage", "Battery V", "", "", "", "V", "V", 2, Numeric, SignalOther, 0, 60, 48 * time.Hour},
	{"deterioration-risk", 58, "Risk of deterioration (model)", "Risk", "", "", "", "%", "%", 1, Numeric, SignalOther, 0, 100, 90 * time.Minute},
	{"ecg-ii", 60, "ECG lead II", "II", "", "MDC_ECG_LEAD_II", "131330", "mV", "mV", 2, Waveform, SignalECG, -10, 10, 5 * time.Second},
	{"ecg-patch", 61, "ECG of a patch", "ECG", "", "MDC_ECG_ELEC_POTL", "131328", "mV", "mV", 2, Waveform, SignalECG, -10, 10, 5 * time.Second},
	{"pleth", 62, "Plethysmogram", "Pleth", "", "MDC_PULS_OXIM_PLETH", "150452", "1", "", 2, Waveform, SignalSpO2, -10, 10, 5 * time.Second},
	{"resp-wave", 63, "Respiration", "Resp", "", "MDC_TTHOR_RESP_RATE_WAVE", "", "Ohm", "", 2, Waveform, SignalResp, -100, 100, 5 * time.Second},
	{"art-wave", 64, "Arterial pressure wave", "ART", "", "MDC_PRESS_BLD_ART", "150032", "mm[Hg]", "mmHg", 0, Waveform, SignalBP, -50, 400, 5 * time.Second},
	{"co2-wave", 65, "Capnogram", "CO₂", "", "MDC_CONC_AWAY_CO2", "151716", "mm[Hg]", "mmHg", 0, Waveform, SignalCO2, -5, 160, 5 * time.Second},
	{"ecg-v", 66, "ECG lead V", "V", "", "MDC_ECG_LEAD_V", "131395", "mV", "mV", 2, Waveform, SignalECG, -10, 10, 5 * time.Second},
	{"ecg-avr", 67, "ECG lead aVR", "aVR", "", "MDC_ECG_LEAD_AVR", "131390", "mV", "mV", 2, Waveform, SignalECG, -10, 10, 5 * time.Second},
	{"cvp-wave", 68, "Central venous pressure wave", "CVP", "", "MDC_PRESS_BLD_VEN_CENT", "150084", "mm[Hg]", "mmHg", 0, Waveform, SignalPressure, -50, 100, 5 * time.Second},
	{"ecg-heart-rate", 100, "Heart rate from the ECG", "ECG rate", "", "", "", "/min", "bpm", 0, Numeric, SignalECG, 0, 350, 10 * time.Second},
	{"ecg-heart-rate-5", 101, "Heart rate from the ECG, mean of 5 beats", "ECG rate, 5 beats", "", "", "", "/min", "bpm", 0, Numeric, SignalECG, 0, 350, 10 * time.Second},
	{"ecg-heart-rate-17", 102, "Heart rate from the ECG, mean of 17 beats", "ECG rate, 17 beats", "", "", "", "/min", "bpm", 0, Numeric, SignalECG, 0, 350, 10 * time.Second},
	{"ecg-pause", 103, "Longest time without a heartbeat on the ECG", "Pause", "", "", "", "s", "s", 1, Numeric, SignalECG, 0, 600, 10 * time.Second},
	{"hrv-rmssd", 104, "Heart rate variability (RMSSD)", "RMSSD", "", "", "", "ms", "ms", 0, Numeric, SignalECG, 0, 1000, 10 * time.Minute},
	{"hrv-pnn50", 105, "Heart rate variability (pNN50)", "pNN50", "", "", "", "%", "%", 1, Numeric, SignalECG, 0, 100, 10 * time.Minute},
	{"af-probability", 106, "Probability of atrial fibrillation", "AF", "", "", "", "1", "", 2, Numeric, SignalECG, 0, 1, 2 * time.Minute},
	{"ecg-sqi", 107, "Quality of the ECG signal", "ECG quality", "", "", "", "1", "", 2, Numeric, SignalECG, 0, 1, 30 * time.Second},
	{"map-of-usual", 109, "Mean blood pressure, part of what is usual for the person at this hour", "MAP of usual", "", "", "", "%", "%", 0, Numeric, SignalBP, 0, 400, 90 * time.Minute},
	{"map-trend", 110, "Mean blood pressure, sure change an hour", "MAP trend", "", "", "", "mm[Hg]/h", "mmHg/h", 1, Numeric, SignalBP, -500, 500, 90 * time.Minute},
	{"ppg-sqi", 108, "Quality of the pulse wave", "Pulse quality", "", "", "", "1", "", 2, Numeric, SignalSpO2, 0, 1, 30 * time.Second},
}
