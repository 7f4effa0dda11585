import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import tcn from '../../functions/tcn.ts'
import { PelletError, type ErrorDetail } from '../../runtime/errors.ts'
import { projectRoot } from '../support/root.ts'
import { sharedData, testWithShared } from '../support/shared.ts'
import {
  assertAllNear,
  assertFails,
  cell,
  corners,
  input,
  latent,
  outputsOf,
  refusalOf,
  scores,
  windowFrom,
  windowOf,
  withCell,
  without,
} from './tcn-window.ts'
import { call, callJson, check, drive, type DriverParts } from './driver.ts'

interface Answer {
  latent: number[]
  motif_scores: number[]
  model: string
}

const models = join(projectRoot, 'models')
const golden = JSON.parse(readFileSync(join(models, 'golden.json'), 'utf8')) as {
  tcn: Record<'latent_embeddings' | 'motif_scores' | 'input_stats_normalised', { all: number[]; first16: number[] }>[] &
    { input: string }[]
}
const answers = suite('tcn')

answers('gives the golden latents and scores of the starter model, on both routes', async () => {
  const starter = await drive('tcn', tcn, join(models, 'tcn.onnx'))
  check(starter)
  assert.is(golden.tcn.length, 3)
  for (const { input: file, ...expected } of golden.tcn) {
    const x = windowFrom(join(models, file))
    for (const [route, field] of [
      ['POST /infer', 'x'],
      ['POST /encode', 'imu_window'],
    ] as const) {
      const answer = await callJson<Answer>(starter, { route, fields: { [field]: x } })
      assert.is(Object.keys(answer).join(), 'latent,motif_scores,model')
      assertAllNear(answer.latent, expected.latent_embeddings.all, 1e-3)
      assertAllNear(answer.motif_scores, expected.motif_scores.all, 1e-3)
      assert.is(answer.model, 'starter-tcn')
    }
  }
})

answers('scales each channel in float32', async () => {
  const starter = await drive('tcn', tcn, join(models, 'tcn.onnx'))
  for (const { input: file, input_stats_normalised: normalised } of golden.tcn) {
    const x = windowFrom(join(models, file))
    const { tensors } = await call(starter, { fields: { x } })
    const { data, dims, type } = tensors['imu_window']!
    assert.equal([type, ...dims], ['float32', 1, 100, 9])
    assert.equal([...(data as Float32Array).subarray(0, 16)], normalised.first16, 'to the bit')
  }
})

answers('quantises the scaled window for the input of a HEF', async () => {
  const input = { name: 'imu', type: 'uint8', shape: [1, 1, 100, 9], quant: { scale: 0.05, zeroPoint: 128 } } as const
  const driver = await drive('tcn', tcn, undefined, { inputs: [input], outputs: [latent, scores] })
  check(driver)
  const x = windowOf((row, channel) => (row === 0 ? [0, 3, 9.78, 30, 0, 0, 0, 0, -2000][channel]! : 0))
  const { tensors } = await call(driver, { fields: { x }, outputs: outputsOf() })
  const { type, dims, data } = tensors['imu']!
  assert.equal([type, ...dims], ['uint8', 1, 1, 100, 9])
  // (0 - 0.12) / 3.92 / 0.05 + 128 = 127.4, and so on; what is beyond the range stays at its end.
  assert.equal([...(data as Uint8Array).subarray(0, 4), data[8]], [127, 144, 128, 255, 0])
})

answers(
  'its test puts a window of raw zeros through the model, whatever the request says, and reports on it',
  async () => {
    const starter = await drive('tcn', tcn, join(models, 'tcn.onnx'))
    const zeros = await callJson<Answer>(starter, { fields: { x: windowOf(() => 0) } })
    for (const fields of [{}, { x: windowOf(() => 1) }]) {
      const report = await callJson<Record<string, unknown>>(starter, { route: 'POST /test', fields })
      assert.is(
        Object.keys(report).join(),
        'test_status,latent_shape,motif_shape,latent_range,motif_range,inference_time_ms,model',
      )
      const { inference_time_ms: time, ...rest } = report
      assert.equal(rest, {
        test_status: 'success',
        latent_shape: 64,
        motif_shape: 12,
        latent_range: [Math.min(...zeros.latent), Math.max(...zeros.latent)],
        motif_range: [Math.min(...zeros.motif_scores), Math.max(...zeros.motif_scores)],
        model: 'starter-tcn',
      })
      assert.ok((time as number) > 0, String(time))
    }
  },
)

answers('takes whole numbers as well as fractions', async () => {
  const driver = await without(scores)
  const { tensors } = await call(driver, { fields: { x: windowOf(() => 1) }, outputs: outputsOf() })
  assert.is(tensors['imu_window']!.data[0], Math.fround(Math.fround(1 - Math.fround(0.12)) / Math.fround(3.92)))
})

const rows = '100 rows of 9 numbers (ax ay az gx gy gz mx my mz)'
const refused: [name: string, x: unknown, details: ErrorDetail[]][] = [
  ['no field', undefined, [{ loc: ['body', 'x'], msg: `expected ${rows}, found no such field`, type: 'missing' }]],
  ['null', null, [{ loc: ['body', 'x'], msg: `expected ${rows}, found null`, type: 'list_type' }]],
  ['text', 'abc', [{ loc: ['body', 'x'], msg: `expected ${rows}, found the string "abc"`, type: 'list_type' }]],
  ['an object', {}, [{ loc: ['body', 'x'], msg: `expected ${rows}, found an object`, type: 'list_type' }]],
  [
    '99 rows',
    windowOf(() => 0).slice(1),
    [{ loc: ['body', 'x'], msg: `expected ${rows}, found 99 rows`, type: 'too_short' }],
  ],
  [
    '101 rows',
    [...windowOf(() => 0), []],
    [{ loc: ['body', 'x'], msg: `expected ${rows}, found 101 rows`, type: 'too_long' }],
  ],
  [
    'a row of 8',
    windowOf(() => 0).with(4, [1, 2, 3, 4, 5, 6, 7, 8]),
    [
      {
        loc: ['body', 'x', 4],
        msg: 'expected row 4 to be 9 numbers (ax ay az gx gy gz mx my mz), found 8',
        type: 'too_short',
      },
    ],
  ],
  [
    'a row of 10',
    windowOf(() => 0).with(99, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    [
      {
        loc: ['body', 'x', 99],
        msg: 'expected row 99 to be 9 numbers (ax ay az gx gy gz mx my mz), found 10',
        type: 'too_long',
      },
    ],
  ],
  [
    'a number for a row',
    (windowOf(() => 0) as unknown[]).with(0, 5),
    [
      {
        loc: ['body', 'x', 0],
        msg: 'expected row 0 to be 9 numbers (ax ay az gx gy gz mx my mz), found 5',
        type: 'list_type',
      },
    ],
  ],
  [
    'text for a number',
    withCell(3, 0, '1'),
    [cell(3, 0, 'row 3, ax to be a number, found the string "1"', 'float_type')],
  ],
  ['null for a number', withCell(0, 8, null), [cell(0, 8, 'row 0, mz to be a number, found null', 'float_type')]],
  ['true for a number', withCell(0, 1, true), [cell(0, 1, 'row 0, ay to be a number, found true', 'float_type')]],
  ['a list for a number', withCell(0, 1, [1]), [cell(0, 1, 'row 0, ay to be a number, found a list', 'float_type')]],
  ['1e999', withCell(12, 4, Infinity), [cell(12, 4, 'row 12, gy to be finite, found Infinity', 'finite_number')]],
  ['a fall', withCell(7, 2, 500.5), [cell(7, 2, 'row 7, az to be within 500 m/s2 of 0, found 500.5', 'out_of_range')]],
  ['degrees', withCell(50, 3, -90), [cell(50, 3, 'row 50, gx to be within 35 rad/s of 0, found -90', 'out_of_range')]],
  [
    'nanotesla',
    withCell(99, 7, 48_000),
    [cell(99, 7, 'row 99, my to be within 2000 uT of 0, found 48000', 'out_of_range')],
  ],
  [
    'two at once',
    withCell(1, 0, NaN).with(2, [0]),
    [
      cell(1, 0, 'row 1, ax to be finite, found NaN', 'finite_number'),
      {
        loc: ['body', 'x', 2],
        msg: 'expected row 2 to be 9 numbers (ax ay az gx gy gz mx my mz), found 1',
        type: 'too_short',
      },
    ],
  ],
]

for (const [name, x, details] of refused) {
  answers(`refuses ${name} with 422, and says where`, async () => {
    const error = await refusalOf(x === undefined ? {} : { x })
    assert.is(error.code, 'invalid_input')
    assert.is(error.status, 422)
    assert.equal(error.details, details)
    assert.ok(error.message.startsWith(`x: ${details[0]!.msg}`), error.message)
  })
}

answers('limits are themselves allowed', async () => {
  const driver = await without(scores)
  const limits = [500, -500, 500, 35, -35, 35, 2000, -2000, 2000]
  await call(driver, { fields: { x: windowOf((_, channel) => limits[channel]!) }, outputs: outputsOf() })
})

answers('tells of the first twenty problems, and how many more there are', async () => {
  const error = await refusalOf({ x: windowOf(() => 'a' as unknown as number) })
  assert.is(error.details!.length, 20)
  assert.equal(error.details!.at(-1)!.loc, ['body', 'x', 2, 1])
  assert.match(error.message, /; 899 more$/)
})

answers('the other route names its own field', async () => {
  const driver = await without(scores)
  try {
    await call(driver, { route: 'POST /encode', fields: { x: windowOf(() => 0) } })
    assert.unreachable()
  } catch (error) {
    assert.equal((error as PelletError).details![0]!.loc, ['body', 'imu_window'])
  }
})

answers('reads a window in a fraction of a millisecond', async () => {
  const driver = await without(scores)
  const fields = { x: windowOf((row, channel) => row / 100 - channel) }
  const outputs = outputsOf()
  await call(driver, { fields, outputs })
  let bestMs = Infinity
  for (let i = 0; i < 500; i++) {
    const startedAt = performance.now()
    await call(driver, { fields, outputs })
    bestMs = Math.min(bestMs, performance.now() - startedAt)
  }
  // Measured: 0.08 ms at best, whatever else the machine does.
  assert.ok(bestMs < 0.5, `${bestMs} ms`)
})

answers('scores by centroids are the softmax of negative squared distances', async () => {
  const driver = await without(scores, { centroids: corners })
  check(driver)
  const outputs = outputsOf()
  outputs.latent_embeddings.data[3] = 1.5
  for (const temperature of [1, 4]) {
    const answer = await callJson<Answer>(driver, {
      fields: { x: windowOf(() => 0) },
      outputs,
      options: { temperature },
    })
    const weights = corners.map((_, k) => Math.exp(-(k === 3 ? 0.25 : 1.5 ** 2 + 4) / temperature))
    const sum = weights.reduce((a, b) => a + b)
    assertAllNear(
      answer.motif_scores,
      weights.map((weight) => weight / sum),
      1e-6,
    )
  }
  // Far from all of them every plain exponential is 0.
  outputs.latent_embeddings.data.fill(1000)
  const far = await callJson<Answer>(driver, { fields: { x: windowOf(() => 0) }, outputs })
  assertAllNear(
    far.motif_scores,
    Array.from({ length: 12 }, () => 1 / 12),
    1e-6,
  )
})

answers("the model's own scores win over centroids", async () => {
  const driver = await drive('tcn', tcn, join(models, 'tcn.onnx'), { files: { centroids: corners } })
  check(driver)
  const [{ input: file, motif_scores }] = golden.tcn as [(typeof golden.tcn)[0]]
  const fields = { x: windowFrom(join(models, file)) }
  assertAllNear((await callJson<Answer>(driver, { fields })).motif_scores, motif_scores.all, 1e-3)
})

answers('a model that does not fit is refused at deploy, in a sentence', async () => {
  const { mean, std } = (await drive('tcn', tcn, undefined)).model.entry
  for (const [parts, message] of [
    [
      { outputs: [latent] },
      /expected the output motif_scores, or files: \{ centroids: NAME\.json \}.*found neither.*name centroids, or use a model/,
    ],
    [{ outputs: [latent], files: { centroids: corners.slice(1) } }, /12 rows of 64 numbers.*found 11 rows/],
    [{ outputs: [latent], files: { centroids: corners.with(5, [1, 2]) } }, /12 rows of 64 numbers.*found 2 in row 5/],
    [{ outputs: [latent], files: { centroids: { a: 1 } } }, /found other JSON/],
    [{ outputs: [{ ...scores, shape: [1, 10] }, latent] }, /expected 12 values in the output motif_scores.*\[1, 10\]/],
    [{ outputs: [scores] }, /expected a model with the output latent_embeddings.*"motif_scores"/],
    [
      { inputs: [{ ...input, shape: [1, 100, 6] }] },
      /one input of float32, or quantised, such as \[1, 100, 9\].*\[1, 100, 6\]/,
    ],
    [{ inputs: [{ ...input, shape: [1, 'T', 9] }] }, /\[1, T, 9\]/],
    [{ inputs: [{ ...input, type: 'uint8' }] }, /"imu_window" uint8/],
    [{ inputs: [] }, /one input of float32/],
    [{ inputs: [input, input] }, /one input of float32/],
    [{ entry: { mean: 0, std: std! } }, /expected mean in the model's entry as 9 numbers.*found 0/],
    [{ entry: { mean: mean!, std: [1, 2] } }, /expected std in the model's entry as 9 numbers.*found \[1,2\]/],
  ] as [DriverParts, RegExp][]) {
    const driver = await drive('tcn', tcn, undefined, { inputs: [input], outputs: [latent, scores], ...parts })
    assert.throws(() => check(driver), message)
  }
  for (const shape of [
    ['N', 100, 9],
    ['', 100, 9],
    [100, 9],
    [1, 100, 1, 9],
  ])
    check(await drive('tcn', tcn, undefined, { inputs: [{ ...input, shape }], outputs: [latent, scores] }))
})

answers('a model that gives NaN or logits is told apart from one that works', async () => {
  const driver = await drive('tcn', tcn, undefined, { inputs: [input], outputs: [latent, scores] })
  const fields = { x: windowOf(() => 0) }
  const outputs = outputsOf()
  outputs.motif_scores.data[2] = 3.5
  await assertFails(() => call(driver, { fields, outputs }), /motif_scores from 0 to 1, found 3\.5/)
  outputs.motif_scores.data[2] = NaN
  await assertFails(() => call(driver, { fields, outputs }), /motif_scores from 0 to 1, found NaN/)
  outputs.latent_embeddings.data[0] = NaN
  await assertFails(() => call(driver, { fields, outputs }), /finite latent/)
})

testWithShared(answers, 'the TCN-VAE encoder gives the reference latents within 1e-5', async () => {
  const file = sharedData('models/tcn_encoder_for_edgeinfer.onnx')
  const bare = await drive('tcn', tcn, file)
  assert.throws(() => check(bare), /expected the output motif_scores/)
  const driver = await drive('tcn', tcn, file, { files: { centroids: corners } })
  check(driver)
  const { cases } = JSON.parse(readFileSync(sharedData('truth/tcn_latents.json')!, 'utf8')) as {
    cases: Record<string, { latent: number[]; normalised_first_row: number[] }>
  }
  assert.ok(Object.keys(cases).length >= 2)
  for (const [name, { latent: expected, normalised_first_row: first }] of Object.entries(cases)) {
    const x = name === 'zeros' ? windowOf(() => 0) : windowFrom(sharedData(`tcn/${name}`)!)
    const { tensors } = await call(driver, { fields: { x } })
    assert.equal([...(tensors['imu_window']!.data as Float32Array).subarray(0, 9)], first, 'to the bit')
    const answer = await callJson<Answer>(driver, { fields: { x } })
    assertAllNear(answer.latent, expected, 1e-5)
    assert.is(answer.motif_scores.length, 12)
    assert.ok(answer.motif_scores.every((score) => score >= 0 && score <= 1))
  }
})

answers.run()
