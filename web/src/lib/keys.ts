import { useEffect, useRef } from 'react'

// Single-key shortcuts. They never fire while a field has the focus, with a modifier held, or under an open dialog.

export type KeyMap = Record<string, (e: KeyboardEvent) => void>

const OFF = 'vigil.keys.off'
export const keysOff = (): boolean => localStorage.getItem(OFF) === '1'
export const setKeysOff = (off: boolean): void => { localStorage.setItem(OFF, off ? '1' : '') }

const isTyping = (t: EventTarget | null): boolean =>
  t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName))

// useKeys listens while the component stands. A page that takes a key from the shell is heard first and calls preventDefault.
export function useKeys(map: KeyMap, first = false): void {
  const ref = useRef(map)
  ref.current = map
  useEffect(() => {
    const onKey = (e: KeyboardEvent) => {
      const plain = !e.ctrlKey && !e.metaKey && !e.altKey
      const name = (e.ctrlKey || e.metaKey ? 'ctrl+' : '') + (e.key.length === 1 ? e.key.toLowerCase() : e.key)
      const fn = ref.current[name] ?? (plain && /^\d$/.test(e.key) ? ref.current.digit : undefined)
      if (!fn || e.defaultPrevented || e.altKey) return
      if (plain && (isTyping(e.target) || document.querySelector('dialog[open]'))) return
      if (plain && e.key.length === 1 && keysOff()) return
      // A focused button or link keeps its own Enter and Space.
      if ((e.key === 'Enter' || e.key === ' ') && e.target instanceof HTMLElement && /^(BUTTON|A)$/.test(e.target.tagName)) return
      fn(e)
    }
    window.addEventListener('keydown', onKey, first)
    return () => window.removeEventListener('keydown', onKey, first)
  }, [first])
}
