import type { Terms } from '../../runtime/scheduler/types.ts'
import { Random } from '../support/random.ts'
import { defaults, Stage } from './stage.ts'

export interface Flooded extends Partial<Terms> {
  name: string
  /** Who ask again as soon as they are answered, or `pauseMs` later. @default 2 */
  callers?: number
  /** Up to so long; by chance. @default 0 */
  pauseMs?: number
  /** @default 70 */
  requestMs?: number
  /** @default 200 */
  loadMs?: number
}

export interface Served {
  count: number
  longestMs: number
}

/** What the end of a process takes. */
const killMs = 20

/** The longest that a deployment with waiting requests is without a place: docs/scheduling.md, "Nobody starves". */
export function boundMs(own: Flooded, others: Flooded[]): number {
  const highest = Math.max(...others.map(({ priority = defaults.priority }) => priority))
  const ageingMs = 500 * Math.max(0, highest - (own.priority ?? defaults.priority))
  let turnsMs = 0
  for (const { loadMs, requestMs } of others.map(withDefaults))
    turnsMs += loadMs + Math.max(1000, loadMs) + requestMs + killMs
  return 2000 + ageingMs + turnsMs + withDefaults(own).loadMs
}

/** Minutes in which callers ask again and again, and how each deployment was served. */
export function flood(deployments: Flooded[], forMs = 120_000, seed = 1): Record<string, Served> {
  const random = new Random(seed)
  const stage = new Stage({}, ...deployments)
  const due: { at: number; act: () => string[] }[] = []
  const askedAt = new Map<number, { name: string; at: number }>()
  const served: Record<string, Served> = Object.fromEntries(
    deployments.map(({ name }) => [name, { count: 0, longestMs: 0 }]),
  )
  let requests = 0
  const of = (name: string) => withDefaults(deployments.find((one) => one.name === name)!)
  const ask = (name: string) => {
    askedAt.set(++requests, { name, at: stage.now })
    follow(stage.request(name))
  }
  const later = (ms: number, act: () => string[]) => due.push({ at: stage.now + ms, act })
  const follow = (lines: string[]) => {
    for (const line of lines) {
      const [what, first, second] = line.split(' ') as [string, string, string]
      if (what === 'load') {
        const { sizeBytes = defaults.sizeBytes, loadMs } = of(second)
        later(loadMs, () => stage.loaded(Number(first.slice(1)), { sizeBytes, loadMs }))
      } else if (what === 'kill') later(killMs, () => stage.exited(Number(first.slice(1))))
      else if (what === 'grant') {
        const { name, at } = askedAt.get(Number(first))!
        const { requestMs, pauseMs } = of(name)
        served[name]!.count++
        served[name]!.longestMs = Math.max(served[name]!.longestMs, stage.now - at)
        later(requestMs, () => stage.release(Number(first)))
        later(requestMs + Math.round(random.next() * pauseMs), () => (ask(name), []))
      } else throw new Error(`unexpected: ${line}`)
    }
  }
  for (const { name, callers = 2 } of deployments) for (let caller = 0; caller < callers; caller++) ask(name)
  while (stage.now < forMs) {
    due.sort((a, b) => a.at - b.at)
    const next = due[0]!
    const wakeAt = stage.scheduler.nextWakeAt() ?? Infinity
    stage.now = Math.max(stage.now, Math.min(next.at, wakeAt))
    if (wakeAt < next.at) follow(stage.tell(stage.scheduler.tick()))
    else follow(due.shift()!.act())
  }
  return served
}

// --- internal ---

function withDefaults(flooded: Flooded) {
  return { loadMs: 200, requestMs: 70, pauseMs: 0, ...flooded }
}
