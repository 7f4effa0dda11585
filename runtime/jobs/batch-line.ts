import type { IncomingMessage } from 'node:http'
import { text as textOf } from 'node:stream/consumers'
import { messageOf, PelletError, type ErrorDetail } from '../errors.ts'
import { messageIn, toStatus } from '../error-body.ts'
import type { ErrorShape } from '../manifest/manifest.ts'

/** An item's answer as a line of NDJSON, in pieces: JSON stays as it came, other bytes become base64. */
export async function toLine(index: number, answer: IncomingMessage): Promise<Buffer[]> {
  const status = answer.statusCode!
  if (status >= 400) return failureLine(index, answer)
  const cache = answer.headers['x-cache']
  const type = answer.headers['content-type'] ?? 'application/octet-stream'
  const head = JSON.stringify({ index, status, ...(cache !== undefined && { cache }) }).slice(0, -1)
  if (jsonType.test(type)) {
    const line: Buffer[] = [Buffer.from(`${head},"answer":`)]
    for await (const chunk of answer) line.push(withoutBreaks(chunk as Buffer))
    return [...line, Buffer.from('}\n')]
  }
  const line = [Buffer.from(`${head},"answer":{"type":${JSON.stringify(type)},"base64":"`)]
  let rest: Buffer = Buffer.alloc(0)
  for await (const chunk of answer) {
    const bytes = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer])
    const whole = bytes.length - (bytes.length % 3)
    line.push(Buffer.from(bytes.toString('base64', 0, whole)))
    rest = bytes.subarray(whole)
  }
  return [...line, Buffer.from(`${rest.toString('base64')}"}}\n`)]
}

/** The line of an item that has no answer. */
export function toErrorLine(index: number, thrown: unknown, shape: ErrorShape): Buffer[] {
  const known = thrown instanceof PelletError
  const { code, message, status } = known ? thrown : new PelletError('internal_error', messageOf(thrown))
  return [toBytes({ index, status: toStatus(status, shape), error: { code, message } })]
}

// --- internal ---

const jsonType = /^application\/(?:[\w.-]+\+)?json\b/i

function toBytes(line: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(line)}\n`)
}

/** All shapes of errors become one: the reader of a batch should not have to know which one the deployment's is. */
async function failureLine(index: number, answer: IncomingMessage): Promise<Buffer[]> {
  const text = await textOf(answer)
  const status = answer.statusCode!
  const code = answer.headers['x-pellet-error'] ?? `http_${status}`
  const details = detailsIn(text)
  const message = details?.map(({ msg }) => msg).join('; ') ?? messageIn(text) ?? text
  return [toBytes({ index, status, error: { code, message, ...(details && { details }) } })]
}

/** Which options or places were wrong, where the shape has room for that. */
function detailsIn(text: string): ErrorDetail[] | undefined {
  try {
    const { error, detail } = JSON.parse(text) as { error?: { details?: unknown }; detail?: unknown }
    const details = detail ?? error?.details
    return Array.isArray(details) ? (details as ErrorDetail[]) : undefined
  } catch {
    return undefined
  }
}

/** JSON has line breaks only between its tokens, where a blank means the same. */
function withoutBreaks(json: Buffer) {
  if (!json.includes(10) && !json.includes(13)) return json
  return Buffer.from(json.toString('latin1').replaceAll(/[\r\n]/g, ' '), 'latin1')
}
