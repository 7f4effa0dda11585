import { ByteParts } from '../byte-parts.ts'
import { PelletError } from '../errors.ts'
import { boundaryOf, parseMultipart } from '../isolate/child/multipart.ts'
import { splitParts } from './multipart-stream.ts'

/** One request of a batch. */
export interface BatchItem {
  /** Its content type and body; the error where it is none. */
  request: { type: string; body: Buffer[] } | PelletError
  /** How much of the batch's body was read for it. */
  readBytes: number
}

export interface ItemLimits {
  /** Of one item. */
  maxBytes: number
  /** What is said of one that is larger. */
  tooLarge: PelletError
}

/** What lines of JSON are called. */
export const lineTypes = new Set([
  'application/x-ndjson',
  'application/ndjson',
  'application/jsonl',
  'application/x-jsonlines',
])

/** More are refused: an end must be in sight. */
const maxItems = 10_000

/**
 * The items of a batch, as its body comes: nothing is read before the next item is asked for.
 * @throws PelletError `unsupported_media_type`, at once; `invalid_request` where a form breaks off, `missing_input` where there
 * is no item, `payload_too_large` where there are too many
 */
export function toItems(
  source: AsyncIterable<Buffer>,
  contentType: string | undefined,
  limits: ItemLimits,
): AsyncGenerator<BatchItem> {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === 'multipart/form-data') return counted(formItems(source, contentType!, limits))
  if (lineTypes.has(type)) return counted(lineItems(source, limits))
  const found = type === '' ? 'none' : JSON.stringify(type)
  const expected = 'application/x-ndjson (a line of JSON for each item) or multipart/form-data (a file for each)'
  const message = `content type: expected ${expected}, found ${found}`
  throw new PelletError('unsupported_media_type', message)
}

// --- internal ---

const newline = 10

async function* counted(items: AsyncGenerator<BatchItem>): AsyncGenerator<BatchItem> {
  let count = 0
  for await (const item of items) {
    if (++count > maxItems)
      throw new PelletError('payload_too_large', `batch: expected at most ${maxItems} items, found more`)
    yield item
  }
  const expected = 'expected at least one item: a file in the form, or a line of JSON'
  if (count === 0) throw new PelletError('missing_input', `batch: ${expected}, found none`)
}

/** Each line that is not blank is a JSON request. Blanks before it are passed over as they come, however many there are. */
async function* lineItems(
  source: AsyncIterable<Buffer>,
  { maxBytes, tooLarge }: ItemLimits,
): AsyncGenerator<BatchItem> {
  let parts = new ByteParts()
  let lineBytes = 0
  let readBytes = 0
  const add = (part: Buffer) => {
    lineBytes += part.length
    // The rest of a line that is too long is read and dropped.
    if (lineBytes > maxBytes) parts = new ByteParts()
    else parts.add(part)
  }
  const end = (): BatchItem => {
    const body = parts.take()
    const item = { request: lineBytes > maxBytes ? tooLarge : { type: 'application/json', body }, readBytes }
    lineBytes = 0
    readBytes = 0
    return item
  }
  for await (const chunk of source) {
    let at = 0
    while (at < chunk.length) {
      const from = lineBytes > 0 ? at : skipBlanks(chunk, at)
      const lineEnd = chunk.indexOf(newline, from)
      const isEnd = lineEnd !== -1
      const to = isEnd ? lineEnd + 1 : chunk.length
      if (from < to) add(chunk.subarray(from, isEnd ? lineEnd : to))
      readBytes += to - at
      at = to
      if (isEnd) yield end()
    }
  }
  if (lineBytes > 0) yield end()
}

/** Where the next byte is that is no blank, line breaks among them; the length where there is none. */
function skipBlanks(chunk: Buffer, from: number): number {
  let at = from
  for (; at < chunk.length; at++) {
    const byte = chunk[at]!
    if (byte !== 32 && (byte < 9 || byte > 13)) break
  }
  return at
}

/**
 * Each file is an item: a form of its own, with the text fields that stand before the first file. A field behind a file
 * would come too late for that one, which may have been answered already.
 */
async function* formItems(
  source: AsyncIterable<Buffer>,
  contentType: string,
  limits: ItemLimits,
): AsyncGenerator<BatchItem> {
  const boundary = reading(() => boundaryOf(contentType))
  // RFC 2046, 5.1.1. This is main: to search for a long one that is nearly everywhere would hold up everybody.
  if (boundary.length > 70)
    throw new PelletError('invalid_request', `boundary: expected at most 70 characters, found ${boundary.length}`)
  const [open, close] = [Buffer.from(`--${boundary}\r\n`), Buffer.from(`\r\n--${boundary}--\r\n`)]
  const fields: Buffer[] = []
  let fieldBytes = 0
  let hasFile = false
  for await (const { bytes, readBytes } of splitParts(source, boundary, limits.maxBytes)) {
    if (!bytes) {
      hasFile = true
      yield { request: limits.tooLarge, readBytes }
      continue
    }
    const form = reading(() => parseMultipart(Buffer.concat([open, headOf(bytes), close]), contentType))
    const [field] = form.fields
    if (!field) {
      hasFile = true
      yield { request: { type: contentType, body: [...fields, open, bytes, close] }, readBytes }
      continue
    }
    if (hasFile)
      throw new PelletError(
        'invalid_request',
        `field ${field[0]}: expected all fields before the first file, found one behind it; send it first`,
      )
    fieldBytes += bytes.length
    if (fieldBytes > limits.maxBytes) throw limits.tooLarge
    fields.push(open, bytes, lineBreak)
  }
}

const lineBreak = Buffer.from('\r\n')

/** A part's headers and the blank line; of a part without a blank line all of it, which is then refused. */
function headOf(part: Buffer): Buffer {
  const end = part.indexOf('\r\n\r\n')
  return end === -1 ? part : part.subarray(0, end + 4)
}

function reading<Result>(read: () => Result): Result {
  try {
    return read()
  } catch (error) {
    throw new PelletError('invalid_request', `body as multipart/form-data: ${(error as Error).message}`)
  }
}
