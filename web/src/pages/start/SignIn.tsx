import { Frame } from '../../shell/Frame'
import { Empty } from '../../ui/State'

export const SignIn = () => <Frame title="Sign in"><Empty title="Sign in" /></Frame>
