import { Agent, request, type IncomingMessage } from 'node:http'
import { deserialize, serialize } from 'node:v8'
import { errorCodes, messageOf, PelletError, type ErrorCode } from '../../errors.ts'
import type { CallItem } from '../../steps/call.ts'
import { exchangeHeader, valuesType } from '../calls.ts'

/** What went wrong in another deployment, as it was thrown there: callers see its status and its code. */
export class CalleeError extends PelletError {}

export interface CallOrigin {
  /** Main's number of the request that the call is made for: the call shares its deadline and its end. */
  exchange: string
  signal: AbortSignal
}

/** Calls another deployment by way of main; the answers in the order of the items. @throws CalleeError */
export type CallClient = (
  deployment: string,
  route: string | undefined,
  items: CallItem[],
  origin: CallOrigin,
) => Promise<unknown[]>

export function createCallClient(socketPath: string): CallClient {
  const agent = new Agent({ keepAlive: true })
  return async (deployment, route, items, { exchange, signal }) => {
    const body = toBytes(deployment, items)
    const query = route === undefined ? '' : `?route=${encodeURIComponent(route)}`
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = { [exchangeHeader]: exchange, 'content-type': valuesType, 'content-length': body.length }
      const path = `/${encodeURIComponent(deployment)}${query}`
      request({ socketPath, agent, method: 'POST', path, headers, signal }, resolve).on('error', reject).end(body)
    })
    const bytes = await readAll(answer).catch((error: unknown) => {
      throw signal.aborted ? error : brokenOff(deployment, error)
    })
    if (answer.statusCode !== 200) throw toError(deployment, answer, bytes)
    return deserialize(bytes) as unknown[]
  }
}

/** A list of items or answers as bytes. @throws PelletError `function_failed` for what is code, not data */
export function toBytes(what: string, values: unknown[]): Buffer {
  try {
    return serialize(values)
  } catch (error) {
    const message = `${what}: expected data that can travel between deployments, found: ${messageOf(error)}`
    throw new PelletError('function_failed', message, { cause: error })
  }
}

export function readAll(message: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    message.on('data', (chunk: Buffer) => void chunks.push(chunk))
    message.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    message.on('error', reject)
  })
}

// --- internal ---

/** Main can refuse only what has not begun: where the callee's process ends in the middle of its answer, the connection does. */
function brokenOff(deployment: string, cause: unknown): CalleeError {
  const message = `${deployment}: its process ended in the middle of its answer; try again`
  return new CalleeError('isolate_crashed', message, { retryAfterMs: 1000, cause })
}

function toError(deployment: string, answer: IncomingMessage, body: Buffer): CalleeError {
  const given = String(answer.headers['x-pellet-error'])
  const code = Object.hasOwn(errorCodes, given) ? (given as ErrorCode) : 'internal_error'
  const seconds = Number(answer.headers['retry-after'])
  let message: string
  try {
    message = (JSON.parse(body.toString()) as { error: { message: string } }).error.message
  } catch {
    message = `${deployment}: expected an answer, found the status ${answer.statusCode}`
  }
  return new CalleeError(code, message, seconds > 0 ? { retryAfterMs: seconds * 1000 } : {})
}
