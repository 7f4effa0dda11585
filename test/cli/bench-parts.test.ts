import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { AnswerReader, valueIn, type Answer } from '../../runtime/cli/bench/answer-reader.ts'
import { compareRuns, differences } from '../../runtime/cli/bench/compare.ts'
import { toRequestBytes } from '../../runtime/cli/bench/connection.ts'
import { toRun, type BenchRecord, type BenchRun } from '../../runtime/cli/bench/record.ts'
import { phasesIn, Recorder, spreadOf } from '../../runtime/cli/bench/recorder.ts'
import { toComparison } from '../../runtime/cli/bench/report.ts'

const test = suite('parts of pellet bench')

const ok = 'HTTP/1.1 200 OK\r\nX-Cache: hit\r\nServer-Timing: queue;dur=1.50, infer;dur=0.25\r\n'
const answers: [string, string, Partial<Answer>][] = [
  ['a length', `${ok}Content-Length: 5\r\n\r\nhello`, { status: 200, body: '', isKept: true }],
  ['no body', 'HTTP/1.1 204 No Content\r\n\r\n', { status: 204, isKept: true }],
  [
    'chunks and trailers',
    `${ok}transfer-encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n1\r\n!\r\n0\r\na: b\r\n\r\n`,
    { status: 200 },
  ],
  ['an error', 'HTTP/1.1 500 No\r\ncontent-length: 4\r\n\r\noops', { status: 500, body: 'oops' }],
  [
    'an error in chunks',
    'HTTP/1.1 429 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\noo\r\n2\r\nps\r\n0\r\n\r\n',
    { status: 429, body: 'oops' },
  ],
  ['an interim answer', `HTTP/1.1 100 Continue\r\n\r\n${ok}content-length: 1\r\n\r\nx`, { status: 200 }],
  ['a last one', `${ok}connection: close\r\ncontent-length: 0\r\n\r\n`, { status: 200, isKept: false }],
]

test('answers are read whole, however they arrive', () => {
  for (const [what, text, expected] of answers) {
    const bytes = Buffer.from(text)
    for (let cut = 0; cut < bytes.length; cut++) {
      const reader = new AnswerReader()
      // Twice on one connection: the second begins where the first ended.
      for (const round of [1, 2]) {
        const early = cut === 0 ? undefined : reader.push(bytes.subarray(0, cut))
        assert.is(early, undefined, `${what}, cut at ${cut}, round ${round}`)
        const answer = reader.push(bytes.subarray(cut))!
        for (const [key, value] of Object.entries(expected))
          assert.is(answer[key as keyof Answer], value, `${what}, cut at ${cut}: ${key}`)
      }
    }
  }
})

test('an answer without a length ends with its connection; what is no HTTP is said', () => {
  const reader = new AnswerReader()
  assert.is(reader.push(Buffer.from('HTTP/1.0 503 No\r\n\r\nall of')), undefined)
  assert.is(reader.push(Buffer.from(' it')), undefined)
  assert.is(reader.end()!.body, 'all of it')
  assert.is(new AnswerReader().end(), undefined)
  assert.throws(
    () => new AnswerReader().push(Buffer.from('SSH-2.0\r\n\r\n')),
    /expected an HTTP\/1.1 answer, found "SSH/,
  )
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'
  assert.throws(() => new AnswerReader().push(Buffer.from(chunked)), /expected the size of a chunk, found "zz"/)
})

test('headers and phases are found in any case of letters', () => {
  assert.is(valueIn(`${ok}`, 'x-cache'), 'hit')
  assert.is(valueIn(`${ok}`, 'cache'), undefined)
  assert.equal(phasesIn(ok), [
    ['queue', 1.5],
    ['infer', 0.25],
  ])
  assert.equal(phasesIn('HTTP/1.1 200 OK\r\n'), [])
})

test('a request is whole bytes; a header that is given replaces one of its own', () => {
  const url = new URL('http://127.0.0.1:80/f/a?b=c')
  assert.is(
    Buffer.from(toRequestBytes('POST', url, { host: 'x', 'content-type': 'a/b' }, Buffer.from('{}'))).toString(),
    'POST /f/a?b=c HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-type: a/b\r\n\r\n{}',
  )
  assert.not.match(Buffer.from(toRequestBytes('GET', url, {}, undefined)).toString(), /content-length/)
})

test('percentiles, rates, phases and errors of a run', () => {
  const recorder = new Recorder({ isCurious: true, durationMs: 1000 })
  const answer: Answer = { status: 200, head: ok, body: '', isKept: true }
  for (let i = 1; i <= 1000; i++) recorder.answer(answer, i / 10, i - 1)
  const refusal = { status: 429, head: 'HTTP/1.1 429 No\r\nx-pellet-error: queue_full\r\n', isKept: true }
  recorder.answer({ ...refusal, body: '{"error":{"message":"full"}}' }, 1, 1)
  recorder.answer({ ...refusal, status: 502, head: 'HTTP/1.1 502 No\r\n', body: 'html' }, 1, 1)
  recorder.fail('ECONNRESET', 'reset')
  const run = toRun(4, recorder.summary(1000))
  const near = (found: number, expected: number) =>
    assert.ok(Math.abs(found / expected - 1) < 0.005, `${found}, ${expected}`)
  near(run.p50_ms, 50)
  near(run.p90_ms, 90)
  near(run.p99_ms, 99)
  near(run.max_ms, 100)
  near(run.mean_ms, 50.05)
  assert.equal([run.answered, run.failed, run.per_second, run.spread, run.from_cache], [1000, 3, 1000, 0, 1000])
  assert.equal(run.errors, { queue_full: 1, http_502: 1, ECONNRESET: 1 })
  assert.is(run.first_error, 'full')
  near(run.phases_ms['rest']!, 50.05 - 1.75)
  assert.is(run.phases_ms['infer'], 0.25)
})

test('a run without an answer has no times, and one that is too short no spread', () => {
  const { p50_ms, per_second, phases_ms } = toRun(1, new Recorder().summary(10))
  assert.equal([p50_ms, per_second, phases_ms], [0, 0, {}])
  for (const [counts, spread] of [
    [[], 0],
    [[5, 9], 0],
    [[0, 0, 0], 0],
    [[4, 4, 4], 0],
    [[3, 4, 5], 0.25],
  ] as [number[], number][])
    assert.is(spreadOf(counts), spread, String(counts))
})

const run = (concurrency: number, perSecond: number, spread = 0.01, answered = 100): BenchRun => ({
  ...toRun(concurrency, new Recorder().summary(1)),
  answered,
  per_second: perSecond,
  spread,
  p50_ms: 1000 / perSecond,
  p90_ms: 2000 / perSecond,
  p99_ms: 4000 / perSecond,
})

test('ratios are of what both measured, and a difference is one beyond the noise', () => {
  const cases: [number, number, number, string][] = [
    [100, 200, 0.01, 'slower'],
    [200, 100, 0.01, 'faster'],
    [104, 100, 0, 'within noise'],
    [96, 100, 0, 'within noise'],
    [107, 100, 0, 'faster'],
    [125, 100, 0.2, 'within noise'],
    [100, 125, 0.2, 'within noise'],
    [140, 100, 0.2, 'faster'],
  ]
  for (const [now, before, spread, verdict] of cases) {
    const [row] = compareRuns([run(1, now, spread)], [run(1, before, spread)])
    assert.is(row!.verdict, verdict, `${now}, ${before}, ${spread}`)
    assert.is(row!.perSecond, now / before)
    assert.ok(Math.abs(row!.p99 - before / now) < 1e-9)
  }
  assert.equal(compareRuns([run(1, 1), run(4, 1)], [run(4, 1, 0, 0), run(16, 1)]), [])
})

test('a comparison says what else is another', () => {
  const record: BenchRecord = {
    format: 'pellet bench 1',
    version: '1',
    at: '2030-01-02T03:04:05.000Z',
    machine: { cpu: 'a', cores: 2, memory_bytes: 1, platform: 'linux x64', node: 'v20' },
    deployment: 'depth',
    route: 'POST /a',
    revision: 'r1',
    model: 'm1',
    engine: 'onnxruntime',
    request: { bytes: 1, sha256: 'x' },
    duration_s: 10,
    interrupted: false,
    runs: [run(1, 100)],
  }
  assert.equal(differences(record, record), [])
  const machine = { ...record.machine, cpu: 'b' }
  const other = { ...record, revision: 'r2', model: 'm2', machine, request: { bytes: 2, sha256: 'y' } }
  const now = { ...other, runs: [run(1, 200), run(4, 1)] }
  assert.equal(differences(now, record), [
    'another model: m2, before m1',
    'another revision: r2, before r1',
    'another request: 2 bytes, before 1',
    'another machine: b, 2 cores, linux x64, before a, 2 cores, linux x64',
    'not measured before: 4 callers',
  ])
  const text = toComparison(now, record, 'a.json')
  assert.match(text, /^Compared with a\.json of 2030-01-02 03:04 UTC/)
  assert.match(text, /^1 +2\.00x +0\.50x +0\.50x +0\.50x +faster$/m)
  assert.match(text, /^- another model: m2, before m1$/m)
})

test.run()
