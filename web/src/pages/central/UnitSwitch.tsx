import { ChevronDown } from 'lucide-react'
import { useUnits } from '../../api/queries'
import { setUnit } from '../../lib/unit'
import { shell as t } from '../../text/en'
import { Menu, MenuItem } from '../../ui/Menu'
import css from './UnitSwitch.module.css'

export function UnitSwitch({ unit }: { unit: string | undefined }) {
  const { data = [] } = useUnits()
  const now = data.find((u) => u.id === unit)
  return (
    <Menu label={`${t.unit}: ${now?.name ?? ''}`} className={css.button} button={<><b>{now?.name ?? '–'}</b>{now && <span>{t.units(now.beds, now.live)}</span>}<ChevronDown size={15} aria-hidden /></>}>
      {data.map((u) => <MenuItem key={u.id} pressed={u.id === unit} onClick={() => setUnit(u.id)}>{u.name}</MenuItem>)}
    </Menu>
  )
}
