// @timeout 180s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { setTimeout as pause } from 'node:timers/promises'
import { expectOk } from '../faults/beside.ts'
import { functionProject } from '../support/functions.ts'
import { withPellet } from '../support/pellet.ts'
import { childrenOf, rssOf, until } from '../support/process.ts'

const memory = suite('memory of main')

const megabyte = 2 ** 20
/** `npm run soak` goes on for hours. */
const rounds = 4
const names = ['one', 'two', 'three']

memory('is within 10 MB of its start after rounds of loading and unloading three models; no child is left', () => {
  // What a model takes is its isolate's: main sees none of it.
  const files = functionProject(Object.fromEntries(names.map((name) => [name, {}])))
  return withPellet(files, [], async (pellet) => {
    // Large enough that one kept for each load would show.
    const body = { text: 'x'.repeat(4 * megabyte) }
    const round = async () => {
      await Promise.all(names.map(async (name) => expectOk(await pellet.post(`/v1/${name}`, body))))
      for (const name of names) await pellet.admin('POST', `/api/deployments/${name}/unload`)
      await until(() => childrenOf(pellet.pid).length === 0, 'all children to be gone')
    }
    const atStart = await settled(pellet.pid)
    for (let count = 0; count < rounds; count++) await round()
    // Main gives back what it holds once it is quiet, which on a busy machine may be later.
    let after = Infinity
    const isBack = async () => (after = await settled(pellet.pid)) - atStart < 10 * megabyte
    await until(isBack, () => `main within 10 MB of its start, found ${toMegabytes(after - atStart)} more`, 15_000)
    console.log(`RSS in MB: ${toMegabytes(atStart)} at the start, ${toMegabytes(after)} after ${rounds} rounds`)
    for (const name of names) {
      const { loads, memory_bytes: bytes, state } = await pellet.row(name)
      assert.equal([loads, bytes, state], [rounds, 0, 'cold'])
    }
    assert.is(await pellet.stop(), 0)
  })
})

memory.run()

// --- internal ---

function toMegabytes(bytes: number): string {
  return (bytes / megabyte).toFixed(1)
}

/** Resident size, once it has stopped to move. */
async function settled(pid: number): Promise<number> {
  let last = rssOf(pid)
  for (let still = 0; still < 4;) {
    await pause(250)
    const now = rssOf(pid)
    still = Math.abs(now - last) < megabyte / 4 ? still + 1 : 0
    last = now
  }
  return last
}
