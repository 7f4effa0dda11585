import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { connect } from 'node:net'
import { once } from 'node:events'
import { functionProject } from '../support/functions.ts'
import { RunningPellet } from '../support/pellet.ts'
import { rssOf } from '../support/process.ts'
import { besideSteady, expectLeft, expectOk } from './beside.ts'

const callers = suite('a caller who leaves')
let pellet: RunningPellet

const patient = `if (fields.ms) await new Promise((resolve, reject) => {
  setTimeout(resolve, fields.ms)
  context.signal.addEventListener('abort', () => { console.log('noticed'); reject(context.signal.reason) })
})`

callers.before(async () => {
  pellet = await RunningPellet.start(
    functionProject({
      steady: {},
      huge: { post: `return new Uint8Array(200 * 2 ** 20)` },
      patient: { manifest: { limits: { concurrency: 1 } }, pre: patient },
      sink: { pre: '' },
      chatty: {
        post: `for (let at = 0; at < 200; at++) process.stdout.write('x'.repeat(2 ** 20))
        process.stdout.write('\\nthe end\\n')`,
      },
    }),
  )
})
callers.after(async () => {
  await pellet.stop('SIGKILL')
})

callers('in the middle of a huge answer costs nobody anything', () =>
  besideSteady(pellet, async () => {
    const rss = rssOf(pellet.pid)
    for (let time = 0; time < 3; time++) {
      const leave = new AbortController()
      const answer = await pellet.post('/v1/huge', {}, {}, leave.signal)
      assert.is(answer.status, 200)
      await answer.body!.getReader().read()
      leave.abort()
      await pellet.rowWhen('huge', (row) => row.in_flight === 0)
    }
    const whole = await (await pellet.post('/v1/huge', {})).arrayBuffer()
    assert.is(whole.byteLength, 200 * 2 ** 20)
    assert.is((await pellet.row('huge')).loads, 1)
    assert.ok(rssOf(pellet.pid) < rss + 64 * 2 ** 20, 'main holds what nobody reads')
  }),
)

callers('while waiting is taken out of the queue', () =>
  besideSteady(pellet, async () => {
    await expectOk(await pellet.post('/v1/patient', {}))
    const first = pellet.post('/v1/patient', { ms: 1500 })
    await pellet.rowWhen('patient', (row) => row.in_flight === 1)
    const leave = new AbortController()
    const waiting = [1, 2, 3].map(() => pellet.post('/v1/patient', { ms: 10_000 }, {}, leave.signal))
    await pellet.rowWhen('patient', (row) => row.queued === 3)
    leave.abort()
    for (const one of waiting) await expectLeft(one)
    await pellet.rowWhen('patient', (row) => row.queued === 0)
    await expectOk(await first)
    await expectOk(await pellet.post('/v1/patient', {}))
    assert.is((await pellet.row('patient')).loads, 1)
  }),
)

callers('while it runs is noticed by the steps, and its place is free at once', () =>
  besideSteady(pellet, async () => {
    await expectOk(await pellet.post('/v1/patient', {}))
    const leave = new AbortController()
    const running = pellet.post('/v1/patient', { ms: 20_000 }, {}, leave.signal)
    await pellet.rowWhen('patient', (row) => row.in_flight === 1)
    leave.abort()
    await expectLeft(running)
    await pellet.logged(({ deployment, msg }) => deployment === 'patient' && msg === 'noticed')
    await expectOk(await pellet.post('/v1/patient', {}))
    assert.is((await pellet.row('patient')).loads, 1)
  }),
)

callers('in the middle of sending gives the place back, and its bytes', () =>
  besideSteady(pellet, async () => {
    await expectOk(await pellet.post('/v1/sink', {}))
    const socket = connect(Number(new URL(pellet.url).port), '127.0.0.1')
    await once(socket, 'connect')
    socket.write(
      'POST /v1/sink HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 40000000\r\n\r\n{',
    )
    await pellet.rowWhen('sink', (row) => row.in_flight === 1)
    socket.destroy()
    await pellet.rowWhen('sink', (row) => row.in_flight === 0)
    await expectOk(await pellet.post('/v1/sink', {}))
    assert.is((await pellet.row('sink')).crashes, 0)
  }),
)

callers('aside: a function that writes 200 MB without a line break does not fill main', () =>
  besideSteady(pellet, async () => {
    const rss = rssOf(pellet.pid)
    let peak = 0
    const watch = setInterval(() => (peak = Math.max(peak, rssOf(pellet.pid))), 10)
    try {
      await expectOk(await pellet.post('/v1/chatty', {}))
      await pellet.logged(({ deployment, msg }) => deployment === 'chatty' && msg === 'the end')
    } finally {
      clearInterval(watch)
    }
    assert.ok(peak < rss + 64 * 2 ** 20, `main grew by ${Math.round((peak - rss) / 2 ** 20)} MB`)
  }),
)

callers.run()
