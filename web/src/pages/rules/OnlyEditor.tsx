import { useUnits } from '../../api/queries'
import { choices } from '../../rule/model'
import type { Form, Vocabulary } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Cross, Pick, Toggles, Word } from './slots'
import css from './SentenceEditor.module.css'

type Only = keyof typeof t.onlyKinds
const kinds = Object.keys(t.onlyKinds) as Only[]

const begin = (kind: Only, words: Vocabulary, unit: string): Partial<Form> => ({
  hours: { hours: '22-06' }, days: { days: ['sat', 'sun'] }, age_groups: { age_groups: ['adult'] }, units: { units: [unit] }, flags: { flags: { [Object.keys(words.flags)[0] ?? 'asleep']: true } },
  programmes: { programmes: [''] }, patients: { patients: [''] },
})[kind]

const listOf = (text: string): string[] => text.split(',').map((s) => s.trim())

// OnlyEditor is whom and when the rule restricts itself to: one line each, at the end of the sentence.
export function OnlyEditor({ form, words, set }: { form: Form; words: Vocabulary; set: (f: Partial<Form>) => void }) {
  const { data: units } = useUnits()
  const there = kinds.filter((k) => form[k] !== undefined)
  const slot = (k: Only) => {
    switch (k) {
      case 'hours': return <Word label={t.onlyKinds.hours} hint={t.hoursHint} value={form.hours ?? ''} onChange={(hours) => set({ hours })} />
      case 'days': return <Toggles label={t.onlyKinds.days} options={choices.weekday!.map((d) => [d, d])} value={form.days ?? []} onChange={(days) => set({ days })} />
      case 'age_groups': return <Toggles label={t.onlyKinds.age_groups} options={choices.age_group!.map((g) => [g, t.group_[g]!])} value={form.age_groups ?? []} onChange={(age_groups) => set({ age_groups })} />
      case 'units': return <Toggles label={t.onlyKinds.units} options={(units ?? []).map((u) => [u.id, u.name])} value={form.units ?? []} onChange={(list) => set({ units: list })} />
      case 'flags': return <Flags form={form} words={words} set={set} />
      default: return <Word label={t.onlyKinds[k]} hint={t.listHint} value={(form[k] ?? []).join(', ')} onChange={(v) => set({ [k]: listOf(v) })} />
    }
  }
  return (
    <div className={css.only}>
      {there.map((k) => <div key={k} className={css.part}><span>{t.onlyLead[k]}</span>{slot(k)}<Cross label={`${t.removeOnly}: ${t.onlyKinds[k]}`} onClick={() => set({ [k]: undefined })} /></div>)}
      <div className={css.part}>
        {there.length === 0 && <span className={css.soft}>{t.onlyNone}</span>}
        {there.length < kinds.length && (
          <select className={css.add} aria-label={t.onlyAdd} value="" onChange={(e) => set(begin(e.target.value as Only, words, units?.[0]?.id ?? ''))}>
            <option value="">+ {t.onlyAdd}</option>
            {kinds.filter((k) => !there.includes(k)).map((k) => <option key={k} value={k}>{t.onlyKinds[k]}</option>)}
          </select>
        )}
      </div>
    </div>
  )
}

function Flags({ form, words, set }: { form: Form; words: Vocabulary; set: (f: Partial<Form>) => void }) {
  const flags = Object.entries(form.flags ?? {})
  const put = (at: number, name: string, want: boolean) => set({ flags: Object.fromEntries(flags.map((f, i) => (i === at ? [name, want] : f))) })
  const free = Object.keys(words.flags).filter((f) => !(f in (form.flags ?? {})))
  return (
    <>
      {flags.map(([name, want], i) => (
        <span key={name} className={css.part}>
          <Pick label={t.slot.op} value={want ? 'yes' : 'no'} options={[['yes', t.flagged], ['no', t.notFlagged]]} onChange={(v) => put(i, name, v === 'yes')} />
          <Pick strong label={t.slot.name} value={name} options={[name, ...free].map((f) => [f, f])} onChange={(f) => put(i, f, want)} />
        </span>
      ))}
      {free.length > 0 && <button type="button" className={css.add} onClick={() => set({ flags: { ...form.flags, [free[0]!]: true } })}>+ {t.addText}</button>}
    </>
  )
}
