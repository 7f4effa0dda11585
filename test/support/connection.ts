import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface RawAnswer {
  status: number
  headers: Record<string, string>
  body: string
}

/** One TCP connection that is used as a careful client would, and seen as it is: what came, and when it closed. */
export class Connection {
  readonly socket: Socket
  /** How the other side ended it; undefined while it is open. */
  closed: 'end' | 'reset' | undefined
  #chunks: Buffer[] = []
  #length = 0
  /** Where the answer that is being received ends, once its head is there. */
  #wanted = 0
  #onData: () => void = () => {}

  static async open(url: string): Promise<Connection> {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
    const connection = new Connection(socket)
    await once(socket, 'connect')
    return connection
  }

  private constructor(socket: Socket) {
    this.socket = socket
    const close = (how: 'end' | 'reset') => {
      this.closed ??= how
      this.#onData()
    }
    socket.on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      if (this.#length >= this.#wanted) this.#onData()
    })
    socket.on('end', () => close('end'))
    socket.on('error', () => close('reset'))
    socket.on('close', () => close('end'))
  }

  send(path: string, body: unknown, id = 'none'): void {
    const text = JSON.stringify(body)
    this.socket.write(
      `POST ${path} HTTP/1.1\r\nhost: pellet\r\nx-request-id: ${id}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    )
  }

  /** The next answer, whole. @throws Error when the connection closes before */
  async answer(): Promise<RawAnswer> {
    for (;;) {
      const answer = this.#take()
      if (answer) return answer
      if (this.closed) throw new Error(`closed (${this.closed}) before the answer was whole`)
      await new Promise<void>((resolve) => (this.#onData = resolve))
    }
  }

  #take(): RawAnswer | undefined {
    if (this.#length < this.#wanted) return undefined
    const received = Buffer.concat(this.#chunks)
    this.#chunks = [received]
    const end = received.indexOf('\r\n\r\n')
    if (end === -1) return undefined
    const [first = '', ...lines] = received.subarray(0, end).toString('latin1').split('\r\n')
    const headers = Object.fromEntries(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
    )
    if (headers['content-length'] === undefined) throw new Error(`expected a content-length, found ${first}`)
    this.#wanted = end + 4 + Number(headers['content-length'])
    if (received.length < this.#wanted) return undefined
    const body = received.subarray(end + 4, this.#wanted).toString()
    const rest = received.subarray(this.#wanted)
    this.#chunks = [rest]
    this.#length = rest.length
    this.#wanted = 0
    return { status: Number(first.split(' ')[1]), headers, body }
  }
}
