import { clock } from '../../lib/format'
import type { Reading } from '../../live/hooks'
import type { Alarm } from '../../api/types'
import { NumberBlock } from './NumberBlock'
import { alarmOf, blocks } from './readings'
import css from './TileNumbers.module.css'

// value shows a reading: "– –" when the device knows of none (lead off), "– ? –" when it is too old to be shown.
export function value(r: Reading | undefined): string {
  if (!r) return '–'
  if (r.value === null) return '– –'
  return r.text
}

export function pressure(sys: Reading | undefined, dia: Reading | undefined): string {
  if (!sys && !dia) return '–'
  return sys?.fresh && dia?.fresh ? `${sys.text}/${dia.text}` : sys?.fresh ? sys.text : '– ? –'
}

// unknown marks a value that is hidden, so that its sign fits where a number would be larger.
const unknown = (r: Reading | undefined): true | undefined => (r && r.value !== null && !r.fresh ? true : undefined)

// TileNumbers: two numbers at 40, the others at 27 and 19.
export function TileNumbers({ readings, alarms }: { readings: Map<string, Reading>; alarms: Alarm[] }) {
  const b = blocks(readings)
  const cuffAt = b.source === 'NIBP' && b.sys?.time_ms ? clock(b.sys.time_ms) : null
  return (
    <div className={css.numbers}>
      <NumberBlock signal="ecg" alarm={alarmOf(alarms, 'hr')} label={<>HR <small>bpm</small></>}><div className={css.main} data-unknown={unknown(b.hr)}>{value(b.hr)}</div></NumberBlock>
      <NumberBlock signal="spo2" alarm={alarmOf(alarms, 'spo2')} label={<>SpO₂ <small>%</small></>}><div className={css.main} data-unknown={unknown(b.spo2)}>{value(b.spo2)}</div></NumberBlock>
      <NumberBlock signal="resp" alarm={alarmOf(alarms, 'rr')} label="RR">
        <div className={css.second} data-unknown={unknown(b.rr)}>{value(b.rr)}</div>
        <div className={css.temp}><small>T</small> {value(b.temp)}</div>
      </NumberBlock>
      <NumberBlock signal="bp" alarm={alarmOf(alarms, 'bp')} label={<>{b.source} <small>{cuffAt ?? 'mmHg'}</small></>}>
        <div className={css.second} data-unknown={unknown(b.sys)}>{pressure(b.sys, b.dia)}</div>
        <div className={css.third}><small>MAP</small> {value(b.map)}</div>
      </NumberBlock>
    </div>
  )
}
