import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { errorCodes, PelletError, type ErrorCode } from '../../runtime/errors.ts'
import { toErrorAnswer } from '../../runtime/error-body.ts'
import { projectRoot } from '../support/root.ts'

const test = suite('the registry of errors')
const docs = readFileSync(join(projectRoot, 'docs/errors.md'), 'utf8')
const rows = [...docs.matchAll(/^\| `(\w+)` \| (\d+) \| (.+?) \| (.+?) \|$/gm)]

test('docs/errors.md lists the same codes in the same order with the same statuses', () => {
  const documented = rows.map(([, code, status]) => `${code} ${status}`)
  const byGroup = (code: string) => (['invalid_manifest'].includes(code) ? 1 : 0)
  const registered = Object.entries(errorCodes)
    .sort(([a], [b]) => byGroup(a) - byGroup(b))
    .map(([code, { status }]) => `${code} ${status}`)
  assert.equal(documented, registered)
})

test('every row says what it means and what to do', () => {
  for (const [, code, , meaning, advice] of rows) {
    assert.ok(meaning!.length > 15, code)
    assert.ok(advice!.length > 15, code)
  }
})

test('a PelletError has the status of its code', () => {
  for (const code of Object.keys(errorCodes) as ErrorCode[])
    assert.is(new PelletError(code, 'x').status, errorCodes[code].status)
})

test('Retry-After is in whole seconds, rounded up, at least one', () => {
  for (const [ms, seconds] of [
    [1, '1'],
    [1000, '1'],
    [1001, '2'],
    [0, '1'],
  ] as const)
    assert.is(
      toErrorAnswer(new PelletError('stopping', 'x', { retryAfterMs: ms }), 'pellet', 'r').headers['retry-after'],
      seconds,
    )
  assert.is(toErrorAnswer(new PelletError('stopping', 'x'), 'pellet', 'r').headers['retry-after'], undefined)
})

test('what was thrown and is no PelletError is internal_error, whatever it is', () => {
  for (const thrown of [new Error('boom'), 'boom', null, undefined, { a: 1 }]) {
    const { status, body } = toErrorAnswer(thrown, 'pellet', 'r')
    assert.is(status, 500)
    assert.is(JSON.parse(body).error.code, 'internal_error')
  }
})

test('the detail shape gives a list for 422 with details only', () => {
  const details = [{ loc: ['a'], msg: 'm', type: 't' }]
  const body = (code: ErrorCode, list?: typeof details) =>
    JSON.parse(toErrorAnswer(new PelletError(code, 'text', list ? { details: list } : {}), 'detail', 'r').body).detail
  assert.equal(body('invalid_input', details), details)
  assert.is(body('invalid_input'), 'text')
  assert.is(body('invalid_option', details), 'text')
})

test('what is quoted in a message is cut: nobody gets his megabytes back', () => {
  const details = Array.from({ length: 500 }, () => ({ loc: ['body', 'x'], msg: 'y'.repeat(1e6), type: 'z' }))
  for (const shape of ['pellet', 'text', 'object', 'detail', 'deepstack'] as const) {
    const { body } = toErrorAnswer(new PelletError('invalid_request', 'x'.repeat(1e6), { details }), shape, 'id')
    assert.ok(body.length < 50_000, `${shape}: ${body.length}`)
    assert.match(body, /x{2000}\.\.\. \(and 998000 characters more\)/)
  }
})

test.run()
