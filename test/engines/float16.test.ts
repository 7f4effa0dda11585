import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { onnxruntime } from '../../runtime/engines/onnxruntime.ts'
import { temporaryFolder } from '../support/fixture-tmp.ts'
import { toOnnx } from '../support/onnx-writer.ts'
import { opened } from './conformance.ts'

// From Node 24 on there is a Float16Array, and ORT's JavaScript half wraps in it what its native half hands out. Older
// Nodes get a stand-in, before ORT is loaded, so that the same code path runs.
let made = 0
class StandIn extends Uint16Array {
  constructor(buffer: ArrayBuffer, byteOffset: number, length: number) {
    super(buffer, byteOffset, length)
    made++
  }
}
const holder = globalThis as { Float16Array?: unknown }
const standsIn = holder.Float16Array === undefined
if (standsIn) holder.Float16Array = StandIn

const float16 = suite('float16')

float16('stays bits in a Uint16Array where there is a Float16Array', async () => {
  const file = join(temporaryFolder(), 'identity.onnx')
  const inputs = [{ name: 'x', type: 'float16' as const, shape: ['N'] }]
  const outputs = [{ name: 'y', type: 'float16' as const, shape: ['N'] }]
  writeFileSync(file, toOnnx({ inputs, outputs, nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }] }))
  await using session = await opened(onnxruntime, file)
  const data = Uint16Array.of(0x3c00, 0x7e00, 0x5bf8)
  const { y } = await session.run({ x: { type: 'float16', dims: [3], data } })
  assert.is(y?.data.constructor, Uint16Array)
  assert.equal(y?.data, data)
  if (standsIn) assert.ok(made >= 2, 'ORT wrapped the input and the output')
})

float16.run()
