import type { AppPage } from '@vigil/ui'
import { PanelPage } from './PanelPage'
import { text as t } from './text'

export const app = 'rpm'
export const pages: AppPage[] = [{ path: '/app/rpm', title: t.title, component: PanelPage }]
