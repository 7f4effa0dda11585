import { Agent } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { answering, identityModel } from '../deployments/tiny.ts'
import { call } from '../http/raw.ts'
import { RunningPellet, type LogLine } from '../support/pellet.ts'
import { Random } from '../support/random.ts'

export interface Case {
  name: string
  /** @default true */
  hasQuiet?: boolean
  quietPriority?: number
  keepAlive?: string
  /** What a request of the flood takes. @default 20 */
  requestMs?: number
  /** What a load takes beyond what it takes anyway. @default 0 */
  slowLoadMs?: { flood?: number; quiet?: number }
  /** @default 1 */
  quietCallers?: number
}

export const cases: Case[] = [
  { name: 'equal priority' },
  { name: 'keep_alive 0', keepAlive: '0' },
  { name: 'keep_alive -1', keepAlive: '-1' },
  { name: 'priority lower by 8', quietPriority: 8 },
  { name: 'priority higher by 8', quietPriority: 24 },
  { name: 'a slow flood: loads of 2 s more, requests of 1 s', requestMs: 1000, slowLoadMs: { flood: 2000 } },
  { name: 'loads of 2 s more for the one who asks', slowLoadMs: { quiet: 2000 } },
  { name: 'both flooded', quietCallers: 16 },
]

export interface Measured {
  /** From arrival to a place, of each request of the quiet one; loads are part of it. */
  waitsMs: number[]
  longestMs: number
  /** By the formula in docs/scheduling.md, from the longest load, request and end of a process in this very run. */
  boundMs: number
  floodPerSecond: number
}

/** Runs one case on a Pellet of its own. @throws Error where both could be loaded at once, or an answer is not 200 */
export async function measure(one: Case, durationMs: number): Promise<Measured> {
  const { hasQuiet = true, quietCallers = 1 } = one
  const pellet = await RunningPellet.start(projectOf(one), ['--memory', budget])
  const agent = new Agent({ keepAlive: true })
  try {
    if (hasQuiet) await expectOneAtATime(pellet)
    const random = new Random(1)
    const end = performance.now() + durationMs
    const waitsMs: number[] = []
    const floodMs: number[] = []
    const ask = async (name: string) => {
      const answer = await call(`${pellet.url}/v1/${name}`, {
        body: '{}',
        headers: { 'content-type': 'application/json' },
        agent,
      })
      if (answer.status !== 200) throw new Error(`${name}: expected 200, found ${answer.status} ${answer.text}`)
      return phasesOf(String(answer.headers['server-timing']))
    }
    const flooding = async (name: string, each: (phases: Phases) => void) => {
      while (performance.now() < end) each(await ask(name))
    }
    const quiet = async () => {
      while (performance.now() < end) {
        // From just after it was served, while it is loaded still, to long after.
        await pause(random.integer(0, 3000))
        // Without the flood there is nothing to wait for.
        if (performance.now() >= end && waitsMs.length > 0) return
        waitsMs.push((await ask('quiet')).waitMs)
      }
    }
    const startedAt = performance.now()
    const callers = Array.from({ length: 16 }, () => flooding('flood', ({ workMs }) => void floodMs.push(workMs)))
    if (hasQuiet && quietCallers === 1) callers.push(quiet())
    else if (hasQuiet)
      for (let caller = 0; caller < quietCallers; caller++)
        callers.push(flooding('quiet', ({ waitMs }) => void waitsMs.push(waitMs)))
    await Promise.all(callers)
    const tookMs = performance.now() - startedAt

    const loads = longestLoads(pellet.log)
    const floodLoadMs = loads['flood'] ?? 0
    const ageingMs = 500 * Math.max(0, 16 - (one.quietPriority ?? 16))
    const turnMs = floodLoadMs + Math.max(1000, floodLoadMs) + Math.max(...floodMs) + longestEnd(pellet.log)
    const boundMs = 2000 + ageingMs + (loads['quiet'] ?? 0) + turnMs
    return { waitsMs, longestMs: Math.max(...waitsMs), boundMs, floodPerSecond: (floodMs.length / tookMs) * 1000 }
  } finally {
    agent.destroy()
    await pellet.stop('SIGKILL')
  }
}

// --- internal ---

/** For one isolate with its ballast of 128 MB, and never for two. */
const budget = '250MB'
const ballast = `
const isLoaded = process.env.UV_THREADPOOL_SIZE !== undefined
globalThis.ballast = isLoaded ? Buffer.alloc(128 * 2 ** 20, 1) : undefined
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))`

function projectOf({ quietPriority = 16, keepAlive = '5m', requestMs = 20, slowLoadMs = {} }: Case) {
  const source = (name: 'flood' | 'quiet', priority: number, ms: number) =>
    answering(`await pause(${ms})\n      return { ok: true }`, {
      manifest: `priority: ${priority}, keep_alive: '${keepAlive}', limits: { concurrency: 4, timeout: '120s' }`,
      head: `${ballast}\nif (isLoaded) await pause(${slowLoadMs[name] ?? 0})`,
    })
  return {
    'models/identity.onnx': identityModel(),
    'functions/flood.ts': source('flood', 16, requestMs),
    'functions/quiet.ts': source('quiet', quietPriority, 20),
  }
}

/** Loads each once, so that their sizes are known and not guessed; then none is left. */
async function expectOneAtATime(pellet: RunningPellet): Promise<void> {
  let bytes = 0
  for (const name of ['flood', 'quiet']) {
    await pellet.admin('POST', `/api/deployments/${name}/load`)
    await pellet.logged(({ msg, deployment }) => msg === 'loaded' && deployment === name)
    bytes += (await pellet.row(name)).memory_bytes
    await pellet.admin('POST', `/api/deployments/${name}/unload`)
    await pellet.rowWhen(name, ({ state }) => state === 'cold')
  }
  if (bytes <= 250 * 2 ** 20) throw new Error(`expected two that do not fit into ${budget}, found ${bytes} bytes`)
}

interface Phases {
  /** Until it had a place. */
  waitMs: number
  /** In its isolate. */
  workMs: number
}

function phasesOf(serverTiming: string): Phases {
  const of = (name: string) => Number(new RegExp(`(?:^|, *)${name};dur=([\\d.]+)`).exec(serverTiming)?.[1] ?? 0)
  const work = ['receive', 'pre', 'wait', 'infer', 'post'].reduce((sum, name) => sum + of(name), 0)
  return { waitMs: of('queue') + of('load'), workMs: work }
}

function longestLoads(log: LogLine[]): Record<string, number> {
  const longest: Record<string, number> = {}
  for (const { deployment, loadMs } of log)
    if (deployment && typeof loadMs === 'number') longest[deployment] = Math.max(longest[deployment] ?? 0, loadMs)
  return longest
}

/** The longest that a process took from being told to end until it was gone. */
function longestEnd(log: LogLine[]): number {
  const told = new Map<unknown, number>()
  let longest = 0
  for (const { msg, pid, time } of log) {
    if (msg.startsWith('unload: ')) told.set(pid, Date.parse(String(time)))
    else if (msg.startsWith('gone: ') && told.has(pid))
      longest = Math.max(longest, Date.parse(String(time)) - told.get(pid)!)
  }
  return longest
}
