import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const PhoneAlert = () => <Frame title="Alarm"><Empty title="Alarm" /></Frame>
