import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const Worklist = () => <Frame title="Alerts"><Empty title="Alerts" /></Frame>
