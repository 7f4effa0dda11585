import { z } from '#zod'
import { callSteps } from '../deployments/calls.ts'
import { toManifestInput } from '../manifest/denormalize.ts'
import { formatIssue } from '../manifest/issues.ts'
import type { ManifestIssue } from '../manifest/issues.ts'
import { normalizeManifest, type RoutePaths } from '../manifest/normalize.ts'
import type { ManifestInput } from '../manifest/schema.ts'
import { sha256Pattern } from '../storage/blobs.ts'
import type { Draft } from './protocol.ts'

/** What was sent is no draft of this name, or its manifest is none; every problem on a line of its own. */
export class DraftError extends Error {
  readonly problems: string[]

  constructor(problems: string[]) {
    super(problems.join('\n'))
    this.problems = problems
  }
}

export interface ReadDraft {
  draft: Draft
  /** As people would have written it. */
  input: ManifestInput
  paths: RoutePaths[]
}

/** Checks what a client sent, or an older version of Pellet has kept. @throws DraftError */
export function readDraft(name: string, value: unknown): ReadDraft {
  const parsed = draftSchema.safeParse(value)
  if (!parsed.success)
    throw new DraftError(parsed.error.issues.map(({ path, message }) => `${['draft', ...path].join('.')}: ${message}`))
  const draft = parsed.data as unknown as Draft
  const other = [draft.name, draft.manifest.name].find((found) => found !== name)
  if (other !== undefined) throw new DraftError([`draft: expected one of ${name}, found one of ${other}`])
  const input = inputOf(draft)
  const { manifest, paths, issues } = normalizeManifest(input, { name, written: placeOf(draft, input) })
  if (!manifest) throw new DraftError(issues.map((issue: ManifestIssue) => formatIssue(issue)))
  if ((manifest.function !== undefined) !== (draft.bundle !== undefined))
    throw new DraftError([
      'draft.bundle: expected the code where the manifest has a function, and none where it has none',
    ])
  if (Object.keys(manifest.files).sort().join() !== Object.keys(draft.files).sort().join())
    throw new DraftError(['draft.files: expected a blob for each of the manifest’s files'])
  const inputs = new Set(manifest.probe.flatMap(({ input: path }) => path ?? []))
  if ([...inputs].sort().join() !== Object.keys(draft.probeInputs).sort().join())
    throw new DraftError(['draft.probeInputs: expected a blob for each file that the manifest’s probes send'])
  const { places } = draft
  const counts = [places.routes.length, places.ports.length, places.probes.length, places.calls.length]
  const { routes, listen, probe } = manifest
  const expected = [routes.length, listen.length, probe.length, callSteps(manifest).length]
  if (counts.join() !== expected.join())
    throw new DraftError([
      `draft.places: expected ${expected.join(', ')} of routes, ports, probes and calls, found ${counts.join(', ')}`,
    ])
  return { draft: { ...draft, manifest }, input, paths }
}

/** Its manifest as something that problems can be placed in: where it was compiled they have no lines. */
export function placeOf({ name, origin }: Pick<Draft, 'name' | 'origin'>, value: unknown) {
  return { file: origin.manifest ?? origin.function ?? name, value, locate: () => undefined, issues: [] }
}

// --- internal ---

const blob = z.object({ sha256: z.string().regex(sha256Pattern), sizeBytes: z.int().min(0) })
const blobs = z.record(z.string(), blob)
const text = z.string().max(10_000)
const draftSchema = z.object({
  name: text,
  manifest: z.looseObject({ name: text }),
  bundle: blob.optional(),
  bundleMap: blob.optional(),
  models: z.partialRecord(z.enum(['onnx', 'hailo8', 'hailo8l', 'hailo10h']), blob),
  files: blobs,
  probeInputs: blobs,
  origin: z.object({ manifest: text.optional(), function: text.optional() }),
  places: z.object({
    name: text,
    routes: z.array(text),
    ports: z.array(text),
    probes: z.array(text),
    calls: z.array(text),
  }),
  version: text,
})

function inputOf({ manifest }: Draft): ManifestInput {
  try {
    return toManifestInput(manifest)
  } catch {
    throw new DraftError(['draft.manifest: expected a normalised manifest, found something else'])
  }
}
