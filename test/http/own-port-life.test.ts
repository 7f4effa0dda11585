// @timeout 90s
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering, identityModel } from '../deployments/tiny.ts'
import { Connection } from '../support/connection.ts'
import { createProject, withPellet } from '../support/pellet.ts'
import { freePort, occupy } from '../support/ports.ts'
import { until } from '../support/process.ts'
import { call, callJson } from './raw.ts'

const test = suite('own ports, opened and closed')

const project = (listen: number[], head = '') =>
  createProject({
    'models/identity.onnx': identityModel(),
    'functions/tiny.ts': answering('return { id: request.fields.id }', {
      manifest: `errors: 'text', listen: [${listen.join(', ')}], status: { 'GET /health': { ok: true } }`,
      head,
    }),
  })

test('a port that is taken is told with who has it, and opened when it is free; the rest serves meanwhile', async () => {
  const [taken, free] = [await freePort(), await freePort()]
  const holder = await occupy(taken)
  const get = (port: number) => call(`http://127.0.0.1:${port}/health`, { method: 'GET' })
  await withPellet(project([taken, free]), [], async (pellet) => {
    const line = await pellet.logged(({ level, port }) => level === 'error' && port === taken)
    const expected = new RegExp(
      `^${taken}: expected a free port .*found it in use by \\S+ \\(pid ${process.pid}.*stop it`,
    )
    if (process.platform === 'linux') assert.match(line.msg, expected)
    assert.is((await callJson(`${pellet.url}/v1/tiny`, { id: 1 })).json.id, 1)
    assert.is((await get(free)).status, 200)
    const health = (await call(`${pellet.url}/health`, { method: 'GET' })).json
    assert.equal(health.deployments[0].listen, [{ port: taken, problem: line.msg }, { port: free }])
    const list = await pellet.cli('list')
    assert.match(list.stdout, `${taken} (not open), ${free}`)
    assert.match(list.stdout, `tiny: ${line.msg}`)
    assert.match((await pellet.cli('ps')).stdout, `${taken} (not open), ${free}`)

    await new Promise((resolve) => holder.close(resolve))
    await pellet.logged(({ level, port }) => level === 'info' && port === taken)
    assert.equal((await get(taken)).json, { ok: true })
    const rows = (await pellet.admin('GET', '/api/ps')) as { listen: { problem: unknown }[] }[]
    assert.equal(
      rows[0]!.listen.map(({ problem }) => problem),
      [null, null],
    )
    assert.is(pellet.log.filter(({ level }) => level === 'error').length, 1, 'told once')
    assert.is(await pellet.stop(), 0)
  })
})

test('a stop while a port is still taken is not held up', async () => {
  const taken = await freePort()
  const holder = await occupy(taken)
  await withPellet(project([taken]), [], async (pellet) => {
    await pellet.logged(({ level }) => level === 'error')
    assert.is(await pellet.stop(), 0)
  })
  holder.close()
  await once(holder, 'close')
})

test('a port of a deployment that is still compiled is not open before its routes are known', async () => {
  const port = await freePort()
  await withPellet(project([port]), [], async (pellet) => {
    // "listening on" is said when all stands.
    assert.is((await callJson(`http://127.0.0.1:${port}/v1/tiny`, { id: 5 })).json.id, 5)
    const lines = pellet.log.map(({ msg }) => msg)
    assert.ok(lines.indexOf('deployed') < lines.indexOf(`tiny: listening on http://127.0.0.1:${port}`))
  })
})

test('a stop under load of connections that are kept loses no request', async () => {
  const ports = [await freePort(), await freePort()]
  await withPellet(project(ports), [], async (pellet) => {
    const tally = { answered: 0, refused: 0, lost: [] as string[] }
    const ask = async (url: string, client: number) => {
      for (let turn = 0; ; turn++) {
        const connection = await Connection.open(url).catch(() => undefined)
        if (!connection) return
        for (let asked = 0; !connection.closed; asked++) {
          const id = `${client}.${turn}.${asked}`
          connection.send('/v1/tiny', { id }, id)
          const answer = await connection.answer().catch(() => undefined)
          if (answer?.status === 200) tally.answered++
          else if (answer?.headers['x-pellet-error'] === 'stopping') tally.refused++
          // The kernel completes connections that the process never sees; their first request was never read.
          else if (asked > 0) tally.lost.push(id)
          if (answer?.headers['connection'] === 'close') break
        }
        connection.socket.destroy()
      }
    }
    const clients = [0, 1, 2, 3, 4, 5].map((client) => ask(`http://127.0.0.1:${ports[client % 2]}`, client))
    await until(() => tally.answered >= 60, 'the load to be on', 30_000)
    pellet.child.kill('SIGTERM')
    await Promise.all(clients)
    assert.is(await pellet.ended(), 0)
    assert.equal(tally.lost, [])
  })
})

test.run()
