// @timeout 90s
import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { callJson, type Answer } from '../http/raw.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { createProject, RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'

const test = suite('kept answers over restarts')
const counting = (word: string, manifest = '') =>
  answering(`return { run: ++runs, word: '${word}', text: request.fields.text }`, {
    manifest: `cache: true, ${manifest}`,
    head: 'let runs = 0',
  })
const folder = createProject({
  'models/identity.onnx': identityModel(),
  'functions/keeps.ts': counting('kept'),
  'functions/caller.ts': counting('caller').replace(
    `post: ['answer']`,
    `post: ['answer', { call: { deployment: 'callee', send: 'text', take: ['word'] } }]`,
  ),
  'functions/callee.ts': counting('old'),
})
const store = join(folder, '.pellet/storage/results')
let pellet: RunningPellet

test.before.each(async () => {
  pellet = await RunningPellet.start(folder)
})
test.after.each(async () => {
  await pellet.stop()
})

const ask = (name: string, text: string) => callJson(`${pellet.url}/v1/${name}`, { text })
const said = ({ headers, json }: Answer) => `${headers['x-cache']} ${json.word}`
/** The files of a deployment's entries: its answers, or what leads to them. */
const files = (name: string, kind: 'r' | 'b') =>
  readdirSync(store).filter((file) => new RegExp(`^cache%3a${name}%3a\\w+%3a${kind}`).test(file))

test('answers are kept', async () => {
  for (const text of ['whole', 'damaged', 'cut']) assert.is(said(await ask('keeps', text)), 'miss kept', text)
  assert.is(said(await ask('caller', 'x')), 'miss old')
  // The call itself is neither answered with what is kept, nor kept.
  assert.is(said(await ask('callee', 'x')), 'miss old')
  await until(() => files('keeps', 'r').length === 3 && files('callee', 'b').length === 1, 'the files')
})

test('the next process has them without waking an isolate; what is damaged is computed anew', async () => {
  for (const file of files('keeps', 'r')) {
    const path = join(store, file)
    const bytes = readFileSync(path)
    if (bytes.includes('"damaged"'))
      writeFileSync(path, Buffer.from(bytes.map((byte, at) => (at === bytes.length - 3 ? byte ^ 1 : byte))))
    if (bytes.includes('"cut"')) truncateSync(path, bytes.length - 1)
  }
  const hit = await ask('keeps', 'whole')
  assert.equal([said(hit), hit.json.run], ['hit kept', 1])
  assert.is(said(await ask('caller', 'x')), 'hit old')
  const rows = await pellet.ps()
  assert.equal(
    Object.values(rows).map(({ loads }) => loads),
    [0, 0, 0],
  )
  for (const text of ['damaged', 'cut']) {
    assert.is(said(await ask('keeps', text)), 'miss kept', text)
    assert.is(said(await ask('keeps', text)), 'hit kept', text)
  }
  const [row] = JSON.parse((await pellet.cli('cache', 'stats', 'keeps', '--json')).stdout)
  assert.equal([row.entries, row.hits, row.misses], [3, 3, 2])
  // For the next test: what is called is another by then.
  writeFileSync(join(folder, 'functions/callee.ts'), counting('new'))
})

test('a revision that was replaced, also that of a deployment that is called, has no answers left; nor has a broken store', async () => {
  assert.is(said(await ask('caller', 'x')), 'miss new')
  assert.is(said(await ask('callee', 'x')), 'miss new')
  assert.is(said(await ask('keeps', 'whole')), 'hit kept')
  await until(() => ['caller', 'callee'].every((name) => files(name, 'r').length === 1), 'the old ones to be removed')

  // Where the folder of the store is none, requests go on, and the log says so once.
  rmSync(store, { recursive: true })
  writeFileSync(store, 'not a folder')
  for (const text of ['a', 'b']) assert.equal(said(await ask('callee', text)), 'miss new')
  await until(async () => said(await ask('callee', 'a')) === 'miss new', 'it to be known that it was not written')
  const warned = pellet.log.filter(({ level }) => level === 'warn')
  assert.is(warned.length, 1, pellet.text())
  assert.match(warned[0]!.msg, /^kept results: expected to .*, found: Storage: cannot .*results/)
  rmSync(store)
})

test.run()
