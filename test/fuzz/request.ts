import type { ErrorShape } from '../../runtime/manifest/manifest.ts'
import type { Random } from '../support/random.ts'

/** A route that is called, and what a good call looks like. */
export interface Target {
  /** e.g. `POST /v1/detect`; on an own port with that in front: `own POST /infer`. */
  name: string
  /** Of the listener: of the main port, or of the deployment's own. */
  listener: 'main' | 'own'
  method: string
  path: string
  /** What a good request carries. */
  takes: 'picture' | 'window' | 'nothing'
  /** Many requests in one body, answered by a line each. */
  isBatch?: boolean
  /** The field of a window in JSON. */
  field: string
  /** Of its function; what is asked in the wrong way, too. */
  options: readonly string[]
  /** Of the answers to requests that reach the route. */
  errors: ErrorShape
  /** Of the answer to a good request: what never changes. */
  stable: readonly string[]
}

/** What a caller does with its connection, one after the other. */
export type Step =
  | { send: string | Uint8Array }
  | { waitMs: number }
  /** Says that nothing more comes, and goes on reading. */
  | 'half-close'
  /** Is gone. */
  | 'leave'

export interface FuzzRequest {
  steps: Step[]
  /**
   * - `answer`: whole answers with documented statuses; as many as `answers` says
   * - `close`: what is no HTTP, or not whole: an answer of 4xx, or a close without one
   * - `nothing`: the caller leaves, and nobody is told anything
   */
  expects: 'answer' | 'close' | 'nothing'
  /** @default 1 */
  answers?: number
  /** Answers have no body, whatever their Content-Length says. */
  isHead?: boolean
  /** Nothing is sent on purpose: 504 is right. */
  isSlow?: boolean
  /** It is so much work that 504 is right where the machine is busy. */
  isHeavy?: boolean
}

/** Makes requests of one kind. */
export interface Kind {
  name: string
  make(random: Random, target: Target): FuzzRequest
}

/** What is inside a request: the body, and the headers that tell of it. */
export interface Content {
  headers?: readonly string[]
  body: Uint8Array
}

/** The head of a request, e.g. `head('POST', '/x', ['content-length: 0'])`. */
export function head(method: string, path: string, headers: readonly string[]): string {
  return `${method} ${path} HTTP/1.1\r\nhost: pellet\r\n${headers.map((line) => `${line}\r\n`).join('')}\r\n`
}

/** A request as it should be sent, whatever is in it. */
export function plain({ method, path }: Target, content: Content, more: readonly string[] = []): FuzzRequest {
  const { body, headers = [] } = content
  const lines = [...headers, ...more, `content-length: ${body.length}`]
  return { steps: [{ send: head(method, path, lines) }, { send: body }], expects: 'answer', isHead: method === 'HEAD' }
}
