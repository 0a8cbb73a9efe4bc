import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const DevicePage = () => <Frame title="Device"><Empty title="Device" /></Frame>
