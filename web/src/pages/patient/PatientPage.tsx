import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const PatientPage = () => <Frame title="Patient"><Empty title="Patient" /></Frame>
