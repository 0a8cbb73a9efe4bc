import { lazy, type ComponentType } from 'react'

// Pages of applications: every internal/app/<name>/ui/index.tsx is picked up by its path. The address has to be known before
// the chunk is loaded, so it follows from the folder: /app/<name> and below it whatever the application's own page shows.

export interface AppPage { path: string; title: string; component: ComponentType }
export interface AppModule { app: string; pages: AppPage[] }

const modules = import.meta.glob<AppModule>('../../internal/app/*/ui/index.tsx')

const nameOf = (file: string): string => file.split('/').at(-3)!

export const appPages: { path: string; component: ComponentType }[] = Object.entries(modules).map(([file, load]) => {
  const path = '/app/' + nameOf(file)
  return {
    path,
    component: lazy(async () => {
      const m = await load()
      return { default: (m.pages.find((p) => p.path === path) ?? m.pages[0]!).component }
    }),
  }
})

export interface PatientTabProps { patient: string }

type TabModule = AppModule & { patientTab?: ComponentType<PatientTabProps> }

const tabs = Object.fromEntries(Object.entries(modules).map(([file, load]) => [
  nameOf(file),
  lazy(async () => ({ default: ((await load()) as TabModule).patientTab ?? (() => null) })),
]))

// patientTab is what an application shows inside a patient's page, or undefined when it is not built in.
export const patientTab = (app: string): ComponentType<PatientTabProps> | undefined => tabs[app]
