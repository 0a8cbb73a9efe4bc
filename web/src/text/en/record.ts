import type { GroupKey } from '../../record/groups'

const groups: Record<GroupKey, string> = {
  identity: 'Identity', encounters: 'Encounters', problems: 'Allergies and problems', medications: 'Medications', results: 'Results and findings',
  readings: 'Readings of devices', documents: 'Documents and messages', rest: 'Everything else',
}

export const record = {
  open: 'Open the full record', groups, count: (shown: number, total: number | undefined, more: boolean) => (total !== undefined ? String(total) : more ? `${shown}+` : String(shown)),
  entries: 'Entries of the record', find: 'Find in the record', findHint: (n: number, more: boolean) => (more ? `Looks through the ${n} entries loaded so far.` : `Looks through all ${n} entries.`),
  hits: (n: number) => (n === 1 ? '1 entry found' : `${n} entries found`), noHit: 'No entry has these words', noHitText: 'Fewer words find more. Long groups are searched as far as they are loaded.',
  empty: 'Nothing here', more: 'Show more', loadingMore: 'Loading', choose: 'Choose an entry', chooseText: 'Arrow keys move, Enter opens, Escape goes back, / searches.',
  views: { read: 'Read', json: 'JSON', xml: 'XML', history: 'History' }, view: 'How to show it', resource: 'The entry', version: (v: string) => `Version ${v}`, stored: (at: string) => `stored ${at}`, measured: 'measured by a device',
  facts: 'What it says', rest: 'All other elements', noFacts: 'This entry has no more to say.', close: 'Back to the list', copy: 'Copy', copied: 'Copied', selected: 'Selected: copy it with Ctrl C',
  changed: (v: string) => `This entry has changed while it was open. You now see version ${v}.`, seeChanges: 'See what changed',
  history: 'Versions', deeds: { created: 'Created', changed: 'Changed', deleted: 'Deleted' }, by: (who: string) => `by ${who}`, nobody: 'no author named', older: 'Older version', newer: 'Newer version',
  noVersions: 'A reading has no versions', noVersionsText: 'What a device measured is never edited. A corrected value arrives as a reading of its own.', oneVersion: 'There is one version only, so nothing to compare.', same: 'These versions say the same.',
  changes: (n: number) => (n === 1 ? '1 element differs' : `${n} elements differ`), kinds: { added: 'Added', removed: 'Removed', changed: 'Changed' }, was: 'was', is: 'is now',
  stranger: 'This entry belongs to another patient', strangerText: 'It is not shown here, so that nobody mistakes one patient for another.', strangerOpen: 'Open that patient’s record',
  badLink: 'This link names no entry', badLinkText: 'A link to an entry ends with ?r=Condition/123.',
}
