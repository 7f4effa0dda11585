import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { assemble, remembered, type Assembly } from '../deployments/assemble.ts'
import { answersOf, type Deployment, type FailedSource } from '../deployments/deployment.ts'
import { ModelError, resolveModel, type ModelFolders } from '../deployments/model-file.ts'
import type { CompileOptions } from '../deployments/source.ts'
import { toRevision } from '../deployments/revision.ts'
import { SourceError, SourceProblems } from '../deployments/source-problems.ts'
import type { NpuStatus } from '../device/npu.ts'
import { engineOf } from '../engines/engine.ts'
import { messageOf, PelletError, type ErrorCode } from '../errors.ts'
import { LazyDescriber } from '../functions/describers.ts'
import { installBundle } from '../functions/install-bundle.ts'
import { isFull, noRoom } from '../storage/full.ts'
import { readVersion } from '../version.ts'
import type { BlobStore } from '../storage/blobs.ts'
import { blobsOf, keyOf } from './draft.ts'
import { findDamage } from './draft-blobs.ts'
import type { BlobRef, Draft } from './protocol.ts'
import { DraftError, placeOf, readDraft, type ReadDraft } from './read-draft.ts'

export interface DraftOptions extends CompileOptions {
  blobs: BlobStore
  /** Blobs that are not here yet do not hold it up: what it would change is known without them. */
  isDryRun?: boolean
}

/** What comes of a draft: a revision, and the draft that makes it again, or why not. */
export type StagedDraft = { result: Deployment; draft: Draft } | { result: FailedSource; code: ErrorCode }

/**
 * Makes a revision of a draft and its blobs, by the same steps as of a file that was dropped. Never throws: what is wrong is
 * in the answer.
 * @param value what a client sent, or what was kept
 */
export async function compileDraft(name: string, value: unknown, options: DraftOptions): Promise<StagedDraft> {
  let shown = (text: string) => text
  const fail = (code: ErrorCode, problems: string[], more: Partial<FailedSource> = {}): StagedDraft => ({
    code,
    result: {
      name,
      origin: { deployed: { atMs: 0 } },
      problems: [...problems.map(shown), ...(code === 'invalid_manifest' ? otherVersion(name, value) : [])],
      ...more,
    },
  })
  const describer = new LazyDescriber(options.describers)
  try {
    const read = readDraft(name, value)
    const { draft } = read
    shown = (text) => withoutBlobs(text, draft, options.blobs)
    const damage = await findDamage(draft, options.blobs, options.memo)
    if (damage.length > 0 && options.isDryRun) return { result: outline(draft, options.npu), draft }
    if (damage.length > 0) return fail('blob_missing', damage, answersOf(draft.manifest))
    return await compile(read, options, describer)
  } catch (error) {
    if (error instanceof DraftError) return fail('invalid_manifest', error.problems)
    if (isFull(error)) return fail('storage_full', [noRoom(name).message])
    if (error instanceof PelletError) return fail(error.code, [error.message])
    if (!(error instanceof SourceError)) return fail('internal_error', [`${name}: ${messageOf(error)}`])
    const { lines, missing, manifest } = error
    return fail('invalid_manifest', lines, {
      ...(manifest && answersOf(manifest)),
      ...(missing && { missing: { deployment: name, files: missing } }),
    })
  } finally {
    describer[Symbol.dispose]()
  }
}

// --- internal ---

/** What one version takes another may not know. */
function otherVersion(name: string, value: unknown): string[] {
  const { version } = (value ?? {}) as { version?: unknown }
  const own = readVersion()
  if (typeof version !== 'string' || version === own) return []
  return [
    `${name}: it was compiled by Pellet ${version.slice(0, 40)}, and this is ${own}; to have the same on both sides may help`,
  ]
}

/** A revision as far as its draft tells, to be compared and not to be run. */
function outline(draft: Draft, npu: NpuStatus | undefined): Deployment {
  const { name, manifest, origin, places, bundle, models } = draft
  const key = keyOf(draft, npu)
  const sha256 = models[key]?.sha256 ?? ''
  return {
    name,
    revision: toRevision(manifest, bundle?.sha256, { ...digestsOf(draft), model: sha256 }),
    manifest,
    origin,
    places,
    calls: [],
    engine: engineOf(key),
    model: { key, file: '', sizeBytes: 0, modifiedMs: 0, sha256 },
    files: {},
    probeInputs: {},
    input: {},
    isQuick: false,
    notes: [],
  }
}

/** Of all that belongs to a revision beside its bundle and its model. */
function digestsOf({ files, probeInputs }: Draft): Record<string, string> {
  return Object.fromEntries([
    ...Object.entries(files).map(([key, { sha256 }]) => [`files.${key}`, sha256]),
    ...Object.entries(probeInputs).map(([path, { sha256 }]) => [`probe.${path}`, sha256]),
  ]) as Record<string, string>
}

async function compile(read: ReadDraft, options: DraftOptions, describer: LazyDescriber): Promise<StagedDraft> {
  const { draft, input, paths } = read
  const { blobs, memo, root, modelsFolder, dataFolder, npu } = options
  const { manifest, places, origin } = draft
  const fileOf = ({ sha256 }: { sha256: string }) => ({ file: blobs.fileOf(sha256), sha256 })
  const problems = new SourceProblems(placeOf(draft, input))
  const folders: ModelFolders = {
    root,
    modelsFolder,
    npu,
    blobs: Object.fromEntries(Object.entries(draft.models).map(([key, ref]) => [key, fileOf(ref)])),
  }
  const model = await resolveModel(manifest, folders).catch((error: unknown) => {
    if (!(error instanceof ModelError)) throw error
    problems.addModelError(error)
    return undefined
  })
  const files = Object.entries(draft.files)
  const probeInputs = Object.entries(draft.probeInputs)
  const bundle = draft.bundle && (await install(draft.bundle, draft.bundleMap, blobs, join(dataFolder, 'bundles')))
  if (bundle)
    await remembered(memo, `describe:${bundle.hash}`, () => describer.describe(bundle.file)).catch((error: unknown) => {
      problems.addLines(`${origin.function ?? 'the function'}: ${messageOf(error)}`)
      throw problems.toError(manifest.name, manifest)
    })
  const parts = {
    manifest,
    paths,
    bundle,
    model,
    files: Object.fromEntries(files.map(([key, ref]) => [key, fileOf(ref).file])),
    probeInputs: Object.fromEntries(probeInputs.map(([path, ref]) => [path, fileOf(ref).file])),
    digests: digestsOf(draft),
  }
  const assembly: Assembly = { memo, describer, problems }
  const result: Deployment = { ...(await assemble(parts, assembly)), origin, places }
  // A model that was here already is kept with what was uploaded: the revision is whole whatever becomes of that file.
  const { key, sha256, sizeBytes } = result.model
  await blobs.adopt(result.model.file, { sha256, sizeBytes })
  const file = blobs.fileOf(sha256)
  const { mtimeMs } = await stat(file)
  return {
    result: { ...result, model: { key, file, sizeBytes, sha256, modifiedMs: mtimeMs } },
    draft: { ...draft, models: { ...draft.models, [key]: { sha256, sizeBytes } } },
  }
}

/** What was uploaded goes by the manifest's names: where it lies here is no business of who deploys. */
function withoutBlobs(text: string, draft: Draft, blobs: BlobStore): string {
  return blobsOf(draft).reduce((told, [what, { sha256 }]) => told.replaceAll(blobs.fileOf(sha256), what), text)
}

/** Where a bundle comes without its map. */
const noMap = JSON.stringify({ version: 3, sources: [], names: [], mappings: '' })

async function install({ sha256 }: BlobRef, map: BlobRef | undefined, blobs: BlobStore, folder: string) {
  const read = (digest: string) => readFile(blobs.fileOf(digest), 'utf8')
  const [code, text] = await Promise.all([read(sha256), map ? read(map.sha256) : noMap])
  if (!isMapping(text)) throw new DraftError(['draft.bundleMap: expected a source map, found something else'])
  return { file: await installBundle({ code, map: text, hash: sha256 }, folder), hash: sha256 }
}

function isMapping(json: string): boolean {
  try {
    const value: unknown = JSON.parse(json)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}
