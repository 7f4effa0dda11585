import type { RequestListener } from 'node:http'
import type { Deployment } from '../deployments/deployment.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { closeListeners, listenAlone, type Listener } from './listeners.ts'
import { findHolder } from './port-holder.ts'

export interface OwnPortsOptions {
  log: Logger
  /** The address that Pellet itself is bound to. */
  host: string
  /** A socket that the service manager has opened for a port. */
  inherited?(port: number): { fd: number } | undefined
  createHandler(name: string): RequestListener
}

/** One of a deployment's own ports, for listings. */
export interface PortRow {
  port: number
  /** Where it listens; null while it does not. */
  url: string | null
  /** Why it does not. */
  problem: string | null
}

/** How long until a port that was taken is tried again. */
const retryMs = 2000

/** The ports of `listen:`. One that is taken stops nobody: it is tried again until it is free. */
export class OwnPorts {
  readonly #options: OwnPortsOptions
  readonly #ports = new Map<number, OwnPort>()
  #isClosed = false

  constructor(options: OwnPortsOptions) {
    this.#options = options
  }

  /** The listeners that stand. */
  get listeners(): Listener[] {
    return [...this.#ports.values()].flatMap(({ listener }) => listener ?? [])
  }

  /**
   * Opens the ports that these deployments have, and closes what no deployment has any more; one that goes from one to
   * another stays open. Resolves when each new one was tried once.
   */
  async update(deployments: readonly Deployment[]): Promise<void> {
    const wanted = new Map(deployments.flatMap((one) => one.manifest.listen.map((port) => [port, one] as const)))
    for (const own of this.#ports.values()) if (!wanted.has(own.port)) this.#close(own)
    const tried: Promise<void>[] = []
    // In the order of the manifests, as listings have them.
    const before = new Map(this.#ports)
    this.#ports.clear()
    for (const [port, { name, manifest }] of wanted) {
      const own: OwnPort = before.get(port) ?? { port, name, handler: () => {}, shape: manifest.errors }
      if (own.name !== name || !before.has(port)) own.handler = this.#options.createHandler(name)
      Object.assign(own, { name, shape: manifest.errors })
      this.#ports.set(port, own)
      if (!before.has(port)) tried.push(this.#try(own))
    }
    await Promise.all(tried)
  }

  /** A deployment's ports, in the order of its manifest. */
  rows(name: string): PortRow[] {
    const own = [...this.#ports.values()].filter((port) => port.name === name)
    return own.map(({ port, listener, problem }) => ({
      port,
      url: listener?.address ?? null,
      problem: problem ?? null,
    }))
  }

  /** Tries no more. The listeners that stand are the caller's to close. */
  close(): void {
    this.#isClosed = true
    for (const { timer } of this.#ports.values()) clearTimeout(timer)
  }

  // --- internal ---

  /** Answers under way are finished; nothing new is taken. */
  #close(own: OwnPort): void {
    const { listener, name, port, timer } = own
    own.isClosed = true
    this.#ports.delete(port)
    clearTimeout(timer)
    if (!listener) return
    void closeListeners([listener], 0)
    this.#options.log.info({ deployment: name, port }, `${name}: listens no more on ${listener.address}`)
  }

  async #try(own: OwnPort): Promise<void> {
    const { log, host, inherited } = this.#options
    const { name, port } = own
    try {
      // Whose port it is, and so who answers, may change while it is open.
      const listener = await listenAlone(
        (req, res) => own.handler(req, res),
        inherited?.(port) ?? { host, port },
        () => own.shape,
      )
      if (this.#isClosed || own.isClosed) return void listener.server.close()
      const again = own.problem === undefined ? '' : ', free at last'
      delete own.problem
      own.listener = listener
      log.info({ deployment: name, port }, `${name}: listening on ${listener.address}${again}`)
    } catch (error) {
      // Told once, not every time it is tried.
      if (own.problem === undefined) {
        own.problem = await problemOf(own, host, error as NodeJS.ErrnoException)
        log.error({ deployment: name, port }, own.problem)
      }
      if (this.#isClosed || own.isClosed) return
      own.timer = setTimeout(() => void this.#try(own), retryMs)
      own.timer.unref()
    }
  }
}

// --- internal ---

interface OwnPort {
  name: string
  port: number
  handler: RequestListener
  shape: Deployment['manifest']['errors']
  listener?: Listener
  problem?: string
  timer?: NodeJS.Timeout
  isClosed?: true
}

async function problemOf({ name, port }: OwnPort, host: string, error: NodeJS.ErrnoException): Promise<string> {
  const expected = `${port}: expected a free port on ${host} (listen), found it`
  const meanwhile = `Until then ${name} is on the main port only; this one is tried every ${retryMs / 1000} s`
  if (error.code === 'EACCES')
    return `${expected} not allowed: ports below 1024 need CAP_NET_BIND_SERVICE; grant it, or choose another port. ${meanwhile}`
  if (error.code !== 'EADDRINUSE') return `${expected} not to be had (${messageOf(error)}). ${meanwhile}`
  const holder = await findHolder(port)
  if (!holder)
    return `${expected} in use: does the daemon that ${name} replaces still run? Stop it (ss -ltnp says who it is; systemctl stop NAME). ${meanwhile}`
  const { pid, program, unit } = holder
  if (pid === process.pid) return `${expected} in use by Pellet itself: choose another port. ${meanwhile}`
  const stop = unit ? `systemctl stop ${unit.replace(/\.service$/, '')}` : `kill ${pid}`
  return `${expected} in use by ${program} (pid ${pid}${unit ? `, ${unit}` : ''}): stop it (${stop}). ${meanwhile}`
}
