import { fork, type ChildProcess } from 'node:child_process'
import { Agent } from 'node:http'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { childEnv } from '../child-env.ts'
import type { Deployment } from '../deployments/deployment.ts'
import { PelletError, type ErrorCode } from '../errors.ts'
import { readLines } from './lines.ts'
import type { FromIsolate, ToIsolate } from './messages.ts'

/** A deployment that has not answered `ready` by now has not loaded. */
const loadTimeoutMs = 60_000
/** libuv's pool serves sharp, zlib and files; its threads are the isolate's parallelism before and after the engine. */
const poolThreads = 4

export interface IsolateOptions {
  id: number
  deployment: Deployment
  socketPath: string
  allowUrls: string[]
  /** Opens a debugger on this port of loopback. Whoever stands at a breakpoint is not taken for dead. */
  inspectPort?: number | undefined
}

export interface LoadFailure {
  code: ErrorCode
  message: string
  outOfMemory: boolean
  /** Nothing is wrong with it: it was ended because it was not wanted any more. */
  isUnwanted?: true
}

export interface IsolateEvents {
  ready(loadMs: number, residentBytes: number): void
  failed(failure: LoadFailure): void
  /** The process is gone; once, always last. */
  exited(message: string): void
  /** What became of its debugger, for people. */
  inspector(message: string): void
  /** A line that the function or a native library wrote. */
  output(stream: 'stdout' | 'stderr', line: string): void
}

/** Main's side of one isolate: the life of its process, and the way to its socket. */
export class Isolate {
  readonly id: number
  readonly deployment: Deployment
  readonly socketPath: string
  /** Keeps connections to the isolate's server open between requests. */
  readonly agent = new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: 64 })
  readonly #child: ChildProcess
  readonly #isInspected: boolean
  readonly #asked = new Map<number, (answer: string[] | undefined) => void>()
  #nonce = 0
  #killed: { reason: string; code: ErrorCode } | undefined
  #ending: PelletError | undefined
  #isOverdue = false
  #loadTimer: NodeJS.Timeout | undefined

  constructor(options: IsolateOptions, events: IsolateEvents) {
    const { id, deployment, socketPath, allowUrls, inspectPort } = options
    this.id = id
    this.deployment = deployment
    this.socketPath = socketPath
    this.#isInspected = inspectPort !== undefined
    const { limits } = deployment.manifest
    const heapMb = Math.max(16, Math.floor(limits.heapBytes / 2 ** 20))
    this.#child = fork(fileURLToPath(new URL('child/main.js', import.meta.url)), {
      execArgv: [
        '--enable-source-maps',
        `--max-old-space-size=${heapMb}`,
        // Tensors on their way to the NPU are memory of JavaScript, and V8 collects all of a small heap again and again for
        // them: after every eighth frame of 640 x 640, which costs more than the frame.
        ...(deployment.engine === 'hailort' ? [`--initial-old-space-size=${Math.min(64, heapMb)}`] : []),
        // Where the debugger listens is told by us, not on stderr.
        ...(this.#isInspected ? ['--inspect-publish-uid=http'] : []),
      ],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: {
        ...childEnv(),
        UV_THREADPOOL_SIZE: String(Math.max(poolThreads, limits.concurrency)),
        // glibc keeps freed model memory in its heap otherwise; with it, large blocks go back to the system. Those of a
        // picture of 640 x 480 stay: taking them anew for each request costs half a millisecond in page faults.
        MALLOC_MMAP_THRESHOLD_: '1048576',
      },
    })
    this.#watch(events)
    this.#send({
      type: 'load',
      deployment,
      socketPath,
      allowUrls,
      ...(inspectPort !== undefined && { inspectPort }),
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Main wanted its end. */
  get isKilled(): boolean {
    return this.#killed !== undefined
  }

  /** Why the process ended, for those whose request was in it; undefined while it lives. */
  get ending(): PelletError | undefined {
    return this.#ending
  }

  /** Ends the process. SIGKILL is always safe for a process that owns nothing but memory. */
  kill(reason: string, code: ErrorCode = 'isolate_crashed'): void {
    this.#killed ??= { reason, code }
    this.#child.kill('SIGKILL')
  }

  /** Ids of the requests whose steps still run, or undefined when it ends, or does not answer within `timeoutMs`. */
  ping(timeoutMs: number): Promise<string[] | undefined> {
    return this.#ask('ping', timeoutMs)
  }

  /** What is wrong with a run of its model; undefined when it ends, or does not answer within `timeoutMs`. */
  test(timeoutMs: number): Promise<string[] | undefined> {
    return this.#ask('test', timeoutMs)
  }

  // --- internal ---

  #ask(type: 'ping' | 'test', timeoutMs: number): Promise<string[] | undefined> {
    const nonce = ++this.#nonce
    return new Promise((resolve) => {
      const settle = (answer: string[] | undefined) => {
        clearTimeout(timer)
        this.#asked.delete(nonce)
        resolve(answer)
      }
      // At a breakpoint it answers nobody, and is well.
      const timer = setTimeout(() => settle(this.#isInspected ? [] : undefined), timeoutMs)
      this.#asked.set(nonce, settle)
      this.#send({ type, nonce })
    })
  }

  #send(message: ToIsolate): void {
    // A child that just ended makes send fail; its exit event says all that is to be said.
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  #watch(events: IsolateEvents): void {
    const child = this.#child
    let loading = true
    const loaded = () => {
      loading = false
      clearTimeout(this.#loadTimer)
    }
    if (!this.#isInspected)
      this.#loadTimer = setTimeout(() => {
        this.#isOverdue = true
        this.kill(`it was not loaded within ${loadTimeoutMs / 1000} s`)
      }, loadTimeoutMs)
    for (const stream of ['stdout', 'stderr'] as const) readLines(child[stream]!, (line) => events.output(stream, line))
    // Function code shares the channel and may send what it likes: what is none of ours is ignored.
    child.on('message', (message: FromIsolate | null) => {
      if (message?.type === 'pong') this.#asked.get(message.nonce)?.(message.active)
      else if (message?.type === 'tested') this.#asked.get(message.nonce)?.(message.problems)
      else if (message?.type === 'ending') this.kill(message.message, message.code)
      else if (message?.type === 'inspector') events.inspector(message.message)
      else if (message?.type === 'ready' && loading) {
        loaded()
        events.ready(message.loadMs, message.residentBytes)
      } else if (message?.type === 'failed' && loading) {
        loaded()
        events.failed(message)
      }
    })
    let gone = false
    const exit = (message: string) => {
      if (gone) return
      gone = true
      const wasLoading = loading
      loaded()
      for (const settle of this.#asked.values()) settle(undefined)
      this.agent.destroy()
      rmSync(this.socketPath, { force: true })
      const reason = this.#killed?.reason ?? message
      this.#ending = crashError(this.deployment.name, reason, this.#killed?.code)
      if (wasLoading) {
        const failure = this.#killed ? reason : `its process ended while it was loaded (${message})`
        const isUnwanted = this.#killed !== undefined && !this.#isOverdue
        events.failed({
          code: 'load_failed',
          message: failure,
          outOfMemory: false,
          ...(isUnwanted && { isUnwanted }),
        })
      }
      events.exited(reason)
    }
    child.on('error', (error) => exit(`it could not be started: ${error.message}`))
    child.on('exit', (code, signal) => exit(exitMessage(code, signal)))
  }
}

/** What a caller is told whose request was in an isolate that ended. */
export function crashError(name: string, message: string, code: ErrorCode = 'isolate_crashed'): PelletError {
  return new PelletError(code, `${name}: the process that served this request ended: ${message}`, {
    retryAfterMs: 1000,
  })
}

// --- internal ---

function exitMessage(code: number | null, signal: NodeJS.Signals | null): string {
  // Node ends by SIGABRT both for process.abort() and when V8 runs out of heap.
  if (signal === 'SIGABRT' || code === 134) return 'SIGABRT: it aborted, or its heap outgrew limits.heap'
  // Where Pellet ends one, another reason is told.
  if (signal === 'SIGKILL') return 'SIGKILL, not by Pellet: the kernel does that where memory is short (journalctl -k)'
  return signal ? `signal ${signal}` : `exit code ${code}`
}
