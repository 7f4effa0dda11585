import { setTimeout as pause } from 'node:timers/promises'
import type { LogLine, RunningPellet } from '../support/pellet.ts'
import { rssOf, until } from '../support/process.ts'
import { descriptorsOf, isolatesOf } from './census.ts'

export interface State {
  mainBytes: number
  descriptors: string[]
}

/** All that must be as it was, when all is over. */
export function stateOf({ pid }: RunningPellet): State {
  return { mainBytes: rssOf(pid), descriptors: descriptorsOf(pid) }
}

/** What is not as it was before, once all had time to become so. */
export async function afterwards(
  pellet: RunningPellet,
  before: State,
): Promise<{ left: string[]; mainBytes: { start: number; end: number } }> {
  const look = async () => {
    const rows = Object.values(await pellet.ps())
    const busy = rows.filter((row) => row.in_flight + row.queued + row.memory_bytes > 0 || row.state === 'loading')
    return [
      ...busy.map((row) => `expected ${row.name} to be idle, found ${JSON.stringify(row)}`),
      ...isolatesOf(pellet.pid).map((pid) => `expected no isolate, found ${pid}`),
      ...tooMany(before.descriptors, descriptorsOf(pellet.pid)),
    ]
  }
  await until(async () => (await look()).length === 0, 'quiet', quietMs).catch(() => {})
  const left = await look()
  await forgetAnswers(pellet)
  const mainBytes = { start: before.mainBytes, end: await settledRss(pellet.pid, before.mainBytes + maxGrowthBytes) }
  if (mainBytes.end > before.mainBytes + maxGrowthBytes)
    left.push(`expected at most 20 MB more in main than at the start, found ${JSON.stringify(mainBytes)}`)
  return { left: left.map((one) => `at the end: ${one}`), mainBytes }
}

/** What the log must not have, whatever was done. */
export function defectsIn(log: LogLine[]): string[] {
  return log
    .filter(
      ({ level, msg, code }) =>
        level === 'fatal' || code === 'internal_error' || /internal_error|^no progress/.test(msg),
    )
    .map(({ msg }) => `log: ${msg}`)
}

// --- internal ---

/** What a load leaves in the heaps of V8 and malloc: 17 MB after 50 deploys under 20 callers, and 17 MB after 130. */
const maxGrowthBytes = 20 * 2 ** 20
/** All is idle so long after the last answer: the longest keep_alive is 2 s, and idle connections have 5. */
const quietMs = 10_000
/** A connection may still be closing. */
const spareDescriptors = 2

function tooMany(before: string[], after: string[]): string[] {
  if (after.length <= before.length + spareDescriptors) return []
  const left = [...after]
  for (const one of before) if (left.includes(one)) left.splice(left.indexOf(one), 1)
  return [`expected ${before.length} open files, found ${after.length}; new are ${left.join(', ')}`]
}

/** What main keeps in memory of answers that are asked for often is no leak; it goes back when main is quiet next. */
async function forgetAnswers(pellet: RunningPellet): Promise<void> {
  await pellet.admin('DELETE', '/api/cache')
  await pellet.admin('POST', '/api/deployments/leaf/load')
  await pellet.rowWhen('leaf', ({ state }) => state === 'cold', quietMs)
}

/** Main gives back what it holds a second after the last isolate has gone. */
async function settledRss(pid: number, wanted: number): Promise<number> {
  await until(() => rssOf(pid) <= wanted, 'less', 8000).catch(() => {})
  await pause(1500)
  return rssOf(pid)
}
