import { readdir, realpath, rm, stat } from 'node:fs/promises'
import { join, resolve, sep } from 'node:path'
import type { Config } from '../config.ts'
import { blobsOf } from '../deploys/draft.ts'
import { toCollect } from '../deploys/garbage.ts'
import type { Records } from '../deploys/records.ts'
import { knownSha256 } from '../digest.ts'
import { displayPath } from '../display-path.ts'
import type { BlobStore } from '../storage/blobs.ts'
import { isLocked } from './file-lock.ts'
import type { Lock } from './lock.ts'
import type { SourceModels } from './project-models.ts'

/** A model file that lies here. */
export interface StoredModel {
  /** Absolute. */
  file: string
  /** As people call it. */
  shown: string
  /** `file`: in the models folder, or where a manifest names it. `blob`: of a deploy. `part`: what a fetch has left. */
  kind: 'file' | 'blob' | 'part'
  sizeBytes: number
  /** Not told of what is not whole, or cannot be read. */
  sha256: string | null
  /** Where it was fetched from, and when; null where `pellet.lock` knows nothing of it. */
  url: string | null
  fetchedAt: string | null
  /** Deployments, and revisions of deployments that are kept. */
  usedBy: string[]
  /** What cannot be read, so that nobody knows which models it uses. */
  perhapsUsedBy: string[]
  /** May go without anybody missing it: nobody uses it, and it can be had again or was never whole. */
  isUseless: boolean
}

export interface InventoryOptions {
  config: Pick<Config, 'root' | 'modelsFolder'>
  sources: readonly SourceModels[]
  lock: Lock
  records: Records
  blobs: BlobStore
}

/** Every model file of a project: its models folder, files that its manifests name, and blobs of what was deployed. */
export async function listModels(options: InventoryOptions): Promise<StoredModel[]> {
  return [...(await listFiles(options)), ...(await listBlobs(options))]
}

/** @throws Error where it is being fetched */
export async function removeModel({ file, kind, shown }: StoredModel): Promise<void> {
  if (kind === 'part' && (await isLocked(`${file}.lock`))) throw new Error(`${shown}: it is being fetched now`)
  for (const name of kind === 'part' ? [file, `${file}.json`, `${file}.lock`] : [file]) await rm(name, { force: true })
}

// --- internal ---

async function listFiles({ config, sources, lock }: InventoryOptions): Promise<StoredModel[]> {
  const { root, modelsFolder } = config
  const found = await walk(modelsFolder)
  const named = sources.flatMap(({ models }) => models.map(({ file }) => file))
  const files = new Set([...found.filter((file) => /\.(?:onnx|hef|part)$/i.test(file)), ...named])
  const pins = pinsOf(lock)
  const perhapsUsedBy = namesOf(sources.filter(({ problems }) => problems.length > 0))
  // A link and what it leads to are used together.
  const inputs = new Map<SourceModels, Set<string>>()
  for (const source of sources) {
    const paths = [...source.files, ...source.models.map(({ file }) => file)]
    inputs.set(source, new Set(await Promise.all(paths.map(realPath))))
  }
  const rows: StoredModel[] = []
  for (const file of [...files].sort()) {
    const stats = await stat(file).catch(() => undefined)
    if (!stats?.isFile()) continue
    const kind = file.endsWith('.part') ? 'part' : 'file'
    const sha256 = kind === 'part' ? null : await knownSha256(file).catch(() => null)
    const pin = sha256 === null ? undefined : pins.get(sha256)
    const real = await realPath(file)
    const usedBy = namesOf(sources.filter((source) => inputs.get(source)!.has(real)))
    const isUsed = usedBy.length + perhapsUsedBy.length > 0
    rows.push({
      file,
      shown: displayPath(root, file),
      kind,
      sizeBytes: stats.size,
      sha256,
      url: pin?.url ?? null,
      fetchedAt: pin?.fetched ?? null,
      usedBy,
      perhapsUsedBy,
      // What people put there themselves is theirs: it may be all that there is of it.
      isUseless: !isUsed && (kind === 'part' ? !(await isLocked(`${file}.lock`)) : pin !== undefined),
    })
  }
  return rows
}

async function listBlobs({ records, blobs }: InventoryOptions): Promise<StoredModel[]> {
  const stored = await blobs.list()
  const users = new Map<string, string[]>()
  const others = new Set<string>()
  const perhapsUsedBy: string[] = []
  for (const { name, revision } of await records.revisions()) {
    const record = await records.revision(name, revision).catch(() => undefined)
    const live = await records.live(name).catch(() => undefined)
    const label = `${name}@${revision.slice(0, 12)}${live?.revision === revision ? ' (live)' : ''}`
    if (!record) {
      perhapsUsedBy.push(label)
      continue
    }
    for (const { sha256 } of Object.values(record.draft.models))
      users.set(sha256, [...(users.get(sha256) ?? []), label])
    for (const [, { sha256 }] of blobsOf(record.draft)) others.add(sha256)
  }
  const needed = new Set([...others].map((sha256) => blobs.fileOf(sha256)))
  const isKnown = perhapsUsedBy.length === 0
  const useless = new Set((isKnown ? toCollect(stored, needed, new Map(), Date.now()) : []).map(({ file }) => file))
  return stored
    .filter(({ sha256 }) => users.has(sha256) || !others.has(sha256))
    .map(({ file, sha256, sizeBytes, isPart }) => ({
      file,
      shown: `blob ${sha256.slice(0, 12)}`,
      kind: isPart ? 'part' : 'blob',
      sizeBytes,
      sha256: isPart ? null : sha256,
      url: null,
      fetchedAt: null,
      usedBy: isPart ? [] : (users.get(sha256) ?? []),
      perhapsUsedBy: isPart ? [] : perhapsUsedBy,
      isUseless: useless.has(file),
    }))
}

function namesOf(sources: readonly SourceModels[]): string[] {
  return [...new Set(sources.map(({ name }) => name))]
}

function realPath(file: string): Promise<string> {
  return realpath(file).catch(() => file)
}

/** What was pinned, by digest. */
function pinsOf({ models }: Lock): Map<string, { url: string; fetched: string }> {
  return new Map(
    Object.entries(models).flatMap(([url, { sha256, members = {}, fetched }]) =>
      [sha256, ...Object.values(members).map((member) => member.sha256)].map(
        (digest) => [digest, { url, fetched }] as const,
      ),
    ),
  )
}

/** All files under a folder, links not followed. */
async function walk(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return []
      throw error
    },
  )
  return entries
    .filter((entry) => entry.isFile() || entry.isSymbolicLink())
    .map((entry) => resolve(join(entry.parentPath, entry.name)))
    .filter((file) => !file.includes(`${sep}node_modules${sep}`))
}
