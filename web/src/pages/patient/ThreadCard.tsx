import { useEffect, useRef, useState, type FormEvent } from 'react'
import { clock, time } from '../../lib/format'
import { patient as t, common } from '../../text/en'
import { Card } from '../../ui/Card'
import { Empty } from '../../ui/State'
import { useThread, useWrite } from './queries'
import css from './ThreadCard.module.css'

export function ThreadCard({ patient }: { patient: string }) {
  const { data = [] } = useThread(patient)
  const write = useWrite(patient)
  const [text, setText] = useState('')
  const list = useRef<HTMLUListElement>(null)
  // Only the list may move: scrolling into view would move the whole page under the reader.
  useEffect(() => { if (list.current) list.current.scrollTop = list.current.scrollHeight }, [data.length])
  const submit = (e: FormEvent) => { e.preventDefault(); if (text.trim()) write.mutate({ text, kind: 'message' }, { onSuccess: () => setText('') }) }
  return (
    <Card title={t.thread} aside={t.people(new Set(data.map((m) => m.by)).size)} flush>
      <div className={css.body}>
        {data.length === 0 ? <Empty title={t.noThread} text={t.noThreadText} /> : (
          <ul ref={list} className={css.list} tabIndex={0} aria-label={t.thread}>{data.map((m) => <li key={m.id} className={css.entry} data-kind={m.kind}><b>{m.by} <time>{clock(time(m.at))}</time></b>{m.text}</li>)}</ul>
        )}
        <form onSubmit={submit} className={css.form}>
          <input id="thread-input" value={text} onChange={(e) => setText(e.target.value)} placeholder={t.write} aria-label={t.write} />
          {text ? <button type="submit">{common.send}</button> : <kbd aria-hidden="true">M</kbd>}
        </form>
      </div>
    </Card>
  )
}
