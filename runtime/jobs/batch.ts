import { PelletError } from '../errors.ts'
import type { BatchItem } from './batch-items.ts'

export interface BatchOptions {
  items: AsyncGenerator<BatchItem>
  /** How many may be between the first that is not written and the last that is read. */
  window: number
  /** How long the next item may take to come. */
  itemTimeoutMs: number
  /** An item's line. Rejects only when its signal aborts. */
  answer(item: BatchItem, index: number, signal: AbortSignal): Promise<Buffer[]>
  /** The line of an error that ends the batch. */
  fail(error: PelletError, index: number): Buffer[]
  /** Called with one line after the other, in the order of the items. What it throws gives the batch up. */
  write(line: Buffer[]): Promise<void>
  signal: AbortSignal
}

/**
 * Answers items side by side and writes their lines in order. What is wrong with the batch itself ends it with a line of its
 * own, behind those that were answered.
 * @throws PelletError for what is wrong before there is an item; the signal's reason
 */
export async function runBatch(options: BatchOptions): Promise<void> {
  const { items, window, answer, fail, write, signal } = options
  const giveUp = new AbortController()
  const leave = () => giveUp.abort(signal.reason)
  signal.addEventListener('abort', leave, { once: true })
  const lines: PendingLine[] = []
  let count = 0
  let coming: Promise<void> | undefined
  let isWhole = false

  async function read(): Promise<void> {
    try {
      const item = await next(options, count)
      if (item) lines.push(toPending(answer(item, count++, giveUp.signal)))
      else isWhole = true
    } catch (error) {
      if (count === 0 || !(error instanceof PelletError)) throw error
      lines.push(toPending(Promise.resolve(fail(error, count))))
      isWhole = true
    } finally {
      coming = undefined
    }
  }

  try {
    signal.throwIfAborted()
    for (;;) {
      if (!isWhole && !coming && lines.length < window && bytesOf(lines) < maxWaitingBytes) coming = read()
      const [first] = lines
      if (!first && !coming) return
      await (first && coming ? Promise.race([first.line, coming]) : (first?.line ?? coming))
      if (!first?.isReady) continue
      lines.shift()
      await write(await first.line)
    }
  } finally {
    signal.removeEventListener('abort', leave)
    giveUp.abort(signal.reason ?? new Error('the batch was given up'))
    coming?.catch(() => {})
    items.return(undefined).catch(() => {})
  }
}

// --- internal ---

/** What may wait for a slow item before it; nothing more is begun meanwhile. */
const maxWaitingBytes = 32 * 1024 * 1024

interface PendingLine {
  line: Promise<Buffer[]>
  isReady: boolean
  sizeBytes: number
}

function bytesOf(lines: PendingLine[]): number {
  return lines.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
}

/** Marked when it is there; a line that nobody waits for any more may fail without a word. */
function toPending(line: Promise<Buffer[]>): PendingLine {
  const pending = { line, isReady: false, sizeBytes: 0 }
  const mark = (parts: Buffer[]) => {
    pending.isReady = true
    pending.sizeBytes = parts.reduce((total, { length }) => total + length, 0)
  }
  line.then(mark, () => mark([]))
  return pending
}

async function next({ items, itemTimeoutMs, signal }: BatchOptions, index: number): Promise<BatchItem | undefined> {
  let settle = () => {}
  const late = new Promise<'late'>((resolve) => {
    const wake = () => resolve('late')
    const timer = setTimeout(wake, itemTimeoutMs)
    signal.addEventListener('abort', wake)
    settle = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
    }
  })
  const found = await Promise.race([items.next(), late]).finally(settle)
  signal.throwIfAborted()
  if (found === 'late') {
    const message = `batch: expected item ${index} within ${itemTimeoutMs} ms (limits.timeout), found no end of it`
    throw new PelletError('deadline_exceeded', message)
  }
  return found.done ? undefined : found.value
}
