import { age } from '../../lib/format'
import { useRunTests } from '../../rule/door'
import { starterTests } from '../../rule/file'
import { refusal } from '../../rule/steps'
import type { Episode, Form, Tested, Vocabulary } from '../../rule/types'
import { rules as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { Empty } from '../../ui/State'
import css from './Editor.module.css'

// TestsCard holds the tests of the rule as text and runs them in the server, on virtual time.
export function TestsCard({ form, tests, words, onChange }: { form: Form; tests: string; words: Vocabulary; onChange: (tests: string) => void }) {
  const run = useRunTests()
  const starter = starterTests(form, words)
  const change = (x: string) => { run.reset(); onChange(x) }
  return (
    <Card title={t.tests} aside={<>
      <span role="status">{run.data && <Passed result={run.data} />}</span>
      <Button size="small" busy={run.isPending} disabled={tests.trim() === ''} onClick={() => run.mutate({ form, tests })}>{run.isPending ? t.running : t.runTests}</Button>
    </>}>
      {tests === '' ? <Empty title={t.testsNone} action={starter ? <Button size="small" onClick={() => change(starter)}>{t.starter}</Button> : undefined} /> : <p className={css.soft}>{t.testsText}</p>}
      <textarea className={css.text} aria-label={t.testEditor} spellCheck={false} rows={Math.min(24, Math.max(4, tests.split('\n').length + 1))} value={tests} onChange={(e) => change(e.target.value)} />
      {run.isError && <p className={css.faults} role="alert">{refusal(run.error, 'draft')}</p>}
      {run.data && run.data.tests.length > 0 && <ul className={css.results} aria-label={t.tests}>{run.data.tests.map((r) => <Result key={r.name} test={r} />)}</ul>}
    </Card>
  )
}

function Passed({ result }: { result: Tested }) {
  const bad = result.tests.filter((x) => x.faults?.length).length
  if (result.tests.length === 0) return <>{t.noTests}</>
  return bad === 0 ? <Chip tone="good">{t.passed(result.tests.length)}</Chip> : <Chip tone="bad">{t.failed(bad, result.tests.length)}</Chip>
}

function Result({ test }: { test: Tested['tests'][number] }) {
  const faults = test.faults ?? []
  const at = (iso: string) => age(Date.parse(iso) - Date.parse(test.from))
  const words = (e: Episode) => t.raised(e.rule, at(e.start), e.end ? at(e.end) : '')
  return (
    <li>
      <Chip tone={faults.length > 0 ? 'bad' : 'good'}>{faults.length > 0 ? t.fail : t.pass}</Chip>
      <span>{test.name}<small>{test.alarms?.length ? test.alarms.map(words).join('; ') : t.raisedNone}</small>{faults.map((f) => <span key={f} className={css.bad}>{f} </span>)}</span>
    </li>
  )
}
