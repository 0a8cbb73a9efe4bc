import { useQuery } from '@tanstack/react-query'
import { get } from '../../api/client'
import { clock } from '../../lib/format'
import { patient as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { Sparkline } from '../../ui/Sparkline'
import { useTrend } from './queries'
import css from './RiskCard.module.css'

interface Risk { probability: number; why: string[] | null; missing?: string[]; at: string }

// RiskCard is what the deterioration model says, with its reasons; there is none while the model does not notify.
export function RiskCard({ patient }: { patient: string }) {
  const { data: risk } = useQuery({ queryKey: ['risk', patient], queryFn: async () => (await get<Risk | undefined>(`/patients/${patient}/risk`)) ?? null, refetchInterval: 60_000 })
  const trend = useTrend(patient, risk ? ['deterioration-risk'] : [], 24)
  if (!risk) return null
  const points = (trend.data?.series[0]?.points ?? []).map((p): [number, number] => [p[0], p[1]])
  return (
    <Card title={t.risk} aside={clock(Date.parse(risk.at))}>
      <div className={css.row}><b className={css.value}>{(100 * risk.probability).toFixed(1)} %</b><Sparkline points={points} label={t.riskTrend} height={36} /></div>
      {risk.why && risk.why.length > 0 && <ul className={css.why}>{risk.why.map((w) => <li key={w}>{w}</li>)}</ul>}
      {risk.missing && risk.missing.length > 0 && <p className={css.missing}>{t.riskMissing(risk.missing.join(', '))}</p>}
    </Card>
  )
}
