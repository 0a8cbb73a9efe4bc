import { useQuery } from '@tanstack/react-query'
import { MessageSquare, Plus } from 'lucide-react'
import { useState } from 'react'
import { Button, Card, Empty, ErrorPanel, Frame, Segmented, SelectField, Skeleton } from '@vigil/ui'
import { panel, type Level, type Row } from './api'
import { EnrolDialog } from './EnrolDialog'
import { MessageDialog } from './MessageDialog'
import { PanelTable } from './PanelTable'
import { text as t } from './text'
import css from './PanelPage.module.css'

const SILENT_DAYS = 3

type Risk = 'any' | Level

// PanelPage: the patients at home by risk, those who fell silent, and one message for many.
export function PanelPage() {
  const [programme, setProgramme] = useState('')
  const [risk, setRisk] = useState<Risk>('any')
  const [silent, setSilent] = useState(false)
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set())
  const [dialog, setDialog] = useState<'enrol' | 'message'>()
  const { data, isError, error, refetch } = useQuery({ queryKey: ['rpm-panel', programme], queryFn: () => panel(programme), refetchInterval: 30_000, placeholderData: (old) => old })
  const fits = (r: Row) => (risk === 'any' || r.risk.level === risk) && (!silent || (r.days_since ?? SILENT_DAYS) >= SILENT_DAYS)
  const rows = (data?.rows ?? []).filter(fits)
  const names = rows.filter((r) => chosen.has(r.patient.id))
  return (
    <Frame title={t.title} actions={<>
      <Button icon={<MessageSquare size={16} aria-hidden />} disabled={names.length === 0} onClick={() => setDialog('message')}>{t.message(names.length)}</Button>
      <Button kind="primary" icon={<Plus size={16} aria-hidden />} onClick={() => setDialog('enrol')}>{t.enrol}</Button>
    </>}>
      <div className={css.filters}>
        <SelectField label={t.programme} value={programme} onChange={(e) => setProgramme(e.target.value)}>
          <option value="">{t.all}</option>
          {(data?.programmes ?? []).map((p) => <option key={p.id} value={p.id}>{p.name} ({p.patients})</option>)}
        </SelectField>
        <Segmented label={t.risk} value={risk} onChange={setRisk} options={[{ value: 'any', label: t.any }, ...(['high', 'medium', 'low'] as const).map((l) => ({ value: l, label: t.levels[l] }))]} />
        <Button aria-pressed={silent} kind={silent ? 'primary' : 'plain'} onClick={() => setSilent(!silent)}>{t.silent}</Button>
      </div>
      {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !data ? <Skeleton lines={6} />
        : data.rows.length === 0 ? <Empty title={t.none} text={t.noneText} action={<Button onClick={() => setDialog('enrol')}>{t.enrol}</Button>} />
          : rows.length === 0 ? <Empty title={t.noMatch} />
            : <Card flush><PanelTable rows={rows} programmes={data.programmes} chosen={chosen} setChosen={setChosen} /></Card>}
      {dialog === 'enrol' && <EnrolDialog programmes={data?.programmes ?? []} onClose={() => setDialog(undefined)} />}
      {dialog === 'message' && <MessageDialog patients={names.map((r) => r.patient)} onClose={(sent) => { setDialog(undefined); if (sent) setChosen(new Set()) }} />}
    </Frame>
  )
}
