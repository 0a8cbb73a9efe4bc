import { useNavigate } from '@tanstack/react-router'
import { Keyboard, LogOut, Palette } from 'lucide-react'
import { useState } from 'react'
import { del } from '../api/client'
import { queryClient, useUser } from '../api/queries'
import { keysOff, setKeysOff } from '../lib/keys'
import { setTheme, themes, useTheme } from '../lib/theme'
import { live } from '../live/socket'
import { shell as t } from '../text/en'
import { Avatar } from '../ui/Avatar'
import { Menu, MenuItem, MenuLabel } from '../ui/Menu'
import css from './UserMenu.module.css'

export function UserMenu() {
  const user = useUser()
  const theme = useTheme()
  const navigate = useNavigate()
  const [off, setOff] = useState(keysOff)
  if (!user) return null
  const signOut = async () => {
    await del('/session').catch(() => undefined)
    live.stop()
    queryClient.clear()
    void navigate({ to: '/signin' })
  }
  return (
    <Menu label={`${t.user}, ${user.name}`} className={css.button} align="right" button={<Avatar initials={user.initials} size={28} />}>
      <MenuLabel>{user.name} · {user.role}</MenuLabel>
      <MenuLabel>{t.theme}</MenuLabel>
      {themes.map((x) => <MenuItem key={x} icon={<Palette size={16} aria-hidden />} pressed={x === theme} onClick={() => setTheme(x)}>{t.themes[x]}</MenuItem>)}
      <MenuItem icon={<Keyboard size={16} aria-hidden />} onClick={() => { setKeysOff(!off); setOff(!off) }}>{t.keys}: {off ? t.off : t.on}</MenuItem>
      <MenuItem icon={<LogOut size={16} aria-hidden />} onClick={() => void signOut()}>{t.signOut}</MenuItem>
    </Menu>
  )
}
