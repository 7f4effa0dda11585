import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Server, Socket } from 'node:net'
import { PelletError } from '../errors.ts'
import type { Logger } from '../log.ts'
import { isLoopback } from './loopback.ts'
import { allows, type Need } from './scopes.ts'
import type { TokenStore } from './token-store.ts'

export interface GateOptions {
  tokens: TokenStore
  log: Pick<Logger, 'info' | 'warn'>
  /** Everybody may call functions, whatever the address. */
  isPublic: boolean
  /** Nobody may without a token, on loopback neither: for what stands behind a proxy on the same machine. */
  isStrict: boolean
  now?: () => number
}

/** Who may pass on TCP. The unix socket has none: its file's rights say who may connect. */
export class Gate {
  readonly #options: GateOptions
  readonly #open = new WeakMap<object, boolean>()
  readonly #now: () => number
  #refused = 0
  #toldAtMs = -Infinity

  constructor(options: GateOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
  }

  /**
   * Whether the listener of a request asks nobody for a token: it is public, or bound to loopback. `/api` asks always.
   * What counts is the address that it is bound to, not the caller's: a proxy on this machine calls from loopback, too.
   */
  isOpen({ socket }: IncomingMessage): boolean {
    const { server } = socket as Socket & { server?: Server }
    if (!server) return false
    let isOpen = this.#open.get(server)
    if (isOpen === undefined) {
      const { isPublic, isStrict } = this.#options
      const bound = server.address() as AddressInfo | string | null
      isOpen = !isStrict && (isPublic || (typeof bound === 'object' && bound !== null && isLoopback(bound.address)))
      this.#open.set(server, isOpen)
    }
    return isOpen
  }

  /**
   * Why a request may not pass: `unauthorized` or `forbidden`. What is wrong with a token is told to the log only.
   * @param lasting an answer without an end of its own, such as a log that is followed: it ends with the token
   */
  refusalOf(req: IncomingMessage, need: Need, lasting?: ServerResponse): PelletError | undefined {
    if (need.length === 0) return undefined
    const { tokens, log } = this.#options
    const verdict = tokens.verify(req.headers.authorization)
    if ('reason' in verdict) {
      this.#tell(verdict.reason, req.socket.remoteAddress)
      return new PelletError('unauthorized', unauthorized)
    }
    const { id, name, scopes } = verdict.holder
    if (allows(scopes, need)) {
      if (lasting)
        lasting.once(
          'close',
          tokens.untilEnd(verdict.holder, () => lasting.destroy()),
        )
      // Uploads change nothing that is served, and there may be many.
      if (need.includes('deploy') && !pathOf(req).startsWith('/api/blobs/'))
        log.info({ token: id, address: req.socket.remoteAddress }, `${req.method} ${pathOf(req)} by the token ${name}`)
      return undefined
    }
    return new PelletError(
      'forbidden',
      `token ${name}: expected the scope ${need.join(' or ')} for ${req.method}, found ${scopes.join(', ')}`,
    )
  }

  // --- internal ---

  /** The first at once, then a line a minute at most: whoever has no token must not fill the log either. */
  #tell(reason: string, address: string | undefined): void {
    this.#refused++
    if (this.#now() - this.#toldAtMs < tellEveryMs) return
    const count = this.#refused === 1 ? 'a request' : `${this.#refused} requests`
    this.#options.log.warn(
      { refused: this.#refused, address },
      `refused ${count} for want of a token; the last came from ${address ?? 'somebody who left'} with ${reason}`,
    )
    this.#refused = 0
    this.#toldAtMs = this.#now()
  }
}

// --- internal ---

function pathOf({ url = '' }: IncomingMessage): string {
  return url.split('?')[0]!.slice(0, 200)
}

const tellEveryMs = 60_000
/** The same whatever is wrong. */
const unauthorized = 'Authorization: expected Bearer and a valid token (pellet token create makes one), found none'
