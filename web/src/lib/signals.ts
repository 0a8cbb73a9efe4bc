// Which signal a metric belongs to: number and waveform of one signal share their colour.

export type Signal = 'ecg' | 'spo2' | 'bp' | 'resp' | 'temp' | 'co2' | 'pressure' | 'other'

const rules: [RegExp, Signal][] = [
  [/^(ecg|heart-rate|hr|pulse-rate|af-)/, 'ecg'],
  [/^(spo2|pleth|ppg)/, 'spo2'],
  [/^(bp|art|abp|nibp)/, 'bp'],
  [/^(resp|rr)/, 'resp'],
  [/^(temp|body-temp|skin-temp)/, 'temp'],
  [/^(co2|etco2)/, 'co2'],
  [/^(cvp|pap|icp|pressure)/, 'pressure'],
]

export function signalOf(metric: string): Signal {
  for (const [re, s] of rules) if (re.test(metric)) return s
  return 'other'
}

// waveLabel names a strip as monitors do.
export function waveLabel(metric: string): string {
  const lead = /^ecg-(?:lead-)?(i{1,3}|v\d?|av[rlf])$/.exec(metric)?.[1]
  if (lead) return lead.startsWith('av') ? 'aV' + lead[2]!.toUpperCase() : lead.toUpperCase()
  const s = signalOf(metric)
  return { ecg: 'ECG', spo2: 'Pleth', bp: 'ART', resp: 'Resp', temp: 'Temp', co2: 'CO₂', pressure: 'CVP', other: metric }[s]
}
