import { chmodSync, existsSync, rmSync } from 'node:fs'
import { Server as NetServer, type ListenOptions, type Socket } from 'node:net'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { listen } from 'listhen'
import type { InheritedSocket } from '../../ffi/systemd.ts'
import { InFlight } from '../in-flight.ts'
import type { ErrorShape } from '../manifest/manifest.ts'
import { isAnswered } from '../socket-folder.ts'
import { within } from '../within.ts'
import { answerMalformed } from './malformed.ts'

export interface Listener {
  server: Server
  /** Where it listens, for people. */
  address: string
  /** Answers under way. */
  open: InFlight<ServerResponse>
  /** The socket is open in the service manager too: what connects after this process stopped accepting waits for the next. */
  isInherited?: boolean
}

/** What `sun_path` holds on Linux and macOS, less the closing zero; longer ones are cut off without a word. */
const longestSocketPath = process.platform === 'linux' ? 107 : 103

/** The main listener. @throws Error that says what to do when the port is taken */
export async function listenTcp(handler: RequestListener, host: string, port: number): Promise<Listener> {
  const { server, address } = await listen(handler, {
    hostname: host,
    // listhen takes 0 for "my default"; a free port is what 0 means everywhere else.
    port: port === 0 ? { random: true } : port,
    public: false,
    isProd: true,
    showURL: false,
    autoClose: false,
  }).catch(async (error: Error) => {
    throw new Error(`${host}:${port}: ${refusals[await refusalOf(host, port)] ?? error.message}`)
  })
  const open = prepare(server as Server, handler, () => 'pellet')
  return { server: server as Server, address: addressOf(server as Server) ?? String(address), open }
}

/** The main listener or the admin listener, on a socket that was open before this process. It is not removed at the end. */
export async function listenInherited(handler: RequestListener, { fd, path }: InheritedSocket): Promise<Listener> {
  const server = createServer(handler)
  const open = prepare(server, handler, () => 'pellet')
  await startListening(server, { fd, backlog: inheritedBacklog })
  return { server, address: addressOf(server) ?? path ?? '', open, isInherited: true }
}

/**
 * A deployment's own port.
 * @param where A host and a port, or a socket that was open before this process
 * @param shape of every answer to what is no HTTP
 * @throws Error with `code`, e.g. EADDRINUSE
 */
export async function listenAlone(
  handler: RequestListener,
  where: { host: string; port: number } | { fd: number },
  shape: () => ErrorShape,
): Promise<Listener> {
  // A request without a host is answered by the handler, in its own shape.
  const server = createServer({ requireHostHeader: false }, handler)
  const open = prepare(server, handler, shape)
  const isInherited = 'fd' in where
  await startListening(server, { ...where, ...(isInherited && { backlog: inheritedBacklog }) })
  return { server, address: addressOf(server)!, open, isInherited }
}

/** The admin listener on a unix socket, for its owner only. @throws Error when another Pellet answers there */
export async function listenUnix(handler: RequestListener, path: string): Promise<Listener> {
  const bytes = Buffer.byteLength(path)
  if (bytes > longestSocketPath)
    throw new Error(
      `${path}: expected a path of at most ${longestSocketPath} bytes for a socket, found ${bytes}; set data`,
    )
  if (existsSync(path)) {
    if (await isAnswered(path)) throw new Error(`${path}: another Pellet runs here; stop it, or set data`)
    rmSync(path)
  }
  const server = createServer(handler)
  const open = prepare(server, handler, () => 'pellet')
  await startListening(server, { path })
  chmodSync(path, 0o600)
  return { server, address: path, open }
}

/**
 * Stops in two steps: for `farewellMs` every answer says `Connection: close` while all are still served, so that callers
 * with open connections go and none is cut in the middle of a request; then nothing new is accepted. On an inherited
 * socket nothing new is accepted at once: it waits there for the next process.
 */
export async function closeListeners(listeners: Listener[], farewellMs: number): Promise<void> {
  const sayClose = (_req: unknown, res: ServerResponse) => {
    res.shouldKeepAlive = false
  }
  for (const { server, open, isInherited } of listeners) {
    for (const res of open.values()) sayClose(undefined, res)
    // http.Server's own close would end idle connections as well, in which a request may be under way.
    if (isInherited) stopAccepting(server)
    server.prependListener('request', sayClose).prependListener('checkContinue', sayClose)
  }
  await new Promise((resolve) => setTimeout(resolve, farewellMs))
  for (const { server, open } of listeners) {
    // Node takes a connection for idle once its answer is ended, also while much of it waits to be read, and would cut it.
    const unsent = open.values().filter((res) => res.writableEnded)
    for (const res of unsent) Object.assign(res, { finished: false })
    server.close()
    server.closeIdleConnections()
    for (const res of unsent) Object.assign(res, { finished: true })
  }
}

/** Resolves when every answer was written out, however slowly it is read; at the latest after `timeoutMs`. */
export async function answersSent(listeners: Listener[], timeoutMs: number): Promise<void> {
  const sent = async () => {
    for (const { open } of listeners)
      while (open.size > 0) await new Promise((resolve) => open.values()[0]!.once('close', resolve))
  }
  await within(sent(), timeoutMs)
}

// --- internal ---

/** As systemd has it: node's own 511 would make the queue shorter, and in it connections wait through a restart. */
const inheritedBacklog = 4096

/** By the code of node's error. */
const refusals: Record<string, string> = {
  EADDRINUSE: 'expected a free port, found it taken; stop the other program, or set port',
  EACCES: 'expected a port that this user may have, found one below 1024; grant CAP_NET_BIND_SERVICE, or set port',
  EADDRNOTAVAIL: 'expected an address of this machine, found another; set host',
  ENOTFOUND: 'expected an address of this machine, found a name that leads nowhere; set host',
}

/** Why nobody can listen there: listhen keeps the reason to itself. */
async function refusalOf(host: string, port: number): Promise<string> {
  const server = createServer()
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    server.once('error', resolve)
    server.listen(port, host, () => server.close(() => resolve(undefined)))
  })
  return error?.code ?? ''
}

/** What is accepted goes on, also idle connections; who may call is still told by the address. */
function stopAccepting(server: Server): void {
  const bound = server.address()
  server.address = () => bound
  NetServer.prototype.close.call(server)
}

function startListening(server: Server, options: ListenOptions & { fd?: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(options, resolve)
  })
}

function prepare(server: Server, handler: RequestListener, shape: () => ErrorShape): InFlight<ServerResponse> {
  const open = new InFlight<ServerResponse>()
  let count = 0
  const track = (req: IncomingMessage, res: ServerResponse) => {
    const number = ++count
    open.set(number, res)
    res.once('close', () => open.delete(number))
    if (!res.socket) closeWith(req.socket, res)
  }
  server.prependListener('request', track).prependListener('checkContinue', track)
  // With Expect: 100-continue the body comes only after it was asked for: admission is on the headers alone.
  server.on('checkContinue', handler)
  answerMalformed(server, shape)
  server.keepAliveTimeout = 65_000
  // Bounded by their size: beyond a count, node leaves headers out without a word.
  server.maxHeadersCount = 0
  // Slow senders of headers are cut off; a body may take as long as the request's own deadline.
  server.headersTimeout = 20_000
  server.requestTimeout = 0
  return open
}

/**
 * An answer that is behind another on its connection has no socket before its turn; node forgets it where the connection
 * closes before, and whoever works on it would never hear that the caller has left.
 */
function closeWith(socket: Socket, res: ServerResponse): void {
  const close = () => {
    res.destroyed = true
    res.emit('close')
  }
  // One for each that waits.
  socket.setMaxListeners(0).once('close', close)
  const forget = () => void socket.off('close', close)
  res.once('socket', forget).once('close', forget)
}

/** Where a server listens, e.g. `http://[::1]:5001`; undefined on a socket. */
function addressOf(server: Server): string | undefined {
  const bound = server.address()
  if (typeof bound !== 'object' || !bound) return undefined
  return `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`
}
