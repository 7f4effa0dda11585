// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { functionProject, stuck } from '../support/functions.ts'
import { RunningPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { besideSteady, expectError, expectOk } from './beside.ts'

const test = suite('a function that misbehaves')

interface ListRow {
  name: string
  state: string
  problems: string[]
}

const whenItMay = (action: string) => `import { existsSync } from 'node:fs'\nif (existsSync('now')) ${action}`

/** Of those that are refused at the start, what is said of each. */
const refusals = {
  early_thrower: { module: `throw new Error('not in the mood')`, reason: /not in the mood/ },
  early_rejecter: { module: `await Promise.reject(new TypeError('awaited in vain'))`, reason: /awaited in vain/ },
  early_exiter: { module: `process.exit(0)`, reason: /ended.*exit code 0/ },
  early_aborter: { module: `process.abort()`, reason: /ended.*SIGABRT/s },
  early_looper: { module: stuck, reason: /within 5 s/ },
  early_waiter: { module: `setInterval(() => {}, 1000); await new Promise(() => {})`, reason: /within 5 s/ },
}

/** Of those that misbehave once they are loaded for the second time, what is said of each. */
const failures = {
  thrower: /changed my mind/,
  aborter: /ended while it was loaded \(SIGABRT/,
  exiter: /ended while it was loaded \(exit code 0\)/,
  hog: /ended while it was loaded/,
}

let pellet: RunningPellet

test.before(async () => {
  const refused = Object.entries(refusals).map(([name, { module }]) => [name, { module }] as const)
  pellet = await RunningPellet.start(
    functionProject({
      steady: {},
      ...Object.fromEntries(refused),
      thrower: { module: whenItMay(`throw new Error('changed my mind')`) },
      aborter: { module: whenItMay('process.abort()') },
      exiter: { module: whenItMay('process.exit(0)') },
      hog: {
        manifest: { limits: { heap: '64MB' } },
        module: whenItMay('{ const kept = []; for (;;) kept.push(new Array(100_000).fill(Math.random())) }'),
      },
      looper: { manifest: { limits: { timeout: '4s' } }, module: whenItMay(stuck) },
    }),
  )
})
test.after(async () => {
  await pellet.stop('SIGKILL')
})

test('when it is looked at: refused with file and reason; the others are served', async () => {
  await expectOk(await pellet.post('/v1/steady', {}))
  const { code, stdout } = await pellet.cli('list', '--json')
  assert.is(code, 0)
  const rows = new Map((JSON.parse(stdout) as ListRow[]).map((row) => [row.name, row]))
  assert.is(rows.size, 12)
  assert.equal(rows.get('steady')!.problems, [])
  for (const [name, { reason }] of Object.entries(refusals)) {
    const { state, problems } = rows.get(name)!
    assert.is(state, 'refused')
    assert.match(problems.join('\n'), reason)
    assert.match(problems.join('\n'), `functions/${name}.ts`)
    assert.ok(pellet.log.some(({ level, msg }) => level === 'error' && problems.includes(msg)))
    await expectError(await pellet.post(`/v1/${name}`, {}), { status: 404, code: 'not_found' })
  }
  assert.equal(childrenOf(pellet.pid), [(await pellet.row('steady')).pid])
})

test('when it is loaded again: 503 with the reason for all who wait, works after the back-off; a loop: 504', () =>
  besideSteady(pellet, async () => {
    for (const name of Object.keys(failures)) {
      const { pid } = await expectOk(await pellet.post(`/v1/${name}`, {}))
      await pellet.cli('unload', name)
      await until(() => !isAlive(pid), 'the unloaded process to be gone')
    }
    const marker = join(pellet.folder, 'now')
    writeFileSync(marker, '')
    const looping = pellet.post('/v1/looper', {})
    await Promise.all(
      Object.entries(failures).map(async ([name, reason]) => {
        const answers = await Promise.all([1, 2, 3].map(() => pellet.post(`/v1/${name}`, {})))
        for (const answer of answers)
          await expectError(answer, { status: 503, code: 'load_failed', message: reason, isRetryable: true })
        const row = await pellet.row(name)
        assert.is(row.state, 'failed')
        assert.is(row.loads, 2)
        assert.match(row.last_error!, reason)
      }),
    )
    await expectError(await looping, { status: 504, code: 'deadline_exceeded' })
    const { pid, state } = await pellet.row('looper')
    assert.is(state, 'loading')
    rmSync(marker)
    await pellet.cli('unload', 'looper')
    await until(() => !isAlive(pid!), 'the looping process to be gone')
    await pellet.admin('POST', '/api/deployments/looper/load')
    await expectOk(await pellet.post('/v1/looper', {}))
    for (const name of Object.keys(failures)) {
      await until(async () => (await pellet.post(`/v1/${name}`, {})).status === 200, 'the back-off to end')
      assert.is.not((await pellet.row(name)).last_error, null)
    }
  }))

test.run()
