// The English catalogue of remote monitoring.
export const text = {
  title: 'Remote monitoring', loading: 'The panel', all: 'All programmes', programme: 'Programme', risk: 'Risk', any: 'Any risk', levels: { high: 'High', medium: 'Medium', low: 'Low' },
  patient: 'Patient', readings: 'Readings', since: 'Last reading', contact: 'Last contact', adherence: 'Adherence', alarms: 'Alarms', never: 'never', today: 'today', days: (n: number) => (n === 1 ? '1 day' : `${n} days`),
  none: 'Nobody is followed here yet', noneText: 'Enrol a patient and bind a device; the first reading brings the row to life.', noMatch: 'Nobody matches these filters', enrol: 'Enrol patient', enrolDo: 'Enrol', enrolled: 'Patient enrolled', search: 'Search patient', choose: (n: string) => `Choose ${n}`,
  chooseAll: 'Choose all', message: (n: number) => (n === 0 ? 'Message' : `Message ${n}`), messageTitle: (n: number) => (n === 1 ? 'Message to 1 patient' : `Message to ${n} patients`), messageText: 'Your words, as the patient will read them', send: 'Send', sent: 'Message sent', cancel: 'Cancel', silent: 'No reading for 3 days or more',
}
