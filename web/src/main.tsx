import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { createRoot } from 'react-dom/client'
import { queryClient } from './api/queries'
import { initTheme } from './lib/theme'
import { apply } from './live/apply'
import { live } from './live/socket'
import { router } from './router'
import './styles/fonts.css'
import './styles/tokens.css'
import './styles/base.css'

initTheme()
live.listen((m) => apply(queryClient, m))

createRoot(document.getElementById('root')!).render(
  <QueryClientProvider client={queryClient}><RouterProvider router={router} /></QueryClientProvider>,
)
