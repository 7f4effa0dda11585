import { connect, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { AnswerReader, type Answer } from './answer-reader.ts'

/** A kept HTTP/1.1 connection that carries one request at a time; opened with the first, and again after it broke. */
export class Connection {
  readonly #host: string
  readonly #port: number
  readonly #isTls: boolean
  #socket: Socket | undefined
  #waiting: { resolve(answer: Answer): void; reject(error: Error): void } | undefined

  constructor({ protocol, hostname, port }: URL) {
    this.#isTls = protocol === 'https:'
    this.#host = hostname.replace(/^\[|\]$/g, '')
    this.#port = Number(port) || (this.#isTls ? 443 : 80)
  }

  /** @param request as `toRequestBytes` gives it. @throws Error of the socket, or where the answer is no HTTP */
  send(request: Uint8Array): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket ??= this.#open()
      this.#socket.write(request)
    })
  }

  /** Whoever waits for an answer is refused it. */
  close(): void {
    this.#socket?.destroy()
  }

  // --- internal ---

  #open(): Socket {
    const reader = new AnswerReader()
    const [host, port] = [this.#host, this.#port]
    const socket = this.#isTls
      ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }) }).setNoDelay()
      : connect({ host, port, noDelay: true })
    const settle = (answer: Answer | undefined) => {
      if (!answer) return
      if (!answer.isKept) {
        this.#socket = undefined
        socket.destroy()
      }
      this.#waiting?.resolve(answer)
      this.#waiting = undefined
    }
    socket.on('data', (bytes) => {
      try {
        settle(reader.push(bytes))
      } catch (error) {
        socket.destroy(error as Error)
      }
    })
    socket.on('end', () => settle(reader.end()))
    let cause: Error | undefined
    socket.on('error', (error) => (cause = error))
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#waiting?.reject(cause ?? Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' }))
      this.#waiting = undefined
    })
    return socket
  }
}

/** A whole request, made once and sent many times. `headers` may replace `host`. */
export function toRequestBytes(
  method: string,
  url: URL,
  headers: Record<string, string>,
  body: Uint8Array | undefined,
): Uint8Array {
  const length = body || method !== 'GET' ? { 'content-length': String(body?.length ?? 0) } : {}
  const lines = Object.entries({ host: url.host, ...length, ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  )
  const head = Buffer.from(`${method} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1')
  return Buffer.concat([head, body ?? new Uint8Array()])
}
