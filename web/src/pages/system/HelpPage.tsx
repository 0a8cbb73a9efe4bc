import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const HelpPage = () => <Frame title="Help"><Empty title="Help" /></Frame>
