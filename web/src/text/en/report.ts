export const report = {
  title: 'Alarm report', loading: 'The alarm report', none: 'No alarms in this time. Nice.', noneText: 'Choose a longer time, or another unit.',
  period: 'Time', periods: { '1': '24 hours', '7': '7 days', '30': '30 days', '90': '90 days' } as Record<string, string>, unit: 'Unit', allUnits: 'All units', names: 'With names', pdf: 'PDF', csv: 'CSV',
  alarms: 'Alarms', ofPatients: (n: number) => `of ${n} patients`, perBed: 'A bed and day', spread: (m: string, p: string, w: number) => `median ${m}, p90 ${p}, worst ${w}`,
  night: 'At night', nightText: 'from 22 to 6', notReal: 'Not real', judged: (low: string, high: string, n: number) => `${low} to ${high}, of ${n} judged`, notJudged: 'nobody has judged any yet',
  nuisance: 'Nuisance', nuisanceText: (s: number, r: number) => `${s} under 5 s, ${r} repeated`, tenth: 'Worst tenth', tenthText: 'of patients, of all alarms',
  load: 'Alarms a day', day: (d: string, n: number, beds: number) => `${d}: ${n} alarms, ${beds} beds`, heat: 'By hour of the day', cell: (d: string, h: string, n: number) => `${d} ${h}:00, ${n}`, weekdays: ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'],
  rules: 'By rule', rule: 'Rule', share: 'Share', patients: 'Patients', median: 'Median', short: '< 5 s', repeated: 'Repeated', falseShare: 'Not real (95 %)', n: (n: number) => `n ${n}`,
  worst: 'Patients with most alarms', patient: 'Patient', aDay: 'A day', mostBy: 'Most by', help: 'What would help', changes: 'Changes that would have helped', changesText: 'Replayed over kept telemetry of the last seven days at most. Every alarm that was found real stays. People decide.',
  replaying: 'Replaying the telemetry…', noChanges: 'No change of a limit would have spared a fifth of the alarms without losing a real one.', openLimits: 'Open the limits', openRule: 'Open the rule', forAll: (n: number) => `${n} patients`,
  answers: 'How soon somebody answered', priority: 'Priority', until: 'Raised until', steps: { seen: 'seen', accepted: 'accepted', acknowledged: 'acknowledged', resolved: 'resolved' } as Record<string, string>, p90: '90 % within', target: 'Target', within: 'Within target', withinOf: (p: string, n: number) => `${p} of ${n}`,
  escalated: (n: number, p: string) => `${n} alarms (${p}) went on to a further step of their chain.`, floods: 'Floods', floodsText: 'More than 10 alarms of a unit in 10 minutes.', noFloods: 'None in this time.', from: 'From', lasted: 'Lasted',
  hidden: 'Patients are numbered for you: charts are for clinical staff.',
}
