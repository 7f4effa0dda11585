// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { functionProject, stuck } from '../support/functions.ts'
import { RunningPellet, withPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { besideSteady, expectError, expectOk } from './beside.ts'

const describing = suite('a function that misbehaves when it is looked at')
const loading = suite('a function that misbehaves when it is loaded')

interface ListRow {
  name: string
  state: string
  problems: string[]
}

const whenItMay = (action: string) => `import { existsSync } from 'node:fs'\nif (existsSync('now')) ${action}`

describing('is refused with file and reason; the others are served', () =>
  withPellet(
    functionProject({
      steady: {},
      thrower: { module: `throw new Error('not in the mood')` },
      rejecter: { module: `await Promise.reject(new TypeError('awaited in vain'))` },
      exiter: { module: `process.exit(0)` },
      aborter: { module: `process.abort()` },
      looper: { module: stuck },
      waiter: { module: `setInterval(() => {}, 1000); await new Promise(() => {})` },
    }),
    [],
    async (pellet) => {
      await expectOk(await pellet.post('/v1/steady', {}))
      const { code, stdout } = await pellet.cli('list', '--json')
      assert.is(code, 0)
      const rows = new Map((JSON.parse(stdout) as ListRow[]).map((row) => [row.name, row]))
      assert.is(rows.size, 7)
      assert.equal(rows.get('steady')!.problems, [])
      const reasons = {
        thrower: /not in the mood/,
        rejecter: /awaited in vain/,
        exiter: /ended.*exit code 0/,
        aborter: /ended.*SIGABRT/s,
        looper: /within 5 s/,
        waiter: /within 5 s/,
      }
      for (const [name, reason] of Object.entries(reasons)) {
        const { state, problems } = rows.get(name)!
        assert.is(state, 'refused')
        assert.match(problems.join('\n'), reason)
        assert.match(problems.join('\n'), `functions/${name}.ts`)
        assert.ok(pellet.log.some(({ level, msg }) => level === 'error' && problems.includes(msg)))
        const answer = await pellet.post(`/v1/${name}`, {})
        await expectError(answer, { status: 404, code: 'not_found' })
      }
      const isolates = [(await pellet.row('steady')).pid]
      assert.equal(childrenOf(pellet.pid), isolates)
    },
  ),
)

describing.run()

let pellet: RunningPellet

loading.before(async () => {
  pellet = await RunningPellet.start(
    functionProject({
      steady: {},
      thrower: { module: whenItMay(`throw new Error('changed my mind')`) },
      aborter: { module: whenItMay('process.abort()') },
      exiter: { module: whenItMay('process.exit(0)') },
      hog: {
        manifest: { limits: { heap: '64MB' } },
        module: whenItMay('{ const kept = []; for (;;) kept.push(new Array(1000).fill(Math.random())) }'),
      },
      looper: { manifest: { limits: { timeout: '4s' } }, module: whenItMay(stuck) },
    }),
  )
})
loading.after(async () => {
  await pellet.stop('SIGKILL')
})

for (const [name, reason] of [
  ['thrower', /changed my mind/],
  ['aborter', /ended while it was loaded \(SIGABRT/],
  ['exiter', /ended while it was loaded \(exit code 0\)/],
  ['hog', /ended while it was loaded/],
] as const)
  loading(`for the second time (${name}): 503 with the reason for all who wait; works again after the back-off`, () =>
    besideSteady(pellet, async () => {
      const { pid } = await expectOk(await pellet.post(`/v1/${name}`, {}))
      await pellet.cli('unload', name)
      await until(() => !isAlive(pid), 'the unloaded process to be gone')
      const marker = join(pellet.folder, 'now')
      writeFileSync(marker, '')
      try {
        const answers = await Promise.all([1, 2, 3].map(() => pellet.post(`/v1/${name}`, {})))
        for (const answer of answers)
          await expectError(answer, { status: 503, code: 'load_failed', message: reason, isRetryable: true })
        const row = await pellet.row(name)
        assert.is(row.state, 'failed')
        assert.is(row.loads, 2)
        assert.match(row.last_error!, reason)
      } finally {
        rmSync(marker)
      }
      await until(async () => (await pellet.post(`/v1/${name}`, {})).status === 200, 'the back-off to end')
      assert.is((await pellet.row(name)).last_error === null, false)
    }),
  )

loading('and loops for ever: 504 at limits.timeout, and unload ends it', () =>
  besideSteady(pellet, async () => {
    const marker = join(pellet.folder, 'now')
    writeFileSync(marker, '')
    await expectError(await pellet.post('/v1/looper', {}), { status: 504, code: 'deadline_exceeded' })
    const { pid, state } = await pellet.row('looper')
    assert.is(state, 'loading')
    rmSync(marker)
    await pellet.cli('unload', 'looper')
    await until(() => !isAlive(pid!), 'the looping process to be gone')
    await pellet.admin('POST', '/api/deployments/looper/load')
    await expectOk(await pellet.post('/v1/looper', {}))
  }),
)

loading.run()
