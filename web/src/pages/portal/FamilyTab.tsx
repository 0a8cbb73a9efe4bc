import { useQuery } from '@tanstack/react-query'
import { get } from '../../api/client'
import { initials } from '../../lib/format'
import { portal as t } from '../../text/en'
import { Avatar } from '../../ui/Avatar'
import { Empty, ErrorPanel, Skeleton } from '../../ui/State'
import css from './FamilyTab.module.css'

export function FamilyTab() {
  const { data, isError, error } = useQuery({ queryKey: ['portal-family'], queryFn: () => get<{ name: string; relation: string; sees: string[] }[]>('/portal/family') })
  if (isError) return <ErrorPanel error={error} what={t.family} />
  if (!data) return <Skeleton />
  return (
    <section className={css.box}>
      <h1>{t.family}</h1>
      {data.length === 0 ? <Empty title={t.noFamily} text={t.noFamilyText} /> : (
        <ul>{data.map((f) => (
          <li key={f.name} className={css.person}><Avatar initials={initials(f.name)} size={44} /><div><b>{f.name}</b> · {f.relation}<p>{f.name.split(' ')[0]} {t.sees}:</p><ul className={css.sees}>{f.sees.map((s) => <li key={s}>{s}</li>)}</ul></div></li>
        ))}</ul>
      )}
    </section>
  )
}
