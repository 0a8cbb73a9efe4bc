import { Check } from 'lucide-react'
import { useRef } from 'react'
import { spotsIn, type Spot } from '../../rule/file'
import type { Arg, Checked, Form, Vocabulary } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Chip } from '../../ui/Chip'
import css from './Editor.module.css'

// CelEditor is the condition as text, for what says more than slots can. Each fault shows its place, and leads there.
export function CelEditor({ form, checked, words, set }: { form: Form; checked?: Checked; words: Vocabulary; set: (f: Partial<Form>) => void }) {
  const area = useRef<HTMLTextAreaElement>(null)
  const text = form.when ?? ''
  const spots = checked && !checked.ok ? spotsIn(checked.faults, checked.text ?? '', '/when') : []
  const model = checked?.rules?.[0]?.edit.model
  const jump = (s: Spot) => {
    const at = text.split('\n').slice(0, s.line - 1).reduce((n, l) => n + l.length + 1, 0) + s.column - 1
    area.current?.focus()
    area.current?.setSelectionRange(at, at + wordAt(text.slice(at)).length)
  }
  return (
    <div>
      <div className={css.row}><span className={css.soft}>{model && checked?.ok ? t.celStill : t.celWhy}</span>
        {model && checked?.ok && <Button size="small" onClick={() => set({ model, when: undefined })}>{t.celAsSentence}</Button>}
        {checked?.ok && <Chip tone="good" icon={<Check size={13} aria-hidden />}>{t.celOk}</Chip>}
      </div>
      <textarea ref={area} className={css.text} aria-label={t.celEdit} rows={Math.max(3, text.split('\n').length + 1)} spellCheck={false} value={text} aria-invalid={spots.length > 0 || undefined} onChange={(e) => set({ when: e.target.value })} />
      {spots.length > 0 && <div role="alert"><ul className={css.spots}>{spots.map((s) => <li key={`${s.line}.${s.column}.${s.message}`}><Place spot={s} text={text} onJump={() => jump(s)} /></li>)}</ul></div>}
      <details className={css.words}>
        <summary>{t.words}</summary>
        <dl>
          {words.functions.map((f) => <div key={f.name + f.args.length} style={{ display: 'contents' }}><dt>{f.name}({f.args.map(argWord).join(', ')})</dt><dd>{f.doc}</dd></div>)}
          {words.variables.map((v) => <div key={v.name} style={{ display: 'contents' }}><dt>{v.name}</dt><dd>{v.doc}</dd></div>)}
        </dl>
      </details>
    </div>
  )
}

const argWord = (a: Arg): string => ({ metric: '"heart-rate"', window: '"5m"', number: '90', score: '"news2"', flag: '"asleep"', programme: '"heart"' })[a]

const wordAt = (text: string): string => /^(?:"[^"\n]*"?|[\w-]+|\S)/.exec(text)?.[0] ?? ''

function Place({ spot, text, onJump }: { spot: Spot; text: string; onJump: () => void }) {
  if (spot.line === 0) return <>{spot.message}</>
  const line = text.split('\n')[spot.line - 1] ?? ''
  const before = line.slice(0, spot.column - 1)
  const word = wordAt(line.slice(spot.column - 1))
  return (
    <>
      <div className={css.row}><Button size="small" onClick={onJump}>{t.spot(spot.line, spot.column)}</Button><span>{spot.message}</span></div>
      <pre>{before}<mark>{word}</mark>{line.slice(before.length + word.length)}</pre>
    </>
  )
}
