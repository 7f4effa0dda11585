import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { childEnv } from '../child-env.ts'
import { readLines } from '../isolate/lines.ts'
import type { Logger } from '../log.ts'
import type { FromHost, HostOptions, HostState, ToHost } from './protocol.ts'

const pingMs = 1000
/** A host that answers none of so many pings in a row is blocked for good. Counted, so that a main that slept kills nobody. */
const pingsBeforeKill = 10

/** What becomes of a host process. */
export interface HostEvents {
  /** It has answered `pongs` pings: it does well. */
  pong(pongs: number): void
  /** The process is gone; once, always last. */
  exited(message: string): void
}

/** Main's side of one device host: the life of its process. */
export class HostProcess {
  readonly #child: ChildProcess
  readonly #log: Logger
  readonly #pinging: NodeJS.Timeout
  #unanswered = 0
  #pongs = 0
  #state: HostState | undefined
  #killed: string | undefined
  #isClosing = false
  readonly exited: Promise<void>

  /** @throws Error where no process can be made */
  constructor(options: HostOptions, log: Logger, events: HostEvents) {
    this.#log = log
    this.#child = fork(fileURLToPath(new URL('host/main.js', import.meta.url)), [JSON.stringify(options)], {
      execArgv: ['--enable-source-maps', '--max-old-space-size=128'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...hostEnv, ...childEnv() },
    })
    this.#pinging = setInterval(() => this.#ping(), pingMs).unref()
    this.exited = this.#watch(events)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** As it was at its last sign of life; undefined before the first. */
  get state(): HostState | undefined {
    return this.#state
  }

  /** It was asked to end. */
  get isClosing(): boolean {
    return this.#isClosing
  }

  /** It was killed, and its end is waited for. */
  get isKilled(): boolean {
    return this.#killed !== undefined
  }

  /** Asks it to close the device and to end; kills it when it has not within `ms`. */
  close(ms: number): void {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#send({ type: 'close' })
    const timer = setTimeout(() => this.kill(`it did not end within ${ms / 1000} s`), ms)
    void this.exited.then(() => clearTimeout(timer))
  }

  kill(reason: string): void {
    if (this.isKilled) return
    this.#killed = reason
    this.#child.kill('SIGKILL')
  }

  // --- internal ---

  #ping(): void {
    if (this.#unanswered++ < pingsBeforeKill) this.#send({ type: 'ping', nonce: this.#unanswered })
    else this.kill(`it gave no sign of life for ${(pingsBeforeKill * pingMs) / 1000} s`)
  }

  #send(message: ToHost): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  #watch(events: HostEvents): Promise<void> {
    const child = this.#child
    for (const stream of ['stdout', 'stderr'] as const)
      readLines(child[stream]!, (line) => line.trim() !== '' && this.#log.warn({ stream }, `device host: ${line}`))
    child.on('message', (message: FromHost) => {
      if (message.type === 'log') {
        const { level, message: text, deployment } = message
        this.#log[level]({ pid: child.pid, ...(deployment !== undefined && { deployment }) }, text)
      } else if (message.type === 'pong') {
        this.#unanswered = 0
        this.#state = message.state
        events.pong(++this.#pongs)
      }
    })
    return new Promise((resolve) => {
      let isGone = false
      const exit = (message: string) => {
        if (isGone) return
        isGone = true
        clearInterval(this.#pinging)
        resolve()
        events.exited(this.#killed ?? message)
      }
      child.on('error', (error) => exit(`it could not be started: ${error.message}`))
      child.on('exit', (code, signal) => exit(signal ? `signal ${signal}` : `exit code ${code}`))
    })
  }
}

// --- internal ---

const hostEnv = {
  // One operation of the device at a time, and the reading and hashing of the next HEF.
  UV_THREADPOOL_SIZE: '4',
  // Bodies come in pieces of 64 KB: taken from the system anew each time, they cost a frame of 1.2 MB 70 page faults.
  MALLOC_TRIM_THRESHOLD_: '16777216',
  MALLOC_MMAP_THRESHOLD_: '1048576',
  // No log file beside the program. Errors are told by their statuses; a lost device writes hundreds of lines.
  HAILORT_LOGGER_PATH: 'NONE',
  HAILORT_CONSOLE_LOGGER_LEVEL: 'critical',
  // HailoRT 5 may miss an answer, and waits so long for it then; the largest HEF must be there before.
  HAILO_REQUEST_TIMEOUT_SECONDS: '8',
}
