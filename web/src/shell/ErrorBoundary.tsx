import { Component, type ReactNode } from 'react'
import { common as t } from '../text/en'
import { Button } from '../ui/Button'
import { Empty } from '../ui/State'

// ErrorBoundary keeps a fault in one part from taking the screen away from the others.
export class ErrorBoundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null }
  static getDerivedStateFromError(error: Error) { return { error } }
  override render() {
    if (!this.state.error) return this.props.children
    return <Empty title={t.crashedTitle} text={`${t.crashed} (${this.state.error.message})`} action={<Button onClick={() => location.reload()}>{t.retry}</Button>} />
  }
}
