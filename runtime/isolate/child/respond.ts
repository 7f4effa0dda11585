import { messageOf, PelletError } from '../../errors.ts'
import { Formats } from '../../steps/formats.ts'

export interface Answer {
  type: string
  body: string | Uint8Array
}

/**
 * A result as it leaves: JSON, or bytes.
 * @throws PelletError `not_acceptable`, `function_failed`
 */
export async function toAnswer(result: unknown, accept: string | undefined): Promise<Answer> {
  if (!(result instanceof Formats))
    return encode(result instanceof Uint8Array ? 'application/octet-stream' : json, result)
  const type = negotiate(Object.keys(result.types), accept)
  try {
    return encode(type, await result.types[type]!())
  } catch (error) {
    if (error instanceof PelletError) throw error
    throw new PelletError('function_failed', `the answer as ${type}: ${messageOf(error)}`, { cause: error })
  }
}

/**
 * A result for another deployment: as it is, typed arrays and all; of several types the value that JSON is made of.
 * @throws PelletError `function_failed`
 */
export async function toValue(result: unknown): Promise<unknown> {
  if (!(result instanceof Formats)) return result
  const make = result.types[json]
  if (!make)
    throw new PelletError(
      'function_failed',
      `expected an answer in ${json} for the deployment that calls, found ${Object.keys(result.types).join(', ')}`,
    )
  const value = await make()
  return value instanceof Uint8Array ? (JSON.parse(Buffer.from(value).toString()) as unknown) : value
}

/**
 * The first type with the highest quality that Accept gives (RFC 9110, 12.5.1). Who would also take HTML has not chosen:
 * browsers and Java's HttpURLConnection name all that they can show, pictures before the rest, whatever they ask for.
 * @throws PelletError `not_acceptable`
 */
export function negotiate(types: string[], accept: string | undefined): string {
  if (accept === undefined || accept === '' || accept === '*/*') return types[0]!
  const ranges = accept.split(',').map((part) => {
    const [range = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase())
    const quality = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2)
    return { range, quality: quality === undefined ? 1 : Number(quality) }
  })
  const first = types[0]!
  if (ranges.some(({ range }) => range === 'text/html') && !types.includes('text/html') && qualityOf(first, ranges) > 0)
    return first
  let best: string | undefined
  let bestQuality = 0
  for (const type of types) {
    const quality = qualityOf(type, ranges)
    if (quality > bestQuality) [best, bestQuality] = [type, quality]
  }
  if (best === undefined)
    throw new PelletError(
      'not_acceptable',
      `Accept: expected one of ${types.join(', ')}, found ${JSON.stringify(accept)}`,
    )
  return best
}

// --- internal ---

const json = 'application/json'

function encode(type: string, value: unknown): Answer {
  if (value instanceof Uint8Array) return { type, body: value }
  if (type !== json)
    throw new PelletError('function_failed', `the answer as ${type}: expected bytes, found ${typeof value}`)
  let body: string | undefined
  try {
    body = isPlain(value) ? JSON.stringify(value) : JSON.stringify(value, toPlain)
  } catch (error) {
    const message = `the last step returned what cannot be written as JSON: ${messageOf(error)}`
    throw new PelletError('function_failed', message, { cause: error })
  }
  if (body === undefined)
    throw new PelletError(
      'function_failed',
      'the last step returned nothing that can be written as JSON; return a value',
    )
  return { type, body }
}

/** How deep answers are looked into; what lies deeper, or in a circle, is left to JSON.stringify. */
const plainDepth = 32

/**
 * Whether JSON.stringify writes a value as it is to be written, without the replacer that makes it two to three times as
 * slow (ten faces: 30 us instead of 90).
 */
function isPlain(value: unknown, depth = plainDepth): boolean {
  if (typeof value !== 'object' || value === null) return typeof value !== 'bigint'
  if (depth === 0 || ArrayBuffer.isView(value)) return false
  // What an object makes of itself is not known yet.
  if ('toJSON' in value) return false
  if (Array.isArray(value)) return value.every((item) => typeof item === 'number' || isPlain(item, depth - 1))
  for (const key in value) if (!isPlain((value as Record<string, unknown>)[key], depth - 1)) return false
  return true
}

/** JSON has no typed arrays (they would become objects, a Buffer its own toJSON) and no big integers. */
function toPlain(this: Record<string, unknown>, key: string, value: unknown): unknown {
  if (Buffer.isBuffer(this[key])) return Array.from(this[key])
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return Array.from(value as Float32Array)
  return value
}

function qualityOf(type: string, ranges: { range: string; quality: number }[]): number {
  const find = (wanted: string) => ranges.find(({ range }) => range === wanted)?.quality
  return find(type) ?? find(`${type.split('/', 1)[0]}/*`) ?? find('*/*') ?? 0
}
