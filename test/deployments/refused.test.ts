// @timeout 90s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { createProject, RunningPellet, type ProjectFiles } from '../support/pellet.ts'
import { broken } from './broken.ts'
import { answering, colourModel, identityModel } from './tiny.ts'

const test = suite('what is refused, with its place and reason, while the rest serves')

const jealous = `if (globalThis.taken) throw new Error('somebody was here before')\nglobalThis.taken = true\n`
const fine: ProjectFiles = {
  'models/identity.onnx': identityModel(),
  'models/colour.onnx': colourModel(),
  'functions/fine.ts': answering('return { ok: true }'),
  'functions/also-fine.mjs': answering('return { ok: true }'),
  'functions/with-hef.ts': answering('return 1', {
    manifest: `model: { onnx: 'identity.onnx', hef: { hailo8: 'right.hef', hailo8l: 'none.hef' } }`,
  }),
  'functions/untried.ts': answering('return 1', { manifest: `probe: [{}, { input: 'gone.jpg' }]` }),
  // Each is well where it is looked at alone; not where another has been before.
  ...Object.fromEntries([1, 2].map((n) => [`functions/jealous-${n}.ts`, jealous + answering('return { ok: true }')])),
  'functions/_helper.ts': 'export const helper = 1',
  'functions/types.d.ts': 'declare const x: number',
  'functions/notes.txt': 'not a function',
  'manifests/example.yaml': 'this: is only an example\n',
  'manifests/_draft.yaml': 'nonsense',
  // Two that claim a name, two that claim a route; the first by file name stays.
  'functions/taken.ts': answering('return 1', { manifest: `route: 'POST /v1/claimed'` }),
  'functions/thief.ts': answering('return 1', { manifest: `route: 'POST /v1/claimed'` }),
  'functions/other-method.ts': answering('return 1', { manifest: `route: 'PUT /v1/claimed'` }),
  'functions/twin-a.ts': answering('return 1', { manifest: `name: 'twin', route: 'POST /v1/a'` }),
  'functions/twin-b.ts': answering('return 1', { manifest: `name: 'twin', route: 'POST /v1/b'` }),
}

let pellet: RunningPellet
let rows: { name: string; state: string; problems: string[] }[]

test.before(async () => {
  const folder = createProject(Object.assign({}, fine, ...Object.values(broken).map(({ files }) => files)))
  symlinkSync('nowhere.yaml', join(folder, 'manifests/dangling.yaml'))
  pellet = await RunningPellet.start(folder)
  rows = JSON.parse((await pellet.cli('list', '--json')).stdout)
})
test.after(async () => {
  await pellet?.stop()
})

test('what is well serves', async () => {
  for (const name of ['fine', 'also-fine', 'with-hef', 'untried'])
    assert.is(rows.find((row) => row.name === name)?.state, 'cold', name)
  assert.is((await pellet.post('/v1/with-hef', {})).status, 200)
  // Nobody makes the probes of a dropped file: what they lack is told, and not more.
  await pellet.logged(({ msg }) =>
    /^functions\/untried\.ts.* probe\[1\]\.input: .* models\/gone\.jpg, found none/.test(msg),
  )
})

const problemsOf = (name: string) => rows.filter((row) => row.name === name).flatMap(({ problems }) => problems)

for (const [name, { expected }] of Object.entries(broken))
  test(`${name} is refused`, () => {
    const problems = problemsOf(name)
    for (const pattern of expected) {
      const fits = (problem: string) =>
        typeof pattern === 'string' ? problem.includes(pattern) : pattern.test(problem)
      assert.ok(problems.some(fits), `expected ${String(pattern)}, found\n${problems.join('\n')}`)
    }
    assert.ok(!rows.some((row) => row.name === name && row.state !== 'refused'))
    assert.ok(
      pellet.log.some(({ level, msg }) => level === 'error' && msg === problems[0]),
      'the log says so too',
    )
  })

test('what one function leaves behind where it is looked at is no fault of another', () => {
  for (const n of [1, 2]) assert.equal(problemsOf(`jealous-${n}`), [])
  assert.is(rows.filter(({ name, state }) => name.startsWith('jealous-') && state !== 'refused').length, 2)
})

test('a ring is told to all who are in it', () => {
  assert.equal(problemsOf('calls-back'), [
    'functions/calls-back.ts:6:81 post[1]: expected calls that come to an end, found the ring calls-back -> calls-round -> calls-back',
  ])
})

test('a route that is taken goes to the first; the other is refused with the name of the holder', () => {
  assert.equal(problemsOf('taken'), [])
  assert.match(problemsOf('thief').join(), /functions\/thief\.ts.*POST \/v1\/claimed.*taken.*functions\/taken\.ts/)
  assert.equal(problemsOf('other-method'), [])
})

test('a name that is taken stays with the first', async () => {
  assert.match(problemsOf('twin').join(), /functions\/twin-b\.ts.*"twin".*functions\/twin-a\.ts/)
  // A method that no route of the path has: nothing need be loaded to tell whether there is one.
  assert.is((await pellet.fetch('/v1/a')).status, 405)
  assert.is((await pellet.fetch('/v1/b')).status, 404)
})

test('a manifest that cannot be read is refused, and nothing else with it', () => {
  assert.match(problemsOf('dangling').join(), /manifests\/dangling\.yaml: .*no such file/)
})

test('helpers, drafts, examples and other files are nothing to deploy', () => {
  for (const name of ['_helper', 'types', 'types.d', 'notes', 'example', '_draft'])
    assert.not(
      rows.some((row) => row.name === name),
      name,
    )
})

test.run()
