import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { childEnv } from '../child-env.ts'
import type { ModelDescription } from '../engines/engine.ts'
import type { ChainProblem } from '../isolate/child/pipeline.ts'
import type { Manifest, ModelKey } from '../manifest/manifest.ts'

/** What lives in function code, as data. */
export interface FunctionDescription {
  manifest?: unknown
  /** JSON Schema of the options. */
  input: Record<string, unknown>
  steps: Record<string, { from: string; to: string }>
}

export type ToDescriber =
  | { type: 'describe'; bundleFile: string }
  | {
      type: 'check'
      bundleFile?: string
      manifest: Manifest
      /** Absent: only what can be said without the model. */
      model?: { key: ModelKey; file: string }
      files: Record<string, string>
    }

export type FromDescriber =
  /** It listens; no code of a function has run yet. */
  | { type: 'started' }
  | { type: 'described'; description: FunctionDescription }
  | { type: 'checked'; problems: ChainProblem[]; input: Record<string, unknown>; model?: ModelDescription }
  | { type: 'failed'; message: string }

/** To start it takes a quarter of a second, and on a machine with ten times more to do than it can, ten times as long. */
const startTimeoutMs = 30_000
/** Code of a function that is described runs at most this long. */
const describeTimeoutMs = 5000
/** Opening a large model to look at its inputs may take longer than code may. */
const checkTimeoutMs = 60_000

/**
 * A short-lived child process in which function code is imported to be looked at. Main learns only data: function code
 * that throws, loops, exits or eats memory ends this process and nothing else.
 */
export class Describer implements Disposable {
  #child = fork(fileURLToPath(new URL('describe-child.js', import.meta.url)), {
    execArgv: ['--max-old-space-size=512', '--enable-source-maps'],
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: childEnv(),
  })
  readonly #started = startOf(this.#child)
  #stderr = ''
  #isUsed = false

  constructor() {
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-4000)
    })
  }

  /** It has looked at code before. */
  get isUsed(): boolean {
    return this.#isUsed
  }

  get isAlive(): boolean {
    return this.#child.connected && this.#child.exitCode === null && this.#child.signalCode === null
  }

  /** @throws Error that says what the function did instead of describing itself */
  async describe(bundleFile: string): Promise<FunctionDescription> {
    const answer = await this.#ask({ type: 'describe', bundleFile }, describeTimeoutMs)
    if (answer.type !== 'described') throw new Error(`expected a description, found ${answer.type}`)
    return answer.description
  }

  /** Checks a manifest against its steps and its model. @throws Error when the model cannot be read */
  async check(request: Omit<Extract<ToDescriber, { type: 'check' }>, 'type'>) {
    const answer = await this.#ask({ type: 'check', ...request }, checkTimeoutMs)
    if (answer.type !== 'checked') throw new Error(`expected a check, found ${answer.type}`)
    return answer
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }

  async #ask(message: ToDescriber, timeoutMs: number): Promise<FromDescriber> {
    this.#isUsed = true
    const child = this.#child
    await this.#started
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL')
        reject(
          new Error(
            `expected to be loaded within ${timeoutMs / 1000} s, found no answer: does it loop, or await something?`,
          ),
        )
      }, timeoutMs)
      const onExit = (code: number | null, signal: string | null) => {
        // V8 ends with frames of its own machine code, which say nothing to the author of a function.
        const lines = this.#stderr
          .trim()
          .split('\n')
          .filter((line) => !/^\s*\d+: 0x/.test(line))
        const last = lines.slice(-6).join('\n  ').trim()
        settle(() =>
          reject(
            new Error(`its process ended while it was loaded (${signal ?? `exit code ${code}`})${last && `: ${last}`}`),
          ),
        )
      }
      const onMessage = (answer: FromDescriber | null) => {
        // Function code may send what it likes on the same channel.
        if (!answer || !['described', 'checked', 'failed'].includes(answer.type)) return
        settle(() => (answer.type === 'failed' ? reject(new Error(answer.message)) : resolve(answer)))
      }
      const settle = (done: () => void) => {
        clearTimeout(timer)
        child.off('exit', onExit).off('message', onMessage)
        done()
      }
      if (!this.isAlive) return onExit(child.exitCode, child.signalCode)
      child.on('exit', onExit).on('message', onMessage as (answer: unknown) => void)
      // Code that it has looked at before may end it at any moment; its exit is told as well.
      child.send(message, () => {})
    })
  }
}

// --- internal ---

/** Resolves when it listens, or has ended. What is asked of it is measured from then on. */
async function startOf(child: ChildProcess): Promise<void> {
  const timer = setTimeout(() => child.kill('SIGKILL'), startTimeoutMs)
  timer.unref()
  await Promise.race([once(child, 'message'), once(child, 'exit')]).catch(() => {})
  clearTimeout(timer)
}
