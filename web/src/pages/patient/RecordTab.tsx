import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { get } from '../../api/client'
import type { Patient, RecordItem } from '../../api/types'
import { clock, date, time } from '../../lib/format'
import { patient as t, record as full } from '../../text/en'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import css from './RecordTab.module.css'

export function RecordTab({ patient }: { patient: Patient }) {
  const { data, isError, error, refetch } = useQuery({ queryKey: ['record', patient.id], queryFn: () => get<RecordItem[]>(`/patients/${patient.id}/record`) })
  if (isError) return <ErrorPanel error={error} what={t.record} retry={() => void refetch()} />
  if (!data) return <Skeleton />
  return (
    <Card title={t.record} aside={<Link to="/patients/$id/record" params={{ id: patient.id }}>{full.open}</Link>}>
      {data.length === 0 ? <Empty title={t.noRecord} /> : (
        <ul className={css.list}>{data.map((r) => (
          <li key={r.type + r.id}><div><b>{r.title}</b><p>{r.text}</p></div><div className={css.side}><Chip>{r.type}</Chip><time>{date(r.time)} {clock(time(r.time))}</time><span>{t.source}: {r.source}</span></div></li>
        ))}</ul>
      )}
    </Card>
  )
}
