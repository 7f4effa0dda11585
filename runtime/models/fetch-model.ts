import { stat } from 'node:fs/promises'
import { extname } from 'node:path'
import { messageOf } from '../errors.ts'
import type { HailoArch } from '../manifest/manifest.ts'
import { isZip } from '../manifest/paths.ts'
import { extractMember, MemberError } from './archive.ts'
import { DigestError, download, type DownloadOptions } from './download.ts'
import { FetchError, publicUrl } from './fetch-error.ts'
import { changeLock, checkLock, pinModel, pinnedModel, readLock, type LockedModel } from './lock.ts'
import { placesOf, type Mirrors } from './mirrors.ts'
import { PartFile } from './part-file.ts'

/** A model file that can be fetched. */
export interface ModelTarget {
  /** The deployment, or the model of the catalogue, that it is for. */
  name: string
  /** The chip that it is compiled for; absent: for the CPU. */
  chip?: HailoArch
  /** Absolute. */
  file: string
  /** The file as messages name it, relative to the project. */
  shown: string
  url: string
  /** The file in the archive that `url` leads to. */
  member?: string
  /** What the manifest says it must be. */
  sha256?: string
  license?: string
}

export interface FetchOptions extends Pick<
  DownloadOptions,
  'connections' | 'signal' | 'delaysMs' | 'onProgress' | 'note'
> {
  /** The project's `pellet.lock`. */
  lockFile: string
  mirrors: Mirrors
  /** Takes what is there now and pins it, whatever was pinned. */
  isUpdate: boolean
  /** Name of the licence that was accepted for it. */
  licence?: string
}

export interface FetchedModel {
  sha256: string
  sizeBytes: number
  /** It was not known before what the URL leads to: it is now. */
  isPinned: boolean
}

/**
 * Fetches a model file: downloads it aside, checks it against what was pinned, what the manifest says and what such a
 * file looks like, pins it, and only then gives it its name.
 * @throws FetchError; what has come stays aside for the next attempt
 */
export async function fetchModel(target: ModelTarget, options: FetchOptions): Promise<FetchedModel> {
  const { url, member, file, shown, sha256 } = target
  const pinned = options.isUpdate ? undefined : pinnedModel(await readLock(options.lockFile), url)
  const isPacked = member !== undefined || isZip(url)
  if (!isPacked) checkAgreement(target, pinned?.sha256, options.lockFile)
  if (!pinned) await checkLock(options.lockFile)
  const part = await PartFile.open(isPacked ? `${file}.archive` : file)
  try {
    const wanted = isPacked ? pinned?.sha256 : (sha256 ?? pinned?.sha256)
    const expected = {
      ...(wanted !== undefined && { sha256: wanted }),
      ...(pinned && wanted === pinned.sha256 && { sizeBytes: pinned.size }),
    }
    const whyNot = isPacked ? {} : { whyNot: () => whyNoModel(part.path, target) }
    const urls = placesOf(url, options.mirrors)
    await download(part, { ...options, ...whyNot, urls, expected }).catch((error: unknown) => {
      throw explain(error, target, pinned)
    })
    const whole: LockedModel = {
      sha256: part.sha256,
      size: part.sizeBytes,
      fetched: new Date().toISOString(),
      ...(options.licence !== undefined && { licence: options.licence }),
    }
    if (!isPacked) await keep(part, target, whole, options)
    else return { ...(await unpack(part, target, whole, pinned, options)), isPinned: !pinned }
    return { sha256: whole.sha256, sizeBytes: whole.size, isPinned: !pinned }
  } catch (error) {
    await part.close()
    throw error instanceof FetchError
      ? new FetchError('stop', `${shown}: not fetched\n${indent(error.message)}`)
      : error
  }
}

// --- internal ---

/** A larger model is not read into memory to be looked at. */
const maxReadBytes = 128 * 1024 * 1024

/** The model comes out of its archive, which is not needed any more. */
async function unpack(
  archive: PartFile,
  target: ModelTarget,
  whole: LockedModel,
  pinned: LockedModel | undefined,
  options: FetchOptions,
): Promise<Omit<FetchedModel, 'isPinned'>> {
  const { file, member, url, sha256 } = target
  await archive.sync()
  const part = await PartFile.open(file)
  try {
    await part.restart()
    const shown = publicUrl(url)
    const name = await extractMember(archive.path, { member, ending: extname(file).toLowerCase(), shown, part })
    const [found, size] = [part.sha256, part.sizeBytes]
    const wanted = sha256 ?? pinned?.members?.[name]?.sha256
    if (wanted !== undefined && wanted !== found)
      throw explain(new DigestError(`${shown}#${name}`, wanted, found), target, pinned)
    const why = await whyNoModel(part.path, target)
    if (why !== undefined) throw new FetchError('stop', `${shown}#${name}: ${why}`)
    await keep(part, target, { ...whole, members: { [name]: { sha256: found, size } } }, options)
    await archive.discard()
    return { sha256: found, sizeBytes: size }
  } catch (error) {
    await part.discard()
    // Whole, and of no use: the next attempt needs another.
    if (!(error instanceof MemberError)) await archive.restart()
    throw error
  }
}

async function keep(
  part: PartFile,
  target: ModelTarget,
  model: LockedModel,
  { lockFile }: FetchOptions,
): Promise<void> {
  await part.sync()
  // First the pin: a file without one would be taken for one that people put there themselves.
  await changeLock(lockFile, (lock) => pinModel(lock, target.url, model))
  await part.moveTo(target.file)
}

/** Why a file that came whole is none that an engine takes; a server that says a wrong length is found out here. */
async function whyNoModel(path: string, { chip, file, shown }: ModelTarget): Promise<string | undefined> {
  const named = (text: string) => text.replaceAll(path, shown).replace(/ Check its sha256 and fetch it again\./, '')
  if (chip) {
    const { whyNot } = await import('../deployments/hef-check.ts')
    const why = await whyNot(chip, path, undefined)
    return why && named(why.reason)
  }
  if (!/\.onnx$/i.test(file)) return undefined
  const { size } = await stat(path)
  try {
    if (size > maxReadBytes) await (await import('../engines/onnx-frame.ts')).checkOnnxFrame(path)
    else await (await import('../engines/onnx-file.ts')).readOnnxFile(path)
    return undefined
  } catch (error) {
    const why = named(messageOf(error))
    return size > maxReadBytes ? `expected an ONNX model, found something else or a damaged file: ${why}` : why
  }
}

/** What the manifest says wins, and must be what was pinned. */
function checkAgreement({ shown, sha256, name }: ModelTarget, pinned: string | undefined, lockFile: string): void {
  if (sha256 === undefined || pinned === undefined || sha256 === pinned) return
  throw new FetchError(
    'stop',
    `${shown}: the manifest says sha256 ${sha256}, ${lockFile} has ${pinned}; mend the manifest, or pin anew: pellet pull --update ${name}`,
  )
}

function explain(error: unknown, { name, chip, sha256 }: ModelTarget, pinned: LockedModel | undefined): unknown {
  if (!(error instanceof FetchError) || !/expected sha256|found a file of/.test(error.message)) return error
  const whose = sha256 !== undefined ? 'the manifest says' : `pellet.lock pinned on ${pinned?.fetched.slice(0, 10)}`
  const what =
    sha256 !== undefined
      ? 'correct sha256 in the manifest if that is the file you mean'
      : `if the new file is what you want: pellet pull --update ${name}${chip ? `@${chip}` : ''}`
  return new FetchError(
    'stop',
    `${error.message}\nIt is another file than ${whose}: it was changed there, or somebody tampers with it; ${what}`,
  )
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, '  ')
}
