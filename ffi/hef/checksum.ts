import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { ChecksumKind, HefHeader } from './header.ts'
import { HefError } from './hef-error.ts'
import type { HefSource } from './source.ts'

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

const chunkBytes = 1 << 18

const titles: Record<ChecksumKind, string> = { md5: 'MD5', crc32: 'CRC-32', xxh3: 'XXH3-64' }

interface Check {
  kind: ChecksumKind
  value: string
  start: number
  end: number
  what: string
}

async function verify(source: HefSource, { kind, value, start, end, what }: Check): Promise<void> {
  const hasher = await createHasher(kind)
  for (let at = start; at < end; at += chunkBytes) hasher.update(await source.read(at, Math.min(at + chunkBytes, end)))
  const found = hasher.digest()
  if (found !== value)
    throw new HefError(
      `expected the ${titles[kind]} of ${what} to be ${value}, as its header says, found ${found}: the file is damaged; get it again`,
    )
}

interface Hasher {
  update(bytes: Uint8Array): void
  /** In hex. */
  digest(): string
}

async function createHasher(kind: ChecksumKind): Promise<Hasher> {
  if (kind === 'md5') {
    const hash = createHash('md5')
    return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') }
  }
  if (kind === 'crc32') {
    let crc = 0
    return {
      update: (bytes) => void (crc = crc32(bytes, crc)),
      digest: () => crc.toString(16).padStart(8, '0'),
    }
  }
  const { createXXHash3 } = await import('hash-wasm')
  const hash = await createXXHash3()
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() }
}
