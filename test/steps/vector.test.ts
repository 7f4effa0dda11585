import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fromFloat16, roundHalfEven, toFloat16 } from '../../runtime/steps/float16.ts'
import { numbersOf } from '../../runtime/steps/numbers.ts'
import { argMax, l2Normalize, softmax, toFloat32, topK } from '../../runtime/steps/vector.ts'
import type { Tensor, TensorType } from '../../runtime/tensor.ts'
import { distance, failureOf } from './fixture-steps.ts'

const floats = (data: number[], dims: number[] = [1, data.length]): Tensor => ({
  type: 'float32',
  dims,
  data: Float32Array.from(data),
})

const helpers = suite('vector')

helpers('toFloat32 gives the array of a float32 tensor itself', () => {
  const tensor = floats([1, 2])
  assert.is(toFloat32(tensor), tensor.data)
})

helpers('toFloat32 converts every type', () => {
  const cases: [TensorType, Tensor['data'], number[]][] = [
    ['float64', Float64Array.of(0.5, -2), [0.5, -2]],
    ['float16', Uint16Array.of(0x3c00, 0xc000, 0x3555), [1, -2, 0.333251953125]],
    ['uint8', Uint8Array.of(0, 255), [0, 255]],
    ['int8', Int8Array.of(-128, 127), [-128, 127]],
    ['uint16', Uint16Array.of(65_535), [65_535]],
    ['int16', Int16Array.of(-32_768), [-32_768]],
    ['uint32', Uint32Array.of(4_294_967_295), [4_294_967_296]],
    ['int32', Int32Array.of(-7), [-7]],
    ['int64', BigInt64Array.of(-5n, 9n), [-5, 9]],
    ['uint64', BigUint64Array.of(1n << 40n), [2 ** 40]],
    ['bool', Uint8Array.of(0, 1), [0, 1]],
  ]
  for (const [type, data, expected] of cases)
    assert.equal([...toFloat32({ type, dims: [data.length], data })], expected, type)
})

helpers('toFloat32 dequantises with scale and zero point, float32 carriers included', () => {
  const quant = { scale: 0.5, zeroPoint: 10 }
  assert.equal([...toFloat32({ type: 'uint8', dims: [2], data: Uint8Array.of(0, 14), quant })], [-5, 2])
  assert.equal([...toFloat32({ type: 'uint16', dims: [1], data: Uint16Array.of(1010), quant })], [500])
  assert.equal([...toFloat32({ type: 'float32', dims: [1], data: Float32Array.of(12), quant })], [1])
})

helpers('toFloat32 dequantises by feature, the last dimension', () => {
  const data = Uint8Array.of(10, 20, 30, 11, 21, 31)
  const tensor: Tensor = { type: 'uint8', dims: [1, 2, 3], data, quant: { scale: [1, 2, 3], zeroPoint: [10, 0, 30] } }
  assert.equal([...toFloat32(tensor)], [0, 40, 0, 1, 42, 3])
  // One list is enough, and who gives the tensor other dimensions keeps the features.
  assert.equal(
    [...toFloat32({ ...tensor, dims: [6], quant: { scale: 0.5, zeroPoint: [10, 0, 30] } })],
    [0, 10, 0, 0.5, 10.5, 0.5],
  )
})

helpers('numbersOf keeps what is stored, and says what it stands for and what to compare it with', () => {
  const data = Uint8Array.of(10, 20, 30, 11, 21, 31)
  for (const quant of [{ scale: [1, 2, 3], zeroPoint: [10, 0, 30] }, { scale: 0.25, zeroPoint: 8 }, undefined]) {
    const tensor: Tensor = { type: 'uint8', dims: [2, 3], data, ...(quant && { quant }) }
    const numbers = numbersOf(tensor)
    assert.is(numbers.data, data)
    const reals = [...toFloat32(tensor)]
    assert.equal(
      reals.map((_, i) => numbers.at(i)),
      reals,
    )
    for (const [i, real] of reals.entries()) assert.is(numbers.least(real, i), data[i])
  }
  const others: Tensor[] = [
    { type: 'float16', dims: [1], data: Uint16Array.of(0x3c00) },
    { type: 'int64', dims: [1], data: BigInt64Array.of(1n) },
  ]
  for (const tensor of others) assert.equal([numbersOf(tensor).at(0), numbersOf(tensor).least(1, 0)], [1, 1])
})

helpers('a missing tensor is named as the problem', async () => {
  for (const [name, run] of Object.entries({
    topK: () => topK(undefined, 1),
    softmax: () => softmax(undefined),
    argMax: () => argMax(undefined),
    l2Normalize: () => l2Normalize(undefined),
    toFloat32: () => toFloat32(undefined),
    numbersOf: () => numbersOf(undefined),
  })) {
    const { code, message } = await failureOf(run)
    assert.is(code, 'function_failed')
    assert.match(message, `${name}: expected a tensor, found undefined`)
  }
})

helpers('topK agrees with a full sort, whatever k and ties', () => {
  let state = 7
  const values = Array.from({ length: 500 }, () => (state = (state * 75 + 74) % 65_537) % 40)
  const sorted = values.map((score, index) => ({ index, score })).sort((a, b) => b.score - a.score || a.index - b.index)
  for (const k of [1, 2, 5, 17, 499, 500, 1000]) assert.equal(topK(floats(values), k), sorted.slice(0, k), `k = ${k}`)
})

helpers('topK names what has a label, and passes NaN over', () => {
  assert.equal(topK(floats([0.25, Number.NaN, 0.5, 0.125]), 3, ['cat', 'dog', 'emu']), [
    { index: 2, score: 0.5, label: 'emu' },
    { index: 0, score: 0.25, label: 'cat' },
    { index: 3, score: 0.125 },
  ])
})

helpers('topK works on quantised scores', () => {
  const tensor: Tensor = {
    type: 'uint8',
    dims: [1, 3],
    data: Uint8Array.of(3, 200, 9),
    quant: { scale: 0.01, zeroPoint: 0 },
  }
  const [first] = topK(tensor, 1)
  assert.is(first!.index, 1)
  assert.ok(Math.abs(first!.score - 2) < 1e-6)
})

helpers('several rows, and a k that is none, are refused', async () => {
  assert.match((await failureOf(() => topK(floats([1, 2, 3, 4], [2, 2]), 1))).message, 'found dimensions [2, 2]')
  assert.match((await failureOf(() => argMax(floats([1, 2, 3, 4], [2, 2])))).message, 'expected one row')
  for (const k of [0, -1, 1.5, Number.NaN]) assert.throws(() => topK(floats([1]), k), /expected k as a whole number/)
})

helpers('argMax gives the first of equal values and 0 for nothing but NaN', () => {
  assert.is(argMax(floats([-3, -1, -1])), 1)
  assert.is(argMax(floats([Number.NaN, Number.NaN])), 0)
  assert.is(argMax(floats([Number.NaN, -Infinity])), 1)
})

helpers('softmax sums to 1 along its axis and stands large logits', () => {
  const row = softmax(floats([1000, 1001, 999])).data as Float32Array
  assert.ok(distance(row, [0.244728, 0.665241, 0.090031]) < 1e-6)
  const tensor = floats([1, 2, 3, 4, 5, 6], [1, 2, 3])
  const middle = softmax(tensor, 1)
  assert.equal(middle.dims, [1, 2, 3])
  const [low, high] = [1 / (1 + Math.exp(3)), 1 / (1 + Math.exp(-3))]
  assert.ok(distance(middle.data as Float32Array, [low, low, low, high, high, high]) < 1e-6)
  assert.equal(softmax(tensor, -2).data, middle.data)
  assert.equal([...toFloat32(tensor)], [1, 2, 3, 4, 5, 6], 'the tensor itself is left alone')
  assert.throws(() => softmax(tensor, 3), /expected an axis of the dimensions \[1, 2, 3\], found 3/)
})

helpers('l2Normalize works row by row and leaves zeros', () => {
  const { data, dims } = l2Normalize(floats([3, 4, 0, 0, 0, -2], [3, 2]))
  assert.equal(dims, [3, 2])
  assert.ok(distance(data as Float32Array, [0.6, 0.8, 0, 0, 0, -1]) < 1e-6)
})

const halves = suite('float16')

halves('every bit pattern survives the way to float32 and back', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = fromFloat16(bits)
    if (Number.isNaN(value)) assert.ok((bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0)
    else if (toFloat16(value) !== bits) assert.is(toFloat16(value), bits)
  }
})

halves('known values', () => {
  const known: [number, number][] = [
    [0x0001, 2 ** -24],
    [0x03ff, 1023 * 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3c00, 1],
    [0x7bff, 65_504],
    [0xfc00, -Infinity],
  ]
  for (const [bits, value] of known) assert.is(fromFloat16(bits), value)
})

halves('rounds to nearest, ties to even, and overflows to infinity', () => {
  assert.is(toFloat16(1 + 2 ** -11), 0x3c00)
  assert.is(toFloat16(1 + 3 * 2 ** -11), 0x3c02)
  assert.is(toFloat16(1 + 2 ** -11 + 2 ** -20), 0x3c01)
  assert.is(toFloat16(2 ** -25), 0)
  assert.is(toFloat16(3 * 2 ** -25), 2)
  assert.is(toFloat16(65_519), 0x7bff)
  assert.is(toFloat16(65_520), 0x7c00)
  assert.is(toFloat16(-1e9), 0xfc00)
  assert.ok(Number.isNaN(fromFloat16(toFloat16(Number.NaN))))
})

halves('roundHalfEven', () => {
  assert.equal([0.5, 1.5, 2.5, 2.4, 2.6, -0.4, -1.6].map(roundHalfEven), [0, 2, 2, 2, 3, -0, -2])
})

helpers.run()
halves.run()
