import type { ErrorShape } from '../manifest/manifest.ts'

/** A job as it is kept over restarts: its answer lies beside it. */
export interface JobRecord {
  deployment: string
  /** E.g. `POST /v1/depth/estimate`, or `batch of POST /v1/depth/estimate`. */
  route: string
  requestId: string
  /** How the deployment's clients know errors. */
  shape: ErrorShape
  /** In milliseconds since 1970. */
  acceptedAt: number
  /** Absent while it is under way. */
  answer?: JobAnswer
}

export interface JobAnswer {
  status: number
  headers: Record<string, string>
  /** In milliseconds since 1970. */
  finishedAt: number
  sizeBytes: number
  /** In how many pieces it lies in the store. */
  pieces: number
  /** The answer itself, where it is an error of main's. */
  body?: string
}
