import { Maximize2 } from 'lucide-react'
import { useRef } from 'react'
import type { Patient } from '../../api/types'
import { signalOf, waveLabel, type Signal } from '../../lib/signals'
import { useVitals, type Reading } from '../../live/hooks'
import { vitals } from '../../live/vitals'
import { patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Empty } from '../../ui/State'
import { WaveStrip } from '../../wave/WaveStrip'
import { blocks, alarmOf, type BlockKey } from '../central/readings'
import { pressure, value } from '../central/TileNumbers'
import { BigNumber } from './BigNumber'
import { useQuery } from '@tanstack/react-query'
import { get } from '../../api/client'
import type { NumberValue } from '../../api/types'
import css from './MonitorStack.module.css'

const order: Signal[] = ['ecg', 'bp', 'spo2', 'resp', 'co2', 'pressure', 'temp', 'other']
const MAX_STRIPS = 8

// MonitorStack: strips to the left, the numbers they speak of to the right, each with its limits.
export function MonitorStack({ patient }: { patient: Patient }) {
  const numbers = useQuery({ queryKey: ['numbers', patient.id], queryFn: () => get<NumberValue[]>(`/patients/${patient.id}/numbers`) })
  const readings = useVitals(patient.id, numbers.data)
  const box = useRef<HTMLDivElement>(null)
  const known = [...new Set([...patient.waves, ...vitals.waveMetrics(patient.id)])]
  const waves = known.sort((a, b) => order.indexOf(signalOf(a)) - order.indexOf(signalOf(b))).slice(0, MAX_STRIPS)
  const rows: (string | null)[] = waves.length ? waves : [null]
  return (
    <div ref={box} className={css.box}>
      <Card flush title={t.monitor} className={css.card} aside={<><span>{t.speed}</span><Button size="small" kind="ghost" icon={<Maximize2 size={14} aria-hidden />} onClick={() => void box.current?.requestFullscreen?.()}>{t.full}</Button></>}>
        <div className={css.grid} data-empty={waves.length === 0 || undefined}>
          <div className={css.strips}>
            {rows.map((w) => (w ? (
              <div key={w} className={css.strip} data-signal={signalOf(w)}>
                <span className={css.label}>{signalOf(w) === 'ecg' && waveLabel(w) !== 'ECG' ? `ECG ${waveLabel(w)}` : waveLabel(w)}</span>
                <WaveStrip patient={patient.id} metric={w} line={1.900} label={`${waveLabel(w)}, ${patient.name}`} />
              </div>
            ) : <Empty key="none" title={t.noWaves} text={t.noWavesText} />))}
          </div>
          <Numbers patient={patient} readings={readings} />
        </div>
      </Card>
    </div>
  )
}

const limitOf = (r: Reading | undefined): [string?, string?] => [r?.high?.toString(), r?.low?.toString()]

function Numbers({ patient, readings }: { patient: Patient; readings: Map<string, Reading> }) {
  const b = blocks(readings)
  const alarm = (k: BlockKey) => alarmOf(patient.alarms, k)
  const range = b.map?.low !== undefined ? `MAP ${b.map.low}–${b.map.high ?? ''}` : undefined
  return (
    <div className={css.numbers}>
      <BigNumber label="HR" unit="bpm" signal="ecg" reading={b.hr} alarm={alarm('hr')} limits={limitOf(b.hr)} main={value(b.hr)} />
      <BigNumber label={b.source} unit="mmHg" signal="bp" reading={b.sys} alarm={alarm('bp')} limits={[range]} main={pressure(b.sys, b.dia)} second={value(b.map)} medium />
      <BigNumber label="SpO₂" unit="%" signal="spo2" reading={b.spo2} alarm={alarm('spo2')} limits={limitOf(b.spo2)} main={value(b.spo2)} />
      <BigNumber label="RR /min · Temp °C" signal="resp" reading={b.rr} alarm={alarm('rr')} limits={limitOf(b.rr)} main={value(b.rr)} second={value(b.temp)} secondSignal="temp" />
    </div>
  )
}
