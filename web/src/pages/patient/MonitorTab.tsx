import type { Alarm, Patient } from '../../api/types'
import { ConsultPanel } from '../../consult/ConsultPanel'
import { MonitorStack } from './MonitorStack'
import { RiskCard } from './RiskCard'
import { ScoresCard } from './ScoresCard'
import { StepsCard } from './StepsCard'
import { ThreadCard } from './ThreadCard'
import { TrendCard } from './TrendCard'
import { WhyCard } from './WhyCard'
import css from './MonitorTab.module.css'

export function MonitorTab({ patient, alarm, video, setVideo }: { patient: Patient; alarm?: Alarm; video: boolean; setVideo: (on: boolean) => void }) {
  return (
    <div className={css.columns}>
      <div className={css.left}>
        <MonitorStack patient={patient} />
        <TrendCard patient={patient} alarm={alarm} />
      </div>
      <aside className={css.right}>
        <ConsultPanel patient={patient} alarm={alarm?.id} active={video} setActive={setVideo} />
        <WhyCard alarm={alarm} />
        <RiskCard patient={patient.id} />
        <ScoresCard patient={patient.id} news2={patient.news2?.total} />
        <StepsCard patient={patient.id} />
        <ThreadCard patient={patient.id} />
      </aside>
    </div>
  )
}
