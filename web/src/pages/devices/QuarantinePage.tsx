import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const QuarantinePage = () => <Frame title="Quarantine"><Empty title="Quarantine" /></Frame>
