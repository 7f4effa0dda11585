import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Config } from '../../config.ts'
import { CliError } from '../cli-error.ts'
import { classifierDraft } from './classifier.ts'
import { detectorDraft } from './detector.ts'
import type { Draft, Task } from './draft.ts'
import { embeddingDraft } from './embedding.ts'
import { functionText } from './function-text.ts'
import { guessKind, kinds, type Kind } from './kinds.ts'
import { labelsOf } from './labels.ts'
import { manifestText } from './manifest-text.ts'
import { readModelShape, type ModelShape } from './model.ts'
import { filesOf, placeModel, schemaFor, type NewFile } from './project.ts'
import { tensorDraft } from './tensor.ts'
import { testText } from './test-text.ts'

/** A function that is to be written. */
export interface Plan {
  kind: Kind
  /** Why this kind, where nobody named it. */
  why: string | undefined
  task: Task
  draft: Draft
  /** In the order in which one needs the other: a Pellet that watches the folders must not stumble. */
  files: NewFile[]
}

/**
 * @param wanted undefined: told by the model
 * @param modelPath undefined: a starter model where one is of the kind, else none yet
 * @throws CliError where there is neither, where they do not fit, or the model cannot be used
 */
export async function planFunction(
  name: string,
  wanted: Kind | undefined,
  modelPath: string | undefined,
  config: Config,
): Promise<Plan> {
  const path = modelPath === undefined ? starterFor(wanted) : resolve(modelPath)
  const model = path === undefined ? undefined : await readModelShape(path)
  const guess = model && wanted === undefined ? guessKind(model) : undefined
  const kind = wanted ?? guess!.kind
  const placed = model && (await placeModel(model, config))
  const isStarter = modelPath === undefined && model !== undefined
  const task: Task = { name, file: placed?.file ?? `${name}.onnx`, chip: model?.chip, model, isStarter }
  const draft = drafts[kind](task as Task & { model: ModelShape })
  const labels = model && draft.manifest.takesLabels ? labelsOf(model, draft.manifest.classes) : undefined
  const paths = filesOf(config, name)
  const manifest = manifestText(task, draft, { schema: schemaFor(config), hasLabels: labels !== undefined })
  const files: NewFile[] = [
    ...(placed?.copies ?? []),
    ...(labels ? [{ path: paths.labels, text: `${labels.join('\n')}\n` }] : []),
    { path: paths.function, text: functionText(task, draft) },
    { path: paths.manifest, text: manifest },
    { path: paths.test, text: testText(task, draft) },
  ]
  return { kind, why: guess?.why, task, draft, files }
}

// --- internal ---

const drafts: Record<Kind, (task: Task & { model: ModelShape }) => Draft> = {
  classifier: classifierDraft,
  detector: detectorDraft,
  embedding: embeddingDraft,
  tensor: tensorDraft,
}

/** Without a model of one's own: what comes with Pellet, where that is of the kind. */
function starterFor(kind: Kind | undefined): string | undefined {
  if (kind === undefined)
    throw new CliError(
      `new: expected a kind (${kinds.join(', ')}) before the name, or --model, which tells it; found neither`,
      2,
    )
  const starter = { detector: 'scrfd.onnx', tensor: 'tcn.onnx', classifier: undefined, embedding: undefined }[kind]
  return starter && fileURLToPath(new URL(`../../../../models/${starter}`, import.meta.url))
}
