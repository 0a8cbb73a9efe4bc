import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const Setup = () => <Frame title="Setup"><Empty title="Setup" /></Frame>
