import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { Fragment, useState } from 'react'
import { command, del, get, post, query } from '../../api/client'
import { problem, useUser } from '../../api/queries'
import { serverNow } from '../../lib/clock'
import { clock, date, time } from '../../lib/format'
import { useUnit } from '../../lib/unit'
import { Frame } from '../../shell/Frame'
import { common, desk as t } from '../../text/en'
import { Button } from '../../ui/Button'
import { Card } from '../../ui/Card'
import { Chip } from '../../ui/Chip'
import { Dialog } from '../../ui/Dialog'
import { SelectField, TextField } from '../../ui/Field'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { toast } from '../../ui/toast'
import { UnitSwitch } from '../central/UnitSwitch'
import css from './desk.module.css'

interface Who { id: string; name: string }
interface Duty { shift?: string; substitute?: string; role: string; who: Who; for?: string; from: string; to: string }
interface Rota { unit: string; duties: Duty[]; now: { role: string; who: Who[]; planned: boolean }[]; staff: (Who & { role: string })[]; roles: string[]; now_ms: number }
interface Handover { id: string; role: string; from_name: string; to_name: string; state: 'offered' | 'accepted' | 'declined'; note?: string; at: string; mine?: 'incoming' | 'outgoing'; open: { id: string; title: string }[] }

const DAY = 86_400_000
const names = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']

const monday = (ms: number): number => { const d = new Date(ms); d.setHours(0, 0, 0, 0); d.setDate(d.getDate() - ((d.getDay() + 6) % 7)); return d.getTime() }
const plus = (ms: number, days: number): number => { const d = new Date(ms); d.setDate(d.getDate() + days); return d.getTime() }

// OnCall is who holds each post of a unit: now, through the week, who stands in, and the hand-over between two people.
export function OnCall() {
  const unit = useUnit()
  const [start, setStart] = useState(() => monday(serverNow()))
  const [dialog, setDialog] = useState<'shift' | 'sub' | 'hand'>()
  const plans = useUser()?.roles.some((r) => r !== 'engineer') ?? false
  const { data, isError, error, refetch } = useQuery({
    queryKey: ['rota', unit, start], enabled: unit !== undefined, refetchInterval: 30_000,
    queryFn: () => get<Rota>('/rota' + query({ unit, from_ms: start, to_ms: plus(start, 7) })), placeholderData: (old) => old,
  })
  return (
    <Frame title={t.onCall} actions={<><UnitSwitch unit={unit} />{plans && <><Button onClick={() => setDialog('shift')}>{t.addShift}</Button><Button onClick={() => setDialog('sub')}>{t.addSub}</Button><Button kind="primary" onClick={() => setDialog('hand')}>{t.handover}</Button></>}</>}>
      {isError ? <ErrorPanel error={error} what={t.rota} retry={() => void refetch()} /> : !data ? <Skeleton /> : <>
        <Card title={t.now} flush><dl className={css.now}>{data.now.map((n) => <div key={n.role}><dt>{t.roles[n.role] ?? n.role}{!n.planned && n.who.length > 0 && ` · ${t.list}`}</dt><dd>{n.who.map((w) => w.name).join(', ') || t.nobody}</dd></div>)}</dl></Card>
        <Card title={`${t.week} ${date(new Date(start).toISOString())}`} flush aside={<><Button size="small" onClick={() => setStart(plus(start, -7))}>{t.before}</Button><Button size="small" onClick={() => setStart(monday(serverNow()))}>{t.today}</Button><Button size="small" onClick={() => setStart(plus(start, 7))}>{t.after}</Button></>}>
          {data.duties.length === 0 ? <Empty title={t.noShifts} text={t.noShiftsText} /> : <Week data={data} start={start} plans={plans} />}
        </Card>
        <Handovers plans={plans} />
      </>}
      {data && (dialog === 'shift' || dialog === 'sub') && <PlanDialog data={data} substitute={dialog === 'sub'} onClose={() => setDialog(undefined)} />}
      {data && dialog === 'hand' && <HandDialog data={data} onClose={() => setDialog(undefined)} />}
    </Frame>
  )
}

function useAgain() {
  const client = useQueryClient()
  return () => { void client.invalidateQueries({ queryKey: ['rota'] }); void client.invalidateQueries({ queryKey: ['handovers'] }) }
}

function Week({ data, start, plans }: { data: Rota; start: number; plans: boolean }) {
  const again = useAgain()
  const remove = useMutation({ mutationFn: (id: string) => del(`/rota/${id}`), onSuccess: again, onError: problem })
  const roles = data.roles.filter((r) => data.duties.some((d) => d.role === r))
  const days = names.map((_, i) => plus(start, i))
  const today = (day: number) => (data.now_ms >= day && data.now_ms < plus(day, 1)) || undefined
  return (
    <div className={css.week} role="group" aria-label={t.rota}>
      <div className={css.head}>{t.role}</div>
      {days.map((d, i) => <div key={d} className={css.head} data-today={today(d)}>{t.dayNames[names[i]!]} {new Date(d).getDate()}</div>)}
      {roles.map((role) => (
        <Fragment key={role}>
          <div className={css.head}>{t.roles[role] ?? role}</div>
          {days.map((day) => (
            <div key={day} data-today={today(day)}>{data.duties.filter((d) => d.role === role && time(d.from) >= day && time(d.from) < day + DAY).map((d) => (
              <span key={(d.shift ?? '') + (d.substitute ?? '') + d.from} className={css.duty} data-now={(time(d.from) <= data.now_ms && data.now_ms < time(d.to)) || undefined}>
                {d.who.name}<small>{clock(time(d.from))}–{clock(time(d.to))}{d.for && ` · ${t.standsIn(d.for)}`}</small>
                {plans && <Button size="small" kind="ghost" aria-label={`${t.remove} ${d.who.name}`} onClick={() => remove.mutate(d.substitute ?? d.shift ?? '')}>{t.remove}</Button>}
              </span>
            ))}</div>
          ))}
        </Fragment>
      ))}
    </div>
  )
}

function RoleAndPerson({ data, role, setRole, person, setPerson, label }: { data: Rota; role: string; setRole: (v: string) => void; person: string; setPerson: (v: string) => void; label: string }) {
  return <>
    <SelectField label={t.role} value={role} onChange={(e) => setRole(e.target.value)}>{data.roles.map((r) => <option key={r} value={r}>{t.roles[r] ?? r}</option>)}</SelectField>
    <SelectField label={label} value={person} onChange={(e) => setPerson(e.target.value)}><option value="">–</option>{data.staff.map((s) => <option key={s.id} value={s.id}>{s.name}</option>)}</SelectField>
  </>
}

function PlanDialog({ data, substitute, onClose }: { data: Rota; substitute: boolean; onClose: () => void }) {
  const again = useAgain()
  const [role, setRole] = useState(data.roles[0] ?? '')
  const [person, setPerson] = useState('')
  const [instead, setInstead] = useState('')
  const [days, setDays] = useState<string[]>(names.slice(0, 5))
  const [from, setFrom] = useState(substitute ? '' : '07:00')
  const [to, setTo] = useState(substitute ? '' : '19:00')
  const save = useMutation({
    mutationFn: () => (substitute
      ? post('/rota/substitutes', { unit: data.unit, role, person, for: instead, from: new Date(from).toISOString(), to: new Date(to).toISOString() })
      : post('/rota/shifts', { unit: data.unit, role, person, days, from, to })),
    onError: problem, onSuccess: () => { toast(t.saved); again(); onClose() },
  })
  const kind = substitute ? 'datetime-local' : 'time'
  return (
    <Dialog title={substitute ? t.addSub : t.addShift} onClose={onClose} actions={<><Button onClick={onClose}>{common.cancel}</Button><Button kind="primary" busy={save.isPending} disabled={!person || !from || !to} onClick={() => save.mutate()}>{t.save}</Button></>}>
      <div className={css.form}>
        <RoleAndPerson data={data} role={role} setRole={setRole} person={person} setPerson={setPerson} label={t.person} />
        {substitute
          ? <SelectField label={t.forWhom} value={instead} onChange={(e) => setInstead(e.target.value)}><option value="">{t.extra}</option>{data.staff.map((s) => <option key={s.id} value={s.id}>{s.name}</option>)}</SelectField>
          : <fieldset className={css.days}><legend>{t.days}</legend>{names.map((d) => <label key={d}><input type="checkbox" checked={days.includes(d)} onChange={() => setDays(days.includes(d) ? days.filter((x) => x !== d) : [...days, d])} /> {t.dayNames[d]}</label>)}</fieldset>}
        <TextField label={t.from} type={kind} value={from} onChange={(e) => setFrom(e.target.value)} required />
        <TextField label={t.to} type={kind} value={to} onChange={(e) => setTo(e.target.value)} required />
      </div>
    </Dialog>
  )
}

function HandDialog({ data, onClose }: { data: Rota; onClose: () => void }) {
  const again = useAgain()
  const me = useUser()?.person
  const held = data.now.find((n) => n.who.some((w) => w.id === me))?.role
  const [role, setRole] = useState(held ?? data.roles[0] ?? '')
  const [to, setTo] = useState('')
  const [note, setNote] = useState('')
  const [id] = useState(command)
  const save = useMutation({ mutationFn: () => post('/rota/handovers', { id, unit: data.unit, role, to, note }), onError: problem, onSuccess: () => { toast(t.saved); again(); onClose() } })
  return (
    <Dialog title={t.handTitle} onClose={onClose} actions={<><Button onClick={onClose}>{common.cancel}</Button><Button kind="primary" busy={save.isPending} disabled={!to} onClick={() => save.mutate()}>{t.handover}</Button></>}>
      <div className={css.form}>
        <p>{t.handText}</p>
        <RoleAndPerson data={data} role={role} setRole={setRole} person={to} setPerson={setTo} label={t.toWhom} />
        <TextField label={t.note} value={note} onChange={(e) => setNote(e.target.value)} maxLength={500} />
      </div>
    </Dialog>
  )
}

function Handovers({ plans }: { plans: boolean }) {
  const again = useAgain()
  const { data = [] } = useQuery({ queryKey: ['handovers'], queryFn: () => get<Handover[]>('/rota/handovers'), refetchInterval: 15_000 })
  const answer = useMutation({ mutationFn: ({ id, yes }: { id: string; yes: boolean }) => post(`/rota/handovers/${id}/${yes ? 'accept' : 'decline'}`), onSuccess: again, onError: problem })
  return (
    <Card title={t.handovers} flush>
      {data.length === 0 ? <p className={css.pad}>{t.noHand}</p> : <ul className={css.list}>{data.map((h) => (
        <li key={h.id}>
          <span>{t.roles[h.role] ?? h.role}: {h.from_name} → {h.to_name}<small>{[date(h.at), clock(time(h.at)), h.note, h.open.length > 0 && `${t.openAlarms(h.open.length)}: ${h.open.map((a) => a.title).join(', ')}`].filter(Boolean).join(' · ')}</small></span>
          <Chip tone={h.state === 'accepted' ? 'good' : h.state === 'offered' ? 'caution' : 'plain'}>{t[h.state]} {h.to_name}</Chip>
          {plans && h.state === 'offered' && h.mine === 'incoming' && <><Button size="small" kind="primary" onClick={() => answer.mutate({ id: h.id, yes: true })}>{t.accept}</Button><Button size="small" onClick={() => answer.mutate({ id: h.id, yes: false })}>{t.decline}</Button></>}
        </li>
      ))}</ul>}
    </Card>
  )
}
