// One door to /api: JSON in, JSON out, errors as ApiError with the code a person can quote.

export interface Fault { path: string; message: string }

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly kind: string,
    message: string,
    readonly id?: string,
    readonly faults: Fault[] = [],
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

async function failure(res: Response): Promise<ApiError> {
  try {
    const { error } = await res.json() as { error: { kind: string; message: string; id?: string; faults?: Fault[] } }
    return new ApiError(res.status, error.kind, error.message, error.id, error.faults)
  } catch {
    // A proxy or a dying server answers without our envelope.
    return new ApiError(res.status, 'unavailable', `The server answered ${res.status}.`)
  }
}

export async function api<T>(method: string, path: string, body?: unknown): Promise<T> {
  let res: Response
  try {
    res = await fetch('/api' + path, {
      method,
      credentials: 'same-origin',
      headers: body === undefined ? undefined : { 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    })
  } catch {
    throw new ApiError(0, 'unavailable', 'The server cannot be reached.')
  }
  if (!res.ok) throw await failure(res)
  const text = await res.text()
  return (text === '' ? undefined : JSON.parse(text)) as T
}

export const get = <T>(path: string) => api<T>('GET', path)
export const post = <T>(path: string, body: unknown = {}) => api<T>('POST', path, body)
export const put = <T>(path: string, body: unknown) => api<T>('PUT', path, body)
export const del = (path: string) => api<void>('DELETE', path)

// query builds "?a=1&b=2" from what is set.
export function query(params: Record<string, string | number | undefined>): string {
  const q = new URLSearchParams()
  for (const [k, v] of Object.entries(params)) if (v !== undefined && v !== '') q.set(k, String(v))
  const s = q.toString()
  return s === '' ? '' : '?' + s
}

// command names something that is asked for once: sent again after a lost answer, it is not done twice.
export const command = (): string => crypto.getRandomValues(new Uint32Array(4)).join('-')
