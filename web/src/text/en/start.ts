export const start = {
  title: 'Sign in', login: 'Name or badge', password: 'Password', go: 'Sign in', look: 'Look around as', roles: { nurse: 'Nurse', physician: 'Physician', patient: 'Patient', engineer: 'Engineer', admin: 'Administrator' },
  roleText: { nurse: 'Watch the ward', physician: 'Answer alarms', patient: 'See your own day', engineer: 'Look after devices' }, demoText: 'This is a simulated hospital. All people and values are invented.', version: (v: string) => `Version ${v}`,
  setupTitle: 'Set up Vigil', choose: 'How do you want to begin?', demo: 'Look around with a simulated hospital', demoHow: 'Stop this server and start it like this. It needs no setup and touches none of your data:', own: 'Set up my hospital', ownText: 'One minute: name the site and make the first account.',
  token: 'Setup token', tokenHint: 'The server printed it in its terminal when it started.', site: 'Name of the hospital or site', name: 'Your name', passwordHint: 'At least 10 characters. A sentence is fine.', finish: 'Create and sign in', back: 'Back',
}
