import { setTimeout as pause } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import { ConnectionError, RefusalError } from './client-errors.ts'

export interface Watched {
  /** Printed on a line of its own, or several; on a terminal over what was printed before. */
  text: string
  /** When the Pellet was started that says so. */
  startedAtMs: number
}

export interface WatchOptions {
  intervalMs: number
  /** @throws ConnectionError when nobody answers */
  ask(): Promise<Watched>
  /** What lies between two of them where they stand below each other. */
  separator: string
}

/**
 * Prints what is told again and again, until Ctrl+C. Outlives the Pellet that is asked: what becomes of it is said on stderr.
 * @throws ConnectionError when the first question finds nobody; RefusalError when the answer is no
 */
export async function watch({ intervalMs, ask, separator }: WatchOptions): Promise<void> {
  const done = new AbortController()
  const leave = () => done.abort()
  const onOutput = (error: NodeJS.ErrnoException) => {
    // Who reads may have enough, as head has.
    if (error.code !== 'EPIPE') throw error
    leave()
  }
  process.on('SIGINT', leave)
  process.stdout.on('error', onOutput)
  const screen = new Screen(separator)
  let last: Watched | undefined
  let isLost = false
  try {
    while (!done.signal.aborted) {
      try {
        const found = await ask()
        if (done.signal.aborted) break
        if (last && last.startedAtMs !== found.startedAtMs) screen.note('Pellet was started anew.')
        else if (isLost) screen.note('Pellet answers again.')
        isLost = false
        last = found
        screen.show(found.text)
      } catch (error) {
        if (!last || !isPassing(error)) throw error
        if (!isLost) screen.note(`Pellet does not answer; waiting for it (${messageOf(error)})`)
        isLost = true
      }
      await pause(intervalMs, undefined, { signal: done.signal }).catch(() => {})
    }
  } finally {
    process.off('SIGINT', leave)
    process.stdout.off('error', onOutput)
  }
}

// --- internal ---

function isPassing(error: unknown): boolean {
  return error instanceof ConnectionError || (error instanceof RefusalError && error.status >= 502)
}

class Screen {
  readonly #separator: string
  /** Lines of the last text, where it is to be written over. */
  #lines = 0
  #isFirst = true

  constructor(separator: string) {
    this.#separator = separator
  }

  show(text: string): void {
    const { stdout } = process
    if (!stdout.isTTY) {
      stdout.write(`${this.#isFirst ? '' : this.#separator}${text}\n`)
      this.#isFirst = false
      return
    }
    // Some terminals say that they have none of either. A line that is broken by the edge of the window, or one above it, could not be written over.
    const lines = text
      .split('\n')
      .slice(0, Math.max(1, (stdout.rows || 24) - 1))
      .map((line) => line.slice(0, Math.max(20, (stdout.columns || 80) - 1)))
    const back = this.#lines > 0 ? `\x1b[${this.#lines}A\r` : ''
    stdout.write(`${back}\x1b[J${lines.join('\n')}\n`)
    this.#lines = lines.length
  }

  /** Something that stays. The next text stands below it. */
  note(text: string): void {
    console.error(`${new Date().toTimeString().slice(0, 8)} ${text}`)
    this.#lines = 0
  }
}
