// @timeout 60s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering } from '../deployments/tiny.ts'
import { expectError } from '../faults/beside.ts'
import { createGate } from '../http/gate.ts'
import { withPellet } from '../support/pellet.ts'
import { childrenOf, until } from '../support/process.ts'
import { isAlive } from '../support/processes.ts'
import { calling, cascade, cascadeProject } from './project.ts'

const test = suite('a cascade')

test('that was accepted before SIGTERM is served, the load of its callee included', async () => {
  const gate = await createGate()
  try {
    const files = cascadeProject({
      callee: answering('return { pid: process.pid }'),
      caller: cascade(`await fetch('${gate.url}'); return { steps: ['one', 'two'].map((image) => ({ image })) }`, [
        calling({ deployment: 'callee', each: 'steps' }),
      ]),
    })
    await withPellet(files, [], async (pellet) => {
      const answer = pellet.post('/v1/caller', {})
      await gate.waiting(1)
      assert.is((await pellet.row('callee')).state, 'cold')
      const ended = pellet.stop()
      await until(
        () =>
          pellet.fetch('/health').then(
            () => false,
            () => true,
          ),
        'the door to be closed',
      )
      const children = childrenOf(pellet.pid)
      gate.open()
      const { steps } = (await (await answer).json()) as { steps: { pid: number }[] }
      assert.is(steps.length, 2)
      assert.is(await ended, 0)
      for (const pid of [...children, steps[0]!.pid]) assert.not(isAlive(pid))
    })
  } finally {
    gate.close()
  }
})

test('whose callee can never fit beside it is refused at once, with the numbers; alone both are served', () =>
  withPellet(
    cascadeProject({
      callee: answering('return { pid: process.pid }'),
      caller: cascade('return { items: request.fields.items }', [
        calling({ deployment: 'callee', each: 'items', send: 'x' }),
      ]),
    }),
    ['--memory', '100MB'],
    async (pellet) => {
      assert.is((await pellet.post('/v1/caller', { items: [] })).status, 200)
      const answer = await pellet.post('/v1/caller', { items: [{ x: 1 }] })
      const message = /^callee is called while caller \d+ MB cannot go, and needs \d+ MB: together \d+ MB, .* 100 MB/
      await expectError(answer, { status: 503, code: 'out_of_memory', message, isRetryable: true })
      assert.is((await pellet.post('/v1/callee', {})).status, 200)
      assert.is((await pellet.post('/v1/caller', { items: [] })).status, 200)
    },
  ))

test('that sends more than may be in flight is refused, and the next one served', () =>
  withPellet(
    {
      ...cascadeProject({
        callee: answering('return { size: request.fields.x.length }'),
        caller: cascade('return { x: new Uint8Array(request.fields.size) }', [
          calling({ deployment: 'callee', send: 'x' }),
        ]),
      }),
      'pellet.yaml': 'max_bytes_in_flight: 100KB\n',
    },
    [],
    async (pellet) => {
      for (const size of [500_000, 2_000_000]) {
        const answer = await pellet.post('/v1/caller', { size })
        const message = /^expected at most 100 ?KB of requests at once/
        await expectError(answer, { status: 503, code: 'overloaded', message, isRetryable: true })
      }
      for (let time = 0; time < 3; time++)
        assert.equal(await (await pellet.post('/v1/caller', { size: 90_000 })).json(), { size: 90_000 })
    },
  ))

test.run()
