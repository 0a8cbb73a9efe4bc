import { Link, useNavigate } from '@tanstack/react-router'
import { time } from '../../lib/format'
import { useKeys } from '../../lib/keys'
import { isOver, useReplays } from '../../rule/door'
import type { Replay } from '../../rule/types'
import { Frame } from '../../shell/Frame'
import { rules as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { Chip, type Tone } from '../../ui/Chip'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import { Table } from '../../ui/Table'
import { Progress } from './Progress'
import { when } from './words'

const tones: Record<Replay['state'], Tone> = { queued: 'plain', running: 'use', done: 'good', failed: 'bad', cancelled: 'plain' }
export const ReplayState = ({ replay }: { replay: Replay }) => <Chip tone={tones[replay.state]}>{t.replayStates[replay.state]}</Chip>

const days = (r: Replay): number => Math.round((time(r.to) - time(r.from)) / 86_400_000)

// ReplayList is the newest replays, those that run first of all.
export function ReplayList() {
  const navigate = useNavigate()
  const { data, isError, error, refetch } = useReplays()
  useKeys({ Escape: () => void navigate({ to: '/rules' }) })
  return (
    <Frame title={t.replays} back={() => void navigate({ to: '/rules' })}>
      {isError ? <ErrorPanel error={error} what={t.replays} retry={() => void refetch()} /> : !data ? <Skeleton lines={6} /> : (
        <Card flush>
          <Table label={t.replays} rows={data} rowKey={(r) => r.id} onOpen={(r) => void navigate({ to: '/rules/replays/$id', params: { id: r.id } })} empty={<Empty title={t.replaysNone} text={t.replaysNoneText} />} columns={[
            { key: 'rules', title: t.title, cell: (r) => <><Link to="/rules/replays/$id" params={{ id: r.id }}>{r.rules.join(', ')}</Link>{r.note && <><br /><small>{r.note}</small></>}</> },
            { key: 'state', title: t.state, cell: (r) => (isOver(r) ? <ReplayState replay={r} /> : <Progress replay={r} />) },
            { key: 'days', title: t.days, sort: days, cell: (r) => String(days(r)) },
            { key: 'units', title: t.unitsLabel, cell: (r) => r.units?.join(', ') ?? t.unitsAll },
            { key: 'by', title: t.cols.when, sort: (r) => time(r.at), cell: (r) => <>{when(r.at)}<br /><small>{r.name}</small></> },
          ]} />
        </Card>
      )}
    </Frame>
  )
}
