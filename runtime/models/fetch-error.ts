/** Why a model cannot be fetched; the message is for people. */
export class FetchError extends Error {
  /** `retry`: the same again may go well. `elsewhere`: another mirror may. `stop`: nothing else helps. */
  readonly remedy: 'retry' | 'elsewhere' | 'stop'
  /** What the server asks to wait. */
  readonly retryAfterMs: number | undefined

  constructor(remedy: FetchError['remedy'], message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.remedy = remedy
    this.retryAfterMs = options.retryAfterMs
  }
}

/** A URL for people and for files: without the user and the password that it may have. */
export function publicUrl(url: string): string {
  if (!URL.canParse(url)) return url
  const parsed = new URL(url)
  parsed.username = ''
  parsed.password = ''
  return parsed.href
}
