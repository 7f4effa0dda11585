import type { IncomingMessage } from 'node:http'
import { PelletError } from '../../errors.ts'
import type { RequestInput, UploadedFile } from '../../steps/request.ts'
import { fromBase64 } from './base64.ts'
import { parseMultipart } from './multipart.ts'
import type { OptionSource } from './options.ts'

/** A request after it was read: what the steps get, and where options may be found. */
export interface ParsedRequest {
  input: RequestInput
  options: [OptionSource, Record<string, unknown>][]
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
  const parsed = await parseBody(body, req.headers['content-type'])
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
  return { input: { fields, files, image: () => findImage(parsed, fetchPicture) }, options }
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
    if (/^https?:/i.test(image)) return fetchPicture(image)
    return fromBase64(isUrlEncoded ? image.replaceAll(' ', '+') : image, 'image')
  }
  if (url !== undefined && url !== null) {
    if (typeof url !== 'string')
      throw new PelletError('invalid_request', `image_url: expected text, found ${typeof url}`)
    return /^data:/i.test(url) ? fromBase64(url, 'image_url') : fetchPicture(url)
  }
  const expected = 'a file in a multipart form, base64 or a data URI in JSON, image_url, or the bytes as body'
  throw new PelletError('missing_input', `image: expected ${expected}, found none`)
}

// --- internal ---

interface ParsedBody {
  fields: Record<string, unknown>
  files: Record<string, UploadedFile>
  source?: 'body' | 'form'
  /** Plus signs that were not escaped have become spaces. */
  isUrlEncoded?: true
}

/** Events, not `for await`: the iterator costs a small body more than all else here. */
function readBody(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    req.on('data', (chunk: Buffer) => void chunks.push(chunk))
    req.on('end', () => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
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
  if (type === 'multipart/form-data') return parseForm(body, contentType!)
  if (type === 'application/json' || type.endsWith('+json')) return parseJson(body)
  if (type.startsWith('image/')) return rawPicture(body, type)
  if (type === 'application/x-www-form-urlencoded' && !looksLikeJson(body) && !looksBinary(body)) {
    const fields = Object.fromEntries(new URLSearchParams(body.toString()))
    return { fields, files: {}, source: 'form', isUrlEncoded: true }
  }
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

function parseJson(body: Buffer): ParsedBody {
  if (body.length === 0) throw new PelletError('invalid_request', 'body: expected a JSON object, found no body')
  let value: unknown
  try {
    value = fromJson(body.toString().replace(/^\ufeff/, ''))
  } catch (error) {
    throw new PelletError('invalid_request', `body: expected JSON, found: ${(error as Error).message}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new PelletError(
      'invalid_request',
      `body: expected a JSON object, found ${Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value}`,
    )
  return { fields: value as Record<string, unknown>, files: {}, source: 'body' }
}

/**
 * Python's json writes NaN and Infinity, which JSON has not. They are read as infinite numbers, so that the function says
 * where in the input they stand; the slow way is taken only by bodies that JSON.parse refuses.
 */
function fromJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const finite = text.replaceAll(/(?<=[[,:]\s*)(-?)(?:NaN|Infinity)(?=\s*[\],}])/g, '$11e999')
    if (finite === text) throw error
    return JSON.parse(finite)
  }
}

function parseForm(body: Buffer, contentType: string): ParsedBody {
  try {
    const { fields, files } = parseMultipart(body, contentType)
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
