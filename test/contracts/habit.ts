/* How requests of old clients are put together: the words that curl, requests and others write. */

/** What a habit is tried against: a daemon's main route. */
export interface Target {
  /** Path of the route. */
  path: string
  /** A body that the route takes as JSON. */
  json: Record<string, unknown>
  /** Options that its answer shows the effect of. */
  options: Record<string, string>
  /** Where the route takes a picture. */
  picture?: { bytes: Buffer; name: string; type: string }
  /** The same, of more than 1 MB. */
  large: { json: string; picture?: { bytes: Buffer; name: string; type: string } }
}

export interface Habit {
  name: string
  /** What the route must take: a picture as a file or as bytes, a picture as base64, or JSON of any kind. */
  sends: 'picture' | 'base64' | 'json'
  /** The parts of one request, each written by itself. */
  write(target: Target, host: string): (string | Buffer)[]
  /** The client waits for 100 Continue before the second part. */
  expects?: true
  /** How the connection is after the answer; `open` unless said otherwise. */
  after?: 'closed'
}

export const curl = ['User-Agent: curl/7.88.1', 'Accept: */*']
export const requests = [
  'User-Agent: python-requests/2.28.1',
  'Accept-Encoding: gzip, deflate',
  'Accept: */*',
  'Connection: keep-alive',
]

export interface Part {
  head: string
  body: string | Buffer
}

export function head(first: string, lines: string[]): string {
  return `${[first, ...lines].join('\r\n')}\r\n\r\n`
}

export function form(boundary: string, parts: Part[]): Buffer {
  const pieces = parts.flatMap((part) => [`--${boundary}\r\n${part.head}\r\n\r\n`, part.body, '\r\n'])
  return Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece as string)))
}

export function fieldsOf(options: Record<string, string>): Part[] {
  return Object.entries(options).map(([name, body]) => ({
    head: `Content-Disposition: form-data; name="${name}"`,
    body,
  }))
}

export function curlForm(
  { path, options }: Target,
  host: string,
  { bytes, name, type }: NonNullable<Target['picture']>,
  ...more: string[]
): Buffer[] {
  const boundary = '------------------------63a7bbc03f9b40b9'
  const file = `Content-Disposition: form-data; name="image"; filename="${name}"\r\nContent-Type: ${type}`
  const body = form(boundary, [{ head: file, body: bytes }, ...fieldsOf(options)])
  const lines = [
    `Host: ${host}`,
    ...curl,
    `Content-Length: ${body.length}`,
    `Content-Type: multipart/form-data; boundary=${boundary}`,
    ...more,
  ]
  return [Buffer.from(head(`POST ${path} HTTP/1.1`, lines)), body]
}

/** A form whose file's head is not as curl and browsers write it. */
export function foreignForm({ path, picture, options }: Target, host: string, boundary: string, disposition: string) {
  const fields = fieldsOf(options)
  const file = { head: `Content-Type: image/jpeg\r\nContent-Disposition: ${disposition}`, body: picture!.bytes }
  const body = form(boundary.replace('boundary=', '').replaceAll('"', ''), [file, ...fields])
  return [withBody(path, host, `multipart/form-data; ${boundary}`, body)]
}

export function jsonRequest(path: string, host: string, json: Record<string, unknown>, ...more: string[]): Buffer {
  return withBody(path, host, 'application/json', Buffer.from(JSON.stringify(json)), ...more)
}

export function withBody(path: string, host: string, type: string, body: Buffer, ...more: string[]): Buffer {
  const accept = more.some((line) => line.startsWith('Accept:')) ? curl.slice(0, 1) : curl
  const lines = [`Host: ${host}`, ...accept, ...more, `Content-Type: ${type}`, `Content-Length: ${body.length}`]
  return Buffer.concat([Buffer.from(head(`POST ${path} HTTP/1.1`, lines)), body])
}
