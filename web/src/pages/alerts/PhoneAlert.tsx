import { Link, Navigate, useNavigate, useParams } from '@tanstack/react-router'
import { ArrowLeft, Check, CornerUpRight, MessageSquare, Video } from 'lucide-react'
import { useEffect, useState } from 'react'
import { Judge } from '../../alarm/Judge'
import { isAcked, lastPaged, sentence } from '../../alarm/model'
import { useAlarm, useAlarmAction, usePatient, useUser } from '../../api/queries'
import type { Alarm } from '../../api/types'
import { age, ageSex, clock, time } from '../../lib/format'
import { useBeat, useTopic } from '../../live/hooks'
import { LostBanner } from '../../shell/LostBanner'
import { alerts as t, common } from '../../text/en'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { PriorityGlyph } from '../../ui/Glyph'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { Asked } from '../../alarm/Asked'
import { PhoneEvidence } from './PhoneEvidence'
import css from './PhoneAlert.module.css'

// PhoneAlert is the physician's phone: the alarm first, then the proof, then four large actions.
export function PhoneAlert() {
  const { id = '' } = useParams({ strict: false }) as { id?: string }
  const { data: alarm, isError, error, refetch } = useAlarm(id)
  if (isError) return <main id="main"><ErrorPanel error={error} what={t.notFound} retry={() => void refetch()} /></main>
  if (!alarm) return <Skeleton />
  // A link that came by a message names the alarm in a way that says nothing; live changes come under its own name.
  if (alarm.id !== id) return <Navigate to="/alert/$id" params={{ id: alarm.id }} replace />
  return <Alert alarm={alarm} />
}

function Alert({ alarm: a }: { alarm: Alarm }) {
  const act = useAlarmAction()
  const navigate = useNavigate()
  const [passing, setPassing] = useState(false)
  const id = a.patient?.id
  useTopic(id ? { topic: 'patient', patient: id } : null)
  const { mutate } = act
  // Looking at the alarm is what "seen" means.
  useEffect(() => { if (a.state === 'raised' || a.state === 'paged') mutate({ alarm: a.id, action: 'seen' }) }, [a.id, a.state, mutate])
  const open = (hash?: string) => { if (id) void navigate({ to: '/patient/$id', params: { id }, hash }) }
  const acked = isAcked(a)
  return (
    <div className={css.page}>
      <LostBanner />
      <main id="main" className={css.main}>
        <Head alarm={a} />
        {id && <PhoneEvidence alarm={a} patient={id} />}
        <div className={css.actions}>
          {a.state === 'resolved' ? <p className={css.next}>{t.resolved}</p>
            : acked ? <Button kind="white" size="phone" icon={<Check size={22} aria-hidden />} busy={act.isPending} onClick={() => act.mutate({ alarm: a.id, action: 'resolve' })}>{t.resolve}</Button>
              : <Button kind="white" size="phone" icon={<Check size={22} aria-hidden />} busy={act.isPending} onClick={() => act.mutate({ alarm: a.id, action: 'acknowledge' })}>{t.ackIt}</Button>}
          <div className={css.pair}>
            <Button kind="primary" size="phone" icon={<Video size={22} aria-hidden />} onClick={() => open('video')}>{t.video}</Button>
            <Button size="phone" icon={<MessageSquare size={22} aria-hidden />} onClick={() => open('message')}>{t.message}</Button>
          </div>
          {!acked && <Button size="phone" icon={<CornerUpRight size={20} aria-hidden />} onClick={() => setPassing(true)}>{t.pass}</Button>}
        </div>
        <Next alarm={a} />
        <Asked alarm={a} />
        <Judge alarm={a} phone />
        <nav className={css.links}><Link to="/alerts"><ArrowLeft size={15} aria-hidden /> {t.backToList}</Link>{id && <Link to="/patient/$id" params={{ id }}>{t.openChart}</Link>}</nav>
      </main>
      {passing && (
        <Dialog title={t.passTitle} onClose={() => setPassing(false)} actions={<><Button size="large" onClick={() => setPassing(false)}>{common.cancel}</Button>
          <Button size="large" kind="primary" autoFocus busy={act.isPending} onClick={() => act.mutate({ alarm: a.id, action: 'pass' }, { onSettled: () => setPassing(false) })}>{t.passDo}</Button></>}>
          <p>{t.passText}</p>
        </Dialog>
      )}
    </div>
  )
}

function Head({ alarm: a }: { alarm: Alarm }) {
  const now = useBeat()
  const { data: patient } = usePatient(a.patient?.id ?? '')
  const user = useUser()
  // Only who was really called last may read that the alarm waits for him.
  const mine = !isAcked(a) && user !== null && lastPaged(a) === user.name
  const first = !mine ? '' : a.step <= 1 ? t.firstOnCall : t.paged
  const text = sentence(a.text || a.evidence?.sentence || '')
  const where = [a.bed && `Bed ${a.bed.label}`, a.bed?.unit ?? patient?.unit?.name].filter(Boolean).join(' · ')
  return (
    <section className={css.head} data-priority={a.priority} data-acked={isAcked(a) || undefined}>
      <div className={css.top}><PriorityGlyph priority={a.priority} size={25} ink={`var(--${a.priority})`} title={false} /><span>{[common.priority[a.priority], where].filter(Boolean).join(' · ')}</span><time>{age(now - time(a.raised))}</time></div>
      <h1>{a.patient ? `${a.patient.name} · ${ageSex(a.patient)}` : a.title}</h1>
      <p className={css.value}>
        {a.value_text ? <><b>{a.metric_label} {a.value_text}</b> {a.limit_text ? t.limit(a.unit_label ?? '', a.limit_text) : a.unit_label}</> : <b className={css.word}>{a.title}</b>}
      </p>
      <p className={css.text}>{[text, first].filter(Boolean).join(' ')}</p>
    </section>
  )
}

function Next({ alarm: a }: { alarm: Alarm }) {
  const now = useBeat()
  if (isAcked(a) && a.acked_by) return <p className={css.next}>{t.acked(a.acked_by, clock(time(a.acked_at)))}</p>
  if (!a.next) return null
  return <p className={css.next}>{t.nextIn(a.next.text, age(time(a.next.at) - now))}</p>
}
