// The English catalogue of medication.
export const text = {
  title: 'Medication', loading: 'The panel', loadingDay: 'The day', patient: 'Patient', next: 'Next dose', late: 'Late', missed: 'Missed', pdc: 'PDC', misuse: 'Signs of misuse', none: 'Nobody has a medication plan yet', noneText: 'Plans come from the record. A row appears with the first dose that is due.',
  day: 'Day', doses: 'Doses', chart: 'Day chart', medicine: 'Medicine', due: 'Due', window: 'Window', state: 'State', by: 'By', give: 'Give', hold: 'Hold', given: 'Dose given', held: 'Dose held', holdTitle: 'Why is this dose held?', reason: 'Reason', reasonHint: 'It stays with the dose in the record.', cancel: 'Cancel',
  noDoses: 'No doses on this day', noDosesText: 'Choose another day.', pdcTitle: 'Proportion of days covered', pdcDays: (n: number) => `over ${n} days`, states: { upcoming: 'Upcoming', due: 'Due', late: 'Late', given: 'Given', missed: 'Missed', held: 'Held' }, back: 'All patients', at: (t: string) => `at ${t}`, giveTitle: (m: string) => `Give ${m}?`, giveText: 'Check the patient, the drug, the dose and the time.', previous: 'Day before', following: 'Day after',
}
