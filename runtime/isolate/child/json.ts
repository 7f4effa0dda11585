import { PelletError } from '../../errors.ts'
import { textBytes } from './heap-room.ts'

/** A body that is to be a JSON object. @throws PelletError `invalid_request` */
export function readJson(body: Buffer): Record<string, unknown> {
  if (body.length === 0) throw new PelletError('invalid_request', 'body: expected a JSON object, found no body')
  let value: unknown
  try {
    value = fromJson(body)
  } catch (error) {
    throw new PelletError('invalid_request', `body: expected JSON, found: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PelletError(
      'invalid_request',
      `body: expected a JSON object, found ${Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value}`,
    )
  return value as Record<string, unknown>
}

/** What a JSON text becomes in memory, at most; counting ends at `mostBytes`. Sizes: V8 of Node 20, 64 bit. */
export function jsonBytes(body: Buffer, mostBytes: number): number {
  let bytes = textBytes(body)
  for (let at = 0; at < body.length && bytes <= mostBytes; at++) {
    const byte = body[at]
    if (byte === quote) {
      at = endOfString(body, at + 1)
      bytes += 48
    } else if (byte === comma) bytes += 32
    else if (byte === bracket || byte === brace) bytes += 72
  }
  return bytes
}

// --- internal ---

const quote = 0x22
const comma = 0x2c
const backslash = 0x5c
const bracket = 0x5b
const brace = 0x7b

/**
 * Python's json writes NaN and Infinity, which JSON has not. They are read as infinite numbers, so that the function says
 * where in the input they stand; the slow way is taken only by bodies that JSON.parse refuses.
 */
function fromJson(body: Buffer): unknown {
  try {
    return JSON.parse(withoutMark(body.toString()))
  } catch (error) {
    if (!body.includes('NaN') && !body.includes('Infinity')) throw error
    return JSON.parse(withoutMark(withFiniteNumbers(body)))
  }
}

function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}

/**
 * Strings stay as they are. One pass, whatever is in the body: a pattern that looks back over blanks for what stands before
 * would begin anew at each of ten million.
 */
function withFiniteNumbers(body: Buffer): string {
  const finite = (from: number, to: number) =>
    body.toString('utf8', from, to).replaceAll(/\b(?:NaN|Infinity)\b/g, '1e999')
  let result = ''
  let at = 0
  for (let open = body.indexOf(quote); open !== -1; open = body.indexOf(quote, at)) {
    const end = endOfString(body, open + 1)
    result += finite(at, open) + body.toString('utf8', open, end + 1)
    at = end + 1
  }
  return result + finite(at, body.length)
}

/** Where the string that is open at `from` is closed; the body's length where it is not. */
function endOfString(body: Buffer, from: number): number {
  for (let at = body.indexOf(quote, from); at !== -1; at = body.indexOf(quote, at + 1)) {
    let escapes = 0
    while (at - 1 - escapes >= from && body[at - 1 - escapes] === backslash) escapes++
    if (escapes % 2 === 0) return at
  }
  return body.length
}
