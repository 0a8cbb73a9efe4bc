import { Battery, PersonStanding, Shield, Sparkles } from 'lucide-react'
import type { Bed } from '../../api/types'
import { central as t } from '../../text/en'
import { ScoreBadge, ScoreBars } from '../../ui/Score'
import css from './TileFoot.module.css'

const icons: Record<string, typeof Battery> = { battery: Battery, isolation: Shield, falls: PersonStanding }

export function TileFoot({ bed }: { bed: Bed }) {
  return (
    <footer className={css.foot}>
      <span>{t.news}</span>
      <ScoreBadge score={bed.news2} />
      <span className={css.bars}><ScoreBars scores={bed.scores} /></span>
      <span className={css.flags}>
        {bed.flags.filter((f) => f.kind !== 'training').map((f) => {
          const Icon = icons[f.kind] ?? Sparkles
          return <span key={f.kind + f.text} className={css.flag} data-kind={f.kind}><Icon size={13} aria-hidden />{f.text}</span>
        })}
      </span>
      {bed.nurse && <span title={bed.nurse.name}>{bed.nurse.initials}</span>}
    </footer>
  )
}
