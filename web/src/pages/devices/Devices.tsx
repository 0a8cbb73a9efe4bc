import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const Devices = () => <Frame title="Devices"><Empty title="Devices" /></Frame>
