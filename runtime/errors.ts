/**
 * Every error that a caller can meet, in one registry. `docs/errors.md` lists the same codes; a test compares the two.
 * Codes are stable: clients may switch on them. Statuses follow RFC 9110.
 */
export const errorCodes = {
  // The request
  invalid_request: { status: 400, meaning: 'The request cannot be read: broken JSON, form, base64 or header.' },
  invalid_option: { status: 400, meaning: 'An option has a value outside what the function accepts.' },
  missing_input: { status: 400, meaning: 'The request carries no picture or field that the function needs.' },
  invalid_image: { status: 400, meaning: 'The bytes are no picture, or a damaged one.' },
  url_input_disabled: { status: 400, meaning: 'The request names a URL and URLs are not allowed here.' },
  url_input_refused: {
    status: 400,
    meaning: 'The URL leads to an address that is not allowed, or could not be fetched.',
  },
  unauthorized: { status: 401, meaning: 'A token is asked for here, and the request carries none that is valid.' },
  forbidden: { status: 403, meaning: 'The token is valid, but not for this; the message names the scope.' },
  not_found: { status: 404, meaning: 'No route or deployment of that name.' },
  method_not_allowed: { status: 405, meaning: 'The route exists, with the methods named in Allow.' },
  not_acceptable: { status: 406, meaning: 'The answer exists in none of the types that Accept names.' },
  payload_too_large: {
    status: 413,
    meaning: 'The body is larger than limits.body, or its text would fill limits.heap.',
  },
  image_too_large: { status: 413, meaning: 'The picture has more pixels than limits.pixels.' },
  unsupported_media_type: {
    status: 415,
    meaning: 'The body, or the picture in it, is of a type that is not read here.',
  },
  invalid_input: {
    status: 422,
    meaning: 'The input is readable but not what the model takes: shape, range, not finite.',
  },
  queue_full: {
    status: 429,
    meaning: 'The deployment has as many requests as limits.concurrency and limits.queue.depth allow.',
  },
  dropped: { status: 429, meaning: 'A newer request took this one’s place in the queue (limits.queue.drop: oldest).' },
  // The deployment
  function_failed: { status: 500, meaning: 'The function’s own code threw, or returned what cannot be answered.' },
  internal_error: { status: 500, meaning: 'A defect of Pellet. Please report it with the request id.' },
  load_failed: { status: 503, meaning: 'The model or its function could not be loaded; the message says why.' },
  isolate_crashed: { status: 503, meaning: 'The process that served the request ended in the middle of it.' },
  out_of_memory: { status: 503, meaning: 'The model does not fit into memory, or its process outgrew limits.memory.' },
  device_unavailable: {
    status: 503,
    meaning: 'The NPU cannot be used now: none is there, another program holds it, or its software does not fit.',
  },
  device_failed: {
    status: 503,
    meaning: 'The NPU was lost, stood still or gave a frame up in the middle of the request.',
  },
  overloaded: { status: 503, meaning: 'More request bytes are in flight than max_bytes_in_flight allows.' },
  job_interrupted: { status: 503, meaning: 'Pellet ended while the job was under way; what it asked for is not kept.' },
  stopping: { status: 503, meaning: 'Pellet is shutting down.' },
  not_ready: { status: 503, meaning: 'Pellet, or a deployment that is to be preloaded or is called, is not ready.' },
  stalled: { status: 503, meaning: 'Pellet makes no progress and is to be started anew; `/health/live` says where.' },
  deadline_exceeded: { status: 504, meaning: 'The request took longer than limits.timeout.' },
  // Deploying
  conflict: { status: 409, meaning: 'Another deploy or upload is in the way of this one; the message says which.' },
  blob_missing: { status: 409, meaning: 'The deployment names files that were not uploaded, or are damaged.' },
  wrong_digest: { status: 422, meaning: 'What was uploaded does not have the sha256 that it was announced with.' },
  storage_failed: { status: 500, meaning: 'What Pellet keeps could not be read or written; the log names the file.' },
  storage_full: { status: 507, meaning: 'There is no room left where Pellet keeps its data.' },
  // Administration
  probe_failed: {
    status: 422,
    meaning: 'A new revision does not answer its probes as they expect, or its model fails the self-test.',
  },
  invalid_manifest: { status: 422, meaning: 'A manifest or function file has errors; all are listed.' },
} as const satisfies Record<string, { status: number; meaning: string }>

export type ErrorCode = keyof typeof errorCodes

/** One place in the input that is wrong, e.g. `{ loc: ['x', 3, 'ax'], msg: '...', type: 'finite_number' }`. */
export interface ErrorDetail {
  loc: (string | number)[]
  msg: string
  type: string
}

export interface PelletErrorOptions {
  details?: ErrorDetail[]
  /** When to try again, in milliseconds; becomes the Retry-After header (whole seconds, rounded up). */
  retryAfterMs?: number
  /** The methods that the path has; become the Allow header. */
  allow?: string[]
  cause?: unknown
}

/**
 * An error with a stable code. Messages are written for the caller: where, what was expected, what was found, what to
 * do. Anything that is not a PelletError is answered as `internal_error` or `function_failed`.
 */
export class PelletError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly details: ErrorDetail[] | undefined
  readonly retryAfterMs: number | undefined
  readonly allow: string[] | undefined

  constructor(code: ErrorCode, message: string, options: PelletErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    if (!Object.hasOwn(errorCodes, code))
      throw new TypeError(
        `PelletError: expected a code among ${Object.keys(errorCodes).join(', ')}, found ${String(code)}`,
      )
    this.code = code
    this.status = errorCodes[code].status
    this.details = options.details
    this.retryAfterMs = options.retryAfterMs
    this.allow = options.allow
  }
}

/** The text of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
