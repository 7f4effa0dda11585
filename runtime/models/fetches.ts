import { fork } from 'node:child_process'
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { childEnv } from '../child-env.ts'
import type { Config } from '../config.ts'
import type { DeploymentResult, FailedSource, Origin } from '../deployments/deployment.ts'
import type { FetchState, MissingFile } from '../deployments/missing-model.ts'
import type { NpuStatus } from '../device/npu.ts'
import type { Logger } from '../log.ts'
import { isTar } from '../manifest/paths.ts'

/** What the fetching process is told, once. */
export interface ToFetcher {
  config: Config
  npu: NpuStatus
  /** The deployment that it is for. */
  name: string
  missing: MissingFile
  /** The sources that are compiled when the file is there. */
  origins: Origin[]
}

export type FromFetcher =
  | { type: 'progress'; receivedBytes: number; totalBytes?: number }
  | { type: 'done'; results: DeploymentResult[] }
  | { type: 'failed'; message: string }

export interface FetchesOptions {
  config: Config
  npu(): NpuStatus
  log: Logger
  /** Ends what is under way; what has come stays for the next start. */
  signal: AbortSignal
  /** What the sources give whose model is there now. Not told where the project is watched: there it is seen. */
  take(results: readonly DeploymentResult[]): void
}

/** How long until the next attempt, by how many have failed; then as long as the last. */
const backOffMs = [30_000, 60_000, 120_000, 300_000, 600_000]

interface Fetch {
  name: string
  missing: MissingFile
  origins: Origin[]
  state: FetchState
  failures: number
  timer?: NodeJS.Timeout
  end?: () => void
}

/** The setting `fetch`: models that are missing are fetched, one after the other, by a process that serves nobody. */
export class ModelFetches {
  readonly #options: FetchesOptions
  readonly #fetches = new Map<string, Fetch>()
  #running: Fetch | undefined

  constructor(options: FetchesOptions) {
    this.#options = options
    options.signal.addEventListener('abort', () => this.update([]), { once: true })
  }

  /** Fetches what these miss and nothing else, and notes in them how far that is. */
  update(failures: readonly FailedSource[]): void {
    const { config, signal } = this.#options
    const wanted = new Map<string, Fetch>()
    for (const { name, origin, missing } of config.fetch && !signal.aborted ? failures : []) {
      const file = missing?.files[0]
      if (!missing || missing.deployment !== name || origin.deployed || file?.url === undefined || isTar(file.url))
        continue
      const known = wanted.get(file.file) ?? this.#fetches.get(file.file)
      // One that is done and still missed: the source came when the others were compiled.
      const isLate = known?.state.isDone === true && !config.watch
      const isSame = known !== undefined && !isLate && JSON.stringify(known.missing) === JSON.stringify(file)
      const fetch: Fetch = isSame ? known : { name, missing: file, origins: [], state: {}, failures: 0 }
      fetch.origins = [...(wanted.has(file.file) ? fetch.origins : []), origin]
      missing.fetch = fetch.state
      wanted.set(file.file, fetch)
    }
    for (const [file, fetch] of this.#fetches) {
      if (wanted.get(file) === fetch) continue
      clearTimeout(fetch.timer)
      fetch.end?.()
      this.#fetches.delete(file)
    }
    for (const [file, fetch] of wanted) this.#fetches.set(file, fetch)
    this.#next()
  }

  // --- internal ---

  #next(): void {
    if (this.#running || this.#options.signal.aborted) return
    const fetch = [...this.#fetches.values()].find(({ timer, state }) => timer === undefined && !state.isDone)
    if (fetch) this.#run(fetch)
  }

  #run(fetch: Fetch): void {
    const { config, npu, log, take } = this.#options
    const { name, missing, state } = fetch
    this.#running = fetch
    state.receivedBytes ??= 0
    const isThere = existsSync(resolve(config.root, missing.file))
    if (fetch.failures === 0 && !isThere) log.info({ deployment: name }, `fetching ${missing.file} from ${missing.url}`)
    const child = fork(fileURLToPath(new URL('fetch-child.js', import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: childEnv(),
    })
    let isOver = false
    const over = (act: () => void) => {
      if (isOver) return
      isOver = true
      delete fetch.end
      this.#running = undefined
      act()
      this.#next()
    }
    fetch.end = () => {
      child.kill('SIGKILL')
      over(() => {})
    }
    child.on('message', (message: FromFetcher) => {
      if (message.type === 'progress') Object.assign(state, message)
      else if (message.type === 'failed') over(() => this.#failed(fetch, message.message))
      else
        over(() => {
          if (!isThere) log.info({ deployment: name }, `fetched ${missing.file}`)
          state.isDone = true
          if (message.results.length > 0) take(message.results)
        })
    })
    child.once('error', (error) => over(() => this.#failed(fetch, error.message)))
    child.once('exit', (code, by) =>
      over(() => this.#failed(fetch, `its process ended early (${by ?? `exit code ${code}`})`)),
    )
    // A project that is watched is compiled there.
    const origins = config.watch ? [] : fetch.origins
    child.send({ config, npu: npu(), name, missing, origins } satisfies ToFetcher)
  }

  #failed(fetch: Fetch, problem: string): void {
    const { state, missing, name } = fetch
    const waitMs = backOffMs[Math.min(fetch.failures++, backOffMs.length - 1)]!
    if (state.problem !== problem)
      this.#options.log.warn(
        { deployment: name },
        `${missing.file} could not be fetched: ${problem.replaceAll(/\n\s*/g, ': ')}; tried again later`,
      )
    delete state.receivedBytes
    delete state.totalBytes
    state.problem = problem
    fetch.timer = setTimeout(() => {
      delete fetch.timer
      this.#next()
    }, waitMs)
    fetch.timer.unref()
  }
}
