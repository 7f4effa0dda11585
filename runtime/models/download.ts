import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { formatBytes, formatDuration } from '../units.ts'
import { FetchError, publicUrl } from './fetch-error.ts'
import type { PartFile } from './part-file.ts'
import { fewBytes, get, toNetworkError, type Answer, type Connections } from './request.ts'

export interface DownloadOptions {
  /** The same file at several places, in the order in which they are tried. */
  urls: string[]
  /** What the file must be, as far as it is known. */
  expected: { sha256?: string; sizeBytes?: number }
  /** Why what is whole is not what was wanted: another place may have it. */
  whyNot?: () => Promise<string | undefined>
  connections: Connections
  signal: AbortSignal
  /** How long to wait after each failure in a row; as many attempts, and one. */
  delaysMs: readonly number[]
  onProgress(progress: Progress): void
  /** For people: what went wrong and is tried again. */
  note(line: string): void
}

export interface Progress {
  receivedBytes: number
  /** Absent where the server does not tell. */
  totalBytes?: number
}

export const defaultDelaysMs = [1000, 2000, 4000, 8000]
/** However far each attempt gets. */
const maxAttempts = 100
/** What else is on the disk goes on living. */
const reservedBytes = 32 * 1024 * 1024
/** How often it is looked at while a file comes: others write too, and not every server says how long it is. */
const checkEveryBytes = 8 * 1024 * 1024
/** No model is larger, nor an archive of some; a server that never ends is found out here. */
const maxSizeBytes = 4 * 1024 ** 3
const maxRetryAfterMs = 30_000

/**
 * Downloads a file into its part, going on from what is there, and again after what the next attempt may mend.
 * @returns the URL that it came from
 * @throws FetchError where no place gives it, with what each said; what has come stays in the part
 */
export async function download(part: PartFile, options: DownloadOptions): Promise<string> {
  const said: string[] = []
  for (const url of options.urls) {
    try {
      await downloadFrom(url, part, options)
      return url
    } catch (error) {
      if (!(error instanceof FetchError) || error.remedy === 'stop') throw error
      said.push(error.message)
      if (url !== options.urls.at(-1)) options.note(`${error.message}; trying the next place`)
    }
  }
  throw new FetchError('stop', said.join('\n'))
}

// --- internal ---

async function downloadFrom(url: string, part: PartFile, options: DownloadOptions): Promise<void> {
  const { delaysMs, signal, note } = options
  let failures = 0
  for (let attempt = 1; ; attempt++) {
    const before = part.sizeBytes
    try {
      const wasResumed = await receive(url, part, options)
      const problem = await whyWrong(url, part, options)
      if (!problem) return
      await part.restart()
      // Perhaps what an earlier attempt had left was not of this file.
      if (!wasResumed) throw problem
    } catch (error) {
      if (!(error instanceof FetchError) || error.remedy !== 'retry') throw error
      failures = part.sizeBytes - before >= fewBytes ? 1 : failures + 1
      if (failures > delaysMs.length || attempt === maxAttempts) throw error
      const waitMs = Math.max(delaysMs[failures - 1]!, error.retryAfterMs ?? 0)
      note(`${error.message}; trying again in ${formatDuration(waitMs)}`)
      await delay(waitMs, undefined, { signal }).catch(() => {
        throw signal.reason
      })
    }
  }
}

async function whyWrong(
  url: string,
  part: PartFile,
  { expected, whyNot }: DownloadOptions,
): Promise<FetchError | undefined> {
  const found = part.sha256
  if (expected.sha256 !== undefined && found !== expected.sha256) return new DigestError(url, expected.sha256, found)
  const why = await whyNot?.()
  return why === undefined ? undefined : new FetchError('elsewhere', `${publicUrl(url)}: ${why}`)
}

/** The bytes are whole, and not what they must be. */
export class DigestError extends FetchError {
  readonly found: string

  constructor(url: string, expected: string, found: string) {
    super('elsewhere', `${publicUrl(url)}: expected sha256 ${expected}, found ${found}`)
    this.found = found
  }
}

/** One request. @returns whether it went on from what was there */
async function receive(url: string, part: PartFile, options: DownloadOptions): Promise<boolean> {
  const { expected, signal } = options
  const { origin } = part
  const isSame = origin?.url === publicUrl(url) && origin.validator !== undefined
  // Whose digest is known can go on from anywhere: were it another file, that would come out.
  const isResumed = part.sizeBytes > 0 && (isSame || expected.sha256 !== undefined)
  const headers = isResumed
    ? { range: `bytes=${part.sizeBytes}-`, ...(isSame && { 'if-range': origin.validator! }) }
    : undefined
  const answer = await get(url, headers ?? {}, options)
  try {
    const { totalBytes, isWhole } = await begin(answer, part, { url, isResumed, options })
    if (isWhole) return true
    options.onProgress({ receivedBytes: part.sizeBytes, ...(totalBytes !== undefined && { totalBytes }) })
    let checkedAt = part.sizeBytes
    for await (const chunk of answer.bytes) {
      await part.append(chunk)
      if (part.sizeBytes > (totalBytes ?? expected.sizeBytes ?? maxSizeBytes)) break
      if (part.sizeBytes - checkedAt >= checkEveryBytes) {
        checkedAt = part.sizeBytes
        await checkRoom(part, totalBytes === undefined ? checkEveryBytes : totalBytes - part.sizeBytes)
      }
      options.onProgress({ receivedBytes: part.sizeBytes, ...(totalBytes !== undefined && { totalBytes }) })
    }
    await checkSize(url, part, part.sizeBytes)
    const wantedBytes = totalBytes ?? expected.sizeBytes
    if (wantedBytes !== undefined && part.sizeBytes !== wantedBytes) {
      const found = part.sizeBytes > wantedBytes ? 'more' : formatBytes(part.sizeBytes)
      if (part.sizeBytes > wantedBytes) await part.restart()
      throw new FetchError('retry', `${publicUrl(url)}: expected ${formatBytes(wantedBytes)}, found ${found}`)
    }
    return isResumed
  } catch (error) {
    throw toNetworkError(url, error, signal)
  } finally {
    answer.close()
  }
}

interface Beginning {
  url: string
  isResumed: boolean
  options: DownloadOptions
}

/** What the head of an answer says of what follows, and whether the part goes on or begins anew with it. */
async function begin(
  { status, headers, url: from }: Answer,
  part: PartFile,
  { url, isResumed, options }: Beginning,
): Promise<{ totalBytes?: number; isWhole?: boolean }> {
  const shown = publicUrl(url)
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(headers['content-range'] ?? '')
  const rangeTotal = range && range[2] !== '*' ? Number(range[2]) : undefined
  if (status === 416 && isResumed) {
    if (rangeTotal === part.sizeBytes) return { totalBytes: rangeTotal, isWhole: true }
    await part.restart()
    throw new FetchError('retry', `${shown}: has no more of what was begun`)
  }
  if (status !== 200 && status !== 206) throw toStatusError(shown, status, headers)
  if (/^text\/html\b/i.test(headers['content-type'] ?? ''))
    throw new FetchError('elsewhere', `${shown}: expected a model, found a web page (${publicUrl(from)})`)
  if (![undefined, 'identity', ''].includes(headers['content-encoding']))
    throw new FetchError('elsewhere', `${shown}: expected the bytes as they are, found ${headers['content-encoding']}`)

  const etag = headers['etag']
  const validator = etag !== undefined && etag.startsWith('"') ? etag : headers['last-modified']
  const length = headers['content-length']
  let totalBytes = length === undefined ? undefined : Number(length)
  if (status === 206) {
    const isNext = isResumed && range?.[1] === String(part.sizeBytes)
    // Who was asked with If-Range need not say again what it is.
    const { origin } = part
    const isOther =
      origin?.url === shown &&
      ((validator !== undefined && origin.validator !== validator) ||
        (rangeTotal ?? origin.totalBytes) !== (origin.totalBytes ?? rangeTotal))
    if (!isNext || isOther) {
      await part.restart()
      throw new FetchError(
        'retry',
        `${shown}: ${isNext ? 'it is another file now' : 'expected the rest, found another part'}`,
      )
    }
    totalBytes = rangeTotal
  } else {
    const length = totalBytes === undefined ? {} : { totalBytes }
    await part.restart({ url: shown, ...length, ...(validator !== undefined && { validator }) })
  }
  const { sizeBytes } = options.expected
  if (totalBytes !== undefined && sizeBytes !== undefined && totalBytes !== sizeBytes)
    throw new FetchError('elsewhere', `${shown}: expected ${sizeBytes} bytes, found a file of ${totalBytes}`)
  await checkSize(url, part, totalBytes ?? 0)
  await checkRoom(part, (totalBytes ?? 0) - part.sizeBytes)
  return totalBytes === undefined ? {} : { totalBytes }
}

async function checkSize(url: string, part: PartFile, sizeBytes: number): Promise<void> {
  if (sizeBytes <= maxSizeBytes) return
  await part.restart()
  throw new FetchError(
    'elsewhere',
    `${publicUrl(url)}: expected a model of at most ${formatBytes(maxSizeBytes)}, found more`,
  )
}

function toStatusError(shown: string, status: number, headers: Answer['headers']): FetchError {
  const remedy = [408, 425, 429, 500, 502, 503, 504].includes(status) ? 'retry' : 'elsewhere'
  const after = headers['retry-after'] ?? ''
  const waitMs = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now()
  const retryAfterMs = Number.isNaN(waitMs) ? undefined : Math.min(waitMs, maxRetryAfterMs)
  const hint = { 401: ', it wants a login', 403: ', it refuses', 404: ', it is not there' }[status] ?? ''
  return new FetchError(remedy, `${shown}: expected a file, found status ${status}${hint}`, {
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}

/** @throws FetchError where the disk has not so much room */
export async function checkRoom(part: { path: string }, neededBytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(part.path))
  const freeBytes = bavail * bsize
  if (neededBytes <= 0 || freeBytes >= neededBytes + reservedBytes) return
  throw new FetchError(
    'stop',
    `${dirname(part.path)}: expected room for ${formatBytes(neededBytes)} and ${formatBytes(reservedBytes)} to spare, found ${formatBytes(freeBytes)}; make room and pull again`,
  )
}
