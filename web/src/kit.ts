export { Frame } from './shell/Frame'
