/** How the clients of the old daemons write their requests: recorded from the tools, byte for byte but for the boundary. */

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

const curl = ['User-Agent: curl/7.88.1', 'Accept: */*']
const requests = [
  'User-Agent: python-requests/2.28.1',
  'Accept-Encoding: gzip, deflate',
  'Accept: */*',
  'Connection: keep-alive',
]

export const habits: Habit[] = [
  {
    name: 'curl -F: the file with its type, then fields',
    sends: 'picture',
    write: (target, host) => [Buffer.concat([...curlForm(target, host, target.picture!)])],
  },
  {
    name: 'curl -F of more than 1 MB: waits for 100 Continue',
    sends: 'picture',
    expects: true,
    write: (target, host) => curlForm(target, host, target.large.picture!, 'Expect: 100-continue'),
  },
  {
    name: 'requests files=: fields first, a file without a type, head and body apart',
    sends: 'picture',
    write: ({ path, picture, options }, host) => {
      const boundary = 'a33b87246d253f5c59d7653b1b219d59'
      const file = `Content-Disposition: form-data; name="image"; filename="${picture!.name}"`
      const body = form(boundary, [...fieldsOf(options), { head: file, body: picture!.bytes }])
      return [
        head(`POST ${path} HTTP/1.1`, [
          `Host: ${host}`,
          ...requests,
          `Content-Length: ${body.length}`,
          `Content-Type: multipart/form-data; boundary=${boundary}`,
        ]),
        body,
      ]
    },
  },
  {
    name: "requests' urllib3 before 2: a file name beyond ASCII as filename* alone",
    sends: 'picture',
    write: (target, host) =>
      foreignForm(target, host, 'boundary=4f1d2b', `form-data; name="image"; filename*=utf-8''T%C3%BCr.jpg`),
  },
  {
    name: '.NET: a boundary in quotes, a name without them, filename and filename*',
    sends: 'picture',
    write: (target, host) =>
      foreignForm(
        target,
        host,
        'boundary="c5a3e1b0-6a57-4f0e-8d2e-0e5d6f4b1a11"',
        `form-data; name=image; filename=snap.jpg; filename*=utf-8''snap.jpg`,
      ),
  },
  {
    name: 'a form with text before it and after it',
    sends: 'picture',
    write: ({ path, picture, options }, host) => {
      const file = `Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg`
      const inner = form('xyz', [...fieldsOf(options), { head: file, body: picture!.bytes }])
      const body = Buffer.concat([Buffer.from('This is a message in parts.\r\n'), inner, Buffer.from('The end.\r\n')])
      return [withBody(path, host, 'multipart/form-data; boundary=xyz', body)]
    },
  },
  {
    name: 'raw bytes with their type, options in the query',
    sends: 'picture',
    write: ({ path, picture, options }, host) => [
      withBody(`${path}?${new URLSearchParams(options)}`, host, picture!.type, picture!.bytes),
    ],
  },
  {
    name: 'raw bytes without a type, as requests data= sends them',
    sends: 'picture',
    write: ({ path, picture, options }, host) => [
      head(`POST ${path}?${new URLSearchParams(options)} HTTP/1.1`, [
        `Host: ${host}`,
        ...requests,
        `Content-Length: ${picture!.bytes.length}`,
      ]),
      picture!.bytes,
    ],
  },
  {
    name: "curl --data-binary with the form's type",
    sends: 'picture',
    write: ({ path, picture, options }, host) => [
      withBody(`${path}?${new URLSearchParams(options)}`, host, 'application/x-www-form-urlencoded', picture!.bytes),
    ],
  },
  {
    name: 'base64 in lines of 76, as Python encodebytes and the base64 command write it',
    sends: 'base64',
    write: ({ path, picture, json }, host) => {
      const image = picture!.bytes.toString('base64').replaceAll(/.{76}/g, '$&\n') + '\n'
      return [jsonRequest(path, host, { ...json, image })]
    },
  },
  {
    name: "null for what is not given, as Python's None becomes",
    sends: 'base64',
    write: ({ path, json }, host) => {
      const none = ['image_url', 'colormap', 'normalize', 'conf_threshold', 'annotate', 'more']
      return [jsonRequest(path, host, { ...Object.fromEntries(none.map((name) => [name, null])), ...json })]
    },
  },
  {
    name: 'a data URI',
    sends: 'base64',
    write: ({ path, picture, json }, host) => {
      const image = `data:${picture!.type};base64,${picture!.bytes.toString('base64')}`
      return [jsonRequest(path, host, { ...json, image })]
    },
  },
  {
    name: 'a data URI in lines',
    sends: 'base64',
    write: ({ path, picture, json }, host) => {
      const lines = picture!.bytes.toString('base64').replaceAll(/.{76}/g, '$&\r\n')
      return [jsonRequest(path, host, { ...json, image: `data:${picture!.type};base64,${lines}` })]
    },
  },
  {
    name: 'requests json=: head and body apart',
    sends: 'json',
    write: ({ path, json }, host) => {
      const body = Buffer.from(JSON.stringify(json).replaceAll(',', ', '))
      const lines = [`Host: ${host}`, ...requests, `Content-Length: ${body.length}`, 'Content-Type: application/json']
      return [head(`POST ${path} HTTP/1.1`, lines), body]
    },
  },
  {
    name: 'curl -d with the type of JSON',
    sends: 'json',
    write: ({ path, json }, host) => [jsonRequest(path, host, json)],
  },
  {
    name: "curl -d without a type: the form's",
    sends: 'json',
    write: ({ path, json }, host) => [
      withBody(path, host, 'application/x-www-form-urlencoded', Buffer.from(JSON.stringify(json))),
    ],
  },
  {
    name: 'curl -d of more than 1 MB: waits for 100 Continue',
    sends: 'json',
    expects: true,
    write: ({ path, large }, host) => [
      head(`POST ${path} HTTP/1.1`, [
        `Host: ${host}`,
        ...curl,
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(large.json)}`,
        'Expect: 100-continue',
      ]),
      Buffer.from(large.json),
    ],
  },
  {
    name: 'no content type at all',
    sends: 'json',
    write: ({ path, json }, host) => {
      const body = JSON.stringify(json)
      return [head(`POST ${path} HTTP/1.1`, [`Host: ${host}`, `Content-Length: ${Buffer.byteLength(body)}`]), body]
    },
  },
  {
    name: 'a type with a character set, and a byte order mark',
    sends: 'json',
    write: ({ path, json }, host) => [
      withBody(path, host, 'application/json; charset=utf-8', Buffer.from(`\ufeff${JSON.stringify(json)}`)),
    ],
  },
  {
    name: 'HTTP/1.0 and nothing more: no host, and a close',
    sends: 'json',
    after: 'closed',
    write: ({ path, json }) => {
      const body = JSON.stringify(json)
      const lines = ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]
      return [head(`POST ${path} HTTP/1.0`, lines), body]
    },
  },
  {
    name: 'HTTP/1.0 with keep-alive, as ab -k sends it',
    sends: 'json',
    write: ({ path, json }, host) => {
      const body = JSON.stringify(json)
      return [
        head(`POST ${path} HTTP/1.0`, [
          'Connection: Keep-Alive',
          `Content-length: ${Buffer.byteLength(body)}`,
          'Content-type: application/json',
          `Host: ${host}`,
          'User-Agent: ApacheBench/2.3',
          'Accept: */*',
        ]),
        body,
      ]
    },
  },
  {
    name: 'HTTP/1.1 that asks for a close',
    sends: 'json',
    after: 'closed',
    write: ({ path, json }, host) => [jsonRequest(path, host, json, 'Connection: close')],
  },
  {
    name: 'a chunked body, as requests sends a generator',
    sends: 'json',
    write: ({ path, json }, host) => {
      const body = JSON.stringify(json)
      const chunks = [body.slice(0, 5), body.slice(5, 1000), body.slice(1000)]
      const lines = [`Host: ${host}`, ...requests, 'Transfer-Encoding: chunked', 'Content-Type: application/json']
      return [
        head(`POST ${path} HTTP/1.1`, lines),
        ...chunks.map((chunk) => `${Buffer.byteLength(chunk).toString(16)}\r\n${chunk}\r\n`),
        '0\r\n\r\n',
      ]
    },
  },
  {
    name: 'headers in lower case without a space behind the colon',
    sends: 'json',
    write: ({ path, json }, host) => {
      const body = JSON.stringify(json)
      const lines = [`host:${host}`, 'content-type:application/json', `content-length:${Buffer.byteLength(body)}`]
      return [head(`POST ${path} HTTP/1.1`, lines), body]
    },
  },
  {
    name: 'headers and type in upper case',
    sends: 'json',
    write: ({ path, json }, host) => {
      const body = JSON.stringify(json)
      const lines = [`HOST: ${host}`, 'CONTENT-TYPE: APPLICATION/JSON', `CONTENT-LENGTH: ${Buffer.byteLength(body)}`]
      return [head(`POST ${path} HTTP/1.1`, lines), body]
    },
  },
  {
    name: "axios' Accept",
    sends: 'json',
    write: ({ path, json }, host) => [jsonRequest(path, host, json, 'Accept: application/json, text/plain, */*')],
  },
  {
    name: "Java's Accept, which names pictures first",
    sends: 'json',
    write: ({ path, json }, host) => [
      jsonRequest(path, host, json, 'Accept: text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2'),
    ],
  },
  {
    name: 'a request in pieces of a few bytes',
    sends: 'json',
    write: ({ path, json }, host) => {
      const whole = jsonRequest(path, host, json)
      return [whole.subarray(0, 3), whole.subarray(3, 20), whole.subarray(20, 60), whole.subarray(60)]
    },
  },
]

// --- internal ---

interface Part {
  head: string
  body: string | Buffer
}

function head(first: string, lines: string[]): string {
  return `${[first, ...lines].join('\r\n')}\r\n\r\n`
}

function form(boundary: string, parts: Part[]): Buffer {
  const pieces = parts.flatMap((part) => [`--${boundary}\r\n${part.head}\r\n\r\n`, part.body, '\r\n'])
  return Buffer.concat([...pieces, `--${boundary}--\r\n`].map((piece) => Buffer.from(piece as string)))
}

function fieldsOf(options: Record<string, string>): Part[] {
  return Object.entries(options).map(([name, body]) => ({
    head: `Content-Disposition: form-data; name="${name}"`,
    body,
  }))
}

function curlForm(
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
function foreignForm({ path, picture, options }: Target, host: string, boundary: string, disposition: string) {
  const fields = fieldsOf(options)
  const file = { head: `Content-Type: image/jpeg\r\nContent-Disposition: ${disposition}`, body: picture!.bytes }
  const body = form(boundary.replace('boundary=', '').replaceAll('"', ''), [file, ...fields])
  return [withBody(path, host, `multipart/form-data; ${boundary}`, body)]
}

function jsonRequest(path: string, host: string, json: Record<string, unknown>, ...more: string[]): Buffer {
  return withBody(path, host, 'application/json', Buffer.from(JSON.stringify(json)), ...more)
}

function withBody(path: string, host: string, type: string, body: Buffer, ...more: string[]): Buffer {
  const accept = more.some((line) => line.startsWith('Accept:')) ? curl.slice(0, 1) : curl
  const lines = [`Host: ${host}`, ...accept, ...more, `Content-Type: ${type}`, `Content-Length: ${body.length}`]
  return Buffer.concat([Buffer.from(head(`POST ${path} HTTP/1.1`, lines)), body])
}
