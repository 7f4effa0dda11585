import { createRequire } from 'node:module'
import { loadLibc } from './libc.ts'

/** A listening socket that was open before this process: systemd.socket(5), sd_listen_fds(3). */
export interface InheritedSocket {
  fd: number
  /** Of `FileDescriptorName=`; by default the name of the unit, e.g. `pellet.socket`. */
  name: string
  /** Path of a unix socket; empty for one without a path. */
  path?: string
  /** Address and port of a TCP socket. */
  host?: string
  port?: number
}

/**
 * The sockets that were handed to this process and to no other. The variables that say so are removed, so that children do
 * not take them for theirs; node itself has marked every inherited descriptor close-on-exec by now.
 * @throws Error when a descriptor is none of a listening socket
 */
export function takeListenFds(env: NodeJS.ProcessEnv = process.env): InheritedSocket[] {
  const isOurs = env['LISTEN_PID'] === String(process.pid)
  const count = isOurs ? Number(env['LISTEN_FDS'] ?? 0) : 0
  const names = env['LISTEN_FDNAMES']?.split(':') ?? []
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete env[name]
  return Array.from({ length: count }, (_, index) => describe(firstListenFd + index, names[index] ?? 'unknown'))
}

/** A second descriptor of the same socket: closing it leaves the first open. @throws Error when there is no room for one */
export function duplicate(fd: number): number {
  const { fcntl, errno } = load()
  const copy = fcntl(fd, F_DUPFD_CLOEXEC, firstListenFd)
  if (copy < 0) throw new Error(`socket ${fd}: expected a second descriptor, found errno ${errno()}`)
  return copy
}

/** How often systemd wants to hear that all is well, in milliseconds; undefined where it does not ask: sd_watchdog_enabled(3). */
export function takeWatchdogMs(env: NodeJS.ProcessEnv = process.env): number | undefined {
  const { WATCHDOG_PID: pid, WATCHDOG_USEC: usec } = env
  delete env['WATCHDOG_PID']
  delete env['WATCHDOG_USEC']
  if (pid !== undefined && pid !== String(process.pid)) return undefined
  const ms = Number(usec) / 1000
  return ms > 0 && Number.isFinite(ms) ? ms : undefined
}

/** Says something to the service manager, e.g. `READY=1`: sd_notify(3). Never waits: what finds no room follows later. */
export type Notify = (state: string) => void

/**
 * Opens the way to the service manager; undefined where there is none. The variable that names it is removed, so that
 * children cannot speak for this process.
 * @throws Error when the address is none
 */
export function openNotify(env: NodeJS.ProcessEnv = process.env): Notify | undefined {
  const path = env['NOTIFY_SOCKET']
  delete env['NOTIFY_SOCKET']
  if (!path || process.platform !== 'linux') return undefined
  const address = toAddress(path)
  const { socket, sendto, errno } = load()
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)
  if (fd < 0) throw new Error(`NOTIFY_SOCKET: expected a socket, found errno ${errno()}`)
  const waiting: Buffer[] = []
  const send = () => {
    while (waiting.length > 0) {
      const [bytes] = waiting as [Buffer]
      const sent = sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, address, address.length)
      if (sent < 0 && errno() === EAGAIN) return void setTimeout(send, retryMs).unref()
      waiting.shift()
    }
  }
  return (state) => {
    if (waiting.push(Buffer.from(state)) === 1) send()
  }
}

// --- internal ---

const firstListenFd = 3
const retryMs = 100

// Linux, the same on x64 and arm64.
const AF_UNIX = 1
const AF_INET = 2
const AF_INET6 = 10
const SOCK_DGRAM = 2
const SOCK_CLOEXEC = 0o2000000
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const EAGAIN = 11
const F_DUPFD_CLOEXEC = 1030

/** `struct sockaddr_un`: the family, then a path with its zero, or a zero and a name (abstract, written with an `@`). */
function toAddress(path: string): Buffer {
  const name = Buffer.from(path)
  if (!/^[/@]/.test(path) || name.length > 107)
    throw new Error(`NOTIFY_SOCKET: expected a path or @name of at most 107 bytes, found ${path}`)
  const isAbstract = path.startsWith('@')
  const address = Buffer.alloc(2 + name.length + (isAbstract ? 0 : 1))
  address.writeUInt16LE(AF_UNIX)
  name.copy(address, 2)
  if (isAbstract) address[2] = 0
  return address
}

function describe(fd: number, name: string): InheritedSocket {
  const { getsockname, errno } = load()
  const address = Buffer.alloc(128)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(address.length)
  if (getsockname(fd, address, length) !== 0)
    throw new Error(`LISTEN_FDS: expected a socket as descriptor ${fd} (${name}), found errno ${errno()}`)
  const family = address.readUInt16LE(0)
  if (family === AF_UNIX) {
    const path = address.subarray(2, length.readUInt32LE(0))
    return { fd, name, path: path[0] === 0 ? '' : path.toString().replace(/\0.*$/s, '') }
  }
  const port = address.readUInt16BE(2)
  if (family === AF_INET) return { fd, name, host: address.subarray(4, 8).join('.'), port }
  if (family === AF_INET6) return { fd, name, host: toIPv6(address.subarray(8, 24)), port }
  throw new Error(`LISTEN_FDS: expected a TCP or unix socket as descriptor ${fd} (${name}), found family ${family}`)
}

/** As people write it, e.g. `::1`. */
function toIPv6(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(2 * index).toString(16))
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

interface Functions {
  socket(family: number, type: number, protocol: number): number
  sendto(fd: number, bytes: Buffer, length: number, flags: number, address: Buffer, addressLength: number): number
  getsockname(fd: number, address: Buffer, length: Buffer): number
  fcntl(fd: number, command: number, argument: number): number
  errno(): number
}

let functions: Functions | undefined

/** Plain libc: libsystemd is not everywhere, and the protocol is stable by promise. */
function load(): Functions {
  if (functions) return functions
  const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi')
  const libc = loadLibc(koffi)
  return (functions = {
    socket: libc.func('int socket(int family, int type, int protocol)'),
    sendto: libc.func(
      'long sendto(int fd, const void *bytes, size_t length, int flags, const void *address, uint addressLength)',
    ),
    getsockname: libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ void *length)'),
    fcntl: libc.func('int fcntl(int fd, int command, int argument)'),
    errno: () => koffi.errno(),
  } as unknown as Functions)
}
