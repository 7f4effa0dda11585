import { compareConfigs, loadConfig, type Config } from '../config.ts'
import { compileInChild, type WatchingCompiler } from '../deployments/compiler.ts'
import type { NpuStatus } from '../device/npu.ts'
import { messageOf } from '../errors.ts'
import type { Pellet } from '../pellet.ts'
import { reconfigure } from '../reconfigure.ts'
import type { ServiceManager } from './service-manager.ts'

export interface ReloaderOptions {
  pellet: Pellet
  manager: ServiceManager
  flags: Record<string, unknown>
  /** As it was read at the start. */
  config: Config
  /** Ends a compilation under way. */
  signal: AbortSignal
  /** Looks for an NPU again. */
  probe(): Promise<NpuStatus>
  /** Where the project is watched. */
  watching: WatchingCompiler | undefined
}

/** Reads the configuration and the project again. What is broken is told, and what was there keeps serving. */
export class Reloader {
  readonly #options: ReloaderOptions
  #config: Config
  #running: Promise<void> | undefined
  #again = false

  constructor(options: ReloaderOptions) {
    this.#options = options
    this.#config = options.config
  }

  /** While one is under way, any number of calls make one more. Never rejects. */
  reload(): Promise<void> {
    this.#again = true
    return (this.#running ??= this.#run().finally(() => (this.#running = undefined)))
  }

  // --- internal ---

  async #run(): Promise<void> {
    const { pellet, manager } = this.#options
    manager.reloading()
    while (this.#again && !pellet.isStopping()) {
      this.#again = false
      await this.#reconfigure()
      await this.#compile()
    }
    if (!pellet.isStopping()) manager.ready(pellet)
  }

  async #reconfigure(): Promise<void> {
    const { pellet, flags } = this.#options
    try {
      const config = await loadConfig(flags)
      reconfigure(pellet, compareConfigs(this.#config, config))
      this.#config = config
    } catch (error) {
      pellet.log.warn(`${messageOf(error)}; until it is mended the configuration stays as it was`)
    }
  }

  async #compile(): Promise<void> {
    const { pellet, flags, signal, probe, watching } = this.#options
    try {
      const found = probe()
      const { dropped, deployed } = await compileInChild({ config: pellet.config, flags, npu: found, signal })
      const npu = await found
      const isOther = JSON.stringify(npu) !== JSON.stringify(pellet.npu)
      pellet.npu = npu
      if (isOther) watching?.renew(npu)
      await pellet.take(dropped, isOther ? deployed : [])
      const { size } = pellet.routes.deployments
      pellet.log.info(`reloaded: ${size} deployment${size === 1 ? '' : 's'}`)
    } catch (error) {
      if (!signal.aborted)
        pellet.log.error(`the project cannot be read again, all stays as it was: ${messageOf(error)}`)
    }
  }
}
