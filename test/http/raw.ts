import { request, type Agent, type IncomingHttpHeaders } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { buffer, json } from 'node:stream/consumers'
import type { PsRow } from '../../runtime/http/admin.ts'

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  json: any
}

export interface Call {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  agent?: Agent
}

/** One request by node:http, which lets every header through that fetch would make or refuse. */
export function call(url: string, { method = 'POST', headers = {}, body, agent }: Call = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const req = request(url, { method, headers: { ...length, ...headers }, ...(agent && { agent }) })
    req.on('error', reject)
    req.on('response', (res) => {
      buffer(res).then((bytes) => {
        const text = bytes.toString()
        resolve({ status: res.statusCode!, headers: res.headers, text, json: parsed(text) })
      }, reject)
    })
    req.end(body)
  })
}

/** `call` with a JSON body. */
export function callJson(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  return call(url, { headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) })
}

/** Rows of `pellet ps` by name, straight from the admin socket: a command line for each look would take its time. */
export function readPs(folder: string): Promise<Record<string, PsRow>> {
  return new Promise((resolve, reject) => {
    const req = request({ socketPath: join(folder, '.pellet', 'pellet.sock'), path: '/api/ps' })
    req.on('error', reject)
    req.on('response', (res) => {
      json(res).then((rows) => resolve(Object.fromEntries((rows as PsRow[]).map((row) => [row.name, row]))), reject)
    })
    req.end()
  })
}

/** A connection that sends exactly what it is told and reads one answer after the other. */
export class RawConnection {
  readonly socket: Socket
  /** Resolves when the other side has closed. */
  readonly closed: Promise<void>
  #received = Buffer.alloc(0)
  #wake = () => {}
  #isClosed = false

  constructor(url: string) {
    const { hostname, port } = new URL(url)
    this.socket = connect(Number(port), hostname)
    this.socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    this.closed = new Promise((resolve) => {
      const close = () => {
        this.#isClosed = true
        this.#wake()
        resolve()
      }
      this.socket.on('close', close).on('end', close)
    })
    // A reset is a way of closing; what was received before it is what tests ask for.
    this.socket.on('error', () => {})
  }

  /** Resolves when the bytes have left, or the connection is gone. */
  send(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(data, () => resolve())
    })
  }

  /** The next answer: interim ones (1xx) too. Rejects when the connection closes before it is whole. */
  async answer(toHead = false): Promise<Answer & { version: string }> {
    const end = await this.#find('\r\n\r\n')
    const [first = '', ...lines] = this.#take(end + 4)
      .toString('latin1')
      .trimEnd()
      .split('\r\n')
    const headers: IncomingHttpHeaders = {}
    for (const line of lines) {
      const colon = line.indexOf(':')
      headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim()
    }
    const [version = '', status = ''] = first.split(' ')
    const text = String(toHead || Number(status) < 200 ? '' : await this.#body(headers))
    return { version, status: Number(status), headers, text, json: parsed(text) }
  }

  /** Whether an answer begins within `ms`. */
  async isSilentFor(ms: number): Promise<boolean> {
    const timer = new Promise<void>((resolve) => setTimeout(resolve, ms))
    await Promise.race([timer, this.#more()])
    return this.#received.length === 0 && !this.#isClosed
  }

  end(): void {
    this.socket.destroy()
  }

  // --- internal ---

  async #body(headers: IncomingHttpHeaders): Promise<Buffer> {
    if (headers['transfer-encoding'] === 'chunked') {
      const parts: Buffer[] = []
      for (;;) {
        const size = parseInt(this.#take((await this.#find('\r\n')) + 2).toString('latin1'), 16)
        while (this.#received.length < size + 2) await this.#more()
        parts.push(this.#take(size))
        this.#take(2)
        if (size === 0) return Buffer.concat(parts)
      }
    }
    const length = headers['content-length']
    if (length === undefined) {
      await this.closed
      return this.#take(this.#received.length)
    }
    while (this.#received.length < Number(length)) await this.#more()
    return this.#take(Number(length))
  }

  #take(length: number): Buffer {
    const head = this.#received.subarray(0, length)
    this.#received = this.#received.subarray(length)
    return head
  }

  async #find(text: string): Promise<number> {
    for (;;) {
      const index = this.#received.indexOf(text)
      if (index !== -1) return index
      await this.#more()
    }
  }

  #more(): Promise<void> {
    if (this.#isClosed) throw new Error(`expected more of an answer, found a close after ${this.#received.toString()}`)
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }
}

// --- internal ---

function parsed(text: string): any {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
