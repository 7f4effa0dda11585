import { HefError } from './hef-error.ts'
import type { HefSource } from './source.ts'

export type HefVersion = 0 | 1 | 2 | 3
export type ChecksumKind = 'md5' | 'crc32' | 'xxh3'

/** What stands before the protobuf part: sizes in bytes and the checksums that the rest must have, in hex. */
export interface HefHeader {
  version: HefVersion
  headerBytes: number
  protoBytes: number
  /** The chip's configuration and weights, with the padding before them. None in version 0, where they are in the protobuf part. */
  ccwsBytes: number
  paddingBytes: number
  additionalBytes: number
  /** Of everything after the header. */
  checksum: { kind: ChecksumKind; value: string }
  /** Of the protobuf part alone, in version 3 where the compiler wrote it. */
  protoChecksum?: string
}

/** Reads the header and holds its sizes against the file's. @throws HefError */
export function readHeader(source: HefSource): HefHeader {
  const bytes = source.read(0, Math.min(longestHeaderBytes, source.sizeBytes))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  if (bytes.length === 0) throw new HefError('expected a HEF, found an empty file')
  if (bytes.length < 4 || view.getUint32(0) !== magic)
    throw new HefError(`expected a HEF, which starts with the bytes 01 48 45 46, found ${describeStart(bytes)}`)
  const version = bytes.length < prefixBytes ? undefined : view.getUint32(4)
  const layout = version === undefined ? undefined : layouts[version as HefVersion]
  if (version !== undefined && layout === undefined)
    throw new HefError(`at byte 4: expected header version 0, 1, 2 or 3, found ${version}; is it of a newer compiler?`)
  if (layout === undefined || bytes.length < layout.headerBytes)
    throw new HefError(
      `expected a header of ${layout?.headerBytes ?? `at least ${prefixBytes}`} bytes, found the end of the file ` +
        `after ${bytes.length}: it is cut off; fetch it again`,
    )
  const header: HefHeader = {
    version: version as HefVersion,
    headerBytes: layout.headerBytes,
    protoBytes: view.getUint32(8),
    ccwsBytes: 0,
    paddingBytes: 0,
    additionalBytes: 0,
    ...layout.read(view, bytes),
  }
  checkSize(header, source.sizeBytes)
  return header
}

// --- internal ---

const magic = 0x01_48_45_46
const prefixBytes = 12

interface Layout {
  headerBytes: number
  read(view: DataView, bytes: Uint8Array): Pick<HefHeader, 'checksum'> & Partial<HefHeader>
}

/** All numbers are big-endian. */
const layouts: Record<HefVersion, Layout> = {
  0: {
    headerBytes: 32,
    read: (_, bytes) => ({ checksum: { kind: 'md5', value: Buffer.from(bytes.subarray(16, 32)).toString('hex') } }),
  },
  1: {
    headerBytes: 28,
    read: (view) => ({
      checksum: { kind: 'crc32', value: view.getUint32(12).toString(16).padStart(8, '0') },
      ccwsBytes: Number(view.getBigUint64(16)),
    }),
  },
  2: {
    headerBytes: 44,
    read: (view) => ({ checksum: { kind: 'xxh3', value: hex64(view, 12) }, ccwsBytes: Number(view.getBigUint64(20)) }),
  },
  3: {
    headerBytes: 56,
    read: (view) => ({
      checksum: { kind: 'xxh3', value: hex64(view, 12) },
      ccwsBytes: Number(view.getBigUint64(20)),
      paddingBytes: view.getUint32(28),
      additionalBytes: Number(view.getBigUint64(32)),
      ...(view.getBigUint64(40) !== 0n && { protoChecksum: hex64(view, 40) }),
    }),
  },
}

const longestHeaderBytes = Math.max(...Object.values(layouts).map(({ headerBytes }) => headerBytes))

function hex64(view: DataView, offset: number): string {
  return view.getBigUint64(offset).toString(16).padStart(16, '0')
}

function checkSize(header: HefHeader, sizeBytes: number): void {
  const { headerBytes, protoBytes, ccwsBytes, paddingBytes, additionalBytes } = header
  const expected = headerBytes + protoBytes + ccwsBytes + additionalBytes
  if (sizeBytes !== expected) {
    const what = sizeBytes < expected ? 'it is cut off; fetch it again' : 'it is damaged, or something was added to it'
    throw new HefError(`expected ${expected} bytes, as its header says, found ${sizeBytes}: ${what}`)
  }
  if (paddingBytes > ccwsBytes)
    throw new HefError(
      `at byte 28: expected a padding of at most ${ccwsBytes} bytes, found ${paddingBytes}: the header is damaged`,
    )
}

function describeStart(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, 4))
    .toString('hex')
    .replace(/..(?=.)/g, '$& ')
  // oxlint-disable-next-line no-control-regex
  const isText = !/[^\t\n\r\u0020-\u007E]/.test(Buffer.from(bytes).toString('latin1'))
  return isText ? `text: ${JSON.stringify(Buffer.from(bytes.subarray(0, 40)).toString('latin1'))}` : hex
}
