import type { AppPage } from '@vigil/ui'
import { DayView } from './DayView'
import { PanelPage } from './PanelPage'
import { text as t } from './text'

export const app = 'medication'
export const pages: AppPage[] = [{ path: '/app/medication', title: t.title, component: PanelPage }]

// patientTab is this application's part of a patient's page.
export const patientTab = DayView
