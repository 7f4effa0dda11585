/** A line as it was printed: JSON, with its line break. */
export type LogLine = string

export interface LogRingOptions {
  /** @default 1000 */
  maxLines?: number
  /** @default 512 KB */
  maxBytes?: number
}

/** The last lines of the log, for `pellet logs`: main keeps them, so that they are there whatever its output goes to. */
export class LogRing {
  readonly #maxLines: number
  readonly #maxBytes: number
  #lines: { text: LogLine; bytes: number }[] = []
  #bytes = 0
  #followers = new Set<Follower>()
  #hasEnded = false

  constructor({ maxLines = 1000, maxBytes = 512 * 1024 }: LogRingOptions = {}) {
    this.#maxLines = maxLines
    this.#maxBytes = maxBytes
  }

  push(line: LogLine): void {
    const text = line.length > longestLine ? shortened(line) : line
    const bytes = Buffer.byteLength(text)
    this.#lines.push({ text, bytes })
    this.#bytes += bytes
    while (this.#lines.length > this.#maxLines || this.#bytes > this.#maxBytes)
      this.#bytes -= this.#lines.shift()!.bytes
    for (const { name, onLine } of this.#followers) if (isOf(text, name)) onLine(text)
  }

  /** The last `count` lines, oldest first. @param name of a deployment: its lines only */
  last(count: number, name?: string): LogLine[] {
    const lines = this.#lines.map(({ text }) => text).filter((text) => isOf(text, name))
    return count === 0 ? [] : lines.slice(-count)
  }

  /**
   * Calls `onLine` with every line from now on, and `onEnd` when there will be no more.
   * @param name of a deployment: its lines only
   * @returns what ends it
   */
  follow(name: string | undefined, onLine: (line: LogLine) => void, onEnd: () => void): () => void {
    const follower = { name, onLine, onEnd }
    if (this.#hasEnded) onEnd()
    else this.#followers.add(follower)
    return () => this.#followers.delete(follower)
  }

  /** Pellet stops: who follows has seen the last line. */
  end(): void {
    this.#hasEnded = true
    for (const { onEnd } of this.#followers) onEnd()
    this.#followers.clear()
  }
}

// --- internal ---

interface Follower {
  name: string | undefined
  onLine(line: LogLine): void
  onEnd(): void
}

/** In characters: a stack is far shorter. What a function prints may be as long as it likes. */
const longestLine = 16 * 1024

function isOf(line: LogLine, name: string | undefined): boolean {
  return name === undefined || line.includes(`"deployment":${JSON.stringify(name)}`)
}

/** The same line with the beginning of its message: made anew, since a part of a string keeps the whole in memory. */
function shortened(line: LogLine): LogLine {
  const { level, time, deployment, msg } = JSON.parse(line) as Record<string, unknown>
  const text = `${String(msg).slice(0, longestLine / 4)}... (${line.length} characters; the output of pellet start has all)`
  return `${JSON.stringify({ level, time, deployment, msg: text })}\n`
}
