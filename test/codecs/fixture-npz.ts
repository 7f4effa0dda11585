import { crc32, inflateRawSync } from 'node:zlib'
import * as assert from 'uvu/assert'

/** Reads an NPZ of one deflated float32 array by the formats' own rules, checking every field on the way. */
export function readNpz(zip: Buffer): { entries: string[]; array: { dims: number[]; data: Float32Array } } {
  const end = zip.length - 22
  assert.is(zip.readUInt32LE(end), 0x06054b50, 'end of central directory')
  assert.is(zip.readUInt16LE(end + 10), 1, 'one entry')
  const [centralLength, central] = [zip.readUInt32LE(end + 12), zip.readUInt32LE(end + 16)]
  assert.is(central + centralLength, end, 'the central directory ends where its end begins')

  assert.is(zip.readUInt32LE(central), 0x02014b50, 'central entry')
  const nameLength = zip.readUInt16LE(central + 28)
  assert.is(centralLength, 46 + nameLength)
  const name = zip.toString('utf8', central + 46, central + 46 + nameLength)
  const local = zip.readUInt32LE(central + 42)
  assert.is(zip.readUInt32LE(local), 0x04034b50, 'local entry')
  // Both headers tell the same: versions, flags, method, time, checksum, sizes and name length.
  assert.ok(zip.subarray(local + 4, local + 30).equals(zip.subarray(central + 6, central + 32)), 'headers agree')
  assert.is(zip.readUInt16LE(local + 8), 8, 'deflated')
  assert.is(zip.toString('utf8', local + 30, local + 30 + nameLength), name)
  const packedLength = zip.readUInt32LE(local + 18)
  const start = local + 30 + nameLength
  assert.is(start + packedLength, central, 'the values end where the central directory begins')

  const npy = inflateRawSync(zip.subarray(start, start + packedLength))
  assert.is(npy.length, zip.readUInt32LE(local + 22), 'size')
  assert.is(crc32(npy), zip.readUInt32LE(local + 14), 'checksum')
  return { entries: [name], array: readNpy(npy) }
}

// --- internal ---

function readNpy(npy: Buffer): { dims: number[]; data: Float32Array } {
  assert.is(npy.toString('latin1', 0, 8), '\x93NUMPY\x01\x00', 'magic and version')
  const headerLength = npy.readUInt16LE(8)
  assert.is((10 + headerLength) % 64, 0, 'the values are aligned to 64')
  const header = npy.toString('latin1', 10, 10 + headerLength)
  const fields = /^\{'descr': '<f4', 'fortran_order': False, 'shape': \((\d+(?:, \d+)*),?\), \} *\n$/.exec(header)
  assert.ok(fields, header)
  const dims = fields![1]!.split(', ').map(Number)
  const bytes = Uint8Array.from(npy.subarray(10 + headerLength))
  const data = new Float32Array(bytes.buffer)
  assert.is(
    data.length,
    dims.reduce((a, b) => a * b),
  )
  return { dims, data }
}
