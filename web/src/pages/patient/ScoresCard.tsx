import { useQuery } from '@tanstack/react-query'
import { useEffect } from 'react'
import { get } from '../../api/client'
import { patient as t } from '../../text/en'
import { Card } from '../../ui/Card'
import css from './ScoresCard.module.css'

interface Result { key: string; title: string; version: string; source: string; total: number | null; known: number; ratio?: number; band: string; missing: string[] }

// ScoresCard is every score that is made for the patient's age. One that is not whole says what is missing: what is known
// so far is a lower bound, never a total. It asks anew when the NEWS2 beside the name changes, so that the two never differ for long.
export function ScoresCard({ patient, news2 }: { patient: string; news2?: number | null }) {
  const { data, refetch } = useQuery({ queryKey: ['scores', patient], queryFn: () => get<Result[]>(`/patients/${patient}/scores`), refetchInterval: 10_000 })
  useEffect(() => { void refetch() }, [news2, refetch])
  if (!data || data.length === 0) return null
  return (
    <Card title={t.allScores}>
      <ul className={css.list}>
        {data.map((s) => (
          <li key={s.key} title={`${s.source} (${s.version})`}>
            <span>{s.title}</span>
            <b>{s.ratio ? s.ratio.toFixed(2) : s.total ?? (s.known > 0 ? `≥ ${s.known}` : '–')}</b>
            <small>{s.missing.length > 0 ? t.scoreMissing(s.missing.join(', ')) : s.source}</small>
          </li>
        ))}
      </ul>
    </Card>
  )
}
