import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const Gallery = () => <Frame title="Components"><Empty title="Components" /></Frame>
