import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { get } from '../../api/client'
import { Frame } from '../../shell/Frame'
import { models as t } from '../../text/en'
import { Card } from '../../ui/Card'
import { Chip, type Tone } from '../../ui/Chip'
import { ErrorPanel, Skeleton } from '../../ui/State'
import { Table } from '../../ui/Table'
import type { ModelRow } from './model'

export const stateTone: Record<string, Tone> = { off: 'plain', shadow: 'use', notify: 'good' }

export function ModelsPage() {
  const { data, isError, error, refetch } = useQuery({ queryKey: ['models'], queryFn: () => get<ModelRow[]>('/models'), refetchInterval: 60_000 })
  const navigate = useNavigate()
  return (
    <Frame title={t.title}>
      {isError ? <ErrorPanel error={error} what={t.loading} retry={() => void refetch()} /> : !data ? <Skeleton lines={4} /> : (
        <Card flush>
          <Table label={t.title} rows={data} rowKey={(m) => m.key} onOpen={(m) => void navigate({ to: `/models/${m.key}` as string })} columns={[
            { key: 'm', title: t.model, sort: (m) => m.title, cell: (m) => <><b>{m.title}</b><br /><small>{m.sentence}</small></> },
            { key: 's', title: t.state, sort: (m) => m.standing.state, cell: (m) => <Chip tone={stateTone[m.standing.state]}>{t.states[m.standing.state]}</Chip> },
            { key: 'n', title: t.seen, sort: (m) => -m.validation.verdicts, cell: (m) => m.validation.verdicts.toLocaleString('en') },
            { key: 'p', title: t.passed, cell: (m) => (m.validation.passed ? <Chip tone="good">{t.passed}</Chip> : t.notYet) },
          ]} />
        </Card>
      )}
    </Frame>
  )
}
