import type { Deployment } from '../deployments/deployment.ts'
import type { ErrorCode } from '../errors.ts'
import type { Manifest, ModelKey } from '../manifest/manifest.ts'

/*
 * What `pellet deploy` and the Pellet that it deploys to say to each other. Plain data over HTTP, on the admin socket or over
 * TCP with a token of scope `deploy` (`read` for GET):
 *
 *   POST   /api/blobs/missing                  { blobs: BlobRef[] } -> { missing: MissingBlob[] }
 *   PUT    /api/blobs/{sha256}?size=N&offset=M the bytes from M on -> 201 BlobRef; what was received stays when the connection breaks
 *   POST   /api/deployments/{name}/revisions   Draft -> a line of JSON (DeployEvent) for each thing that happens; ?probe=false, ?dry_run=true
 *   GET    /api/deployments/{name}/revisions   -> HistoryRow[], newest first
 *   POST   /api/deployments/{name}/rollback    { revision?: string } -> DeployEvent lines; the same options
 *   DELETE /api/deployments/{name}             -> Deleted
 */

/** Bytes by what they are. `sha256` in lower-case hex. */
export interface BlobRef {
  sha256: string
  sizeBytes: number
}

/** One that the other side lacks, and how much of it an upload that broke off has left there. */
export interface MissingBlob extends BlobRef {
  receivedBytes: number
}

/** A deployment on its way to another Pellet: the manifest as it was normalised where it was compiled, and its files as blobs. */
export interface Draft {
  name: string
  manifest: Manifest
  /** The function with all that it imports, portable: its digest is the hash that counts for the revision. */
  bundle?: BlobRef
  /** Its source map. */
  bundleMap?: BlobRef
  /** The model files that are there where it was compiled. Of one that is not, the manifest has a URL. */
  models: Partial<Record<ModelKey, BlobRef>>
  /** By the manifest's names. */
  files: Record<string, BlobRef>
  /** Inputs of its probes, by the path that the manifest gives them. */
  probeInputs: Record<string, BlobRef>
  /** The files that it was made from and where things stand in them, as messages are to call them. */
  origin: Deployment['origin']
  places: Deployment['places']
  /** Of Pellet, where it was compiled. */
  version: string
}

/** `stage`: its files are checked and put together; `switch`: it goes live. */
export type DeployPhase = 'stage' | 'load' | 'probe' | 'switch'

/** What happens to a deploy or a rollback, a line each; the last is `done` or `failed`. */
export type DeployEvent =
  | { type: 'phase'; phase: DeployPhase; message: string }
  | {
      type: 'done'
      name: string
      revision: string
      /** What served before; null where nothing did. */
      previous: string | null
      /** False where this revision served already, or for a dry run. */
      isChanged: boolean
      ms: number
      /** What is worth telling, e.g. that it shadows a dropped file. */
      notes: string[]
    }
  | {
      type: 'failed'
      phase: DeployPhase
      code: ErrorCode
      message: string
      /** Every problem on a line of its own. */
      problems: string[]
      /** The revision that serves on; null where none does. */
      serves: string | null
    }

/** A revision of a deployment that is kept. */
export interface HistoryRow {
  revision: string
  isLive: boolean
  /** When it was made live last, in ms since 1970. */
  deployedAtMs: number
  /** What made it live last. */
  by: 'deploy' | 'rollback'
  origin: Deployment['origin']
  model: string
  routes: string[]
  /** Of all of its blobs. */
  sizeBytes: number
  /** Its record cannot be read: it can only be deployed again. */
  isDamaged: boolean
}

export interface Deleted {
  name: string
  /** What was live; null where the record of that is damaged. */
  revision: string | null
  /** The dropped file that serves from now on, where there is one. */
  serves: Deployment['origin'] | null
  /** What is wrong from now on, e.g. with others that call it. */
  notes: string[]
}
