import { fork } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { childEnv } from '../child-env.ts'
import type { Config, ConfigChange } from '../config.ts'
import type { NpuStatus } from '../device/npu.ts'
import type { StagedDraft } from '../deploys/compile-draft.ts'
import type { DeploymentResult } from './deployment.ts'

/** What the compiler's process is told, once. */
export type ToCompiler = CompilerTask & { npu: NpuStatus }

export type CompilerTask =
  | ProjectTask
  | { type: 'draft'; config: Config; name: string; draft: unknown; isDryRun: boolean }

export interface ProjectTask {
  type: 'project'
  config: Config
  /** Those of the command line: the configuration is read again with them. */
  flags: Record<string, unknown>
  /** Stay, and compile whenever something changes. */
  watch: boolean
}

export type FromCompiler =
  | ({ type: 'compiled' } & Compiled)
  | { type: 'results'; results: DeploymentResult[] }
  | { type: 'draft'; staged: StagedDraft }
  | { type: 'config'; changes: ConfigChange[] }
  | { type: 'trouble'; message: string }
  | { type: 'failed'; message: string }

/** What there is at the start. */
export interface Compiled {
  /** Of the project's files. */
  dropped: DeploymentResult[]
  /** Of what was deployed, and is live. */
  deployed: DeploymentResult[]
}

export interface CompilerOptions {
  config: Config
  flags: Record<string, unknown>
  /** The process starts while it is looked for. */
  npu: Promise<NpuStatus>
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
export function compileInChild(options: CompilerOptions): Promise<Compiled> {
  const { config, flags } = options
  return answerOf({ type: 'project', config, flags, watch: false }, options, (message) =>
    message.type === 'compiled' ? message : undefined,
  )
}

/** Compiles what was uploaded, in a process of its own. @throws Error as `compileInChild` */
export async function compileDraftInChild(
  name: string,
  draft: unknown,
  { isDryRun = false, ...options }: Omit<CompilerOptions, 'flags'> & { isDryRun?: boolean },
): Promise<StagedDraft> {
  return answerOf({ type: 'draft', config: options.config, name, draft, isDryRun }, options, (message) =>
    message.type === 'draft' ? message.staged : undefined,
  )
}

/** As `compileInChild`, but the process stays and compiles again whenever a file of the project changes. */
export class WatchingCompiler {
  /** What there is at the start. Rejects as `compileInChild` does. */
  readonly first: Promise<Compiled>
  readonly #options: CompilerOptions
  #events: ProjectEvents | undefined
  #latest: DeploymentResult[] | undefined
  #onFirst: (compiled: Compiled) => void = () => {}
  #onFailure: (error: Error) => void = () => {}
  /** Ends the process that runs now. */
  #stop = new AbortController()

  constructor(options: CompilerOptions) {
    this.#options = { ...options }
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

  /** There is another NPU now: all is compiled anew. */
  renew(npu: NpuStatus): void {
    this.#options.npu = Promise.resolve(npu)
    const before = this.#stop
    this.#run()
    before.abort()
  }

  // --- internal ---

  #run(): void {
    const { config, flags, npu, signal } = this.#options
    const stop = (this.#stop = new AbortController())
    const ends = AbortSignal.any([signal, stop.signal])
    run(
      { type: 'project', config, flags, watch: true },
      { npu, signal: ends },
      {
        message: (message) => {
          if (message.type === 'compiled') this.#onFirst(message)
          if (message.type === 'compiled') this.#take(message.dropped)
          else if (message.type === 'results') this.#take(message.results)
          else if (message.type === 'config') this.#events?.configChanged(message.changes)
          else if (message.type === 'trouble') this.#events?.trouble(message.message)
        },
        ended: (reason) => {
          if (stop.signal.aborted) return
          if (signal.aborted || !this.#latest) return this.#onFailure(new Error(reason))
          this.#events?.trouble(`${reason}; it is started again, until then changes go unseen`)
          setTimeout(() => signal.aborted || this.#run(), restartMs).unref()
        },
      },
    )
  }

  #take(results: DeploymentResult[]): void {
    this.#latest = results
    this.#events?.results(results)
  }
}

// --- internal ---

interface CompilerProcessEvents {
  message(message: FromCompiler): void
  /** It is gone, or cannot go on; the last that is told. */
  ended(reason: string): void
}

type CompilerTerms = Pick<CompilerOptions, 'npu' | 'signal'>

/** Starts a process for one answer. */
function answerOf<Answer>(
  task: CompilerTask,
  terms: CompilerTerms,
  pick: (message: FromCompiler) => Answer | undefined,
): Promise<Answer> {
  const answer = new Promise<Answer>((resolve, reject) => {
    run(task, terms, {
      message: (message) => {
        const picked = pick(message)
        if (picked !== undefined) resolve(picked)
      },
      ended: (reason) => reject(new Error(reason)),
    })
  })
  // Whoever started it may end before it asks for the outcome.
  answer.catch(() => {})
  return answer
}

function run(task: CompilerTask, { npu, signal }: CompilerTerms, events: CompilerProcessEvents): void {
  mkdirSync(task.config.dataFolder, { recursive: true, mode: 0o700 })
  const child = fork(fileURLToPath(new URL('compiler-child.js', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: childEnv(),
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
  void npu.then((found) => child.connected && child.send({ ...task, npu: found } satisfies ToCompiler))
}
