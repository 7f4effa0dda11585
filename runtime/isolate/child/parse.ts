import type { IncomingMessage } from 'node:http'
import { ByteParts } from '../../byte-parts.ts'
import { PelletError } from '../../errors.ts'
import type { RequestInput, UploadedFile } from '../../steps/request.ts'
import { fromBase64 } from './base64.ts'
import { heapRoomBytes, smallBytes, takeHeap, textBytes } from './heap-room.ts'
import { jsonBytes, readJson } from './json.ts'
import { parseMultipart } from './multipart.ts'
import type { OptionSource } from './options.ts'

/** A request after it was read: what the steps get, and where options may be found. */
export interface ParsedRequest {
  input: RequestInput
  options: [OptionSource, Record<string, unknown>][]
  /** Blanks in the base64 of a picture are plus signs. */
  isUrlEncoded?: true
  /** Each gives back something that the request holds while it is under way. */
  held?: (() => void)[]
}

/** The request is over, answered or not. */
export function release({ held = [] }: ParsedRequest): void {
  for (const giveBack of held.splice(0)) giveBack()
}

/** Fetches a picture that a request names by URL. @throws PelletError `url_input_disabled`, `url_input_refused` */
export type FetchPicture = (url: string) => Promise<Uint8Array>

/**
 * Reads a request, whichever way it came: JSON object, form, multipart, or a raw picture. Options may stand in the body,
 * the query and `X-Pellet-Option-*` headers.
 * @throws PelletError `invalid_request`, `unsupported_media_type`
 */
export async function parseRequest(req: IncomingMessage, fetchPicture: FetchPicture): Promise<ParsedRequest> {
  refuseEncoded(req.headers['content-encoding'])
  const body = await readBody(req)
  const options: ParsedRequest['options'] = []
  const { giveBack, ...parsed } = await parseBody(body, req.headers['content-type'])
  if (parsed.source) options.push([parsed.source, parsed.fields])
  const at = req.url!.indexOf('?')
  if (at !== -1) {
    const query = Object.fromEntries(new URLSearchParams(req.url!.slice(at + 1)))
    options.push(['query', query])
    parsed.fields = { ...query, ...parsed.fields }
  }
  const headers = optionHeaders(req)
  if (headers) options.push(['header', headers])
  const { fields, files } = parsed
  const input = { fields, files, image: () => findImage(parsed, fetchPicture) }
  return { input, options, held: giveBack ? [giveBack] : [], ...(parsed.isUrlEncoded && { isUrlEncoded: true }) }
}

/** The bytes of the picture in a request, wherever it stands. @throws PelletError as `RequestInput.image` says */
export async function findImage(
  { fields, files, isUrlEncoded }: Omit<ParsedBody, 'source'>,
  fetchPicture: FetchPicture,
): Promise<Uint8Array> {
  const names = Object.keys(files)
  // Clients name the part as they like ("file", "photo"); where there is just one there is nothing to mistake.
  const file = files['image'] ?? (names.length === 1 ? files[names[0]!] : undefined)
  if (file) {
    if (file.bytes.length === 0)
      throw new PelletError('missing_input', 'image: expected a picture, found an empty file')
    return file.bytes
  }
  // Clients in Python send null for what they do not give.
  const { image, image_url: url } = fields
  if (image !== undefined && image !== null) {
    if (typeof image !== 'string')
      throw new PelletError('invalid_request', `image: expected base64 or a data URI, found ${typeof image}`)
    if (isUrl(image)) return fetchPicture(image)
    return fromBase64(isUrlEncoded ? image.replaceAll(' ', '+') : image, 'image')
  }
  if (url !== undefined && url !== null) {
    if (typeof url !== 'string')
      throw new PelletError('invalid_request', `image_url: expected text, found ${typeof url}`)
    return isDataUri(url) ? fromBase64(url, 'image_url') : fetchPicture(url)
  }
  const expected = 'a file in a multipart form, base64 or a data URI in JSON, image_url, or the bytes as body'
  throw new PelletError('missing_input', `image: expected ${expected}, found none`)
}

/** Whether `findImage` may fetch the picture: what is behind a URL may be another one next time. */
export function namesUrl({ image, image_url: url }: Record<string, unknown>): boolean {
  return (typeof image === 'string' && isUrl(image)) || (typeof url === 'string' && !isDataUri(url))
}

// --- internal ---

function isUrl(image: string): boolean {
  return /^https?:/i.test(image)
}

function isDataUri(url: string): boolean {
  return /^data:/i.test(url)
}

interface ParsedBody {
  fields: Record<string, unknown>
  files: Record<string, UploadedFile>
  source?: 'body' | 'form'
  /** Plus signs that were not escaped have become spaces. */
  isUrlEncoded?: true
  /** Returns what it takes of the heap. */
  giveBack?: () => void
}

/** As many as in forms of other servers (PHP, Django, Starlette). */
const maxFields = 1000

/** Events, not `for await`: the iterator costs a small body more than all else here. */
function readBody(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts = new ByteParts()
    req.on('data', (chunk: Buffer) => parts.add(chunk))
    req.on('end', () => {
      const chunks = parts.take()
      resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))
    })
    req.on('error', reject)
  })
}

function refuseEncoded(encoding: string | undefined): void {
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new PelletError(
      'unsupported_media_type',
      `content encoding: expected a body as it is, found ${JSON.stringify(encoding)}; send it uncompressed`,
    )
}

async function parseBody(body: Buffer, contentType: string | undefined): Promise<ParsedBody> {
  const type = (contentType ?? '').split(';', 1)[0]!.trim().toLowerCase()
  if (type === 'multipart/form-data') return withRoom(body, textBytes(body) / 2, () => parseForm(body, contentType!))
  if (type === 'application/json' || type.endsWith('+json')) return parseJson(body)
  if (type.startsWith('image/')) return rawPicture(body, type)
  if (type === 'application/x-www-form-urlencoded' && !looksLikeJson(body) && !looksBinary(body))
    return parseUrlEncoded(body)
  // Many clients send no type, curl -d and --data-binary the form's, some libraries octet-stream: look at the bytes.
  if (['', 'application/octet-stream', 'application/x-www-form-urlencoded'].includes(type)) {
    if (body.length === 0) return { fields: {}, files: {} }
    return looksLikeJson(body) ? parseJson(body) : rawPicture(body, type)
  }
  throw new PelletError(
    'unsupported_media_type',
    `content type: expected application/json, multipart/form-data, application/x-www-form-urlencoded or image/*, found ${JSON.stringify(type)}`,
  )
}

/** Reads a body that becomes text, once the heap has room for it. */
async function withRoom(body: Buffer, bytes: number, read: () => ParsedBody): Promise<ParsedBody> {
  if (body.length <= smallBytes) return read()
  const giveBack = await takeHeap(bytes)
  try {
    return { ...read(), giveBack }
  } catch (error) {
    giveBack()
    throw error
  }
}

function parseJson(body: Buffer): ParsedBody | Promise<ParsedBody> {
  const read = (): ParsedBody => ({ fields: readJson(body), files: {}, source: 'body' })
  return body.length <= smallBytes ? read() : withRoom(body, jsonBytes(body, heapRoomBytes), read)
}

function parseUrlEncoded(body: Buffer): Promise<ParsedBody> {
  let fields = 1
  for (let at = body.indexOf('&'); at !== -1; at = body.indexOf('&', at + 1))
    if (++fields > maxFields)
      throw new PelletError('invalid_request', `body as a form: expected at most ${maxFields} fields, found more`)
  return withRoom(body, textBytes(body) * 1.5, () => ({
    fields: Object.fromEntries(new URLSearchParams(body.toString())),
    files: {},
    source: 'form',
    isUrlEncoded: true,
  }))
}

function parseForm(body: Buffer, contentType: string): ParsedBody {
  try {
    const { fields, files } = parseMultipart(body, contentType, maxFields)
    // Assigning would take a field __proto__ for the prototype.
    return { fields: Object.fromEntries(fields), files: Object.fromEntries(files), source: 'form' }
  } catch (error) {
    throw new PelletError('invalid_request', `body as multipart/form-data: ${(error as Error).message}`)
  }
}

function rawPicture(bytes: Buffer, type: string): ParsedBody {
  return { fields: {}, files: bytes.length === 0 ? {} : { image: { name: '', type, bytes } } }
}

const optionPrefix = 'x-pellet-option-'

/** `X-Pellet-Option-Output-Format: numpy` is the option output_format. */
function optionHeaders(req: IncomingMessage): Record<string, string> | undefined {
  let options: Record<string, string> | undefined
  for (const name in req.headers) {
    if (!name.startsWith(optionPrefix)) continue
    options ??= {}
    options[name.slice(optionPrefix.length).replaceAll('-', '_')] = String(req.headers[name])
  }
  return options
}

/** A form is text; all pictures have control characters among their first bytes. */
function looksBinary(body: Buffer): boolean {
  return body.subarray(0, 64).some((byte) => byte < 32 && byte !== 9 && byte !== 10 && byte !== 13)
}

function looksLikeJson(body: Buffer): boolean {
  const first = body.subarray(0, 64).toString('utf8').trimStart()[0]
  return first === '{' || first === '['
}
