import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const Portal = () => <Frame title="Home"><Empty title="Home" /></Frame>
