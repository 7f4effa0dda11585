import { open } from 'node:fs/promises'
import { archOfWord } from './arch.ts'
import { verifyChecksums } from './checksum.ts'
import { readHeader } from './header.ts'
import { HefError } from './hef-error.ts'
import { decode } from './message.ts'
import { readNetworkGroup } from './network-group.ts'
import { hefMessage, type HefProto } from './proto.ts'
import { sourceOfBytes, sourceOfFile, type HefSource } from './source.ts'
import type { Hef } from './types.ts'

export { HefError } from './hef-error.ts'
export type * from './types.ts'

/**
 * Reads a HEF, what HailoRT runs: header versions 0 to 3, as HailoRT 4.23 and 5.2 understand them. Its checksums are verified.
 * @throws HefError where the bytes are none, are cut off or damaged: where, what was expected, what was found
 */
export function readHef(bytes: Uint8Array): Promise<Hef> {
  return read(sourceOfBytes(bytes))
}

/**
 * The same for a file, of which only the protobuf part is held in memory. It is read and hashed in one go, which keeps the thread:
 * for the command line and child processes.
 * @throws HefError
 * @throws the error of the file system where it cannot be read
 */
export async function readHefFile(path: string): Promise<Hef> {
  await using file = await open(path)
  const { size } = await file.stat()
  return await read(sourceOfFile(file.fd, size))
}

// --- internal ---

/** It is held in memory. Those of today have a few MB; only HEFs of version 0 keep the weights there. */
const mostProtoBytes = 90 * 1024 * 1024

async function read(source: HefSource): Promise<Hef> {
  const header = readHeader(source)
  const { headerBytes, protoBytes } = header
  if (protoBytes > mostProtoBytes)
    throw new HefError(`at byte 8: expected a protobuf part of at most ${mostProtoBytes} bytes, found ${protoBytes}`)
  await verifyChecksums(source, header)
  return {
    sizeBytes: source.sizeBytes,
    header,
    ...toContent(decodeProto(source.read(headerBytes, headerBytes + protoBytes))),
  }
}

function decodeProto(bytes: Uint8Array): HefProto {
  try {
    return decode(hefMessage, bytes)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new HefError(`in the protobuf part, ${error.message}: the file is damaged`, { cause: error })
  }
}

function toContent(proto: HefProto): Omit<Hef, 'sizeBytes' | 'header'> {
  const { header, networkGroups, extensions, optionalExtensions, externalResources } = proto
  if (!header) throw new HefError('in the protobuf part: expected a header with the architecture, found none')
  if (networkGroups.length === 0) throw new HefError('in the protobuf part: expected a network group, found none')
  const rules = {
    extensions: new Set([...extensions, ...optionalExtensions].map(({ id }) => id)),
    isMultiLayout: multiLayoutWords.has(header.arch),
  }
  return {
    arch: archOfWord(header.arch),
    compiler: {
      version: versionOf(header),
      text: header.compiler,
      formatVersion: header.formatVersion,
      compiledAtMs: header.timestampMs,
    },
    extensions,
    optionalExtensions,
    externalResources,
    networkGroups: networkGroups.map((group) => readNetworkGroup(group, rules)),
  }
}

/** Hailo-8L and 15M: halves of a chip, of which the HEF has a layout each. */
const multiLayoutWords = new Set([3, 4])

function versionOf({ compiler, compilerVersion }: NonNullable<HefProto['header']>): string {
  const { major, minor, revision } = compilerVersion ?? { major: 0, minor: 0, revision: 0 }
  if (major + minor + revision > 0) return `${major}.${minor}.${revision}`
  return /\d+\.\d+\.\d+/.exec(compiler)?.[0] ?? (compiler || 'unknown')
}
