import { createRequire } from 'node:module'
import { crc32 } from 'node:zlib'
import type { Entry, ZipFile } from 'yauzl'
import { messageOf } from '../errors.ts'
import { formatBytes } from '../units.ts'
import { checkRoom } from './download.ts'
import { FetchError } from './fetch-error.ts'
import type { PartFile } from './part-file.ts'

/** Deflate can do 1,000 to 1; weights hardly 2 to 1. */
const maxRatio = 100
const maxEntries = 10_000

/**
 * Writes one file of a zip archive into a part.
 * @param member path in the archive, or the end of one; undefined: its one file that ends in `ending`
 * @param ending such as `.onnx`
 * @param shown the archive, for messages
 * @returns its path in the archive
 * @throws FetchError where it is no archive, has no such file or several, or the file is damaged, encrypted or a bomb
 */
export async function extractMember(
  archive: string,
  { member, ending, shown, part }: { member?: string | undefined; ending: string; shown: string; part: PartFile },
): Promise<string> {
  try {
    const zip = await openZip(archive)
    try {
      const entry = choose(await listFiles(zip), { member, ending, shown })
      await extract(zip, entry, `${shown}: ${entry.fileName}`, part)
      return entry.fileName
    } finally {
      zip.close()
    }
  } catch (error) {
    if (error instanceof FetchError) throw error
    throw new FetchError(
      'stop',
      `${shown}: expected a zip archive, found a damaged one or another file: ${messageOf(error)}`,
    )
  }
}

/** The archive may be right: it is not said, or said wrongly, which of its files is meant. */
export class MemberError extends FetchError {}

// --- internal ---

/** The package is CommonJS, which TypeScript's types do not tell. */
function openZip(archive: string): Promise<ZipFile> {
  const yauzl = createRequire(import.meta.url)('yauzl') as typeof import('yauzl')
  return yauzl.openPromise(archive, { lazyEntries: true, autoClose: false })
}

async function listFiles(zip: ZipFile): Promise<Entry[]> {
  const entries: Entry[] = []
  for await (const entry of zip.eachEntry()) {
    if (entries.length === maxEntries) throw new Error(`it holds more than ${maxEntries} files`)
    const isNoise = entry.fileName.endsWith('/') || entry.fileName.startsWith('__MACOSX/')
    if (!isNoise) entries.push(entry)
  }
  return entries
}

function choose(
  entries: Entry[],
  { member, ending, shown }: { member?: string | undefined; ending: string; shown: string },
): Entry {
  const isWanted = ({ fileName }: Entry) =>
    member === undefined ? fileName.toLowerCase().endsWith(ending) : `/${fileName}`.endsWith(`/${member}`)
  const exact = entries.filter(({ fileName }) => fileName === member)
  const found = exact.length > 0 ? exact : entries.filter(isWanted)
  if (found.length === 1) return found[0]!
  const names = entries.map(({ fileName }) => fileName)
  const list = `${names.slice(0, 10).join(', ')}${names.length > 10 ? ` and ${names.length - 10} more` : ''}`
  const wanted = member === undefined ? `one file that ends in ${ending}` : member
  throw new MemberError(
    'stop',
    `${shown}: expected ${wanted} in the archive, found ${list || 'nothing'}; name it as member: in the manifest`,
  )
}

async function extract(zip: ZipFile, entry: Entry, shown: string, part: PartFile): Promise<void> {
  const { uncompressedSize, compressedSize } = entry
  if (entry.isEncrypted()) throw new FetchError('stop', `${shown}: it is encrypted; unpack it by hand`)
  if (!entry.canDecodeFileData())
    throw new FetchError(
      'stop',
      `${shown}: packed by method ${entry.compressionMethod}, only stored and deflated files can be read`,
    )
  if (uncompressedSize > compressedSize * maxRatio + 1024 * 1024)
    throw new FetchError(
      'stop',
      `${shown}: ${formatBytes(compressedSize)} that unpack to ${formatBytes(uncompressedSize)}: no model does that`,
    )
  await checkRoom(part, uncompressedSize)
  let sum = 0
  try {
    // What unpacks to more or less than it says is an error of the stream.
    for await (const chunk of (await zip.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
      sum = crc32(chunk, sum)
      await part.append(chunk)
    }
  } catch (error) {
    if (error instanceof FetchError) throw error
    throw new FetchError('stop', `${shown}: it is damaged: ${messageOf(error)}`)
  }
  if (sum !== entry.crc32) throw new FetchError('stop', `${shown}: it is damaged: its checksum does not match`)
}
