import { messageOf, PelletError } from './errors.ts'
import type { ErrorShape } from './manifest/manifest.ts'

export interface ErrorAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/**
 * Anything that was thrown as an answer in the shape that a deployment's clients know (`errors:` in its manifest).
 * @param protocolStatus instead of the code's own, for what HTTP itself refuses (408, 417, 431)
 */
export function toErrorAnswer(
  thrown: unknown,
  shape: ErrorShape,
  requestId: string,
  protocolStatus?: number,
): ErrorAnswer {
  const error = bounded(
    thrown instanceof PelletError ? thrown : new PelletError('internal_error', messageOf(thrown), { cause: thrown }),
  )
  const status = protocolStatus ?? toStatus(error.status, shape)
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'x-request-id': requestId,
    'x-pellet-error': error.code,
  }
  if (error.retryAfterMs !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterMs / 1000)))
  if (error.code === 'unauthorized') headers['www-authenticate'] = 'Bearer'
  if (error.allow) headers['allow'] = error.allow.join(', ')
  return { status, headers, body: JSON.stringify(bodies[shape](error, status, requestId)) }
}

/** The old daemons knew no 415: a body that they could not read was a bad request. */
export function toStatus(status: number, shape: ErrorShape): number {
  return status === 415 && shape !== 'pellet' ? 400 : status
}

/** The message in an error's body, whatever its shape; undefined in what is none. */
export function messageIn(body: string): string | undefined {
  try {
    const { error, detail } = JSON.parse(body) as { error?: string | { message?: string }; detail?: unknown }
    if (error !== undefined) return typeof error === 'string' ? error : error.message
    if (detail !== undefined) return typeof detail === 'string' ? detail : JSON.stringify(detail, null, 2)
  } catch {
    // Not JSON, or not whole.
  }
  return undefined
}

// --- internal ---

type ErrorText = Pick<PelletError, 'code' | 'status' | 'message' | 'details' | 'retryAfterMs' | 'allow'>

/** Messages quote what was sent, which may be long; nobody reads on beyond this. */
const maxMessageLength = 2000
const maxDetails = 20

function bounded({ code, status, message, details, retryAfterMs, allow }: PelletError): ErrorText {
  return {
    code,
    status,
    message: cut(message),
    details: details?.slice(0, maxDetails).map((detail) => ({ ...detail, msg: cut(detail.msg) })),
    retryAfterMs,
    allow,
  }
}

function cut(text: string): string {
  if (text.length <= maxMessageLength) return text
  return `${text.slice(0, maxMessageLength)}... (and ${text.length - maxMessageLength} characters more)`
}

const bodies: Record<ErrorShape, (error: ErrorText, status: number, requestId: string) => unknown> = {
  pellet: ({ code, message, details }, status, requestId) => ({
    error: { code, message, status, request_id: requestId, ...(details && { details }) },
  }),
  /** hailo-scrfd's. */
  text: ({ message }) => ({ error: message }),
  /** DeepStack's. */
  deepstack: ({ message }) => ({ success: false, error: message }),
  /** hailo-depth's. */
  object: ({ message, code }, status) => ({
    error: { message, type: status < 500 ? 'invalid_request' : 'internal_error', code },
  }),
  /** FastAPI's, which the TCN sidecar was written with: a list for 422, else text. */
  detail: ({ message, details }, status) => ({ detail: status === 422 && details ? details : message }),
}
