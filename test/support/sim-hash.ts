/** What the simulated device answers: ffi/sim/outputs.c, once more. */
import type { NpuEdge } from '../../ffi/shim/npu.ts'

/** The outputs for one frame, in the order of the model's own, as the device has them. @param seed The control file's */
export function simulatedOutputs(
  outputs: readonly Pick<NpuEdge, 'name' | 'bytes' | 'type' | 'nms'>[],
  inputs: readonly Uint8Array[],
  seed = 0,
): Uint8Array[] {
  const [low, high] = hashInputs(inputs)
  return outputs.map(({ name, bytes, type, nms }) => {
    const key = mix(low ^ mix(high ^ mix(hashName(name) ^ seed)))
    const out = new Uint8Array(bytes)
    const wordAt = (index: number) => {
      const x = (key + Math.imul(index, golden)) >>> 0
      const product = Math.imul(x ^ (x >>> 15), prime)
      return (product ^ (product >>> 13)) >>> 0
    }
    if (nms) fillBoxes(new Float32Array(out.buffer), nms, wordAt)
    else if (type === 'float32')
      new Float32Array(out.buffer).forEach((_, i, all) => (all[i] = (wordAt(i) >>> 8) / 2 ** 24))
    else fillBytes(out, wordAt)
    return out
  })
}

/** The name of the file that a recording of the answer to these inputs has (`recordings=FOLDER`). */
export function recordingName(inputs: readonly Uint8Array[]): string {
  const [low, high] = hashInputs(inputs)
  return [high, low].map((word) => word.toString(16).padStart(8, '0')).join('')
}

// --- internal ---

type Words = [low: number, high: number]

const golden = 0x9e3779b9
const prime = 0x85ebca6b
const lanes = 8

function mix(value: number): number {
  let x = Math.imul(value ^ (value >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

function hashInputs(inputs: readonly Uint8Array[]): Words {
  return inputs.reduce<Words>((seed, bytes) => hash(bytes, seed), [0, 0])
}

function hash(bytes: Uint8Array, seed: Words): Words {
  const state = Int32Array.from({ length: lanes }, (_, i) => seed[i < 4 ? 0 : 1] ^ Math.imul(i, golden))
  // A copy, since words must lie at multiples of four; what is missing of the last block is 0.
  const words = new Int32Array(Math.ceil(bytes.length / (lanes * 4)) * lanes)
  new Uint8Array(words.buffer).set(bytes)
  for (let at = 0; at < words.length; at += lanes)
    for (let i = 0; i < lanes; i++) {
      const product = Math.imul(state[i]! ^ words[at + i]!, prime)
      state[i] = (product << 13) | (product >>> 19)
    }
  const fold = (from: number, start: number) => state.subarray(from, from + 4).reduce((x, lane) => mix(x ^ lane), start)
  return [fold(0, bytes.length), fold(4, ~bytes.length)]
}

/** FNV-1a. */
function hashName(name: string): number {
  return Buffer.from(name).reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5)
}

function fillBytes(out: Uint8Array, wordAt: (index: number) => number): void {
  const words = Uint32Array.from({ length: Math.ceil(out.length / 4) }, (_, i) => wordAt(i))
  out.set(new Uint8Array(words.buffer, 0, out.length))
}

/** By class a count, then y_min, x_min, y_max, x_max and score of each. */
function fillBoxes(out: Float32Array, nms: NonNullable<NpuEdge['nms']>, wordAt: (index: number) => number): void {
  let [at, index] = [0, 0]
  for (let label = 0; label < nms.classes; label++) {
    const word = wordAt(index++)
    const count = word % 4 === 0 ? (word >>> 8) % (Math.min(nms.maxBoxesPerClass, 4) + 1) : 0
    out[at++] = count
    for (let i = 0; i < count; i++, at += 5) {
      const [y, x] = [wordAt(index++), wordAt(index++)]
      const [top, left] = [y % 768, x % 768]
      const box = [top, left, top + 64 + ((y >>> 16) % 192), left + 64 + ((x >>> 16) % 192)]
      const score = 512 + ((word >>> 16) % 512) - 48 * i
      out.set(
        [...box, score].map((value) => value / 1024),
        at,
      )
    }
  }
}
