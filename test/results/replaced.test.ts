// @timeout 60s
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGate, type Gate } from '../http/gate.ts'
import { callJson, type Answer } from '../http/raw.ts'
import { answering, identityModel } from '../deployments/tiny.ts'
import { RunningPellet } from '../support/pellet.ts'

const test = suite('kept answers of a revision that is replaced')
let gate: Gate
let pellet: RunningPellet
const source = (word: string) =>
  answering(
    `
    if (request.fields.who) await fetch('${gate.url}?who=' + request.fields.who)
    return { word: '${word}' }`,
    { manifest: 'cache: true, limits: { concurrency: 1 }' },
  )

test.before(async () => {
  gate = await createGate()
  const files = { 'models/identity.onnx': identityModel(), 'functions/keeps.ts': source('old') }
  pellet = await RunningPellet.start(files, ['--watch'])
})
test.after(async () => {
  gate.close()
  await pellet.stop()
})

const ask = (body: unknown) => callJson(`${pellet.url}/v1/keeps`, body)
const said = ({ headers, json }: Answer) => `${headers['x-cache']} ${json.word}`

/** Saves the function, and waits until it is live. */
async function save(word: string): Promise<void> {
  const isDeployed = ({ msg, deployment }: { msg: string; deployment?: string }) =>
    msg === 'deployed' && deployment === 'keeps'
  const before = pellet.log.filter(isDeployed).length
  writeFileSync(join(pellet.folder, 'functions/keeps.ts'), source(word))
  await pellet.logged(() => pellet.log.filter(isDeployed).length > before)
}

test('they are gone at once, and nothing that was under way meanwhile is kept', async () => {
  assert.equal([said(await ask({})), said(await ask({}))], ['miss old', 'hit old'])
  const running = ask({ who: 'runs' })
  await gate.waiting(1)
  // Equal to the one that runs; and another one, which waits for its place.
  const waits = ask({ who: 'runs' })
  const queued = ask({ who: 'queued' })
  await pellet.rowWhen('keeps', (row) => row.queued === 1)
  await save('new')
  gate.open(true)
  // Who came before gets what he asked for; who had no place yet gets one in the new revision.
  const answers = (await Promise.all([running, waits, queued])).map(said)
  assert.equal(answers, ['miss old', 'hit old', 'bypass new'])
  for (const body of [{}, { who: 'runs' }, { who: 'queued' }])
    assert.equal([said(await ask(body)), said(await ask(body))], ['miss new', 'hit new'], JSON.stringify(body))
  gate.open(false)
})

test('a revision that comes back finds nothing', async () => {
  assert.is(said(await ask({})), 'hit new')
  await save('old')
  assert.is(said(await ask({})), 'miss old')
  await save('new')
  assert.is(said(await ask({})), 'miss new')
})

test.run()
