import type { HailoChip } from '../../ffi/hef/arch.ts'
import type { ShownEngine } from '../device/npu.ts'
import type { EngineName, ModelTensors } from '../engines/engine.ts'
import {
  entryOf,
  type ErrorShape,
  type Manifest,
  type Method,
  type ModelEntry,
  type ModelKey,
} from '../manifest/manifest.ts'
import type { MissingModel } from './missing-model.ts'

/** A revision of a deployment: everything that an isolate needs, as plain data. Immutable. */
export interface Deployment {
  name: string
  /** sha256 over the normalised manifest, the bundle and the digests of the model, the other files and the probes' inputs; hex. */
  revision: string
  manifest: Manifest
  origin: Origin
  /**
   * Where its name, each of its routes, ports and probes, and each of its `call` steps (`callSteps` has their order) are written,
   * e.g. `manifests/a.yaml:3:8 route`.
   */
  places: { name: string; routes: string[]; ports: string[]; probes: string[]; calls: string[] }
  /** Routes of other deployments that its `call` steps may call, each once. Known when the others are: see `resolveCalls`. */
  calls: DeploymentCall[]
  /** The bundled function; absent when built-in steps suffice. */
  bundleFile?: string
  engine: EngineName
  /** What a HEF runs on. Absent: on the CPU. */
  chip?: HailoChip
  /** Nothing is computed: the answers are those of the simulated device. */
  isSimulated?: true
  /** Why it runs on the CPU, although it has a HEF. */
  fallback?: string
  /**
   * `key`: which of the manifest's models it is. `modifiedMs`: as it was when it was hashed; a file that changed since is
   * hashed again before it is loaded.
   */
  model: { key: ModelKey; file: string; sizeBytes: number; modifiedMs: number; sha256: string }
  /** What its HEF says that it takes and gives, to be compared with what HailoRT says. Absent: on the CPU. */
  tensors?: ModelTensors
  /** Absolute paths of the manifest's `files`. */
  files: Record<string, string>
  /** Absolute paths of its probes' inputs, by the paths that the manifest gives. */
  probeInputs: Record<string, string>
  /** JSON Schema of the options that a request may set. */
  input: Record<string, unknown>
  /** The model runs so fast that a thread of its own would cost more than it saves; measured when it was deployed. */
  isQuick: boolean
  /** What was decided on the way and is worth a line in the log, e.g. a fall-back to another engine. */
  notes: string[]
}

/** What it was made from: for listings and messages. */
export interface Origin {
  /** Files, relative to the project; of one that was deployed, to that where it was compiled. */
  manifest?: string
  function?: string
  /** By `pellet deploy`, and when (ms since 1970; 0: not known). Absent: its files lie in this project. */
  deployed?: { atMs: number }
}

export interface DeploymentCall {
  deployment: string
  method: Method
  path: string
}

/** A source that cannot be deployed, and why; every problem on a line of its own. */
export interface FailedSource {
  name: string
  origin: Origin
  problems: string[]
  /** What it would answer, and how, where that much of it is right: who calls it is told why it is not there. */
  routes?: { method: Method; path: string }[]
  errors?: ErrorShape
  /** Present where all that is wrong is a model file that is not there: nothing is broken, something is to be fetched. */
  missing?: MissingModel
  /** Which revision serves on until it is mended, where one was live before. */
  serves?: { name: string; revision: string }
}

/** What one source gives. */
export type DeploymentResult = Deployment | FailedSource

/** What one look at the folders gives. */
export interface Compilation {
  deployments: Deployment[]
  failures: FailedSource[]
}

export function isFailed(result: DeploymentResult): result is FailedSource {
  return 'problems' in result
}

/** What people are to look at: a file, relative to the project. */
export function fileOf({ name, origin }: Pick<Deployment, 'name' | 'origin'>): string {
  return origin.deployed ? `${name} as it was deployed` : (origin.manifest ?? origin.function ?? name)
}

/** The engine as answers and listings tell it: what is simulated says so. */
export function shownEngine({ engine, isSimulated }: Pick<Deployment, 'engine' | 'isSimulated'>): ShownEngine {
  return isSimulated ? 'simulated' : engine
}

/** Whether a deployment is what it was before: of what was deployed, the revision stays where the NPU comes or goes. */
export function isSame(before: Deployment | undefined, { revision, engine }: Deployment): boolean {
  return before?.revision === revision && before.engine === engine
}

/** The model entry that a deployment's engine runs. */
export function usedEntry({ manifest, model }: Deployment): ModelEntry {
  return entryOf(manifest.model, model.key)!
}

/** The name of that entry, as people and metrics know the model. */
export function modelNameOf(deployment: Deployment): string {
  return usedEntry(deployment).name
}

/** What stands against sources now and did not before. */
export function newProblems(before: readonly FailedSource[], after: readonly FailedSource[]): string[] {
  const known = new Set(before.flatMap(({ problems }) => problems))
  return after.flatMap(({ problems }) => problems).filter((problem) => !known.has(problem))
}

/** What a source that cannot be deployed would answer. */
export function answersOf({ routes, errors }: Manifest): Pick<FailedSource, 'routes' | 'errors'> {
  return { routes: routes.map(({ method, path }) => ({ method, path })), errors }
}
