import { Copy } from 'lucide-react'
import { useMemo, useRef } from 'react'
import { useXML } from '../../record/door'
import type { Resource } from '../../record/fhir'
import { prettyJSON, prettyXML } from '../../record/source'
import { record as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { toast } from '../../ui/toast'
import css from './SourceView.module.css'

export const JSONView = ({ json }: { json: string }) => <Source label={t.views.json} text={useMemo(() => prettyJSON(json), [json])} />

export function XMLView({ resource }: { resource: Resource }) {
  const { data, isError, error, refetch } = useXML(resource)
  const text = useMemo(() => prettyXML(data ?? ''), [data])
  if (isError) return <ErrorPanel error={error} what={t.views.xml} retry={() => void refetch()} />
  return data === undefined ? <Skeleton lines={6} /> : <Source label={t.views.xml} text={text} />
}

function Source({ label, text }: { label: string; text: string }) {
  const pre = useRef<HTMLPreElement>(null)
  // Without HTTPS a browser lets no page write to the clipboard: then the text is selected for the hand.
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text)
      toast(t.copied)
    } catch {
      window.getSelection()?.selectAllChildren(pre.current!)
      toast(t.selected)
    }
  }
  return (
    <div className={css.source}>
      <Button size="small" className={css.copy} icon={<Copy size={14} aria-hidden />} onClick={() => void copy()}>{t.copy}</Button>
      <pre ref={pre} className={css.code} tabIndex={0} aria-label={label}>{text}</pre>
    </div>
  )
}
