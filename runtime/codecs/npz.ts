import { constants, crc32, deflateRaw, type ZlibOptions } from 'node:zlib'

/** An array as NumPy sees it: float32, C order; `dims` multiply to `data.length`. */
export interface NpzArray {
  data: Float32Array
  dims: readonly number[]
}

/**
 * A compressed NPZ with one float32 array, which `numpy.load` reads: a ZIP with the deflated entry `NAME.npy` (NumPy's
 * NEP 1, format 1.0; PKWARE APPNOTE 6.3). Compression runs on the thread pool. Arrays up to 4 GiB.
 */
export async function toNpz(name: string, array: NpzArray): Promise<Buffer> {
  const header = npyHeader(array.dims)
  const values = new Uint8Array(array.data.buffer, array.data.byteOffset, array.data.byteLength)
  const packing = deflateFast(values)
  // Of no bytes at all, zlib's crc32 gives 0 instead of what was so far.
  const checksum = values.length > 0 ? crc32(values, crc32(header)) : crc32(header)
  const packed = await packing
  const packedLength = lengthOf(packed)
  // The header goes before the values as a stored block, so that the values need not be copied behind it.
  const stored = Buffer.alloc(5)
  stored.writeUInt16LE(header.length, 1)
  stored.writeUInt16LE(header.length ^ 0xffff, 3)

  const fileName = Buffer.from(`${name}.npy`)
  const entry = Buffer.alloc(26)
  entry.writeUInt16LE(20, 0) // version needed
  entry.writeUInt16LE(fileName.some((byte) => byte > 127) ? 0x800 : 0, 2) // UTF-8 name
  entry.writeUInt16LE(8, 4) // deflated
  entry.writeUInt16LE(0x21, 8) // 1980-01-01, so that equal maps are equal bytes
  entry.writeUInt32LE(checksum, 10)
  entry.writeUInt32LE(stored.length + header.length + packedLength, 14)
  entry.writeUInt32LE(header.length + values.length, 18)
  entry.writeUInt16LE(fileName.length, 22)

  const local = [Buffer.from('PK\x03\x04'), entry, fileName, stored, header, ...packed]
  const central = [Buffer.from('PK\x01\x02\x14\x00', 'latin1'), entry, Buffer.alloc(14), fileName]
  const end = Buffer.alloc(18)
  end.writeUInt16LE(1, 4) // entries here
  end.writeUInt16LE(1, 6) // entries in all
  end.writeUInt32LE(lengthOf(central), 8)
  end.writeUInt32LE(lengthOf(local), 12)
  return Buffer.concat([...local, ...central, Buffer.from('PK\x05\x06'), end])
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

/**
 * Float maps hold hardly a repeated string, so only Huffman codes pay: 640x480 12 ms, 1,017 KB; level 1 38 ms, 1,012 KB.
 * memLevel 9 saves an eighth of the time.
 */
const huffmanOnly: ZlibOptions = { strategy: constants.Z_HUFFMAN_ONLY, level: 1, memLevel: 9 }

/** Output comes in chunks, each a trip to the thread pool: one suffices for a piece. */
const pieceBytes = 512 * 1024

/**
 * Raw deflate of values in pieces, which as many threads as the pool has free work on at once. A piece refers to nothing
 * before it and all but the last end on a byte (a sync flush), so that one after the other they are one stream.
 */
function deflateFast(values: Uint8Array): Promise<Buffer[]> {
  const count = Math.max(1, Math.round(values.length / pieceBytes))
  const length = Math.ceil(values.length / count / 4) * 4
  const pieces = Array.from({ length: count }, (_, i) => {
    const piece = values.subarray(i * length, (i + 1) * length)
    const finishFlush = i === count - 1 ? constants.Z_FINISH : constants.Z_SYNC_FLUSH
    return deflateOne(piece, { ...huffmanOnly, finishFlush, chunkSize: length + 1024 })
  })
  return Promise.all(pieces)
}

function deflateOne(piece: Uint8Array, options: ZlibOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    deflateRaw(piece, options, (error, packed) => (error ? reject(error) : resolve(packed)))
  })
}

function lengthOf(parts: Buffer[]): number {
  return parts.reduce((length, part) => length + part.length, 0)
}
