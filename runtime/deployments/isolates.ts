import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { DeviceHost } from '../device/device-host.ts'
import { messageOf } from '../errors.ts'
import { Isolate, type IsolateEvents, type LoadFailure } from '../isolate/isolate.ts'
import { proportionalBytes } from '../isolate/memory.ts'
import type { Logger } from '../log.ts'
import type { LifeReports } from '../metrics/lives.ts'
import { formatBytes } from '../units.ts'
import type { Deployment } from './deployment.ts'
import { watchMemory } from './memory-watch.ts'

export interface IsolatesOptions {
  log: Logger
  clock: Clock
  /** The project's folder. */
  root: string
  /** Private folder for the isolates' sockets. */
  socketFolder: string
  /** Asked whenever an isolate starts. */
  allowUrls(): string[]
  /** The deployment whose isolates have a debugger, and its port. */
  inspect?: Inspect | undefined
  /** Told which isolates need the NPU, and when they are gone. */
  device: Pick<DeviceHost, 'hold' | 'release'>
  /** Counts what becomes of them. */
  lives: LifeReports
}

export interface Inspect {
  name: string
  port: number
}

/** What becomes of isolates, by the numbers under which they were started. */
export interface IsolateReports {
  loaded(id: number, isolate: Isolate, loadMs: number): void
  loadFailed(id: number, failure: LoadFailure): void
  measured(id: number, isolate: Isolate, sizeBytes: number): void
  /** The process is gone; always last. */
  exited(id: number, deployment: Deployment, message: string): void
}

/** The isolates that live: starts them, measures them, and reports what becomes of them. It decides nothing. */
export class Isolates {
  readonly #options: IsolatesOptions
  readonly #reports: IsolateReports
  readonly #living = new Map<number, Isolate>()
  readonly #readyAt = new Map<number, { at: number; loadMs: number }>()
  readonly stopWatching: () => void

  constructor(options: IsolatesOptions, reports: IsolateReports) {
    this.#options = options
    this.#reports = reports
    this.stopWatching = watchMemory(
      () => [...this.#living.values()],
      (isolate, sizeBytes) => reports.measured(isolate.id, isolate, sizeBytes),
    )
  }

  get size(): number {
    return this.#living.size
  }

  get(id: number): Isolate | undefined {
    return this.#living.get(id)
  }

  has(id: number): boolean {
    return this.#living.has(id)
  }

  ids(): number[] {
    return [...this.#living.keys()]
  }

  /** Whether one of them runs this revision. */
  runs(revision: string): boolean {
    return [...this.#living.values()].some((isolate) => isolate.deployment.revision === revision)
  }

  /** When it became ready, and how long its load took; undefined while it is loading. */
  readyAt(id: number): { at: number; loadMs: number } | undefined {
    return this.#readyAt.get(id)
  }

  start(id: number, deployment: Deployment): void {
    const { clock, socketFolder, allowUrls, inspect, device } = this.#options
    const events = this.#eventsOf(id, deployment, clock.now())
    if (deployment.engine === 'hailort') device.hold(id)
    try {
      const inspectPort = inspect?.name === deployment.name ? inspect.port : undefined
      const socketPath = join(socketFolder, `${id}.sock`)
      const options = { id, deployment, socketPath, allowUrls: allowUrls(), inspectPort }
      this.#living.set(id, new Isolate(options, events))
    } catch (error) {
      // No process could be made (memory, process limits). Told later, as every other failure: effects are under way.
      const message = `no process could be started: ${messageOf(error)}`
      setImmediate(() => {
        events.failed({ code: 'load_failed', message, outOfMemory: false })
        events.exited(message)
      })
    }
  }

  // --- internal ---

  #eventsOf(id: number, deployment: Deployment, startedAt: number): IsolateEvents {
    const { clock, log, root, device, lives } = this.#options
    const reports = this.#reports
    const { name } = deployment
    const fields = { deployment: name }
    lives.loading(name)
    return {
      ready: (engineMs, residentBytes) => {
        const loadMs = clock.now() - startedAt
        const isolate = this.#living.get(id)!
        this.#readyAt.set(id, { at: clock.now(), loadMs })
        void this.#measure(isolate, residentBytes).then((sizeBytes) => {
          const memory = formatBytes(sizeBytes)
          log.info(
            { ...fields, pid: isolate.pid, loadMs: Math.round(loadMs), engineMs: Math.round(engineMs), memory },
            'loaded',
          )
        })
        lives.loaded(name, loadMs)
        reports.loaded(id, isolate, loadMs)
      },
      failed: (failure) => {
        if (!failure.isUnwanted) {
          // Others may make room: that is how models share what is too small for all of them.
          log[failure.outOfMemory ? 'warn' : 'error'](fields, `load failed: ${failure.message}`)
          lives.loadFailed(name)
        }
        // Callers read this, perhaps strangers: where the project lies is none of their business.
        reports.loadFailed(id, { ...failure, message: failure.message.replaceAll(`${root}/`, '') })
      },
      exited: (message) => {
        const isolate = this.#living.get(id)
        log.info({ ...fields, pid: isolate?.pid }, `gone: ${message}`)
        if (this.#readyAt.has(id) && isolate?.isKilled === false) lives.crashed(name)
        this.#living.delete(id)
        this.#readyAt.delete(id)
        device.release(id)
        reports.exited(id, deployment, message)
      },
      inspector: (message) => log.info(fields, message),
      output: (stream, line) =>
        line.trim() !== '' && log[stream === 'stderr' ? 'warn' : 'info']({ ...fields, stream }, line),
    }
  }

  async #measure(isolate: Isolate, fallback: number): Promise<number> {
    const sizeBytes = (isolate.pid === undefined ? undefined : await proportionalBytes(isolate.pid)) ?? fallback
    this.#reports.measured(isolate.id, isolate, sizeBytes)
    return sizeBytes
  }
}
