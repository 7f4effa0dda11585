// @timeout 120s
import {
  closeSync,
  cpSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { answering } from '../deployments/tiny.ts'
import { saying, WatchedPellet } from './watched.ts'

const test = suite('what is saved is served')

let watched: WatchedPellet
let steady: { pid: number | null; loads: number }

test.before(async () => {
  watched = await WatchedPellet.start({
    'functions/steady.ts': saying('steady', `route: 'POST /v1/steady'`),
    'functions/edited.ts': next('first'),
  })
  await watched.ask('/v1/steady')
  steady = await watched.pellet.row('steady')
})
// Whatever was done to the others.
test.after.each(async () => {
  const { pid, loads, state } = await watched.pellet.row('steady')
  assert.equal([pid, loads, state], [steady.pid, steady.loads, 'ready'])
})
test.after(async () => void (await watched.pellet.stop('SIGKILL')))

test('a new function, a new manifest, and a folder that was not there', async () => {
  await watched.deployed('fresh', () => watched.save('functions/fresh.ts', saying('fresh', `route: 'POST /v1/fresh'`)))
  assert.is((await watched.ask('/v1/fresh')).word, 'fresh')
  const manifest = `name: fresh\nroute: POST /v1/other\n`
  await watched.deployed('fresh', () => watched.save('manifests/fresh.yaml', manifest))
  assert.is((await watched.ask('/v1/other')).word, 'fresh')
  assert.is((await watched.pellet.post('/v1/fresh', {})).status, 404)
})

/** Text of the edited function; its word is also to be had without an isolate. */
const next = (word: string) => saying(word, `route: 'POST /v1/edited', status: { 'GET /v1/word': { word: '${word}' } }`)
/** In two parts of which the first is not whole. */
const half = (text: string) => [text.slice(0, text.length / 2), text.slice(text.length / 2)] as const

/** The ways in which editors save, each as system calls. */
const ways: [how: string, save: (file: string, text: string) => unknown][] = [
  ['in place', (file, text) => writeFileSync(file, text)],
  [
    'by a temporary file and a rename',
    (file, text) => {
      writeFileSync(`${file}.tmp.123`, text)
      renameSync(`${file}.tmp.123`, file)
    },
  ],
  [
    'in two writes',
    async (file, text) => {
      const [start, rest] = half(text)
      const open = openSync(file, 'w')
      writeSync(open, start)
      await delay(25)
      writeSync(open, rest)
      closeSync(open)
    },
  ],
  [
    'truncated first, written a moment later',
    async (file, text) => {
      const open = openSync(file, 'r+')
      ftruncateSync(open)
      await delay(120)
      writeSync(open, text, 0)
      closeSync(open)
    },
  ],
  [
    'with a backup, as vim does',
    (file, text) => {
      renameSync(file, `${file}~`)
      writeFileSync(file, text)
      rmSync(`${file}~`)
    },
  ],
  [
    'removed and made anew, as git checkout does',
    async (file, text) => {
      rmSync(file)
      for (let i = 0; i < 20; i++) writeFileSync(watched.path(`functions/_other${i}.ts`), `export const i = ${i}`)
      writeFileSync(file, text)
    },
  ],
]

for (const [how, save] of ways)
  test(`saved ${how}`, async () => {
    await watched.deployed('edited', () => save(watched.path('functions/edited.ts'), next(how)))
    assert.equal(await (await watched.pellet.fetch('/f/edited/v1/word')).json(), { word: how })
  })

test('a folder of functions that is replaced by another', async () => {
  const before = await watched.ask('/v1/edited')
  assert.is(before.word, ways.at(-1)![0])
  const folder = watched.path('functions')
  cpSync(folder, `${folder}.new`, { recursive: true })
  await watched.deployed('edited', () => {
    rmSync(folder, { recursive: true })
    renameSync(`${folder}.new`, folder)
    watched.save('functions/edited.ts', next('in another folder'))
  })
  const { word, pid } = await watched.ask('/v1/edited')
  assert.is(word, 'in another folder')
  assert.is.not(pid, before.pid)
})

test('each save once, and none of them half', async () => {
  // What comes later is seen only after all that came before: had a save counted twice, it would show by now.
  await watched.deployed('later', () => watched.save('functions/later.ts', saying('later', `route: 'POST /v1/later'`)))
  assert.is(watched.deploys('edited'), 1 + ways.length + 1)
  const errors = watched.pellet.log.filter(({ level }) => level === 'error')
  assert.equal(
    errors.map(({ msg }) => msg),
    [],
  )
})

test('what a function imports, wherever it lies', async () => {
  watched.save('shared/word.ts', `export const word = 'imported'`)
  const source = answering('return { word }', {
    manifest: `route: 'POST /v1/importing'`,
    head: `import { word } from '../shared/word.ts'`,
  })
  await watched.deployed('importing', () => watched.save('functions/importing.ts', source))
  assert.is((await watched.ask('/v1/importing')).word, 'imported')
  await watched.deployed('importing', () => watched.save('shared/word.ts', `export const word = 'edited'`))
  assert.is((await watched.ask('/v1/importing')).word, 'edited')
})

test('a request in flight finishes on the old code while the new one serves', async () => {
  const gate = watched.path('gate')
  const source = (word: string) =>
    answering(
      `while (request.fields.wait && !existsSync(${JSON.stringify(gate)})) await new Promise((go) => setTimeout(go, 20))
      return { word: '${word}', pid: process.pid }`,
      { manifest: `route: 'POST /v1/slow'`, head: `import { existsSync } from 'node:fs'` },
    )
  await watched.deployed('slow', () => watched.save('functions/slow.ts', source('old')))
  const before = await watched.ask('/v1/slow')
  const inFlight = watched.pellet.post('/v1/slow', { wait: true })
  await watched.pellet.rowWhen('slow', (row) => row.in_flight === 1)
  await watched.deployed('slow', () => watched.save('functions/slow.ts', source('new')))
  assert.is((await watched.ask('/v1/slow')).word, 'new')
  mkdirSync(gate)
  assert.equal(await (await inFlight).json(), before)
})

test('a swap of two routes in one moment', async () => {
  const routed = (word: string, route: string) => saying(word, `route: 'POST ${route}'`)
  await watched.deployed(['left', 'right'], () => {
    watched.save('functions/left.ts', routed('left', '/v1/x'))
    watched.save('functions/right.ts', routed('right', '/v1/y'))
  })
  assert.is((await watched.ask('/v1/y')).word, 'right')
  await watched.deployed(['left', 'right'], () => {
    watched.save('functions/left.ts', routed('left', '/v1/y'))
    watched.save('functions/right.ts', routed('right', '/v1/x'))
  })
  assert.equal([(await watched.ask('/v1/x')).word, (await watched.ask('/v1/y')).word], ['right', 'left'])
})

test('a renamed file, and a deleted one', async () => {
  await watched.deployed('renamed', () =>
    renameSync(watched.path('functions/left.ts'), watched.path('functions/renamed.ts')),
  )
  assert.is((await watched.ask('/f/renamed')).word, 'left')
  assert.is((await watched.ask('/v1/y')).word, 'left')
  assert.is((await watched.pellet.post('/f/left', {})).status, 404)
  await watched.after(
    () => rmSync(watched.path('functions/renamed.ts')),
    (line) => line.deployment === 'renamed' && line.msg.startsWith('removed'),
  )
  assert.is((await watched.pellet.post('/v1/y', {})).status, 404)
  assert.is(await watched.list('renamed'), undefined)
})

test.run()
