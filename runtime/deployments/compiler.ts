import { fork } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Config, ConfigChange } from '../config.ts'
import type { DeploymentResult } from './deployment.ts'

/** What the compiler's process is told, once. */
export interface ToCompiler {
  config: Config
  /** Those of the command line: the configuration is read again with them. */
  flags: Record<string, unknown>
  /** Stay, and compile whenever something changes. */
  watch: boolean
}

export type FromCompiler =
  | { type: 'results'; results: DeploymentResult[] }
  | { type: 'config'; changes: ConfigChange[] }
  | { type: 'trouble'; message: string }
  | { type: 'failed'; message: string }

export interface CompilerOptions {
  config: Config
  flags: Record<string, unknown>
  /** Ends it. */
  signal: AbortSignal
}

/** What comes of watching the project, after its first results. */
export interface ProjectEvents {
  results(results: DeploymentResult[]): void
  configChanged(changes: ConfigChange[]): void
  /** Something is wrong with the watching, or with the configuration; for people. */
  trouble(message: string): void
}

/** How long until a compiler is started again that ended while it watched. */
const restartMs = 1000

/**
 * Compiles the project in a process of its own: zod, esbuild and the YAML parser would cost the main process 40 MB for
 * good. It runs while main starts up, and ends afterwards.
 * @throws Error when the process ends without an answer, or is ended by `signal`
 */
export function compileInChild(options: CompilerOptions): Promise<DeploymentResult[]> {
  const results = new Promise<DeploymentResult[]>((resolve, reject) => {
    run(options, false, {
      message: (message) => message.type === 'results' && resolve(message.results),
      ended: (reason) => reject(new Error(reason)),
    })
  })
  // Whoever started it may end before it asks for the outcome.
  results.catch(() => {})
  return results
}

/** As `compileInChild`, but the process stays and compiles again whenever a file of the project changes. */
export class WatchingCompiler {
  /** The first results. Rejects as `compileInChild` does. */
  readonly first: Promise<DeploymentResult[]>
  readonly #options: CompilerOptions
  #events: ProjectEvents | undefined
  #latest: DeploymentResult[] | undefined
  #onFirst: (results: DeploymentResult[]) => void = () => {}
  #onFailure: (error: Error) => void = () => {}

  constructor(options: CompilerOptions) {
    this.#options = options
    this.first = new Promise((resolve, reject) => {
      this.#onFirst = resolve
      this.#onFailure = reject
    })
    this.first.catch(() => {})
    this.#run()
  }

  /** Tells what comes from now on, and what has come since the first results. */
  subscribe(events: ProjectEvents): void {
    this.#events = events
    if (this.#latest) events.results(this.#latest)
  }

  // --- internal ---

  #run(): void {
    run(this.#options, true, {
      message: (message) => {
        if (message.type === 'results') this.#take(message.results)
        else if (message.type === 'config') this.#events?.configChanged(message.changes)
        else if (message.type === 'trouble') this.#events?.trouble(message.message)
      },
      ended: (reason) => {
        if (this.#options.signal.aborted || !this.#latest) return this.#onFailure(new Error(reason))
        this.#events?.trouble(`${reason}; it is started again, until then changes go unseen`)
        setTimeout(() => this.#options.signal.aborted || this.#run(), restartMs).unref()
      },
    })
  }

  #take(results: DeploymentResult[]): void {
    this.#latest = results
    this.#onFirst(results)
    this.#events?.results(results)
  }
}

// --- internal ---

interface CompilerProcessEvents {
  message(message: FromCompiler): void
  /** It is gone, or cannot go on; the last that is told. */
  ended(reason: string): void
}

function run({ config, flags, signal }: CompilerOptions, watch: boolean, events: CompilerProcessEvents): void {
  mkdirSync(config.dataFolder, { recursive: true, mode: 0o700 })
  const child = fork(fileURLToPath(new URL('compiler-child.js', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, PELLET_PARENT_PID: String(process.pid) },
  })
  let isOver = false
  const end = (reason: string) => {
    if (isOver) return
    isOver = true
    signal.removeEventListener('abort', kill)
    events.ended(reason)
  }
  const kill = () => child.kill('SIGKILL')
  signal.addEventListener('abort', kill, { once: true })
  child.on('message', (message: FromCompiler) =>
    message.type === 'failed' ? end(message.message) : events.message(message),
  )
  child.once('error', (error) => end(error.message))
  child.once('exit', (code, by) => end(`the compiler ended early (${by ?? `exit code ${code}`})`))
  child.send({ config, flags, watch } satisfies ToCompiler)
}
