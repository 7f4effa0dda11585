import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Deployment } from '../../runtime/deployments/deployment.ts'
import { Preloads } from '../../runtime/deployments/preloads.ts'
import type { DeploymentSnapshot } from '../../runtime/scheduler/types.ts'
import { until } from '../support/process.ts'

const test = suite('preloads')

/** Loads fail until the `works`th, as on an NPU that another program holds meanwhile. */
function failing(works: number) {
  let loads = 0
  const row = () => ({ state: loads >= works ? 'ready' : 'failed', lastError: 'busy' }) as DeploymentSnapshot
  const watchers = new Set<() => void>()
  return {
    get loads() {
      return loads
    },
    load() {
      loads++
      for (const look of watchers) look()
    },
    when: (_: string, isWanted: (row: DeploymentSnapshot) => boolean) =>
      new Promise<DeploymentSnapshot>((resolve) => {
        const look = () => isWanted(row()) && resolve(row())
        watchers.add(look)
        look()
      }),
  }
}

const deployment = (engine: string) => ({ name: 'x', engine, manifest: { preload: true } }) as Deployment

test('one that failed on the NPU is tried again until it is there, and then no more', async () => {
  const dispatcher = failing(3)
  const preloads = new Preloads(dispatcher, 1)
  preloads.warm(deployment('hailort'), true, false)
  assert.is(preloads.waitingFor(), 'x (loading)')
  await until(() => preloads.waitingFor() === '', 'the preload')
  await new Promise((resolve) => setTimeout(resolve, 10))
  assert.is(dispatcher.loads, 3)
})

test('one that failed on the CPU waits for its first request', async () => {
  const dispatcher = failing(2)
  const preloads = new Preloads(dispatcher, 1)
  preloads.warm(deployment('onnxruntime'), true, false)
  await until(() => preloads.waitingFor() === 'x (busy)', 'the first to fail')
  await new Promise((resolve) => setTimeout(resolve, 10))
  assert.is(dispatcher.loads, 1)
  dispatcher.load()
  await until(() => preloads.waitingFor() === '', 'the preload')
})

test.run()
