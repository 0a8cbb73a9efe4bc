import { CircleCheck, CircleDashed, CircleOff } from 'lucide-react'
import type { Device } from '../../api/types'
import { Chip } from '../../ui/Chip'

const states = { online: ['good', 'Online', CircleCheck], offline: ['caution', 'Offline', CircleOff], never: ['plain', 'Never seen', CircleDashed] } as const

export function DeviceState({ device }: { device: Device }) {
  const [tone, text, Icon] = states[device.state]
  return <Chip tone={tone} icon={<Icon size={13} aria-hidden />}>{text}</Chip>
}
