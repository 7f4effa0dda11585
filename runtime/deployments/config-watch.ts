import { dirname } from 'node:path'
import { compareConfigs, configFile, loadConfig, type Config, type ConfigChange } from '../config.ts'
import { messageOf } from '../errors.ts'
import { FolderWatch } from './folder-watch.ts'
import { stampOf } from './stamps.ts'

export interface ConfigWatchEvents {
  changed(changes: ConfigChange[]): void
  /** For people: the file is not right, and what was stays. */
  trouble(message: string): void
}

/** Events come in bursts. */
const quietMs = 60

/** Reads the configuration anew when its file changes. Flags and the environment win over the file, as at the start. */
export class ConfigWatch {
  readonly #flags: Record<string, unknown>
  readonly #events: ConfigWatchEvents
  readonly #file: string
  readonly #folders: FolderWatch
  #config: Config
  #stamp = ''
  #timer: NodeJS.Timeout | undefined

  /** @param config what the running process was started with */
  constructor(config: Config, flags: Record<string, unknown>, events: ConfigWatchEvents) {
    this.#config = config
    this.#flags = flags
    this.#events = events
    this.#file = configFile(config.root, flags)
    this.#folders = new FolderWatch(
      (path) => this.#file.startsWith(path) && this.#wake(),
      // The watch over the project tells of folders that cannot be watched.
      () => {},
    )
  }

  async start(): Promise<void> {
    this.#stamp = await stampOf(this.#file)
    this.#folders.update([dirname(this.#file)])
  }

  // --- internal ---

  #wake(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#look(), quietMs)
  }

  async #look(): Promise<void> {
    this.#folders.update([dirname(this.#file)])
    const stamp = await stampOf(this.#file)
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    try {
      const config = await loadConfig(this.#flags)
      const changes = compareConfigs(this.#config, config)
      this.#config = config
      if (changes.length > 0) this.#events.changed(changes)
    } catch (error) {
      this.#events.trouble(`${messageOf(error)}; until it is mended the configuration stays as it was`)
    }
  }
}
