import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Deployment } from '../../deployments/deployment.ts'
import type { BlobRef, Draft } from '../../deploys/protocol.ts'
import { knownSha256 } from '../../digest.ts'
import { displayPath } from '../../display-path.ts'
import { externalFilesOf } from '../../engines/onnx-file.ts'
import { bundlePortable } from '../../functions/bundle.ts'
import type { About } from '../../http/admin.ts'
import type { HailoArch } from '../../manifest/manifest.ts'
import { readVersion } from '../../version.ts'
import { CliError } from '../cli-error.ts'

/** A blob that is here: a file, or what a bundle was made into. */
export interface LocalBlob extends BlobRef {
  /** What messages call it. */
  shown: string
  source: { file: string } | { bytes: Buffer }
}

/** A deployment as it goes to another Pellet, with all that it consists of. */
export interface Parcel {
  draft: Draft
  /** Each once. */
  blobs: LocalBlob[]
  /** What stays here, and why. */
  notes: string[]
}

/** @throws BundleError, CliError for a model in several files, or Error of a file that has gone since the deployment was compiled */
export async function toParcel(
  deployment: Deployment,
  folders: { root: string; modelsFolder: string },
  { engines, chips }: Pick<About, 'engines' | 'chips'>,
): Promise<Parcel> {
  const { name, manifest, origin, places } = deployment
  const { root, modelsFolder } = folders
  const blobs = new Map<string, LocalBlob>()
  const notes: string[] = []
  const add = ({ sha256, sizeBytes, ...rest }: LocalBlob): BlobRef => {
    blobs.set(sha256, { sha256, sizeBytes, ...rest })
    return { sha256, sizeBytes }
  }
  const addFile = async (file: string) => add(await fileBlob(file, displayPath(root, file)))

  const draft: Draft = {
    name,
    manifest,
    models: {},
    files: {},
    probeInputs: {},
    origin,
    places,
    version: readVersion(),
  }
  if (origin.function !== undefined) {
    const bundle = await bundlePortable(resolve(root, origin.function), root)
    draft.bundle = add(textBlob(bundle.code, `${origin.function}, bundled`))
    draft.bundleMap = add(textBlob(bundle.map, `the source map of ${origin.function}`))
  }
  const { engine, onnx, hef = {} } = manifest.model
  const model = onnx && resolve(modelsFolder, onnx.file)
  if (model && engine !== 'hailort' && engines.includes('onnxruntime') && (await isFile(model))) {
    await expectOneFile(model, root)
    draft.models.onnx = await addFile(model)
  }
  for (const [chip, entry] of Object.entries(hef) as [HailoArch, { file: string }][]) {
    const file = resolve(modelsFolder, entry.file)
    if (engine === 'onnxruntime' || !(await isFile(file))) continue
    if (chips.includes(chip)) draft.models[chip] = await addFile(file)
    else notes.push(`${displayPath(root, file)} stays here: it is for ${chip}, and the target has ${toList(chips)}`)
  }
  for (const [key, file] of Object.entries(deployment.files)) draft.files[key] = await addFile(file)
  for (const [path, file] of Object.entries(deployment.probeInputs)) draft.probeInputs[path] = await addFile(file)
  return { draft, blobs: [...blobs.values()], notes }
}

// --- internal ---

function toList(chips: readonly string[]): string {
  return chips.length === 0 ? 'no such chip' : chips.join(', ')
}

function textBlob(text: string, shown: string): LocalBlob {
  const bytes = Buffer.from(text)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  return { sha256, sizeBytes: bytes.length, shown, source: { bytes } }
}

async function fileBlob(file: string, shown: string): Promise<LocalBlob> {
  const { size } = await stat(file)
  return { sha256: await knownSha256(file), sizeBytes: size, shown, source: { file } }
}

/** A file that is larger has its weights in itself, and is not read into memory to see that. */
const maxReadBytes = 128 * 1024 ** 2

/** There a model lies without what lies beside it here. @throws CliError */
async function expectOneFile(file: string, root: string): Promise<void> {
  if ((await stat(file)).size > maxReadBytes) return
  // What is no ONNX file, and was compiled, is in ORT's own format.
  const beside = await externalFilesOf(file).catch((): string[] => [])
  if (beside.length === 0) return
  const found = beside.map((path) => displayPath(root, resolve(dirname(file), path))).join(', ')
  throw new CliError(
    `${displayPath(root, file)}: expected a model in one file, found one whose weights lie in ${found}, which a deploy does not send; save it as one (onnx.save_model(onnx.load(file), file) in Python), or put its files, function and manifest into the project there`,
  )
}

async function isFile(file: string): Promise<boolean> {
  return stat(file).then(
    (found) => found.isFile(),
    () => false,
  )
}
