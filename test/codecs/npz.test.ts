import { spawnSync } from 'node:child_process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toNpz } from '../../runtime/codecs/npz.ts'
import { readNpz } from './fixture-npz.ts'

const npz = suite('npz')

npz('reads back, whatever its dimensions', async () => {
  for (const dims of [
    [1],
    [7],
    [3, 5],
    [1, 1],
    [2, 3, 4],
    [480, 640],
    [1, 131_072],
    [2, 131_072],
    [3, 131_073],
    [0, 4],
  ]) {
    const data = valuesOf(dims.reduce((a, b) => a * b))
    const { entries, array } = readNpz(await toNpz('depth', { data, dims }))
    assert.equal(entries, ['depth.npy'])
    assert.equal(array.dims, dims)
    assert.ok(Buffer.from(array.data.buffer).equals(Buffer.from(data.buffer)), dims.join('x'))
  }
})

npz('is smaller than the values, and the same each time', async () => {
  const data = valuesOf(307_200).map((value) => value / 1000)
  const first = await toNpz('depth', { data, dims: [480, 640] })
  assert.ok(first.length < data.byteLength * 0.97, `${first.length} of ${data.byteLength} bytes`)
  assert.ok(first.equals(await toNpz('depth', { data, dims: [480, 640] })))
})

npz('keeps every bit: NaN, infinities, zeros of both signs, the least and the largest', async () => {
  const data = Float32Array.of(NaN, Infinity, -Infinity, -0, 0, 1.4e-45, 3.4028234663852886e38, 0.1)
  const { array } = readNpz(await toNpz('x', { data, dims: [2, 4] }))
  assert.ok(Buffer.from(array.data.buffer).equals(Buffer.from(data.buffer)))
})

npz('packs a part of other memory, and names beyond ASCII', async () => {
  const whole = valuesOf(100)
  const { entries, array } = readNpz(await toNpz('tiefe-ü', { data: whole.subarray(10, 16), dims: [6] }))
  assert.equal(entries, ['tiefe-ü.npy'])
  assert.equal(array.data, whole.slice(10, 16))
})

const python = `
import sys, io, numpy
held = numpy.load(io.BytesIO(sys.stdin.buffer.read()))
assert held.files == ['depth'], held.files
depth = held['depth']
print(depth.dtype, depth.shape, depth.flags['C_CONTIGUOUS'], float(depth[0, 0]), float(depth[-1, -1]), float(depth.sum(dtype='f8')))
`
const hasNumpy = spawnSync('python3', ['-c', 'import numpy']).status === 0
if (!hasNumpy) console.log('python3 with numpy is absent: numpy.load is not tried')
;(hasNumpy ? npz : npz.skip)('numpy.load reads it', async () => {
  for (const dims of [
    [2, 3],
    [1080, 1920],
  ] as const) {
    const data = valuesOf(dims[0] * dims[1])
    const input = await toNpz('depth', { data, dims })
    const { stdout, stderr } = spawnSync('python3', ['-c', python], { input, encoding: 'utf8' })
    const sum = data.reduce((a, b) => a + b, 0)
    const [type, rest] = [stdout.slice(0, 7), stdout.slice(8).trim()]
    assert.is(type, 'float32', stderr)
    const [, shape, contiguous, numbers] = /^(\(.*?\)) (\w+) (.*)$/.exec(rest)!
    assert.is(shape, `(${dims.join(', ')})`)
    assert.is(contiguous, 'True')
    const [first, last, total] = numbers!.split(' ').map(Number)
    assert.equal([first, last], [data[0], data.at(-1)])
    assert.ok(Math.abs(total! - sum) < 1e-6 * Math.abs(sum))
  }
})

npz.run()

// --- internal ---

function valuesOf(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(i / 50) * 10 + 20 + (i % 7) / 100)
}
