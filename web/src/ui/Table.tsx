import { ArrowDown, ArrowUp } from 'lucide-react'
import { useMemo, useState, type ReactNode } from 'react'
import css from './Table.module.css'

export interface Column<T> {
  key: string
  title: string
  cell: (row: T) => ReactNode
  sort?: (row: T) => string | number // columns without it keep the server's order
}

type Order = { key: string; down: boolean } | null

// sortRows is stable, so that equal rows keep the order they came in.
export function sortRows<T>(rows: T[], by: ((row: T) => string | number) | undefined, down: boolean): T[] {
  if (!by) return rows
  const sign = down ? -1 : 1
  return [...rows].sort((a, b) => {
    const x = by(a)
    const y = by(b)
    return sign * (typeof x === 'number' && typeof y === 'number' ? x - y : String(x).localeCompare(String(y), undefined, { numeric: true }))
  })
}

export function Table<T>({ label, columns, rows, rowKey, onOpen, empty }: {
  label: string; columns: Column<T>[]; rows: T[]; rowKey: (row: T) => string; onOpen?: (row: T) => void; empty?: ReactNode
}) {
  const [order, setOrder] = useState<Order>(null)
  const sorted = useMemo(() => sortRows(rows, columns.find((c) => c.key === order?.key)?.sort, order?.down ?? false), [rows, columns, order])
  if (rows.length === 0 && empty) return <>{empty}</>
  const turn = (key: string) => setOrder(order?.key !== key ? { key, down: false } : order.down ? null : { key, down: true })
  const sortWord = (key: string) => (order?.key !== key ? 'none' : order.down ? 'descending' : 'ascending')
  return (
    <div className={css.wrap} tabIndex={0} role="region" aria-label={label}>
      <table className={css.table}>
        <thead>
          <tr>{columns.map((c) => (
            <th key={c.key} scope="col" aria-sort={c.sort ? sortWord(c.key) : undefined}>
              {c.sort
                ? <button type="button" className={css.sort} onClick={() => turn(c.key)}>{c.title}
                    {order?.key === c.key && (order.down ? <ArrowDown size={13} aria-hidden /> : <ArrowUp size={13} aria-hidden />)}</button>
                : <span>{c.title}</span>}
            </th>
          ))}</tr>
        </thead>
        <tbody>
          {sorted.map((r) => (
            <tr key={rowKey(r)} className={onOpen && css.row} onClick={onOpen && ((e) => { if (!(e.target as HTMLElement).closest('a,button,input')) onOpen(r) })}>
              {columns.map((c) => <td key={c.key}>{c.cell(r)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
