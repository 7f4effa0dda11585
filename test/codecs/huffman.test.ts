import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { deflatedBound, deflateFloats } from '../../runtime/codecs/huffman.ts'

const huffman = suite('huffman')

huffman('inflate gives the values back, of any length', () => {
  for (const length of [
    0, 1, 2, 3, 5, 100, 16_383, 16_384, 16_385, 40_000, 100_001, 131_071, 131_072, 131_073, 300_000,
  ]) {
    const values = Float32Array.from({ length }, (_, i) => Math.sin(i / 100) * 30)
    assertInflates(values, `${length} values`)
  }
})

huffman('inflate gives back bytes of every distribution', () => {
  const random = noise(11)
  const bytes: Record<string, () => number> = {
    'all equally often': () => random() * 256,
    'zeros alone': () => 0,
    'one value alone': () => 200,
    'two values': () => (random() < 0.5 ? 17 : 18),
    // Each half as often as the one before: Huffman's own codes would be as long as there are values.
    'halving counts': () => Math.min(255, -Math.log2(random())),
    'falling by the golden ratio': () => Math.min(255, -Math.log(random()) / Math.log(1.618)),
    'one that is rare': () => (random() < 0.000_01 ? 99 : 0),
  }
  for (const [name, next] of Object.entries(bytes)) {
    for (const length of [7, 1000, 70_000]) {
      const values = Float32Array.from({ length }, () => 0)
      const view = new Uint8Array(values.buffer)
      for (let i = 0; i < view.length; i++) view[i] = next()
      assertInflates(values, `${name}, ${length} values`)
    }
  }
})

huffman('bytes that no sample met have codes as well', () => {
  const values = new Float32Array(100_000).fill(1)
  const view = new Uint8Array(values.buffer)
  for (let byte = 0; byte < 256; byte++) view[4 * (byte * 131 + 3) + (byte % 4)] = byte
  assertInflates(values, 'rare bytes')
})

huffman('the worst case stays within its bound', () => {
  // The sample sees one value every so often, and everything in between is another.
  const values = new Float32Array(16_384 * 8).fill(1.1754943508222875e-38)
  for (let i = 0; i < values.length; i += 8) values[i] = 3.3
  const room = new ArrayBuffer(deflatedBound(values.length))
  const written = deflateFloats(values, room, 0)
  assert.ok(written <= deflatedBound(values.length), `${written} bytes`)
  assertInflates(values, 'deceived sample')
})

huffman('is as small as zlib makes it with Huffman codes alone, within 5 %', () => {
  const values = Float32Array.from(
    { length: 307_200 },
    (_, i) => 10 + Math.sin((i % 640) / 90) + Math.floor(i / 640) / 100,
  )
  const zlib = deflateRawSync(values, { strategy: constants.Z_HUFFMAN_ONLY }).length
  const own = deflateFloats(values, new ArrayBuffer(deflatedBound(values.length)), 0)
  assert.ok(own < zlib * 1.05, `${own} bytes, zlib ${zlib}`)
})

huffman('leaves alone what lies before its start', () => {
  const room = new ArrayBuffer(deflatedBound(10) + 16)
  const whole = new Uint8Array(room).fill(0xaa)
  deflateFloats(new Float32Array(10), room, 16)
  assert.ok(whole.subarray(0, 16).every((byte) => byte === 0xaa))
})

huffman.run()

// --- internal ---

function assertInflates(values: Float32Array, where: string): void {
  const room = new ArrayBuffer(deflatedBound(values.length) + 8)
  const written = deflateFloats(values, room, 8)
  const inflated = inflateRawSync(Buffer.from(room, 8, written))
  assert.ok(inflated.equals(Buffer.from(values.buffer)), where)
}

function noise(seed: number): () => number {
  let state = seed
  return () => ((state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) + 0.5) / 2 ** 32
}
