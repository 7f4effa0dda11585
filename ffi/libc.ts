import { createRequire } from 'node:module'

// linux/prctl.h, and signal.h of every architecture that Linux runs on.
const PR_SET_PDEATHSIG = 1
const SIGKILL = 9

/**
 * Ties the life of this process to its parent's: when the parent ends, however it does, the kernel kills this process
 * with SIGKILL, even in an endless loop. Does nothing where there is no prctl (macOS, Windows).
 *
 * prctl(2): the signal comes when the *thread* that forked ends, so fork from the main thread.
 *
 * @param expectedParentPid The parent as it was at the fork. When it is gone already, this process exits with 1, since
 *   a signal for its end would never come.
 * @throws Error when the kernel refuses
 */
export function dieWithParent(expectedParentPid: number): void {
  if (process.platform !== 'linux') return
  const { prctl, errno } = loadPrctl()
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) !== 0) {
    throw new Error(`prctl(PR_SET_PDEATHSIG): the kernel refused, errno ${errno()}. Is a seccomp filter in force?`)
  }
  if (process.ppid !== expectedParentPid) process.exit(1)
}

/**
 * Gives freed memory of the C heap back to the system, wherever it lies: malloc_trim(3). About 10 ms. Does nothing where
 * the C library has no such function (musl, macOS).
 */
export function trimHeap(): void {
  if (process.platform !== 'linux') return
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  let trim: (pad: number) => number
  try {
    trim = loadLibc(koffi).func('int malloc_trim(size_t pad)') as typeof trim
  } catch {
    return
  }
  trim(0)
}

/**
 * Ends this process now: _exit(2). `process.exit` first stops the threads of workers, and native code that is at work in one
 * may abort the process for it. What was written to pipes and files is there.
 */
export function exitNow(code: number): never {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  const exit = loadLibc(koffi).func('void _exit(int status)') as unknown as (status: number) => never
  return exit(code)
}

/** Whether somebody may still read what is written to a file descriptor: poll(2). Of a file always; true where it cannot be told. */
export function isRead(fd: number): boolean {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  const poll = (pollFunction ??= loadLibc(koffi).func('int poll(void *fds, ulong count, int timeoutMs)') as Poll)
  // struct pollfd: int fd, short events, short revents.
  const asked = new DataView(new ArrayBuffer(8))
  asked.setInt32(0, fd, true)
  if (poll(asked.buffer, 1, 0) < 1) return true
  return (asked.getInt16(6, true) & (POLLERR | POLLHUP)) === 0
}

/**
 * Locks an open file for this process alone, if nobody else has it locked: flock(2). The lock goes with the descriptor, so
 * also with the process. True where the file system knows no locks: then nobody is kept out.
 */
export function tryLock(fd: number): boolean {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  const flock = (flockFunction ??= loadLibc(koffi).func('int flock(int fd, int operation)') as Flock)
  return flock(fd, LOCK_EX | LOCK_NB) === 0 || koffi.errno() !== koffi.os.errno['EWOULDBLOCK']
}

// --- internal ---

// sys/file.h of Linux and macOS.
const LOCK_EX = 2
const LOCK_NB = 4

type Flock = (fd: number, operation: number) => number
let flockFunction: Flock | undefined

// poll.h of Linux and macOS.
const POLLERR = 8
const POLLHUP = 16

type Poll = (fds: ArrayBuffer, count: number, timeoutMs: number) => number
let pollFunction: Poll | undefined

type Koffi = typeof import('koffi')

function loadPrctl() {
  const koffi = createRequire(import.meta.url)('koffi') as Koffi
  const prctl = loadLibc(koffi).func('int prctl(int option, ulong arg2, ulong arg3, ulong arg4, ulong arg5)') as (
    ...args: [number, number, number, number, number]
  ) => number
  return { prctl, errno: () => koffi.errno() }
}

/** The C library that Node itself runs on, whichever it is (glibc, musl); by name where the process cannot be opened. */
export function loadLibc(koffi: Koffi) {
  try {
    return koffi.load(null)
  } catch {
    return koffi.load('libc.so.6')
  }
}
