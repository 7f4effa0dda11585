import type { UploadedFile } from '../../steps/request.ts'

/** Fields and files of a form in their order; a name may come more than once. */
export interface FormParts {
  fields: [name: string, value: string][]
  files: [name: string, file: UploadedFile][]
}

const maxHeadBytes = 16_384

/**
 * A multipart/form-data body (RFC 7578; framing: RFC 2046, 5.1). Files are views of `body`: nothing is copied. `FormData` of
 * Node takes only what browsers write; clients also write names without quotes and `filename*` (.NET, older urllib3), and
 * text around the parts.
 * @throws Error saying what was expected and found
 */
export function parseMultipart(body: Buffer, contentType: string, maxParts = Infinity): FormParts {
  const boundary = boundaryOf(contentType)
  const form: FormParts = { fields: [], files: [] }
  const delimiter = Buffer.from(`\r\n--${boundary}`)
  const shown = JSON.stringify(boundary.slice(0, 70))
  let part = startOf(body, delimiter)
  if (part === undefined) throw new Error(`expected the boundary ${shown}, found none`)
  for (let parts = 0; part.start !== undefined; parts++) {
    if (parts === maxParts) throw new Error(`expected at most ${maxParts} parts, found more`)
    const next = findDelimiter(body, delimiter, part.start - 2)
    if (next === undefined) throw new Error(`expected the boundary ${shown} behind the last part, found an early end`)
    // The line break before a part's first header may be that before its body: a part without headers.
    const headEnd = body.indexOf('\r\n\r\n', part.start - 2)
    if (headEnd === -1 || headEnd > next.at || headEnd - part.start > maxHeadBytes)
      throw new Error('expected a blank line behind the headers of each part, found none')
    addPart(
      form,
      body.toString('utf8', part.start, headEnd),
      body.subarray(headEnd + 4, Math.max(next.at, headEnd + 4)),
    )
    part = next
  }
  return form
}

/** @throws Error where the content type names none */
export function boundaryOf(contentType: string): string {
  const { boundary } = parametersOf(contentType)
  if (!boundary) throw new Error('expected a boundary in the content type, found none')
  return boundary
}

// --- internal ---

interface Delimiter {
  /** Where the line break before it is. */
  at: number
  /** Where the part behind it begins; undefined behind the last part. */
  start?: number
}

/** The first one: alone, it may stand without a line break before it. */
function startOf(body: Buffer, delimiter: Buffer): Delimiter | undefined {
  const bare = delimiter.subarray(2)
  const start = body.subarray(0, bare.length).equals(bare) ? afterDelimiter(body, bare.length) : undefined
  return start === undefined ? findDelimiter(body, delimiter, 0) : { at: 0, ...start }
}

/**
 * Searched by its beginning: a search for the whole of a boundary that is long and nearly everywhere compares most of it at
 * each byte, and would take minutes.
 */
function findDelimiter(body: Buffer, delimiter: Buffer, from: number): Delimiter | undefined {
  const beginning = delimiter.subarray(0, 20)
  const { length } = delimiter
  for (let at = body.indexOf(beginning, from); at !== -1; at = body.indexOf(beginning, at + 2)) {
    if (at + length > body.length) return undefined
    if (length > beginning.length && body.compare(delimiter, 0, length, at, at + length) !== 0) continue
    const start = afterDelimiter(body, at + delimiter.length)
    if (start) return { at, ...start }
  }
  return undefined
}

/** A delimiter is followed by two dashes, or by blanks and a line break; else it is the beginning of a longer word. */
function afterDelimiter(body: Buffer, at: number): { start?: number } | undefined {
  if (body[at] === 0x2d && body[at + 1] === 0x2d) return {}
  while (body[at] === 0x20 || body[at] === 0x09) at++
  return body[at] === 0x0d && body[at + 1] === 0x0a ? { start: at + 2 } : undefined
}

function addPart(form: FormParts, head: string, bytes: Buffer): void {
  const headers: Record<string, string> = {}
  for (const line of head.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0) headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  const disposition = parametersOf(headers['content-disposition'] ?? '')
  const { name } = disposition
  if (name === undefined)
    throw new Error('expected content-disposition: form-data; name="..." in the headers of each part, found none')
  const type = headers['content-type'] ?? ''
  const filename = fromExtended(disposition['filename*']) ?? disposition['filename']
  // Some leave the file name out: bytes that say they are a picture are no text.
  if (filename === undefined && !/^(image\/|application\/octet-stream)/i.test(type))
    form.fields.push([name, bytes.toString()])
  else form.files.push([name, { name: filename ?? '', type, bytes }])
}

/** What stands behind the semicolons of a header, by lower-case name. */
function parametersOf(header: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [, name = '', quoted, bare = ''] of header.matchAll(
    /;\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;]*))/g,
  ))
    found[name.toLowerCase()] = quoted?.replaceAll(/\\(["\\])/g, '$1') ?? bare
  return found
}

/** RFC 8187: `utf-8''T%C3%BCr.jpg`. */
function fromExtended(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const [, encoded = value] = /^[\w-]*'[^']*'(.*)$/.exec(value) ?? []
  try {
    return decodeURIComponent(encoded)
  } catch {
    return encoded
  }
}
