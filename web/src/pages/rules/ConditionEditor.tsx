import { useUnits } from '../../api/queries'
import { add, argsOf, change, choices, clause, isGroup, joinOf, members, remove, resultOf, setJoin, withFn, withTexts, type Join, type Path } from '../../rule/model'
import { fnWord, opWord, pieces, type Piece } from '../../rule/say'
import type { Model, Vocabulary } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Cross, Num, Pick, Span, Toggles, Word } from './slots'
import css from './ConditionEditor.module.css'

// ConditionEditor is a tree of comparisons as indented lines: each line is a clause of the sentence.
export function ConditionEditor({ tree, words, onChange, path = [] }: { tree: Model; words: Vocabulary; onChange: (m: Model) => void; path?: Path }) {
  const here = path.reduce<Model>((m, i) => members(m)[i]!, tree)
  const list = members(here)
  const join = joinOf(here)
  return (
    <div className={css.group} role="group" aria-label={path.length > 0 ? t.group : undefined} data-inner={path.length > 0 || undefined}>
      {(list.length > 1 || path.length > 0) && (
        <div className={css.head}>
          <Pick label={t.joinLabel} value={join} options={[['all', t.all], ['any', t.any]]} onChange={(j) => onChange(setJoin(tree, path, j as Join))} /> {t.these}
          {path.length > 0 && <Cross label={t.removeGroup} onClick={() => onChange(remove(tree, path))} />}
        </div>
      )}
      <ul className={css.lines}>
        {list.map((m, i) => {
          const at = [...path, i]
          return (
            <li key={i} className={css.line}>
              {list.length > 1 && <span className={css.join} aria-hidden="true">{i === 0 ? '' : join === 'all' ? t.and : t.or}</span>}
              {isGroup(m) ? <ConditionEditor tree={tree} words={words} onChange={onChange} path={at} />
                : <Clause model={m} words={words} onChange={(next) => onChange(change(tree, at, () => next))} onRemove={() => onChange(remove(tree, at))} />}
            </li>
          )
        })}
      </ul>
      <div className={css.more}>
        <Button size="small" kind="ghost" onClick={() => onChange(add(tree, path, clause(words)))}>+ {t.addCondition}</Button>
        {path.length < 2 && <Button size="small" kind="ghost" onClick={() => onChange(add(tree, path, { [join === 'all' ? 'any' : 'all']: [clause(words), clause(words)] }))}>+ {t.addGroup}</Button>}
      </div>
    </div>
  )
}

interface ClauseProps { model: Model; words: Vocabulary; onChange: (m: Model) => void }

function Clause({ model, words, onChange, onRemove }: ClauseProps & { onRemove: () => void }) {
  return (
    <span className={css.clause}>
      {pieces(model, words).map((p, i) => <ClausePiece key={p.kind + i} piece={p} model={model} words={words} onChange={onChange} />)}
      <Cross label={t.removeCondition} onClick={onRemove} />
    </span>
  )
}

function ClausePiece({ piece, model: m, words, onChange }: ClauseProps & { piece: Piece }) {
  switch (piece.kind) {
    case 'text': return <span>{piece.text}</span>
    case 'fn': return <Pick label={t.slot.fn} value={m.fn ?? ''} options={functions(words)} onChange={(fn) => onChange(withFn(m, fn, words))} />
    case 'metric': return <Pick strong label={t.slot.metric} value={m.metric ?? ''} options={words.metrics.map((x) => [x.key, x.name])} onChange={(metric) => onChange(withFn({ ...m, metric }, m.fn!, words))} />
    case 'window': return <Span label={t.slot.window} value={m.window ?? '5m'} onChange={(window) => onChange({ ...m, window })} />
    case 'bound': return <Num label={t.slot.bound} value={m.bound ?? 0} onChange={(bound) => onChange({ ...m, bound })} />
    case 'value': return <Num label={t.slot.value} value={m.value ?? 0} onChange={(value) => onChange({ ...m, value })} />
    case 'name': return <NameSlot model={m} words={words} onChange={onChange} />
    case 'not': {
      const [yes, no] = m.fn === 'missing' ? [t.yes, t.not] : [t.is, t.isNot]
      return <Pick label={t.slot.op} value={m.not ? 'not' : ''} options={[['', yes], ['not', no]]} onChange={(v) => onChange({ ...m, not: v === 'not' || undefined })} />
    }
    case 'op': return resultOf(m.fn!, words) === 'text'
      ? <Pick label={t.slot.op} value={m.op === '!=' ? '!=' : '=='} options={[['==', m.op === 'in' ? t.isOneOf : t.is], ['!=', t.isNot]]} onChange={(op) => onChange(withTexts(m, op === '!=' ? (m.texts ?? []).slice(0, 1) : m.texts ?? [], op === '!='))} />
      : <Pick label={t.slot.op} value={m.op ?? '>'} options={Object.entries(opWord)} onChange={(op) => onChange({ ...m, op })} />
    case 'texts': return <TextsSlot model={m} words={words} onChange={onChange} />
  }
}

const functions = (words: Vocabulary): [string, string][] =>
  [...new Set([...words.functions.map((f) => f.name), ...words.variables.map((v) => v.name)])].filter((n) => fnWord[n] !== undefined).map((n) => [n, fnWord[n]!])

function NameSlot({ model: m, words, onChange }: ClauseProps) {
  const set = (name: string) => onChange({ ...m, name })
  switch (argsOf(m.fn!, words)[0]) {
    case 'score': return <Pick strong label={t.slot.score} value={m.name ?? ''} options={Object.entries(words.scores)} onChange={set} />
    case 'flag': return <Pick strong label={t.slot.name} value={m.name ?? ''} options={Object.keys(words.flags).map((f) => [f, f])} onChange={set} />
    default: return <Word label={t.slot.name} value={m.name ?? ''} onChange={set} />
  }
}

function TextsSlot({ model: m, onChange }: ClauseProps) {
  const { data: units } = useUnits()
  const options: [string, string][] = m.fn === 'unit' ? (units ?? []).map((u) => [u.id, u.name]) : (choices[m.fn!] ?? []).map((c) => [c, t.group_[c] ?? c])
  const set = (texts: string[]) => onChange(withTexts(m, m.op === '!=' ? texts.filter((x) => !m.texts?.includes(x) || texts.length === 1).slice(-1) : texts))
  return <Toggles label={t.slot.texts} options={options} value={m.texts ?? []} onChange={(v) => v.length > 0 && set(v)} />
}
