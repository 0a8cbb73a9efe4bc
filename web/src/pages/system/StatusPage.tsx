import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const StatusPage = () => <Frame title="Status"><Empty title="Status" /></Frame>
