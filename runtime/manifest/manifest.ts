import { hailoChips, type HailoChip } from '../../ffi/hef/arch.ts'
import type { EngineName } from '../engines/engine.ts'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
export type ErrorShape = 'pellet' | 'text' | 'object' | 'detail' | 'deepstack'
export type HailoArch = HailoChip

export const namesOfChips: readonly HailoArch[] = hailoChips

/** Which of a manifest's models: that for the CPU, or the HEF for a chip. */
export type ModelKey = 'onnx' | HailoArch

/** What a model file wants done outside it. Sizes and types are the file's own and are never repeated here. */
export interface ModelEntry {
  /** The name that answers carry as `model`. @default the file name without its ending */
  name: string
  /** Path, relative to the models folder. Where only `url` is given: its last segment, for `hef` in a folder of the chip's name. */
  file: string
  url?: string
  /** The file in the zip archive that `url` leads to. Absent for an archive: its one file that ends as `file` does. */
  member?: string
  /** Lower-case hex digest that the file must have. */
  sha256?: string
  /** Order of an image input's dimensions. @default read from the input's shape */
  layout?: 'nchw' | 'nhwc'
  /** Subtracted before the division by `std`, in units of the raw value; one number, or one for each channel. */
  mean?: number | number[]
  std?: number | number[]
  /** @default 'rgb' */
  channels?: 'rgb' | 'bgr'
  /** How the function reads the outputs; the words are the function's own, e.g. depth: `scdepth` or `plain`. */
  decode?: string
  /** Licence of the weights, an SPDX identifier or a sentence; said wherever people are told to fetch the file. */
  license?: string
}

/** One step in a chain: its name and the options that the manifest gives it. */
export interface StepUse {
  step: string
  options: Record<string, unknown>
}

export interface Route {
  method: Method
  path: string
  pre: StepUse[]
  post: StepUse[]
  /** Defaults for the function's options on this route; a request overrides them. */
  input: Record<string, unknown>
}

/** Any JSON; in it `$name` stands for what main knows of the deployment, see docs/manifest.md. */
export type StatusBody = string | number | boolean | null | StatusBody[] | { [key: string]: StatusBody }

/** One answer of a status route. `when`: only while it holds; absent: always. */
export interface StatusCase {
  when?: 'ready' | 'not_ready' | 'loading' | 'failed'
  /** Status code of the answer. */
  code: number
  body: StatusBody
}

/** A GET route that main answers from data, without an isolate: the first case that holds. The last has no `when`. */
export interface StatusRoute {
  path: string
  cases: StatusCase[]
}

export interface Limits {
  /** Requests inside the isolate at once; the engine still runs one at a time. */
  concurrency: number
  queue: { depth: number; drop: 'newest' | 'oldest' }
  timeoutMs: number
  bodyBytes: number
  pixels: number
  heapBytes: number
  memoryBytes: number
  threads: number
}

/** How long answers are kept, and how many bytes of them. */
export interface CacheTerms {
  ttlMs: number
  maxBytes: number
}

/** A request that a new revision is tried with, and what is expected of the answer. */
export interface Probe {
  /** The route, one of the manifest's. */
  method: Method
  path: string
  query: Record<string, string>
  headers: Record<string, string>
  /** File that is sent, relative to the models folder. Neither this nor `body`: nothing is sent. */
  input?: string
  /** Sent as JSON. */
  body?: Record<string, unknown>
  status: number
  /** Content type of the answer, without parameters. */
  type?: string
  minBytes?: number
  /** Of a JSON answer: see expectation.ts. */
  expect?: unknown
}

/** A manifest after defaults, shorthands and units: what the rest of Pellet works with. Plain data, JSON-safe. */
export interface Manifest {
  name: string
  /** Name of the file in `functions/`, without its ending. Absent: built-in steps only. */
  function?: string
  model: {
    engine: 'auto' | EngineName
    hef?: Partial<Record<HailoArch, ModelEntry>>
    onnx?: ModelEntry
    /** Frames that the NPU takes at a time. @default HailoRT's choice */
    batch?: number
    /** Of the NPU. @default performance */
    powerMode?: 'performance' | 'ultra_performance'
  }
  /** Further files that steps read (labels, centroids), by name; paths relative to the models folder. */
  files: Record<string, string>
  /** From the last release, in milliseconds. -1: for ever. 0: at once. */
  keepAliveMs: number
  preload: boolean
  pin: boolean
  /** 0 to 31, higher first. */
  priority: number
  routes: Route[]
  errors: ErrorShape
  /** Stand on the deployment's own ports, and under `/f/{name}` on the main one. */
  status: StatusRoute[]
  /** TCP ports on which the deployment is alone. */
  listen: number[]
  limits: Limits
  /** Answers are kept. Absent: none are. */
  cache?: CacheTerms
  /** What a new revision must answer before it goes live. None: its model is run once. */
  probe: Probe[]
}

/** The entry of one of its models. */
export function entryOf({ onnx, hef = {} }: Manifest['model'], key: ModelKey): ModelEntry | undefined {
  return key === 'onnx' ? onnx : hef[key]
}
