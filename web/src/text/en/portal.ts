// Words for patients: reading age about 11 years, short, calm, numbers always with words.
export const portal = {
  hello: (n: string) => `Hello ${n}`, tabs: { home: 'Home', readings: 'Readings', medicines: 'Medicines', messages: 'Messages', family: 'Family' }, nav: 'Pages', loading: 'Your page',
  calling: (n: string) => `${n} is calling`, join: 'Join video', today: "Today's medicines", noMedicines: 'You have no medicines for today.', taken: 'I took it', takenDone: 'Thank you. We noted it.',
  help: 'I need help now', helpTitle: 'Do you need help now?', helpText: 'We tell your nurse right away. If you are in danger, call the emergency number.', helpYes: 'Yes, get help', helpNo: 'No, go back', helpSent: 'We told your nurse. Help is coming.', pain: 'I have pain', toilet: 'I need the toilet',
  readings: 'Your readings', days: (n: number) => (n === 1 ? 'Today' : `${n} days`), choose: 'Which reading', noReadings: 'No readings yet', noReadingsText: 'Your readings show here as soon as your device sends one.',
  metrics: { 'bp-systolic': 'Blood pressure', 'heart-rate': 'Heart rate', spo2: 'Oxygen', temperature: 'Temperature' }, range: 'Time',
  messages: 'Messages', write: 'Write to your team', noMessages: 'No messages yet', noMessagesText: 'Write to your doctor or nurse. They answer as soon as they can.', unread: (n: number) => `${n} new`,
  family: 'Family', sees: 'can see', noFamily: 'Nobody is added yet', noFamilyText: 'Ask your nurse if you want your family to see how you are.', signOut: 'Sign out', live: 'Not connected right now. What you see may be old.', old: 'No new reading',
  lastAt: (t: string) => `Last reading ${t}`, inCall: (n: string) => `${n} · video`,
}
