import { parseBytes, parseCount, parseDuration } from '../units.ts'
import { defaults } from './defaults.ts'
import { findingsOf } from './findings.ts'
import type { Finding, ManifestIssue, ManifestPath, ManifestPlaces } from './issues.ts'
import { formatFound, sortIssues, toIssueIn } from './issues.ts'
import type {
  CacheTerms,
  HailoArch,
  Limits,
  Manifest,
  Method,
  ModelEntry,
  Route,
  StatusBody,
  StatusRoute,
  StepUse,
} from './manifest.ts'
import { fileOfUrl, isUrl, namePattern } from './paths.ts'
import { probePaths, routeFindings, toProbes } from './probe.ts'
import type { ManifestInput, ModelEntryInput, RouteInput, StatusInput, StepInput } from './schema.ts'

export { mergeManifest } from './merge.ts'

export interface NormalizeOptions extends ManifestPlaces {
  /** Name of the deployment where the manifest gives none: the file's name without its ending. */
  name: string
  /** Function where the manifest names none: set it when `functions/{name}.ts` exists. */
  function?: string
}

/** Where the lists of a normalised route stand in what was written, so that a step's trouble finds its line. */
export interface RoutePaths {
  route: ManifestPath
  /** Step `i` is at `[...pre, i]`, its options at `[...pre, i, name]`. */
  pre: ManifestPath
  post: ManifestPath
  input: ManifestPath
}

export interface NormalizedManifest {
  /** Absent when there are issues. */
  manifest?: Manifest
  /** One for each of `manifest.routes`. */
  paths: RoutePaths[]
  /** Where each of `manifest.listen` stands. */
  ports: ManifestPath[]
  /** Where each of `manifest.probe` stands. */
  probes: ManifestPath[]
  issues: ManifestIssue[]
}

/**
 * Resolves shorthands, units and defaults. Checks the whole again, since two manifests that are right can merge into one
 * that is not. A manifest without a route gets `POST /v1/{name}`.
 * @param input what was written, or what `mergeManifest` made of two
 * @param options `written` and `inline`: what was read, for files and lines in issues
 */
export function normalizeManifest(input: ManifestInput, options: NormalizeOptions): NormalizedManifest {
  const findings = findingsOf(input)
  const model = findings.length === 0 ? toModel(input) : undefined
  findings.push(...modelFindings(input, model))
  const name = input?.name ?? options.name
  if (input?.name === undefined && !namePattern.test(options.name)) findings.push(badFileName(options.name))
  if (findings.length > 0) return refused(findings, options)
  const { routes, paths } = toRoutes(input, name)
  const strangers = routeFindings(input.probe, routes)
  if (strangers.length > 0) return refused(strangers, options)
  const functionName = input.function ?? options.function
  const manifest: Manifest = {
    name,
    ...(functionName !== undefined && { function: functionName }),
    model: model!,
    files: { ...input.files },
    keepAliveMs: parseDuration(input.keep_alive ?? defaults.keep_alive),
    preload: input.preload ?? defaults.preload,
    pin: input.pin ?? defaults.pin,
    priority: input.priority ?? defaults.priority,
    routes,
    errors: input.errors ?? defaults.errors,
    status: toStatus(input.status ?? {}),
    listen: [input.listen ?? []].flat(),
    limits: toLimits(input.limits ?? {}),
    ...(input.cache !== undefined && input.cache !== false && { cache: toCache(input.cache) }),
    probe: toProbes(input.probe, routes),
  }
  const ports = manifest.listen.map((_, index) => (Array.isArray(input.listen) ? ['listen', index] : ['listen']))
  return { manifest: structuredClone(manifest), paths, ports, probes: probePaths(input.probe), issues: [] }
}

// --- internal ---

function refused(findings: readonly Finding[], places: ManifestPlaces): NormalizedManifest {
  const issues = sortIssues(findings.map((finding) => toIssueIn(places, finding)))
  return { paths: [], ports: [], probes: [], issues }
}

function toModel({ model = {} }: ManifestInput): Manifest['model'] {
  const { batch = defaults.batch, power_mode: powerMode = defaults.power_mode } = model
  const hef = Object.entries(model.hef ?? {}).filter(([, entry]) => entry !== undefined)
  return {
    engine: model.engine ?? defaults.engine,
    ...(hef.length > 0 && { hef: Object.fromEntries(hef.map(([chip, entry]) => [chip, toEntry(entry!, `${chip}/`)])) }),
    ...(model.onnx !== undefined && { onnx: toEntry(model.onnx) }),
    ...(batch !== defaults.batch && { batch }),
    ...(powerMode !== defaults.power_mode && { powerMode }),
  }
}

/** @param folder where a file goes that is known by its URL alone: those for several chips often have one name */
function toEntry(input: ModelEntryInput, folder = ''): ModelEntry {
  const written = typeof input !== 'string' ? input : isUrl(input) ? { url: input } : { file: input }
  const { name, url, member, sha256, mean, std, layout, channels, decode, license } = written
  const file = written.file ?? `${folder}${member === undefined ? fileOfUrl(url!)! : lastPart(member)}`
  return {
    name: name ?? lastPart(file).replace(/(?<=.)\.[^.]+$/, ''),
    file,
    ...(url !== undefined && { url }),
    ...(member !== undefined && { member }),
    ...(sha256 !== undefined && { sha256: sha256.toLowerCase() }),
    ...(layout !== undefined && { layout }),
    ...(mean !== undefined && { mean: single(mean) }),
    ...(std !== undefined && { std: single(std) }),
    ...(channels !== undefined && { channels }),
    ...(decode !== undefined && { decode }),
    ...(license !== undefined && { license }),
  }
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}

/** A list of one says the same as the number; a revision should not tell them apart. */
function single(value: number | number[]): number | number[] {
  return Array.isArray(value) && value.length === 1 ? value[0]! : value
}

function badFileName(name: string): Finding {
  const proposed = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-$/, '')
  return {
    path: ['name'],
    expected: 'a name, or a file name of lower-case letters, digits and inner dashes to take it from',
    found: `the file name ${JSON.stringify(name)}`,
    hint: proposed ? `write name: ${proposed}` : 'give a name',
  }
}

/** What the schema cannot say: a model for the engine that was asked for, and a file of its own for each entry. */
function modelFindings(input: ManifestInput, model: Manifest['model'] | undefined): Finding[] {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return []
  if (input.model === undefined) {
    return [{ path: ['model'], expected: 'a model', found: 'nothing', hint: 'write model: { onnx: file.onnx }' }]
  }
  if (!model) return []
  const { engine, onnx, hef } = model
  const path = ['model']
  if (!onnx && !hef) return [{ path, expected: 'onnx, hef or both', found: formatFound(input.model), at: 'key' }]
  if ((engine === 'onnxruntime' && !onnx) || (engine === 'hailort' && !hef)) {
    const key = engine === 'hailort' ? 'hef' : 'onnx'
    return [
      {
        path: ['model', 'engine'],
        expected: `${key} for this engine`,
        found: `only ${onnx ? 'onnx' : 'hef'}`,
        hint: `give model.${key}, or engine: auto`,
      },
    ]
  }
  return sharedFiles(model)
}

/** Two models in one file would overwrite each other. */
function sharedFiles({ onnx, hef = {} }: Manifest['model']): Finding[] {
  const findings: Finding[] = []
  const entries: [ManifestPath, ModelEntry][] = (Object.keys(hef) as HailoArch[]).map((chip) => [
    ['model', 'hef', chip],
    hef[chip]!,
  ])
  if (onnx) entries.push([['model', 'onnx'], onnx])
  const owners = new Map<string, [ManifestPath, ModelEntry]>()
  for (const [path, entry] of entries) {
    const owner = owners.get(entry.file)
    if (!owner) owners.set(entry.file, [path, entry])
    else if (owner[1].url !== entry.url || owner[1].member !== entry.member || owner[1].sha256 !== entry.sha256) {
      const hint = `give each its own file, e.g. file: ${path.at(-1)}/${lastPart(entry.file)}`
      findings.push({
        path,
        expected: `a file other than that of ${owner[0].join('.')}`,
        found: JSON.stringify(entry.file),
        hint,
      })
    }
  }
  return findings
}

function toRoutes(input: ManifestInput, name: string): { routes: Route[]; paths: RoutePaths[] } {
  const written: [string, RouteInput, ManifestPath][] = input.routes
    ? Object.entries(input.routes).map(([route, entry]) => [route, entry, ['routes', route]])
    : [[input.route ?? `POST /v1/${name}`, {}, input.route === undefined ? [] : ['route']]]
  const routes = written.map(([route, entry]) => toRoute(route, Array.isArray(entry) ? { post: entry } : entry, input))
  const paths = written.map(([, entry, path]) => ({
    route: path,
    pre: !Array.isArray(entry) && entry.pre ? [...path, 'pre'] : ['pre'],
    post: Array.isArray(entry) ? path : entry.post ? [...path, 'post'] : ['post'],
    input: !Array.isArray(entry) && entry.input ? [...path, 'input'] : ['input'],
  }))
  return { routes, paths }
}

function toRoute(route: string, entry: Exclude<RouteInput, StepInput[]>, input: ManifestInput): Route {
  const [method, path] = route.split(' ') as [Method, string]
  return {
    method,
    path,
    pre: (entry.pre ?? input.pre ?? []).map(toStep),
    post: (entry.post ?? input.post ?? []).map(toStep),
    input: { ...input.input, ...entry.input },
  }
}

/** A mapping is the one body; what is written in a case's place is JSON, as the schema has checked. */
function toStatus(input: StatusInput): StatusRoute[] {
  return Object.entries(input).map(([route, answer]) => ({
    path: route.slice(route.indexOf(' ') + 1),
    cases: Array.isArray(answer)
      ? answer.map(({ when, code = defaults.code, body }) => ({
          ...(when !== undefined && { when }),
          code,
          body: body as StatusBody,
        }))
      : [{ code: defaults.code, body: answer as StatusBody }],
  }))
}

function toStep(input: StepInput): StepUse {
  if (typeof input === 'string') return { step: input, options: {} }
  const [step, options] = Object.entries(input)[0]!
  return { step, options: options ?? {} }
}

function toCache(input: Exclude<NonNullable<ManifestInput['cache']>, false>): CacheTerms {
  const { ttl, max } = input === true ? {} : input
  return { ttlMs: parseDuration(ttl ?? defaults.cache.ttl), maxBytes: parseBytes(max ?? defaults.cache.max) }
}

function toLimits(input: NonNullable<ManifestInput['limits']>): Limits {
  const { limits } = defaults
  return {
    concurrency: input.concurrency ?? limits.concurrency,
    queue: { depth: input.queue?.depth ?? limits.queue.depth, drop: input.queue?.drop ?? limits.queue.drop },
    timeoutMs: parseDuration(input.timeout ?? limits.timeout),
    bodyBytes: parseBytes(input.body ?? limits.body),
    pixels: parseCount(input.pixels ?? limits.pixels),
    heapBytes: parseBytes(input.heap ?? limits.heap),
    memoryBytes: parseBytes(input.memory ?? limits.memory),
    threads: input.threads ?? limits.threads,
  }
}
