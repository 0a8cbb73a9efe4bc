import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ChevronLeft, ChevronRight } from 'lucide-react'
import { useState } from 'react'
import { Button, Card, Chip, clock, Empty, ErrorPanel, problem, serverNow, Skeleton, Table, TextField, toast, type Column, type PatientTabProps, type Tone } from '@vigil/ui'
import { day as fetchDay, give, type Day, type Dose, type DoseState } from './api'
import { DayChart } from './DayChart'
import { GiveDialog } from './GiveDialog'
import { HoldDialog } from './HoldDialog'
import { text as t } from './text'
import css from './DayView.module.css'

export const tones: Record<DoseState, Tone> = { upcoming: 'plain', due: 'use', late: 'caution', given: 'good', missed: 'bad', held: 'plain' }

const local = (ms: number) => { const d = new Date(ms); return new Date(ms - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 10) }
const shift = (date: string, days: number) => new Date(Date.parse(date) + days * 86_400_000).toISOString().slice(0, 10)

// DayView is a patient's day as chart and list; giving and holding a dose happen here.
export function DayView({ patient }: PatientTabProps) {
  const client = useQueryClient()
  const [date, setDate] = useState(() => local(serverNow()))
  const [holding, setHolding] = useState<Dose>()
  const [giving, setGiving] = useState<Dose>()
  const { data, isError, error, refetch } = useQuery({ queryKey: ['medication-day', patient, date], queryFn: () => fetchDay(patient, date), refetchInterval: 30_000 })
  const put = (d: Day) => { client.setQueryData(['medication-day', patient, date], d); void client.invalidateQueries({ queryKey: ['medication-panel'] }) }
  const giveDose = useMutation({ mutationFn: (d: Dose) => give(d.id), onSuccess: (d) => { put(d); toast(t.given); setGiving(undefined) }, onError: problem })
  return (
    <div className={css.page}>
      <div className={css.top}>
        <Button aria-label={t.previous} icon={<ChevronLeft size={16} />} onClick={() => setDate(shift(date, -1))} />
        <TextField label={t.day} type="date" value={date} onChange={(e) => e.target.value && setDate(e.target.value)} />
        <Button aria-label={t.following} icon={<ChevronRight size={16} />} onClick={() => setDate(shift(date, 1))} />
        {data?.pdc && <div className={css.pdc}><Chip large tone={data.pdc.value < 0.8 ? 'caution' : 'good'}>{t.pdc} {Math.round(data.pdc.value * 100)} %</Chip><span>{data.pdc.definition || `${t.pdcTitle} ${t.pdcDays(data.pdc.days)}.`}</span></div>}
      </div>
      {isError ? <ErrorPanel error={error} what={t.loadingDay} retry={() => void refetch()} /> : !data ? <Skeleton lines={6} /> : data.doses.length === 0 ? <Empty title={t.noDoses} text={t.noDosesText} /> : (
        <>
          <Card title={t.chart}><DayChart day={data} /></Card>
          <Card title={t.doses} flush><Doses doses={data.doses} onGive={setGiving} onHold={setHolding} /></Card>
        </>
      )}
      {giving && <GiveDialog dose={giving} busy={giveDose.isPending} onGive={() => giveDose.mutate(giving)} onClose={() => setGiving(undefined)} />}
      {holding && <HoldDialog dose={holding} onDone={(d) => { put(d); setHolding(undefined) }} onClose={() => setHolding(undefined)} />}
    </div>
  )
}

const open: DoseState[] = ['due', 'late', 'upcoming']

function Doses({ doses, onGive, onHold }: { doses: Dose[]; onGive: (d: Dose) => void; onHold: (d: Dose) => void }) {
  const columns: Column<Dose>[] = [
    { key: 'due', title: t.due, sort: (d) => d.due_ms, cell: (d) => <b>{clock(d.due_ms)}</b> },
    { key: 'medicine', title: t.medicine, sort: (d) => d.medication, cell: (d) => <><b>{d.medication}</b> {d.dose}</> },
    { key: 'window', title: t.window, cell: (d) => `${clock(d.from_ms)}–${clock(d.to_ms)}` },
    { key: 'state', title: t.state, sort: (d) => d.state, cell: (d) => <Chip tone={tones[d.state]}>{t.states[d.state]}{d.given_ms ? ' ' + t.at(clock(d.given_ms)) : ''}</Chip> },
    { key: 'by', title: t.by, cell: (d) => [d.by, d.source].filter(Boolean).join(' · ') || '–' },
    { key: 'do', title: '', cell: (d) => open.includes(d.state) && <span className={css.actions}>{d.state !== 'upcoming' && <Button size="small" kind="primary" onClick={() => onGive(d)}>{t.give}</Button>}<Button size="small" onClick={() => onHold(d)}>{t.hold}</Button></span> },
  ]
  return <Table label={t.doses} columns={columns} rows={doses} rowKey={(d) => d.id} />
}
