import { crc32 } from 'node:zlib'
import { deflatedBound, deflateFloats } from './huffman.ts'

/** An array as NumPy sees it: float32, C order; `dims` multiply to `data.length`. */
export interface NpzArray {
  data: Float32Array
  dims: readonly number[]
}

/**
 * A compressed NPZ with one float32 array, which `numpy.load` reads: a ZIP with the deflated entry `NAME.npy` (NumPy's
 * NEP 1, format 1.0; PKWARE APPNOTE 6.3). Arrays up to 4 GiB.
 */
export function toNpz(name: string, { data, dims }: NpzArray): Buffer {
  const header = npyHeader(dims)
  const values = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  const fileName = Buffer.from(`${name}.npy`)
  // The header goes before the values as a stored block, so that the values need not be copied behind it.
  const stored = Buffer.alloc(5)
  stored.writeUInt16LE(header.length, 1)
  stored.writeUInt16LE(header.length ^ 0xffff, 3)

  // Packed where it shall stay: the values begin at a multiple of 4, what comes before them ends there.
  const before = 4 + 26 + fileName.length + stored.length + header.length
  const start = Math.ceil(before / 4) * 4
  const behind = 6 + 26 + 14 + fileName.length + 22
  const room = new ArrayBuffer(start + deflatedBound(data.length) + behind)
  const packedLength = deflateFloats(data, room, start)

  const entry = Buffer.alloc(26)
  entry.writeUInt16LE(20, 0) // version needed
  entry.writeUInt16LE(fileName.some((byte) => byte > 127) ? 0x800 : 0, 2) // UTF-8 name
  entry.writeUInt16LE(8, 4) // deflated
  entry.writeUInt16LE(0x21, 8) // 1980-01-01, so that equal maps are equal bytes
  // Of no bytes at all, zlib's crc32 gives 0 instead of what was so far.
  entry.writeUInt32LE(values.length > 0 ? crc32(values, crc32(header)) : crc32(header), 10)
  entry.writeUInt32LE(stored.length + header.length + packedLength, 14)
  entry.writeUInt32LE(header.length + values.length, 18)
  entry.writeUInt16LE(fileName.length, 22)

  const zip = Buffer.from(room, start - before)
  let at = Buffer.concat([Buffer.from('PK\x03\x04'), entry, fileName, stored, header]).copy(zip) + packedLength
  const central = Buffer.concat([Buffer.from('PK\x01\x02\x14\x00', 'latin1'), entry, Buffer.alloc(14), fileName])
  const end = Buffer.alloc(18)
  end.writeUInt16LE(1, 4) // entries here
  end.writeUInt16LE(1, 6) // entries in all
  end.writeUInt32LE(central.length, 8)
  end.writeUInt32LE(at, 12)
  at += Buffer.concat([central, Buffer.from('PK\x05\x06'), end]).copy(zip, at)
  return zip.subarray(0, at)
}

// --- internal ---

/** Magic, version, length and a Python literal, padded so that the values begin at a multiple of 64. */
function npyHeader(dims: readonly number[]): Buffer {
  const shape = dims.length === 1 ? `(${dims[0]},)` : `(${dims.join(', ')})`
  const literal = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }`
  const length = Math.ceil((10 + literal.length + 1) / 64) * 64 - 10
  const header = Buffer.from(`\x93NUMPY\x01\x00\x00\x00${literal.padEnd(length - 1)}\n`, 'latin1')
  header.writeUInt16LE(length, 8)
  return header
}
