export const judge = {
  ask: 'Was it real?',
  short: { real: 'Real', artefact: 'Artefact', no_action: 'No action needed' },
  long: { real: 'Real', artefact: 'Artefact, not the patient', no_action: 'Real, but no action was needed' },
  by: (who: string, at: string) => `${who}, ${at}`,
}
