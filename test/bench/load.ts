import { Connection, toRequestBytes } from '../../runtime/cli/bench/connection.ts'
import { load as sendLoad } from '../../runtime/cli/bench/load.ts'
import { phasesIn, type Measured } from '../../runtime/cli/bench/recorder.ts'

export type { Measured }

export interface Target {
  url: string
  headers: Record<string, string>
  body: Buffer
}

/** Calls a target from `concurrency` callers, `count` times in all, over kept connections. Throws on any other answer than 200. */
export async function load(target: Target, concurrency: number, count: number): Promise<Measured> {
  const measured = await sendLoad(toLoadTarget(target), { concurrency, count })
  if (measured.failed > 0) throw new Error(`expected 200, found ${measured.firstError}`)
  return measured
}

/** One call; its answer's `Server-Timing` by phase, in milliseconds. */
export async function call(target: Target): Promise<Record<string, number>> {
  const { url, request } = toLoadTarget(target)
  const connection = new Connection(url)
  const { status, head, body } = await connection.send(request)
  connection.close()
  if (status !== 200) throw new Error(`expected 200, found ${status}: ${body}`)
  return Object.fromEntries(phasesIn(head))
}

/** Median of a timed function over `count` runs, in milliseconds. */
export async function median(count: number, run: () => unknown): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < count; i++) {
    const at = performance.now()
    await run()
    times.push(performance.now() - at)
  }
  return times.sort((a, b) => a - b)[Math.floor(count / 2)]!
}

// --- internal ---

function toLoadTarget({ url, headers, body }: Target) {
  const parsed = new URL(url)
  return { url: parsed, request: toRequestBytes('POST', parsed, headers, body) }
}
