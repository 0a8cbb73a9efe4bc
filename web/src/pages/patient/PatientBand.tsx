import { FileText, HeartPulse, MessageSquare, MonitorSmartphone, ShieldAlert, TriangleAlert, Video } from 'lucide-react'
import { isAcked } from '../../alarm/model'
import { OffButton, OffChip } from '../../alarm/OffBanner'
import type { Alarm, Patient } from '../../api/types'
import { date } from '../../lib/format'
import { patient as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Chip } from '../../ui/Chip'
import css from './PatientBand.module.css'

// PatientBand says who this is before anything else: a mistaken patient is the worst mistake a page can invite.
export function PatientBand({ patient: p, alarm, onVideo, onMessage, onReport }: { patient: Patient; alarm?: Alarm; onVideo: () => void; onMessage: () => void; onReport: () => void }) {
  const facts = [p.age !== undefined && t.years(p.age), p.sex, p.birth_date && t.born(date(p.birth_date)), t.mrn(p.mrn), p.weight_kg && t.kg(p.weight_kg), p.day].filter(Boolean).join(' · ')
  const score = p.news2?.total ?? null
  const was = p.news2_was?.total
  const device = p.devices.find((d) => d.kind === 'patch') ?? p.devices[0]
  return (
    <div className={css.band} data-priority={alarm && !isAcked(alarm) ? alarm.priority : undefined}>
      <div className={css.bed}><small>{p.bed ? t.bed : t.home}</small>{p.bed && <b>{p.bed.label}</b>}</div>
      <div className={css.who}><h1>{p.name}</h1><p>{facts}</p></div>
      <div className={css.chips}>
        {p.allergies.length === 0 ? <Chip large>{t.noAllergies}</Chip> : p.allergies.map((a) => <Chip key={a.text} large tone="caution" icon={<TriangleAlert size={14} aria-hidden />}>{a.text}</Chip>)}
        <OffChip scope={{ patient: p.id, bed: p.bed?.id, unit: p.unit?.id }} large />
        {p.code_status && <Chip large>{p.code_status}</Chip>}
        {p.isolation && <Chip large tone="caution" icon={<ShieldAlert size={14} aria-hidden />}>{p.isolation}</Chip>}
        {p.problems.slice(0, 2).map((x) => <Chip key={x} large icon={<HeartPulse size={14} aria-hidden />}>{x}</Chip>)}
        {score !== null && <Chip large tone={score >= 7 ? 'bad' : score >= 5 ? 'caution' : score >= 1 ? 'use' : 'good'}>{was !== undefined && was !== score ? t.newsFrom(String(score), was, score > was) : `NEWS2 ${score}`}</Chip>}
        {device && <Chip large icon={<MonitorSmartphone size={14} aria-hidden />}>{device.name}{device.battery !== undefined && ` · ${device.battery} %`}</Chip>}
      </div>
      <div className={css.actions}>
        <Button icon={<MessageSquare size={16} aria-hidden />} onClick={onMessage}>{t.message}</Button>
        <Button icon={<Video size={16} aria-hidden />} onClick={onVideo}>{t.video}</Button>
        <OffButton patient={p} />
        <Button icon={<FileText size={16} aria-hidden />} onClick={onReport}>{t.report}</Button>
      </div>
    </div>
  )
}
