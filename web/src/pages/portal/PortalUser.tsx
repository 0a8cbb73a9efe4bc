import { useNavigate } from '@tanstack/react-router'
import { LogOut } from 'lucide-react'
import { del } from '../../api/client'
import { queryClient } from '../../api/queries'
import { live } from '../../live/socket'
import { portal as t } from '../../text/en'
import { Avatar } from '../../ui/Avatar'
import { Menu, MenuItem, MenuLabel } from '../../ui/Menu'
import css from './PortalUser.module.css'

export function PortalUser({ initials, name }: { initials: string; name: string }) {
  const navigate = useNavigate()
  const out = async () => {
    await del('/session').catch(() => undefined)
    live.stop()
    queryClient.clear()
    void navigate({ to: '/signin' })
  }
  return (
    <Menu label={name} align="right" className={css.button} button={<Avatar initials={initials} size={38} />}>
      <MenuLabel>{name}</MenuLabel>
      <MenuItem icon={<LogOut size={18} aria-hidden />} onClick={() => void out()}>{t.signOut}</MenuItem>
    </Menu>
  )
}
