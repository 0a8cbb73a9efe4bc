export const common = {
  loading: 'Loading', retry: 'Try again', code: 'Code', cancel: 'Cancel', close: 'Close', save: 'Save', send: 'Send', back: 'Back',
  failed: (what: string) => `${what} could not be loaded.`,
  denied: (what: string) => `You may not see this: ${what.toLowerCase()}.`,
  deniedHint: 'Your administrator can give you the role that may.',
  stillWorks: 'The rest of the page keeps running.',
  unexpected: 'Something unexpected happened.',
  notFoundTitle: 'There is nothing at this address', notFound: 'The page may have moved, or the link is not complete.', goHome: 'Go to the start page',
  crashedTitle: 'This part of the page stopped', crashed: 'The other parts keep running. Loading it again usually helps.',
  unknown: 'unknown',
  priority: { high: 'High', medium: 'Medium', low: 'Low', none: 'None' },
}
