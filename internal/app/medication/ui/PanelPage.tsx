import { useNavigate } from '@tanstack/react-router'
import { useQuery } from '@tanstack/react-query'
import { ageSex, Card, Chip, clock, Empty, ErrorPanel, Frame, Skeleton, Table, type Column } from '@vigil/ui'
import { panel, type Row } from './api'
import { text as t } from './text'
import css from './PanelPage.module.css'

const columns: Column<Row>[] = [
  { key: 'patient', title: t.patient, sort: (r) => r.patient.name, cell: (r) => <><b>{r.patient.name}</b> <small>{ageSex(r.patient)}</small>{r.patient.bed && <small> · Bed {r.patient.bed.label}</small>}</> },
  { key: 'next', title: t.next, sort: (r) => r.next?.due_ms ?? Infinity, cell: (r) => (r.next ? <><b>{clock(r.next.due_ms)}</b> {r.next.medication}</> : '–') },
  { key: 'late', title: t.late, sort: (r) => -r.late, cell: (r) => (r.late > 0 ? <Chip tone="caution">{r.late}</Chip> : '0') },
  { key: 'missed', title: t.missed, sort: (r) => -r.missed, cell: (r) => (r.missed > 0 ? <Chip tone="bad">{r.missed}</Chip> : '0') },
  { key: 'pdc', title: t.pdc, sort: (r) => r.pdc ?? 2, cell: (r) => (r.pdc === undefined ? '–' : <Chip tone={r.pdc < 0.8 ? 'caution' : 'good'}>{Math.round(r.pdc * 100)} %</Chip>) },
  { key: 'misuse', title: t.misuse, sort: (r) => -r.misuse.length, cell: (r) => r.misuse.map((m) => <div key={m} className={css.soft}>{m}</div>) },
]

export function PanelPage() {
  const navigate = useNavigate()
  const { data, isError, error, refetch } = useQuery({ queryKey: ['medication-panel'], queryFn: panel, refetchInterval: 30_000 })
  return (
    <Frame title={t.title}>
      {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !data ? <Skeleton lines={6} /> : data.rows.length === 0 ? <Empty title={t.none} text={t.noneText} /> : (
        <Card flush><Table label={t.title} columns={columns.map((c) => (c.key === 'patient' ? { ...c, cell: (r: Row) => <button type="button" className={css.open} onClick={() => void navigate({ to: '/patient/$id/$tab', params: { id: r.patient.id, tab: 'medication' } })}>{c.cell(r)}</button> } : c))}
          rows={data.rows} rowKey={(r) => r.patient.id} onOpen={(r) => void navigate({ to: '/patient/$id/$tab', params: { id: r.patient.id, tab: 'medication' } })} /></Card>
      )}
    </Frame>
  )
}
