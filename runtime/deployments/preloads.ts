import type { EngineName } from '../engines/engine.ts'
import { messageOf, PelletError } from '../errors.ts'
import type { DeploymentSnapshot } from '../scheduler/types.ts'
import type { Deployment } from './deployment.ts'
import type { Dispatcher } from './dispatcher.ts'

/** How a deployment stands to its preload: `loading` while that runs, `failed` when it or the last load failed. */
export type Readiness = 'ready' | 'loading' | 'failed'

/** What is loaded before anybody asks for it. Pellet is not ready before its preloads are. */
export class Preloads {
  readonly #dispatcher: Pick<Dispatcher, 'load' | 'when'>
  readonly #npuRetryMs: number
  /** Why each of those waited for is not loaded: `loading`, or what went wrong. */
  readonly #waiting = new Map<string, string>()

  /** @param npuRetryMs after which a failed preload on the NPU is tried again, each time */
  constructor(dispatcher: Pick<Dispatcher, 'load' | 'when'>, npuRetryMs = 15_000) {
    this.#dispatcher = dispatcher
    this.#npuRetryMs = npuRetryMs
  }

  /** What is waited for, for people; empty when nothing is. */
  waitingFor(): string {
    return [...this.#waiting].map(([name, why]) => `${name} (${why})`).join(', ')
  }

  /** How a deployment stands: `row` is its state, where it is known. */
  readinessOf(name: string, row: DeploymentSnapshot | undefined): Readiness {
    const why = this.#waiting.get(name)
    if (why === 'loading') return 'loading'
    return why === undefined && row?.state !== 'failed' ? 'ready' : 'failed'
  }

  /** Loads a deployment and waits for it. @throws PelletError `load_failed` and the like */
  async load(name: string): Promise<void> {
    this.#dispatcher.load(name)
    const row = await this.#dispatcher.when(
      name,
      ({ state, isLoadWanted }) => state === 'ready' || state === 'failed' || (state === 'cold' && !isLoadWanted),
    )
    if (row.state !== 'ready') throw new PelletError('load_failed', row.lastError ?? `${name}: it was unloaded again`)
  }

  /** What is new is loaded where its manifest says so; what replaces a loaded revision, so that the next request is warm. */
  warm({ name, manifest, engine }: Deployment, isNew: boolean, wasLoaded: boolean): void {
    if (isNew && manifest.preload) void this.#preload(name, engine)
    // Without a keep_alive it is loaded for who asks, and not before.
    else if (manifest.preload || (wasLoaded && manifest.keepAliveMs !== 0)) this.#dispatcher.load(name)
  }

  /** The deployment is gone. */
  remove(name: string): void {
    this.#waiting.delete(name)
  }

  // --- internal ---

  async #preload(name: string, engine: EngineName): Promise<void> {
    this.#waiting.set(name, 'loading')
    try {
      await this.load(name)
      this.#waiting.delete(name)
    } catch (error) {
      if (!this.#waiting.has(name)) return
      // Not ready, but not given up: the first request, or the operator, tries again.
      this.#waiting.set(name, messageOf(error))
      // Another program gives the NPU back without a word.
      const retry = () => this.#dispatcher.load(name)
      const timer = engine === 'hailort' ? setInterval(retry, this.#npuRetryMs).unref() : undefined
      await this.#dispatcher.when(name, ({ state }) => state === 'ready').catch(() => {})
      clearInterval(timer)
      this.#waiting.delete(name)
    }
  }
}
