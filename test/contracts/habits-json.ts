import { curl, requests, head, jsonRequest, withBody, type Habit } from './habit.ts'

/** How JSON is sent, recorded from the tools: types, versions, connections, chunks. */
export const jsonHabits: Habit[] = [
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
