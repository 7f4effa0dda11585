import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { identityModel } from '../deployments/tiny.ts'
import { afterwards, defectsIn, stateOf } from '../soak/aftermath.ts'
import { Incidents } from '../soak/incidents.ts'
import { judge } from '../soak/judge.ts'
import { describe } from '../soak/plan.ts'
import { tagSource } from '../soak/project.ts'
import { percentiles } from '../soak/report.ts'
import { RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { Random } from '../support/random.ts'
import { callAll, callerCount, fetchResult, type Asked } from './callers.ts'
import { Deployer, type DeployEnd } from './deployer.ts'
import { createMarks } from './marks.ts'
import type { ChaosOptions, ChaosResult } from './report.ts'
import { Switches } from './switches.ts'

/** Deploys and rolls back while all callers ask: no request fails, and each answer is from one whole revision. */
export async function deployUnderLoad({ seed, rounds, onRound }: ChaosOptions): Promise<ChaosResult> {
  const startedAt = performance.now()
  const random = new Random(seed)
  const marks = await createMarks(Math.min(rounds + 1, 12))
  const pellet = await RunningPellet.start({
    'functions/leaf.ts': tagSource('leaf'),
    'models/identity.onnx': identityModel(),
  })
  const violations: string[] = []
  const answered: { sentAt: number; tookMs: number }[] = []
  const deploys: { from: number; to: number; what: 'deploy' | 'rollback' }[] = []
  const switches = new Switches()
  const deployer = new Deployer(join(pellet.folder, '.pellet/pellet.sock'))
  let isOver = false
  try {
    const change = async (what: 'deploy' | 'rollback', number: number, work: () => Promise<DeployEnd>) => {
      const from = performance.now()
      switches.begin({ number })
      const end = await work().catch((error: Error) => ({ type: 'failed' as const, message: error.message }))
      if (end.type === 'done') switches.done(end.revision)
      else {
        switches.failed()
        violations.push(`${what} of ${number}: ${end.message}`)
      }
      deploys.push({ from, to: performance.now(), what })
    }
    const deploy = (at: number) => change('deploy', marks[at]!.number, () => deployer.deploy(marks[at]!))
    await deploy(0)
    // The first one has main load what deploying takes, once.
    const before = stateOf(pellet)
    const end = async (caller: number, atSending: number, asked: Asked) => {
      const { planned, resultPath } = asked
      const outcome = resultPath === undefined ? asked.outcome : await fetchResult(pellet.url, resultPath)
      answered.push({ sentAt: asked.outcome.sentAt, tookMs: asked.outcome.endedAt - asked.outcome.sentAt })
      const wrong =
        judge(planned, outcome, evidence) ??
        (outcome.status === 200 ? switches.judge(caller, atSending, { planned, outcome }) : undefined)
      if (wrong !== undefined) violations.push(`${describe(planned)}: ${wrong}`)
    }
    const calling = callAll({
      url: pellet.url,
      random,
      deployment: 'text',
      isOver: () => isOver,
      begin: (caller) => {
        const atSending = switches.atSending()
        return (asked) => end(caller, atSending, asked)
      },
    })
    for (let round = 0; round < rounds; round++) {
      onRound?.(round)
      const wanted = answered.length + random.integer(1, 3 * callerCount)
      await until(() => answered.length >= wanted, 'the load to be on', 60_000)
      const older = (await deployer.history()).filter(({ isLive }) => !isLive)
      if (round % 3 === 2 && older.length > 0) {
        const { revision } = random.pick(older)
        await change('rollback', switches.numberOf(revision)!, () => deployer.rollback(revision))
      } else await deploy((round + 1) % marks.length)
    }
    await pause(200)
    isOver = true
    await calling
    const { left, mainBytes } = await afterwards(pellet, before)
    violations.push(...left, ...defectsIn(pellet.log))
    const code = await pellet.stop()
    if (code !== 0) violations.push(`pellet: expected to end with 0, found ${code}`)
    const facts = [
      `${answered.length} answers to ${callerCount} callers`,
      timesOf('deploy', deploys),
      timesOf('rollback', deploys),
      `answers during a switch ${latencies(answered, deploys, true)}, otherwise ${latencies(answered, deploys, false)}`,
      `main ${megabytes(mainBytes.start)} before, ${megabytes(mainBytes.end)} after`,
    ]
    return { name: 'deploys', rounds, facts, violations, tookMs: performance.now() - startedAt }
  } catch (error) {
    console.error(pellet.text().slice(-5000))
    throw error
  } finally {
    isOver = true
    await pellet.stop('SIGKILL')
  }
}

// --- internal ---

/** While one revision follows another nothing may be kept; which of them is right is for the switches to say. */
const evidence = { incidents: new Incidents(), calm: new Map<string, string>(), versions: { least: 1, most: 2 } }

interface Span {
  from: number
  to: number
}

function timesOf(what: 'deploy' | 'rollback', deploys: (Span & { what: string })[]): string {
  const times = deploys.filter((one) => one.what === what).map(({ from, to }) => to - from)
  if (times.length === 0) return `no ${what}`
  const { p50 } = percentiles(times)
  return `${times.length} of ${what} in ${p50.toFixed(0)} ms (p50), ${Math.max(...times).toFixed(0)} (max)`
}

function latencies(answered: { sentAt: number; tookMs: number }[], spans: Span[], isWithin: boolean): string {
  const times = answered
    .filter(({ sentAt, tookMs }) => spans.some(({ from, to }) => sentAt <= to && sentAt + tookMs >= from) === isWithin)
    .map(({ tookMs }) => tookMs)
  const { p50, p99 } = percentiles(times)
  return `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms, max ${Math.max(...times).toFixed(0)} ms`
}

function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MB`
}
