import { access, constants, mkdir, readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parse, stringify } from 'yaml'
import { z } from '#zod'
import { messageOf } from '../errors.ts'
import { FetchError, publicUrl } from './fetch-error.ts'
import { takeLock } from './file-lock.ts'
import { PartFile } from './part-file.ts'

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const pin = { sha256, size: z.number().int().min(0) }

const lockedModel = z.strictObject({
  ...pin,
  /** When it was pinned, ISO 8601. */
  fetched: z.string(),
  licence: z.string().optional(),
  /** Files of an archive that were taken out, by their path in it. */
  members: z.record(z.string(), z.strictObject(pin)).optional(),
})

const lockFile = z.strictObject({
  version: z.literal(1),
  /** Notices that were accepted: the sha256 of what was shown, and when. */
  licences: z.record(z.string(), z.strictObject({ notice: sha256, accepted: z.string() })).default({}),
  models: z.record(z.string(), lockedModel).default({}),
})

export type Lock = z.output<typeof lockFile>
export type LockedModel = z.output<typeof lockedModel>

const patienceMs = 10_000

const head = ` Which model files this project was built with. Pellet writes it: the first fetch of a URL pins its sha256, every later
 one must match it; "pellet pull --update NAME" pins anew. "licences" are the notices that were accepted, by the sha256 of
 their text, so that nobody is asked twice. Keep it under version control, and change it by hand as little as possible.`

/**
 * What a `pellet.lock` says; empty where there is none.
 * @throws FetchError where it cannot be read
 */
export async function readLock(file: string): Promise<Lock> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return 'version: 1'
    throw new FetchError('stop', `${file}: cannot be read: ${error.message}; check its permissions`)
  })
  try {
    if (/^<{7} /m.test(text)) throw new Error('a merge that is not finished')
    return lockFile.parse(parse(text))
  } catch (error) {
    const why = error instanceof z.ZodError ? toText(error) : messageOf(error).split('\n')[0]
    throw new FetchError(
      'stop',
      `${file}: expected what pellet pull writes, found: ${why}; mend it, or delete it to pin anew`,
    )
  }
}

/** That it can be written, before what it is to say is fetched. @throws FetchError */
export async function checkLock(file: string): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true })
    await access(dirname(file), constants.W_OK)
  } catch (error) {
    throw unwritable(file, error)
  }
}

/** Reads it, lets it be changed, and writes it whole; one process at a time. @throws FetchError */
export async function changeLock(file: string, change: (lock: Lock) => void): Promise<void> {
  // Where it says so already, it need not be ours to write.
  if (!isChanged(await readLock(file), change)) return
  await checkLock(file)
  const release = await takeLock(`${file}.writing`, patienceMs).catch((error: unknown) => {
    throw unwritable(file, error)
  })
  if (!release) throw new FetchError('stop', `${file}: another process keeps it (${file}.writing); try again`)
  try {
    const lock = await readLock(file)
    if (!isChanged(lock, change)) return
    const document = stringify(lock, { sortMapEntries: true, commentString: comment, lineWidth: 0 })
    const part = await PartFile.open(file)
    try {
      await part.restart()
      await part.append(Buffer.from(`${comment(head)}\n${document}`))
      await part.moveTo(file)
    } catch (error) {
      await part.discard()
      throw error
    }
  } finally {
    await release()
  }
}

/** Pins what was fetched. */
export function pinModel(lock: Lock, url: string, model: LockedModel): void {
  const key = publicUrl(url)
  const before = lock.models[key]
  const isSame = before?.sha256 === model.sha256
  const members = { ...(isSame && before.members), ...model.members }
  lock.models[key] = {
    ...(isSame && before),
    ...model,
    // Fetched again it is the same: a file under version control changes for a reason only.
    ...(isSame && { fetched: before.fetched }),
    ...(Object.keys(members).length > 0 && { members }),
  }
}

/** What a URL is pinned to. */
export function pinnedModel(lock: Lock, url: string): LockedModel | undefined {
  return Object.hasOwn(lock.models, publicUrl(url)) ? lock.models[publicUrl(url)] : undefined
}

// --- internal ---

function isChanged(lock: Lock, change: (lock: Lock) => void): boolean {
  const before = JSON.stringify(lock)
  change(lock)
  return JSON.stringify(lock) !== before
}

function unwritable(file: string, error: unknown): FetchError {
  const how = 'let its folder be written to, or set lock: in pellet.yaml to a file elsewhere'
  return new FetchError('stop', `${file}: cannot be written: ${messageOf(error)}; ${how}`)
}

function comment(text: string): string {
  return text.replaceAll(/^/gm, '#')
}

function toText({ issues }: z.ZodError): string {
  return issues
    .map(({ path, message }) => [...(path.length > 0 ? [path.join('.')] : []), message].join(': '))
    .join(', ')
}
