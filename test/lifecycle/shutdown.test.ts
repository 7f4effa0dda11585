// @timeout 120s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from 'node:net'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expectOk } from '../faults/beside.ts'
import { Connection } from '../support/connection.ts'
import { functionProject, holdThread, slow, stuck } from '../support/functions.ts'
import { createProject, RunningPellet, withPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'

const shutdown = suite('SIGTERM')

/** In the middle of a run, as far as anybody outside can see: the thread is not free for anything else. */
const blocking = holdThread('fields.ms ?? 0')
const graceMs = 10_000

/** One for all starts: what was compiled for the first serves the others. */
const folder = createProject(
  functionProject({
    slow: { pre: slow },
    blocking: { pre: blocking },
    narrow: { manifest: { limits: { concurrency: 1 } }, pre: slow },
    large: {
      pre: 'context.size = fields.size ?? 32 * 2 ** 20',
      post: `return { text: 'x'.repeat(context.size) }`,
    },
    looper: { pre: `if (fields.fault) for (;;);` },
    gated: {
      module: `
import { existsSync } from 'node:fs'
while (existsSync('wait')) await new Promise((resolve) => setTimeout(resolve, 20))`,
    },
  }),
)

async function expectGone(pellet: RunningPellet, sinceMs: number, children: number[]): Promise<void> {
  assert.is(await pellet.ended(), 0, pellet.text())
  const tookMs = performance.now() - sinceMs
  assert.ok(tookMs < graceMs + 1000, `took ${tookMs} ms`)
  await until(() => !children.some(isAlive), 'the children to be gone')
  assert.is(pellet.log.filter(({ level }) => level === 'error' || level === 'text').length, 0, pellet.text())
}

shutdown(
  'loses no request, in flight, in a run, waiting or late; idle connections are ended, and all ends with 0',
  () =>
    withPellet(folder, [], async (pellet) => {
      const loaded: number[] = []
      for (const name of ['slow', 'blocking', 'narrow'])
        loaded.push((await expectOk(await pellet.post(`/v1/${name}`, {}))).pid)
      const idle = await Promise.all([1, 2, 3].map(() => Connection.open(pellet.url)))
      for (const connection of idle.slice(1)) {
        connection.send('/v1/slow', {})
        assert.is((await connection.answer()).status, 200)
      }
      writeFileSync(join(pellet.folder, 'wait'), '')
      const calls = [
        ['slow', 2500],
        ['blocking', 1500],
        ['narrow', 1000],
        ['narrow', 1000],
        ['gated', 0],
      ] as const
      const open = await Promise.all(
        calls.map(async ([name, ms]) => {
          const connection = await Connection.open(pellet.url)
          connection.send(`/v1/${name}`, { ms })
          return connection
        }),
      )
      await until(async () => {
        const rows = await pellet.ps()
        const counts = [rows['slow'], rows['blocking'], rows['narrow']].map((row) => row!.in_flight)
        return counts.every((count) => count === 1) && rows['narrow']!.queued === 1 && rows['gated']!.queued === 1
      }, 'all to be under way')
      const children = childrenOf(pellet.pid)
      const since = performance.now()
      // A terminal and systemd signal the whole group: no isolate that is loaded may end before its request.
      for (const pid of loaded) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.kill(pid, signal)
      pellet.child.kill('SIGINT')
      await pellet.logged(({ msg }) => msg.startsWith('stopping'))
      const late = await Connection.open(pellet.url)
      late.send('/v1/slow', {})
      rmSync(join(pellet.folder, 'wait'))
      await until(() => isRefused(pellet.url), 'new connections to be refused')
      const answers = await Promise.all([...open, late].map((connection) => connection.answer()))
      for (const [at, { status, headers, body }] of answers.entries()) {
        const name = calls[at]?.[0] ?? 'late'
        assert.is(status, 200, `${name}: ${body}`)
        assert.is(headers['connection'], 'close', name)
      }
      await expectGone(pellet, since, children)
      for (const { closed } of idle) assert.is(closed, 'end')
      assert.ok(performance.now() - since < 8000, 'idle connections hold it up')
    }),
)

shutdown('lets slow readers have the whole of large answers', () =>
  withPellet(folder, [], async (pellet) => {
    // Of some the kernel takes all but the last, which main has ended and not sent: how much it takes is its own affair.
    const sizes = Array.from({ length: 12 }, (_, at) => 3_500_000 + at * 200_000)
    const ended = await Promise.all(
      sizes.map(async (size) => {
        const connection = await Connection.open(pellet.url)
        connection.socket.pause()
        connection.send('/v1/large', { size })
        return connection
      }),
    )
    await pellet.rowWhen('large', (row) => row.in_flight + row.queued > 0)
    const reader = await Connection.open(pellet.url)
    reader.socket.pause()
    reader.send('/v1/large', {})
    await pellet.rowWhen('large', (row) => row.in_flight === 4)
    const since = performance.now()
    pellet.child.kill('SIGTERM')
    // It reads on only once the listener is closed, so the answer is under way during the whole stop.
    await until(() => isRefused(pellet.url), 'new connections to be refused')
    const whole = ended.map((connection) => connection.answer())
    for (const { socket } of [...ended, reader]) socket.resume()
    for (const [at, answer] of whole.entries())
      assert.is((await answer).body.length, sizes[at]! + '{"text":""}'.length, `${sizes[at]}`)
    const { status, body } = await reader.answer()
    assert.is(status, 200)
    assert.is(body.length, 32 * 2 ** 20 + '{"text":""}'.length)
    await expectGone(pellet, since, [])
  }),
)

shutdown('answers even what outlives the grace time: 503, and an endless loop does not hold it up', async () => {
  const pellet = await RunningPellet.start(folder, [], { PELLET_GRACE: '1s' })
  try {
    await expectOk(await pellet.post('/v1/slow', {}))
    await expectOk(await pellet.post('/v1/looper', {}))
    const children = childrenOf(pellet.pid)
    const open = await Promise.all([1, 2].map(() => Connection.open(pellet.url)))
    open[0]!.send('/v1/slow', { ms: 25_000 })
    open[1]!.send('/v1/looper', { fault: true })
    await pellet.rowWhen('looper', (row) => row.in_flight === 1)
    await pellet.rowWhen('slow', (row) => row.in_flight === 1)
    const since = performance.now()
    pellet.child.kill('SIGTERM')
    for (const connection of open) {
      const { status, headers, body } = await connection.answer()
      assert.is(status, 503, body)
      assert.is(headers['x-pellet-error'], 'stopping')
      assert.ok(headers['retry-after'])
    }
    assert.is(await pellet.ended(), 0)
    assert.ok(performance.now() - since < 5000)
    assert.not(children.some(isAlive))
  } finally {
    await pellet.stop('SIGKILL')
  }
})

shutdown('and then SIGINT ends at once, with 1 and no child left', () =>
  withPellet(folder, [], async (pellet) => {
    const { pid } = await expectOk(await pellet.post('/v1/slow', {}))
    const running = await Connection.open(pellet.url)
    running.send('/v1/slow', { ms: 20_000 })
    await pellet.rowWhen('slow', (row) => row.in_flight === 1)
    pellet.child.kill('SIGTERM')
    await pellet.logged(({ msg }) => msg.startsWith('stopping'))
    // Signals of one moment are one stop (a process and its group, both signalled): a person takes longer.
    await pause(200)
    const since = performance.now()
    pellet.child.kill('SIGINT')
    assert.is(await pellet.ended(), 1)
    assert.ok(performance.now() - since < 2000)
    await until(() => !isAlive(pid), 'the isolate to be gone')
  }),
)

shutdown('during the start ends with 0, within the grace time and without a child', async () => {
  const pellet = RunningPellet.spawn(
    functionProject({
      one: { module: stuck },
      two: { module: stuck },
    }),
  )
  await until(() => childrenOf(pellet.pid).flatMap(childrenOf).length > 0, 'the compiler to be at work')
  const children = childrenOf(pellet.pid)
  const family = [...children, ...children.flatMap(childrenOf)]
  const since = performance.now()
  pellet.child.kill('SIGTERM')
  assert.is(await pellet.ended(), 0, pellet.text())
  assert.ok(performance.now() - since < graceMs, `took ${performance.now() - since} ms`)
  await until(() => !family.some(isAlive), 'all children to be gone')
})

shutdown.run()

// --- internal ---

function isRefused(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(false)
    })
    socket.once('error', () => resolve(true))
  })
}
