// Waveforms by shape: sums of bells along one beat. Good enough to look at, not to diagnose.

const bell = (x, at, width, height) => height * Math.exp(-(((x - at) / width) ** 2))

// ecg returns millivolts at the phase 0..1 of a beat.
export const ecg = (ph) => bell(ph, 0.2, 0.03, 0.12) + bell(ph, 0.32, 0.009, -0.14) + bell(ph, 0.345, 0.012, 1.15) + bell(ph, 0.372, 0.011, -0.28) + bell(ph, 0.58, 0.05, 0.3)

export const art = (ph) => bell(ph, 0.2, 0.1, 1) + bell(ph, 0.38, 0.12, 0.42) + bell(ph, 0.52, 0.05, 0.2) + bell(ph, 0.65, 0.22, 0.3)

export const pleth = (ph) => bell(ph, 0.25, 0.12, 1) + bell(ph, 0.5, 0.13, 0.45)

// stream describes one waveform of a patient and makes its blocks.
export function waveforms(id, v) {
  const hr = () => (v['heart-rate'] ?? 75) / 60
  const sys = v['art-systolic'] ?? 120
  const dia = v['art-diastolic'] ?? 70
  const shift = [...id].reduce((n, c) => n + c.charCodeAt(0), 0) * 137
  const at = (f, rate) => (ms) => f((((ms + shift) / 1000) * rate()) % 1)
  return {
    'ecg-ii': { rate: 250, scale: 0.001, offset: 0, unit: 'mV', label: 'II', value: id === 'luc' ? () => null : at(ecg, hr) },
    art: { rate: 125, scale: 0.01, offset: 0, unit: 'mmHg', label: 'ART', value: (ms) => dia + (sys - dia) * at(art, hr)(ms) },
    pleth: { rate: 125, scale: 0.001, offset: 0, unit: '', label: 'Pleth', value: at(pleth, hr) },
    resp: { rate: 25, scale: 0.001, offset: 0, unit: '', label: 'Resp', value: (ms) => Math.sin(((ms + shift) / 1000) * 2 * Math.PI * (v['respiratory-rate'] / 60)) },
  }
}

export function block(w, startMs, n) {
  const out = new Int16Array(n)
  for (let i = 0; i < n; i++) {
    const x = w.value(startMs + (i * 1000) / w.rate)
    out[i] = x === null ? -32768 : Math.round((x - w.offset) / w.scale)
  }
  return out
}
