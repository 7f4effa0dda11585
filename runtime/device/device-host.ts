import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { Config } from '../config.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../log.ts'
import { backOffMs } from '../scheduler/back-off.ts'
import type { Stall } from '../vitals.ts'
import { within } from '../within.ts'
import { HostProcess } from './host-process.ts'
import type { NpuStatus } from './npu.ts'
import { deviceSocketName, type HostOptions, type HostState } from './protocol.ts'

export interface DeviceHostOptions {
  log: Logger
  clock: Clock
  config: Pick<Config, 'deviceId' | 'deviceGroup' | 'deviceFrameTimeoutMs'>
  /** Private folder for sockets. */
  socketFolder: string
  /** What is there now, or was there when it could be used last: opening what is gone says why. */
  npu(): NpuStatus
  /** Instead of the usual ones. */
  limits?: HostOptions['limits']
}

/** What main knows of the device host, for listings and metrics. */
export interface DeviceRow extends HostState {
  pid: number | null
}

/** What happened to the device since Pellet started. */
export interface DeviceCounts {
  hardUnloads: number
  timeouts: number
  losses: number
  frames: number
  restarts: number
}

/**
 * The device host as main has it: one child process while isolates need the NPU, none else. It is started anew when it ends
 * before that; the isolates then load their models again.
 */
export class DeviceHost {
  readonly #options: DeviceHostOptions
  readonly #holders = new Set<number>()
  #host: HostProcess | undefined
  #linger: NodeJS.Timeout | undefined
  #cancelStart: (() => void) | undefined
  #isStopping = false
  /** Ends that nobody wanted, one soon after the other. */
  #crashes = 0
  #restarts = 0
  /** Of hosts that are gone. */
  readonly #gone = { hardUnloads: 0, timeouts: 0, losses: 0, frames: 0 }

  constructor(options: DeviceHostOptions) {
    this.#options = options
  }

  /** An isolate needs the NPU. Its socket may not be there yet. */
  hold(isolate: number): void {
    this.#holders.add(isolate)
    clearTimeout(this.#linger)
    if (!this.#host && !this.#cancelStart) this.#start()
  }

  /** An isolate is gone. Safe to call for one that held nothing. */
  release(isolate: number): void {
    if (this.#holders.delete(isolate) && this.#holders.size === 0)
      this.#linger = setTimeout(() => this.#host?.close(closeMs), lingerMs).unref()
  }

  /** Undefined while there is none. */
  get row(): DeviceRow | undefined {
    const host = this.#host
    if (!host) return undefined
    return { ...(host.state ?? nothing), pid: host.pid ?? null }
  }

  /** Since Pellet started. */
  get counts(): DeviceCounts {
    const { hardUnloads, timeouts, losses, frames } = this.#host?.state ?? nothing
    return {
      hardUnloads: this.#gone.hardUnloads + hardUnloads,
      timeouts: this.#gone.timeouts + timeouts,
      losses: this.#gone.losses + losses,
      frames: this.#gone.frames + frames,
      restarts: this.#restarts,
    }
  }

  /** A process that was killed and does not end (its driver holds it) cannot be replaced. */
  stalls(): Stall[] {
    if (!this.#host?.isKilled) return []
    const message = `the device host (pid ${this.#host.pid}) was killed and does not end`
    return [{ key: `device host ${this.#host.pid}`, message, allowedMs: unkillableMs }]
  }

  /** Closes the device, whatever holds it. Isolates are gone, or to be ended. */
  async stop(): Promise<void> {
    this.#isStopping = true
    clearTimeout(this.#linger)
    this.#cancelStart?.()
    const host = this.#host
    if (!host) return
    host.close(stopMs)
    await within(host.exited, stopMs + unkillableMs)
  }

  // --- internal ---

  #start(): void {
    const { log, config, npu, socketFolder, limits } = this.#options
    const found = npu()
    if (!found.isUsable) return log.error(`device host: ${found.reason}`)
    const { deviceId, deviceFrameTimeoutMs } = config
    const group = config.deviceGroup || groupOf(found.library)
    const options = {
      kind: found.kind,
      chip: found.chip,
      file: found.file,
      socketPath: join(socketFolder, deviceSocketName),
      ...(deviceId !== '' && { deviceId }),
      ...(group !== '' && { group }),
      frameTimeoutMs: deviceFrameTimeoutMs,
      ...(limits && { limits }),
    }
    try {
      this.#host = new HostProcess(options, log, {
        pong: (pongs) => {
          if (pongs === pongsBeforeWell) this.#crashes = 0
        },
        exited: (message) => this.#exited(message),
      })
      log.info({ pid: this.#host.pid }, 'device host: started')
    } catch (error) {
      // No process could be made (memory, process limits).
      setImmediate(() => this.#exited(messageOf(error)))
    }
  }

  #exited(message: string): void {
    const { log, clock } = this.#options
    const host = this.#host
    this.#host = undefined
    const wasWanted = host?.isClosing === true && !host.isKilled
    log[wasWanted ? 'info' : 'error']({ pid: host?.pid }, `device host: gone: ${message}`)
    for (const key of ['hardUnloads', 'timeouts', 'losses', 'frames'] as const)
      this.#gone[key] += host?.state?.[key] ?? 0
    if (!wasWanted) this.#crashes++
    if (this.#holders.size === 0 || this.#isStopping) return
    if (!wasWanted) this.#restarts++
    const waitMs = this.#crashes < 2 ? 0 : backOffMs(this.#crashes - 1, restartBackOff)
    if (waitMs > 0) log.warn(`device host: started anew in ${waitMs / 1000} s, since it ended ${this.#crashes} times`)
    this.#cancelStart = clock.alarm(clock.now() + waitMs, () => {
      this.#cancelStart = undefined
      if (this.#holders.size > 0 && !this.#isStopping) this.#start()
    })
  }
}

// --- internal ---

/** For how long it stays when nobody holds it; the device is closed at once. */
const lingerMs = 2000
/** What closing the device may take, before the process is killed. */
const closeMs = 15_000
/** As that, when Pellet stops. */
const stopMs = 3000
/** A process that does not end so long after SIGKILL is held by the kernel. */
const unkillableMs = 10_000
/** Pings are a second apart: a host that lives so long did not die of its start. */
const pongsBeforeWell = 10
const nothing: HostState = { device: 'closed', models: [], hardUnloads: 0, timeouts: 0, losses: 0, frames: 0 }

/** HailoRT 5 lets programs of one group share the device; with 4 it is one program's. */
function groupOf(library: string): string {
  return Number.parseInt(library, 10) >= 5 ? 'pellet' : ''
}

const restartBackOff = { backOffMs: 250, maxBackOffMs: 10_000 }
