// @timeout 60s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { RunningPellet } from '../support/pellet.ts'
import { answering } from '../deployments/tiny.ts'
import { calling, cascade, cascadeProject } from './project.ts'

const test = suite('call')
let pellet: RunningPellet

/** Says what it was sent, each value by its type. */
const mirror = answering(
  `const { fields, files, pixels } = request
   const kinds = Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, value.constructor.name]))
   return { ...fields, kinds, ...(pixels && { size: [pixels.width, pixels.height], sum: pixels.data.reduce((a, b) => a + b) }), pid: process.pid }`,
)

test.before(async () => {
  pellet = await RunningPellet.start(
    cascadeProject({
      mirror,
      double: answering('return { twice: 2 * request.fields.value, other: true }'),
      each: cascade('return { faces: request.fields.values.map((value, at) => ({ at, value, kept: "k" + at })) }', [
        calling({ deployment: 'double', each: 'faces', send: 'value', take: 'twice' }),
      ]),
    }),
  )
})
test.after(async () => {
  await pellet.stop()
})

test('each item of a list is sent, in order: what is sent leaves it, what is taken joins it', async () => {
  const answer = await pellet.post('/v1/each', { values: [3, 1, 2] })
  const text = await answer.text()
  assert.is(answer.status, 200, text)
  assert.equal(JSON.parse(text), {
    faces: [
      { at: 0, kept: 'k0', twice: 6 },
      { at: 1, kept: 'k1', twice: 2 },
      { at: 2, kept: 'k2', twice: 4 },
    ],
  })
  assert.match(answer.headers.get('server-timing')!, /call;dur=/)
})

test.run()
