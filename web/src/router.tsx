import { createRootRoute, createRoute, createRouter, type RouteComponent } from '@tanstack/react-router'
import { lazy, type ComponentType } from 'react'
import { appPages } from './apps'
import { Landing } from './shell/Landing'
import { NotFound } from './shell/NotFound'
import { Root } from './shell/Root'

// Every page is its own chunk; only the shell is in the first load. Paths are not typed: applications add their own at build time.

type Module = Promise<Record<string, ComponentType>>
const page = (load: () => Module, name: string) => lazy(async () => ({ default: (await load())[name]! }))

const root = createRootRoute({ component: Root, notFoundComponent: NotFound })
const route = (path: string, component: ComponentType) => createRoute({ getParentRoute: () => root, path, component: component as RouteComponent })

const tree = root.addChildren([
  route('/', Landing),
  route('/signin', page(() => import('./pages/start/SignIn') as unknown as Module, 'SignIn')),
  route('/setup', page(() => import('./pages/start/Setup') as unknown as Module, 'Setup')),
  route('/ward', page(() => import('./pages/central/CentralStation') as unknown as Module, 'CentralStation')),
  route('/patient/$id', page(() => import('./pages/patient/PatientPage') as unknown as Module, 'PatientPage')),
  route('/patient/$id/report', page(() => import('./pages/patient/ReportPage') as unknown as Module, 'ReportPage')),
  route('/patient/$id/$tab', page(() => import('./pages/patient/PatientPage') as unknown as Module, 'PatientPage')),
  route('/patients/$id/record', page(() => import('./pages/record/RecordPage') as unknown as Module, 'RecordPage')),
  route('/alerts', page(() => import('./pages/alerts/Worklist') as unknown as Module, 'Worklist')),
  route('/alert/$id', page(() => import('./pages/alerts/PhoneAlert') as unknown as Module, 'PhoneAlert')),
  route('/home', page(() => import('./pages/portal/Portal') as unknown as Module, 'Portal')),
  route('/home/$tab', page(() => import('./pages/portal/Portal') as unknown as Module, 'Portal')),
  route('/devices', page(() => import('./pages/devices/Devices') as unknown as Module, 'Devices')),
  route('/devices/$id', page(() => import('./pages/devices/DevicePage') as unknown as Module, 'DevicePage')),
  route('/quarantine', page(() => import('./pages/devices/QuarantinePage') as unknown as Module, 'QuarantinePage')),
  route('/on-call', page(() => import('./pages/desk/OnCall') as unknown as Module, 'OnCall')),
  route('/notifications', page(() => import('./pages/desk/MyNotifications') as unknown as Module, 'MyNotifications')),
  route('/dead-letters', page(() => import('./pages/desk/DeadLetters') as unknown as Module, 'DeadLetters')),
  route('/rules', page(() => import('./pages/rules/RuleList') as unknown as Module, 'RuleList')),
  route('/rules/replays', page(() => import('./pages/rules/ReplayList') as unknown as Module, 'ReplayList')),
  route('/rules/replays/$id', page(() => import('./pages/rules/ReplayPage') as unknown as Module, 'ReplayPage')),
  route('/rules/$key', page(() => import('./pages/rules/RulePage') as unknown as Module, 'RulePage')),
  route('/rules/$key/$tab', page(() => import('./pages/rules/RulePage') as unknown as Module, 'RulePage')),
  route('/status', page(() => import('./pages/system/StatusPage') as unknown as Module, 'StatusPage')),
  route('/report', page(() => import('./pages/report/AlarmReportPage') as unknown as Module, 'AlarmReportPage')),
  route('/models', page(() => import('./pages/system/ModelsPage') as unknown as Module, 'ModelsPage')),
  route('/models/$key', page(() => import('./pages/system/ModelPage') as unknown as Module, 'ModelPage')),
  route('/help', page(() => import('./pages/system/HelpPage') as unknown as Module, 'HelpPage')),
  route('/ui', page(() => import('./pages/system/Gallery') as unknown as Module, 'Gallery')),
  ...appPages.map((p) => route(p.path, p.component)),
])

export const router = createRouter({ routeTree: tree, defaultPreload: false })
