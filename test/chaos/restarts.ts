import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createProject } from '../support/pellet.ts'
import { freePort } from '../support/ports.ts'
import { until } from '../support/process.ts'
import { Random } from '../support/random.ts'
import { hasPython, SmallServiceManager } from '../support/service-manager.ts'
import { callAll, callerCount } from './callers.ts'
import { keepLog, type ChaosOptions, type ChaosResult } from './report.ts'
import { graceMs, stoppedProject, Tally, withWitness } from './signals.ts'

/** As `stopUnderLoad`, on sockets that outlive each process: callers go on over all restarts, and none is refused. */
export async function restartUnderLoad({ seed, rounds, onRound }: ChaosOptions): Promise<ChaosResult> {
  const name = 'restart on held sockets'
  const startedAt = performance.now()
  if (!hasPython) return { name, rounds: 0, facts: ['SKIPPED: it needs python3'], violations: [], tookMs: 0 }
  const folder = createProject(stoppedProject())
  const witnessed = join(folder, 'witness.txt')
  const tally = new Tally(() => new Set(existsSync(witnessed) ? readFileSync(witnessed, 'utf8').split('\n') : []))
  const random = new Random(seed)
  const port = await freePort()
  const manager = await SmallServiceManager.start(folder, [port], withWitness(witnessed))
  const url = `http://127.0.0.1:${port}`
  let isOver = false
  let slowestMs = 0
  try {
    // Who asks before the first start waits as well.
    const calling = callAll({ url, random, isOver: () => isOver, begin: () => (asked) => tally.add(asked) })
    await manager.orderUntil('start', 'READY=1')
    for (let round = 0; round < rounds; round++) {
      onRound?.(round)
      const wanted = tally.answered + random.integer(callerCount, 15 * callerCount)
      await until(() => tally.answered >= wanted, 'the load to be on', 60_000)
      const sinceMs = performance.now()
      const code = await manager.stop()
      slowestMs = Math.max(slowestMs, performance.now() - sinceMs)
      if (code !== 0) tally.violations.push(`restart ${round}: expected the exit code 0, found ${code}`)
      await manager.orderUntil('start', 'READY=1')
    }
    isOver = true
    await calling
    tally.close()
    await tally.fetch(url, slowestMs >= graceMs)
    await manager.stop()
  } finally {
    isOver = true
    await manager.close()
  }
  const { unconnected, fetched, violations } = tally
  if (unconnected > 0) violations.push(`expected no connection to be refused, found ${unconnected}`)
  if (violations.length > 0) keepLog('restarts', manager.logged())
  const facts = [...tally.facts(), `${fetched} answers of jobs fetched at the end`]
  return { name, rounds, facts, violations, tookMs: performance.now() - startedAt }
}
