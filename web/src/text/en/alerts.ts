export const alerts = {
  title: 'Alerts', none: 'No open alarms. Nice.', noneText: 'New alarms, calls and tasks will stand here, the most urgent first.', loading: 'The alarms', notFound: 'This alarm',
  columns: { priority: 'Priority', where: 'Where', what: 'Alarm', patient: 'Patient', since: 'Since', step: 'Step', holder: 'With', state: 'State' }, stepOf: (a: number, b: number) => `${a} of ${b}`,
  filter: 'Show', all: 'All open', high: 'High', unacked: 'Not acknowledged', ackLow: (n: number) => `Acknowledge ${n} low`, openItem: 'Open', acknowledge: 'Acknowledge', coming: 'Coming up', technical: 'technical', endedNotSeen: 'ended, not seen',
  ackIt: 'Acknowledge, I have it', video: 'Video', message: 'Message', pass: 'Pass to next on call', resolve: 'Resolve', acked: (who: string, at: string) => `${who} has it since ${at}`,
  limit: (unit: string, limit: string) => `${unit}, limit ${limit}`, last: (m: string) => `${m}, last 30 min`, nextIn: (text: string, left: string) => `${text} is paged in ${left}`, resolved: 'This alarm is resolved.',
  facts: { news: 'NEWS2', allergy: 'Allergy', running: 'Running', nurse: 'Nurse' }, newsWas: (now: string, was: number) => `${now}, was ${was} this morning`, firstOnCall: 'You are first on call.', paged: 'You have been paged.', temp: 'Temp', limitShort: (l: string) => `limit ${l}`, was: (from: string, reason: string) => `Was ${from}: ${reason}`,
  passTitle: 'Pass to the next on call?', passText: 'The next person of the chain is paged at once. You stay in the history.', passDo: 'Pass on', messageTitle: 'Message to the team', backToList: 'All alarms', openChart: 'Open the chart',
}
