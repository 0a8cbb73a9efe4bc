import { useEffect, useState } from 'react'
import { fromSeconds, spanOf, spanText, toSeconds, type SpanUnit } from '../../rule/model'
import { rules as t } from '../../text/en'
import css from './slots.module.css'

// The controls that stand inside a sentence. They are as wide as what they say.

export function Pick({ label, value, options, onChange, strong }: { label: string; value: string; options: [string, string][]; onChange: (v: string) => void; strong?: boolean }) {
  const known = options.some(([k]) => k === value)
  return (
    <select className={css.slot} data-strong={strong || undefined} aria-label={label} value={value} onChange={(e) => onChange(e.target.value)}>
      {!known && <option value={value}>{value || '…'}</option>}
      {options.map(([k, word]) => <option key={k} value={k}>{word}</option>)}
    </select>
  )
}

const numeric = /^[-−]?\d*[.,]?\d*$/
const read = (s: string): number => Number(s.replace('−', '-').replace(',', '.'))

// Num takes a number. What is no number yet (nothing, a lone minus) stays in the field and is not passed on.
export function Num({ label, value, onChange }: { label: string; value: number; onChange: (v: number) => void }) {
  const [text, setText] = useState(String(value))
  useEffect(() => { setText((old) => (old !== '' && read(old) === value ? old : String(value))) }, [value])
  const bad = text === '' || Number.isNaN(read(text))
  return (
    <input className={css.slot} data-number aria-label={label} inputMode="decimal" size={Math.max(2, text.length)} value={text} aria-invalid={bad || undefined} onBlur={() => bad && setText(String(value))}
      onChange={(e) => {
        if (!numeric.test(e.target.value)) return
        setText(e.target.value)
        const n = read(e.target.value)
        if (e.target.value !== '' && !Number.isNaN(n)) onChange(n)
      }} />
  )
}

const units: [SpanUnit, string][] = [['s', 's'], ['m', 'min'], ['h', 'h']]

// Seconds is a duration: a number and its unit. The unit that was chosen stays, whatever the number.
export function Seconds({ label, value, onChange }: { label: string; value: number; onChange: (s: number) => void }) {
  const [unit, setUnit] = useState<SpanUnit>(fromSeconds(value).unit)
  const n = value / toSeconds(1, unit)
  useEffect(() => { if (!Number.isInteger(n) && n < 1) setUnit(fromSeconds(value).unit) }, [n, value])
  return (
    <span className={css.pair}>
      <Num label={label} value={n} onChange={(v) => onChange(toSeconds(v, unit))} />
      <Pick label={`${label}: ${t.slot.unit.toLowerCase()}`} value={unit} options={units} onChange={(u) => { setUnit(u as SpanUnit); onChange(toSeconds(n, u as SpanUnit)) }} />
    </span>
  )
}

// Span is a window as rules write it: "5m".
export function Span({ label, value, onChange }: { label: string; value: string; onChange: (s: string) => void }) {
  const { n, unit } = spanOf(value)
  return (
    <Seconds label={label} value={toSeconds(n, unit)} onChange={(s) => { const x = fromSeconds(s); onChange(spanText(x.n, x.unit)) }} />
  )
}

// Word takes text, passed on as it is typed.
export function Word({ label, value, hint, onChange }: { label: string; value: string; hint?: string; onChange: (v: string) => void }) {
  return <input className={css.slot} aria-label={label} title={hint} placeholder={hint} size={Math.max(6, value.length || hint?.length || 0)} value={value} onChange={(e) => onChange(e.target.value)} />
}

// Toggles is a set of choices of which some are on.
export function Toggles({ label, options, value, onChange }: { label: string; options: [string, string][]; value: string[]; onChange: (v: string[]) => void }) {
  return (
    <span className={css.toggles} role="group" aria-label={label}>
      {options.map(([k, word]) => {
        const on = value.includes(k)
        return <button key={k} type="button" className={css.toggle} aria-pressed={on} onClick={() => onChange(on ? value.filter((x) => x !== k) : options.map(([o]) => o).filter((o) => o === k || value.includes(o)))}>{word}</button>
      })}
    </span>
  )
}

export function Cross({ label, onClick }: { label: string; onClick: () => void }) {
  return <button type="button" className={css.cross} aria-label={label} title={label} onClick={onClick}>×</button>
}
