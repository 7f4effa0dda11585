import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { judge } from '../../runtime/deploys/probe/judge.ts'
import { formatMismatch, match } from '../../runtime/deploys/probe/match.ts'
import type { Probe } from '../../runtime/manifest/manifest.ts'

const answer = {
  num_faces: 3,
  faces: [{ score: 0.912, box: [1, 2, 3, 4], name: null }, { score: 0.7 }],
  took: '12 ms',
  $cost: 1,
  min: 0,
}

/** What is expected of the answer above, and what is told. */
const rows: [expected: unknown, ...told: string[]][] = [
  [{ num_faces: 3 }],
  [{}],
  [{ num_faces: 2 }, 'num_faces: expected 2, found 3'],
  [{ num_faces: '3' }, 'num_faces: expected "3", found 3'],
  [{ faces: { 0: { name: null } } }],
  [{ faces: [{ score: { $min: 0.9 } }, { score: 0.7 }] }],
  [
    { faces: [{ score: { $min: 0.95 } }] },
    'faces: expected a list of 1, found a list of 2',
    'faces[0].score: expected a number of 0.95 or more, found 0.912',
  ],
  [{ faces: { 2: {} } }, 'faces[2]: expected a mapping with any keys, found nothing'],
  [
    { faces: { $length: 2, 1: { score: { $min: 0.8, $max: 1 } } } },
    'faces[1].score: expected a number from 0.8 to 1, found 0.7',
  ],
  [{ faces: { $length: 1 } }, 'faces: expected a list or text of length 1, found a list of 2'],
  [{ faces: { $length: { $min: 3 } } }, 'faces: expected a list or text with a length of 3 or more, found a list of 2'],
  [{ took: { $length: { $min: 1, $max: 5 } } }],
  [{ num_faces: { $length: 1 } }, 'num_faces: expected a list or text of length 1, found 3'],
  [{ num_faces: { $near: 3.2, $within: 0.2 } }],
  [{ num_faces: { $near: 3.2, $within: '7%' } }],
  [{ num_faces: { $near: 3.2, $within: '5%' } }, 'num_faces: expected 3.2 within 5%, found 3'],
  [{ took: { $near: 12, $within: 1 } }, 'took: expected 12 within 1, found "12 ms"'],
  [{ faces: { 0: { box: { $near: [1, 2, 3, 5], $within: 0.5 } } } }, 'faces[0].box[3]: expected 5 within 0.5, found 4'],
  [
    { faces: { 0: { box: { $near: [1, 2], $within: 1 } } } },
    'faces[0].box: expected a list of 2 numbers, found a list of 4',
  ],
  [{ num_faces: { $max: 2 } }, 'num_faces: expected a number of 2 or less, found 3'],
  [{ took: { $min: 2 } }, 'took: expected a number of 2 or more, found "12 ms"'],
  [{ took: { $exists: true }, gone: { $exists: false } }],
  [
    { gone: { $exists: true }, took: { $exists: false } },
    'gone: expected a value, found nothing',
    'took: expected nothing, found "12 ms"',
  ],
  [
    { gone: 1, 'of all': { things: 1 } },
    'gone: expected 1, found nothing',
    '["of all"]: expected a mapping with things, found nothing',
  ],
  [{ $$cost: 1, min: 0 }],
  [{ $$cost: 2 }, '["$cost"]: expected 2, found 1'],
  [
    { constructor: { $exists: false }, faces: { length: { $exists: false }, map: 1 } },
    'faces.map: expected 1, found nothing',
  ],
  [[], 'expected a list of 0, found a mapping with num_faces, faces, took, $cost, min'],
  [{ took: ['x'] }, 'took: expected a list of 1, found "12 ms"'],
]

const test = suite('what a probe expects')

for (const [expected, ...told] of rows)
  test(`${JSON.stringify(expected)}: ${told.length === 0 ? 'is so' : `${told.length} not so`}`, () => {
    assert.equal(match(expected, answer).map(formatMismatch), told)
  })

test('a number is what it is: negative zero is zero, and no text is a number', () => {
  assert.equal(match(0, -0), [])
  assert.is(match({ $min: 0 }, null).length, 1)
})

const judging = suite('answers to probes')

const plain: Probe = { method: 'POST', path: '/v1/x', query: {}, headers: {}, status: 200 }
const png = { status: 200, type: 'image/png', sizeBytes: 900, body: Buffer.from([137, 80]) }

judging('status, type and size', () => {
  assert.equal(judge(plain, png), [])
  assert.equal(judge({ ...plain, type: 'image/png', minBytes: 900 }, png), [])
  assert.equal(judge({ ...plain, type: 'image/jpeg', minBytes: 2048 }, png), [
    'expected the content type image/jpeg, found image/png',
    'expected an answer of at least 2 KB, found 900 B',
  ])
})

judging('of another status the message is told, and nothing else', () => {
  const body = Buffer.from('{"error":{"message":"no faces here"}}')
  const refused = { status: 422, type: 'application/json', sizeBytes: body.length, body }
  assert.equal(judge({ ...plain, expect: { a: 1 } }, refused), ['expected the status 200, found 422 (no faces here)'])
  assert.equal(judge({ ...plain, status: 422, expect: { error: { message: 'no faces here' } } }, refused), [])
  assert.equal(judge({ ...plain, status: 404 }, png), ['expected the status 404, found 200'])
})

judging('what cannot be looked into is told, with what to do', () => {
  const [noJson] = judge({ ...plain, expect: {} }, png)
  assert.match(noJson!, /^expected JSON, found 900 B of image\/png; leave expect out/)
  const [large] = judge({ ...plain, expect: {} }, { ...png, sizeBytes: 5_000_000, body: undefined })
  assert.match(large!, /at most 4 MB\), found 4\.8 MB; ask for less/)
})

test.run()
judging.run()
