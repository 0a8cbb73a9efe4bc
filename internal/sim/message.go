package sim

import (
	"math"
	"strconv"
	"time"
)

// message builds one JSON object by hand, since a ward of simulated devices says thousands a second.
type message struct{ b []byte }

func newMessage(at time.Time) *message {
	m := &message{b: make([]byte, 0, 256)}
	m.b = append(m.b, `{"ts":`...)
	m.b = strconv.AppendInt(m.b, at.UnixMilli(), 10)
	return m
}

func (m *message) key(k string) *message {
	m.b = append(m.b, ',', '"')
	m.b = append(m.b, k...)
	m.b = append(m.b, '"', ':')
	return m
}

// num adds a number with so many decimals.
func (m *message) num(k string, v float64, decimals int) *message {
	m.key(k)
	m.b = strconv.AppendFloat(m.b, v, 'f', decimals, 64)
	return m
}

func (m *message) text(k, v string) *message {
	m.key(k)
	m.b = strconv.AppendQuote(m.b, v)
	return m
}

// ints adds a list of scaled integers; not a number becomes null.
func (m *message) ints(k string, data []float64, scale float64) *message {
	m.key(k)
	m.list(data, scale)
	return m
}

func (m *message) list(data []float64, scale float64) {
	m.b = append(m.b, '[')
	for i, v := range data {
		if i > 0 {
			m.b = append(m.b, ',')
		}
		if math.IsNaN(v) {
			m.b = append(m.b, "null"...)
			continue
		}
		v = math.Max(-32767, math.Min(32767, math.Round(v/scale)))
		m.b = strconv.AppendInt(m.b, int64(v), 10)
	}
	m.b = append(m.b, ']')
}

func (m *message) end() []byte { return append(m.b, '}') }

// monitorMessage is what a bedside monitor with arterial line says, by the profile bedside-monitor. Waveforms that are
// nil are left out; with the lead off the ECG is not measured.
func monitorMessage(at time.Time, b *Body, s *Strip, line bool, full bool) []byte {
	m := newMessage(at)
	v := b.Vitals()
	m.key("obs")
	m.b = append(m.b, '[')
	first := true
	obs := func(id string, v float64, decimals int) {
		if !first {
			m.b = append(m.b, ',')
		}
		first = false
		m.b = append(m.b, `{"id":"`...)
		m.b = append(m.b, id...)
		m.b = append(m.b, `","v":`...)
		m.b = strconv.AppendFloat(m.b, v, 'f', decimals, 64)
		m.b = append(m.b, '}')
	}
	if !b.LeadOff {
		obs("MDC_ECG_HEART_RATE", v.HR, 0)
		obs("MDC_RESP_RATE", v.RR, 0)
	}
	obs("MDC_PULS_OXIM_SAT_O2", v.SpO2, 0)
	obs("MDC_PULS_OXIM_PULS_RATE", v.HR, 0)
	if line {
		obs("MDC_PRESS_BLD_ART_SYS", v.Sys, 0)
		obs("MDC_PRESS_BLD_ART_DIA", v.Dia, 0)
		obs("MDC_PRESS_BLD_ART_MEAN", v.Mean(), 0)
	}
	if full {
		obs("MDC_TEMP_BODY", v.Temp, 1)
	}
	m.b = append(m.b, ']')
	if s != nil {
		m.waves(b, s, line)
	}
	return m.end()
}

func (m *message) waves(b *Body, s *Strip, line bool) {
	ecg := s.ECG
	if b.LeadOff {
		ecg = make([]float64, len(s.ECG))
		for i := range ecg {
			ecg[i] = math.NaN()
		}
	}
	m.key("waves")
	m.b = append(m.b, `{"II":`...)
	m.list(ecg, 0.005)
	m.b = append(m.b, `,"PLETH":`...)
	m.list(s.Pleth, 0.001)
	m.b = append(m.b, `,"RESP":`...)
	m.list(s.Resp, 0.001)
	if line {
		m.b = append(m.b, `,"ART":`...)
		m.list(s.Art, 0.1)
	}
	m.b = append(m.b, '}')
}

// cuffMessage is a cuff reading of a bedside monitor.
func cuffMessage(at time.Time, v Vitals) []byte {
	m := newMessage(at).key("obs")
	m.b = append(m.b, `[{"id":"MDC_PRESS_BLD_NONINV_SYS","v":`...)
	m.b = strconv.AppendFloat(m.b, v.Sys, 'f', 0, 64)
	m.b = append(m.b, `},{"id":"MDC_PRESS_BLD_NONINV_DIA","v":`...)
	m.b = strconv.AppendFloat(m.b, v.Dia, 'f', 0, 64)
	m.b = append(m.b, `},{"id":"MDC_PRESS_BLD_NONINV_MEAN","v":`...)
	m.b = strconv.AppendFloat(m.b, v.Mean(), 'f', 0, 64)
	m.b = append(m.b, `}]`...)
	return m.end()
}

// nurseMessage is what a nurse enters at the monitor: consciousness on the ACVPU scale and oxygen flow in L/min.
func nurseMessage(at time.Time, acvpu int, oxygen float64) []byte {
	m := newMessage(at).key("obs")
	m.b = append(m.b, `[{"id":"ACVPU","v":`...)
	m.b = strconv.AppendInt(m.b, int64(acvpu), 10)
	m.b = append(m.b, `},{"id":"O2_FLOW","v":`...)
	m.b = strconv.AppendFloat(m.b, oxygen, 'f', 1, 64)
	m.b = append(m.b, `}]`...)
	return m.end()
}

// patchMessage is what a smart patch says, by the profile smart-patch.
func patchMessage(at time.Time, v Vitals, battery float64, ecg []float64) []byte {
	m := newMessage(at).num("hr", v.HR, 0).num("rr", v.RR, 0).num("spo2", v.SpO2, 0).num("sys", v.Sys, 0).num("dia", v.Dia, 0).
		num("map", v.Mean(), 0).num("temp", v.Temp, 1).num("bat", battery, 0)
	if ecg != nil {
		m.ints("ecg", ecg, 0.005)
	}
	return m.end()
}
