// @timeout 60s
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGate, type Gate } from '../http/gate.ts'
import { call, callJson, RawConnection } from '../http/raw.ts'
import { RunningPellet } from '../support/pellet.ts'
import { until } from '../support/process.ts'
import { keepingProject } from './project.ts'

const test = suite('equal requests at the same time')
let gate: Gate
let pellet: RunningPellet

test.before(async () => {
  gate = await createGate()
  pellet = await RunningPellet.start(keepingProject(gate.url, ['keeps', 'late']))
})
test.after(async () => {
  gate.close()
  await pellet.stop()
})

const keeps = (body: unknown) => callJson(`${pellet.url}/v1/keeps`, body)

test('of many equal requests at once one is computed, and all have its answer', async () => {
  const url = `${pellet.url}/v1/keeps`
  const same = Array.from({ length: 20 }, () => keeps({ who: 'leader', text: 'flight' }))
  // Other bytes, the same meaning: these wait in the isolate.
  const spelt = [
    call(url, { body: '{"text":"flight", "who":"leader"}' }),
    callJson(`${url}?top=5`, { who: 'leader', text: 'flight' }),
  ]
  await gate.waiting(1)
  await pellet.rowWhen('keeps', (row) => row.in_flight === 3)
  gate.open()
  const answers = await Promise.all([...same, ...spelt])
  assert.equal(new Set(answers.map(({ text }) => text)).size, 1)
  const outcomes = answers.map(({ headers }) => headers['x-cache'])
  assert.equal(outcomes.filter((outcome) => outcome === 'miss').length, 1)
  assert.equal(gate.names(), [])
})

test('where the one who computes fails or leaves, the next takes over', async () => {
  const { run } = (await keeps({ text: 'before' })).json
  const failing = Array.from({ length: 3 }, () => keeps({ who: 'fails', fails: run + 1 }))
  await gate.waiting(1)
  gate.open()
  await gate.waiting(1)
  gate.open()
  const answers = await Promise.all(failing)
  assert.equal(answers.map(({ status }) => status).sort(), [200, 200, 500])

  const body = JSON.stringify({ who: 'leaves', text: 'x' })
  const leaving = new RawConnection(pellet.url)
  const head = `POST /v1/keeps HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
  await leaving.send(`${head}\r\n\r\n${body}`)
  await gate.waiting(1)
  const next = call(`${pellet.url}/v1/keeps`, { headers: { 'content-type': 'application/json' }, body })
  leaving.end()
  await gate.waiting(2)
  gate.open()
  const answer = await next
  assert.equal([answer.status, answer.headers['x-cache']], [200, 'miss'])
})

test('one who does not read his answer keeps nobody waiting', async () => {
  // A thousand times as much comes back: more than fits between him and the isolate.
  const body = JSON.stringify({ who: 'reads not', text: 'x'.repeat(8000) })
  const lazy = new RawConnection(pellet.url)
  lazy.socket.pause()
  await lazy.send(`POST /v1/keeps HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`)
  await gate.waiting(1)
  const next = call(`${pellet.url}/v1/keeps`, { body })
  gate.open()
  const { headers, text } = await next
  assert.equal([headers['x-cache'], text.length > 8_000_000], ['hit', true])
  lazy.end()
})

test('who waits for an answer waits no longer than his own deadline', async () => {
  const late = (who: string) => callJson(`${pellet.url}/v1/late`, { who })
  await callJson(`${pellet.url}/v1/late`, {})
  const answers = await Promise.all([late('a'), late('a'), late('a')])
  assert.equal(
    answers.map(({ status }) => status),
    [504, 504, 504],
  )
  gate.open(true)
  await until(async () => (await late('a')).status === 200, 'it to be computed after all')
  gate.open(false)
})

test.run()
