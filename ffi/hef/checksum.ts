import type { IHasher } from 'hash-wasm'
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { ChecksumKind, HefHeader } from './header.ts'
import { HefError } from './hef-error.ts'
import { chunkBytes, type HefSource } from './source.ts'

/** Holds the content against the checksums in the header. @throws HefError when one differs */
export async function verifyChecksums(source: HefSource, header: HefHeader): Promise<void> {
  const { headerBytes, protoBytes, checksum, protoChecksum } = header
  const end = source.sizeBytes
  await verify(source, { ...checksum, start: headerBytes, end, what: 'what follows the header' })
  if (protoChecksum === undefined) return
  const proto = { kind: 'xxh3', value: protoChecksum, start: headerBytes, end: headerBytes + protoBytes } as const
  await verify(source, { ...proto, what: 'the protobuf part' })
}

// --- internal ---

const titles: Record<ChecksumKind, string> = { md5: 'MD5', crc32: 'CRC-32', xxh3: 'XXH3-64' }

interface Check {
  kind: ChecksumKind
  value: string
  start: number
  end: number
  what: string
}

async function verify(source: HefSource, { kind, value, start, end, what }: Check): Promise<void> {
  const shared = kind === 'xxh3' ? await sharedXxh3() : undefined
  // No await from here on: others use the same hasher.
  const hasher = shared?.init() ?? createHasher(kind)
  for (let at = start; at < end; at += chunkBytes) hasher.update(source.read(at, Math.min(at + chunkBytes, end)))
  const found = hasher.digest('hex')
  if (found !== value)
    throw new HefError(
      `expected the ${titles[kind]} of ${what} to be ${value}, as its header says, found ${found}: the file is damaged; fetch it again`,
    )
}

interface Hasher {
  update(bytes: Uint8Array): unknown
  digest(encoding: 'hex'): string
}

function createHasher(kind: ChecksumKind): Hasher {
  if (kind === 'md5') return createHash('md5')
  let crc = 0
  return {
    update: (bytes) => (crc = crc32(bytes, crc)),
    digest: () => crc.toString(16).padStart(8, '0'),
  }
}

let xxh3: Promise<IHasher> | undefined

/** One for all: after some hundred instances, WebAssembly.instantiate of Node 20 at times never answers. */
function sharedXxh3(): Promise<IHasher> {
  xxh3 ??= import('hash-wasm').then(({ createXXHash3 }) => createXXHash3())
  return xxh3
}
