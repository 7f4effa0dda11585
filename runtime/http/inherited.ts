import { duplicate, type InheritedSocket } from '../../ffi/systemd.ts'

/**
 * The sockets that the service manager opened for this process. They outlive it: what connects between two processes
 * waits for the next. A unix socket is for administration, TCP sockets of the main port are the main listener's, and
 * those of other ports are for the deployments that `listen` on them.
 */
export class InheritedSockets {
  readonly admin: InheritedSocket | undefined
  readonly main: InheritedSocket[]
  readonly #own: InheritedSocket[]

  /** @param port of the configuration. Where no socket has it, the first TCP socket says which it is. */
  constructor(sockets: InheritedSocket[], port: number) {
    this.admin = sockets.find(({ path }) => path)
    const tcp = sockets.filter((socket) => socket.port !== undefined)
    const mainPort = tcp.some((socket) => socket.port === port) ? port : tcp[0]?.port
    this.main = tcp.filter((socket) => socket.port === mainPort)
    this.#own = tcp.filter((socket) => socket.port !== mainPort)
  }

  /** Every address that somebody may call. */
  get hosts(): string[] {
    return [...this.main, ...this.#own].map(({ host }) => host!)
  }

  /** A descriptor of a port's socket, to be closed at will: the port may be wanted again. */
  own(port: number): { fd: number } | undefined {
    const socket = this.#own.find((one) => one.port === port)
    return socket && { fd: duplicate(socket.fd) }
  }
}
