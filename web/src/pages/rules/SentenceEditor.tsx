import type { Priority } from '../../api/types'
import { clause, rooted } from '../../rule/model'
import type { Form, Vocabulary } from '../../rule/types'
import { common, rules as t } from '../../text/en'
import { ConditionEditor } from './ConditionEditor'
import { OnlyEditor } from './OnlyEditor'
import { Cross, Num, Pick, Seconds } from './slots'
import { RulePriority } from './StateChip'
import css from './SentenceEditor.module.css'

export interface EditProps { form: Form; words: Vocabulary; set: (f: Partial<Form>) => void }

// SentenceEditor is the rule as a sentence whose words can be changed in their place. cel stands in for the condition when
// it says more than slots can.
export function SentenceEditor({ form, words, set, cel }: EditProps & { cel?: React.ReactNode }) {
  return (
    <div className={css.sentence}>
      <div className={css.part}>
        <RulePriority priority={form.priority} size={24} />
        <Pick strong label={t.slot.priority} value={form.priority} options={(['high', 'medium', 'low'] as const).map((p) => [p, common.priority[p]])} onChange={(p) => set({ priority: p as Priority })} />
        <span>{t.alarmWhen}</span>
        {form.kind === 'limit' && <Limit form={form} words={words} set={set} />}
        {form.kind === 'score' && <Score form={form} words={words} set={set} />}
        {!['limit', 'score', 'condition'].includes(form.kind) && <span className={css.soft}>{t.kinds[form.kind]}. {t.technical}</span>}
      </div>
      {form.kind === 'condition' && <div className={css.block}>{cel ?? <ConditionEditor tree={rooted(form.model)} words={words} onChange={(model) => set({ model, when: undefined })} />}</div>}
      <Delays form={form} words={words} set={set} />
      <Ends form={form} words={words} set={set} />
      <div className={css.block}><OnlyEditor form={form} words={words} set={set} /></div>
      <div className={css.part}>
        <span>{t.asks}</span>
        <Pick label={t.slot.chain} value={form.chain ?? ''} options={[['', t.chainNone], ...Object.entries(words.chains)]} onChange={(chain) => set({ chain: chain || undefined })} />
        <label className={css.check}><input type="checkbox" checked={form.latching ?? false} onChange={(e) => set({ latching: e.target.checked || undefined })} /> {t.latching}</label>
      </div>
    </div>
  )
}

const nameOf = (key: string, words: Vocabulary): string => words.metrics.find((m) => m.key === key)?.name ?? key

function Limit({ form, words, set }: EditProps) {
  const metrics = form.metrics ?? []
  const groups = Object.keys(form.limits ?? {})
  const put = (i: number, key: string) => set({ metrics: metrics.map((m, j) => (j === i ? key : m)) })
  const free = words.metrics.filter((m) => !metrics.includes(m.key))
  const unit = words.metrics.find((m) => m.key === metrics[0])?.unit
  return (
    <>
      {metrics.map((m, i) => (
        <span key={m} className={css.part}>
          {i > 0 && <span>{t.otherwise}</span>}
          <Pick strong label={t.slot.metric} value={m} options={words.metrics.filter((x) => x.key === m || !metrics.includes(x.key)).map((x) => [x.key, x.name])} onChange={(k) => put(i, k)} />
          {metrics.length > 1 && <Cross label={t.removeMetric(nameOf(m, words))} onClick={() => set({ metrics: metrics.filter((x) => x !== m) })} />}
        </span>
      ))}
      <Pick label={t.slot.side} value={form.side ?? 'high'} options={[['high', t.isOver], ['low', t.isUnder]]} onChange={(side) => set({ side: side as 'low' | 'high' })} />
      {groups.map((g, i) => (
        <span key={g} className={css.part}>
          {i > 0 && <span className={css.soft}>/</span>}
          <Num label={t.slot.limit(t.group_[g] ?? g)} value={form.limits![g]!} onChange={(v) => set({ limits: { ...form.limits, [g]: v } })} />
          <span>({t.group_[g] ?? g})</span>
        </span>
      ))}
      {unit && <span>{unit}</span>}
      {metrics.length < 4 && free.length > 0 && <button type="button" className={css.add} onClick={() => set({ metrics: [...metrics, free[0]!.key] })}>+ {t.addMetric}</button>}
    </>
  )
}

function Score({ form, words, set }: EditProps) {
  return (
    <>
      <span>{t.theScore}</span>
      <Pick strong label={t.slot.score} value={form.score ?? ''} options={Object.entries(words.scores)} onChange={(score) => set({ score })} />
      <span>{t.atLeast}</span>
      <Num label={t.slot.total} value={form.at_least ?? 0} onChange={(at_least) => set({ at_least })} />
    </>
  )
}

function Delays({ form, words, set }: EditProps) {
  return (
    <div className={css.part}>
      <span>{t.for_}</span>
      <Seconds label={t.slot.delay} value={form.delay_s} onChange={(delay_s) => set({ delay_s })} />
      {Object.entries(form.delays_s ?? {}).map(([m, s]) => (
        <span key={m} className={css.part}>(<Seconds label={t.slot.delayOf(nameOf(m, words))} value={s} onChange={(v) => set({ delays_s: { ...form.delays_s, [m]: v } })} /> {t.for_} {nameOf(m, words)})</span>
      ))}
    </div>
  )
}

type End = 'over' | 'back' | 'condition'

function Ends({ form, words, set }: EditProps) {
  if (!['limit', 'score', 'condition'].includes(form.kind)) return <div className={css.part}><span>{t.endsWhen} {t.endOver} {t.for_}</span><Seconds label={t.slot.hold} value={form.clear_hold_s} onChange={(clear_hold_s) => set({ clear_hold_s })} /></div>
  const how: End = form.clear_model ?? form.clear_when ? 'condition' : form.clear_hysteresis !== undefined ? 'back' : 'over'
  const options: [string, string][] = [['over', t.endOver], ...(form.kind === 'limit' ? [['back', t.endBack] as [string, string]] : []), ...(form.kind === 'condition' ? [['condition', t.endCondition] as [string, string]] : [])]
  const turn = (to: End) => set({ clear_when: undefined, clear_model: to === 'condition' ? rooted(clause(words)) : undefined, clear_hysteresis: to === 'back' ? 1 : undefined })
  return (
    <>
      <div className={css.part}>
        <span>{t.endsWhen}</span>
        <Pick label={t.endsHow} value={how} options={options} onChange={(v) => turn(v as End)} />
        {how === 'back' && <Num label={t.slot.hysteresis} value={form.clear_hysteresis ?? 0} onChange={(clear_hysteresis) => set({ clear_hysteresis })} />}
        <span>{t.for_}</span>
        <Seconds label={t.slot.hold} value={form.clear_hold_s} onChange={(clear_hold_s) => set({ clear_hold_s })} />
      </div>
      {how === 'condition' && form.clear_model && <div className={css.block}><ConditionEditor tree={rooted(form.clear_model)} words={words} onChange={(clear_model) => set({ clear_model, clear_when: undefined })} /></div>}
      {how === 'condition' && !form.clear_model && <textarea className={css.text} aria-label={t.endsHow} rows={2} value={form.clear_when} onChange={(e) => set({ clear_when: e.target.value })} />}
    </>
  )
}
