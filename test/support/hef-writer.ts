/** Writes small HEFs, so that tests need no compiler of Hailo's: a protobuf part behind a header of any version. */
import { createXXHash3 } from 'hash-wasm'
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { HefVersion } from '../../ffi/hef/header.ts'

const hash = await createXXHash3()

export interface HefParts {
  ccws?: Uint8Array
  padding?: number
  additional?: Uint8Array
  /** Version 3: without the checksum of the protobuf part. */
  noProtoChecksum?: boolean
}

/** A whole file: the protobuf part behind a header with checksums that hold. */
export function toHef(version: HefVersion, proto: Uint8Array, parts: HefParts = {}): Buffer {
  const { ccws = Buffer.from('weights'), padding = 8, additional = Buffer.from('more'), noProtoChecksum } = parts
  const header = Buffer.alloc([32, 28, 44, 56][version]!)
  const behind = { 0: [], 1: [ccws], 2: [ccws], 3: [Buffer.alloc(padding), ccws, additional] }[version]
  const rest = Buffer.concat([proto, ...behind])
  header.writeUInt32BE(0x01_48_45_46, 0)
  header.writeUInt32BE(version, 4)
  header.writeUInt32BE(proto.length, 8)
  if (version === 0) createHash('md5').update(rest).digest().copy(header, 16)
  if (version === 1) header.writeUInt32BE(crc32(rest), 12)
  if (version === 1) header.writeBigUInt64BE(BigInt(ccws.length), 16)
  if (version >= 2) header.writeBigUInt64BE(xxh3(rest), 12)
  if (version === 2) header.writeBigUInt64BE(BigInt(ccws.length), 20)
  if (version === 3) {
    header.writeBigUInt64BE(BigInt(padding + ccws.length), 20)
    header.writeUInt32BE(padding, 28)
    header.writeBigUInt64BE(BigInt(additional.length), 32)
    if (!noProtoChecksum) header.writeBigUInt64BE(xxh3(proto), 40)
  }
  return Buffer.concat([header, rest])
}

// --- internal ---

function xxh3(bytes: Uint8Array): bigint {
  return BigInt(`0x${hash.init().update(bytes).digest()}`)
}
