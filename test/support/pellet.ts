import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { request } from 'node:http'
import { createInterface } from 'node:readline'
import { childrenOf, until } from './process.ts'
import { isAlive } from './processes.ts'
import { projectRoot } from './root.ts'
import { temporaryFolder } from './fixture-tmp.ts'

/** The command line as a user has it: built, no loader. */
export const pelletBin = join(projectRoot, 'dist/runtime/cli/main.js')

/** Files of a project by path, e.g. `functions/foo.ts`. A string is the content, `{ from }` a file to copy. */
export type ProjectFiles = Record<string, string | Uint8Array | { from: string }>

export interface LogLine {
  level: string
  msg: string
  deployment?: string
  [key: string]: unknown
}

/** A row of `pellet ps --json`, as far as tests look at it. */
export interface PsRow {
  name: string
  pid: number | null
  state: string
  loads: number
  evictions: number
  crashes: number
  in_flight: number
  queued: number
  memory_bytes: number
  expires_in_s: number | null
  last_error: string | null
}

/** A project in a folder of its own, removed when the test's process ends. */
export function createProject(files: ProjectFiles): string {
  const folder = temporaryFolder()
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path)
    mkdirSync(dirname(file), { recursive: true })
    if (typeof content === 'object' && 'from' in content) cpSync(content.from, file)
    else writeFileSync(file, content)
  }
  return folder
}

/** A starter model of this repository, to put into a project. */
export function starterModel(name: string): { from: string } {
  return { from: join(projectRoot, 'models', name) }
}

/** A real `pellet start` on a free port. Ended with the test's process, also when that is killed. */
export class RunningPellet {
  readonly folder: string
  readonly child: ChildProcess
  readonly log: LogLine[] = []
  url = ''
  #waiting = new Set<() => void>()

  static async start(
    files: ProjectFiles | string,
    flags: string[] = [],
    env: Record<string, string> = {},
    command = 'start',
  ): Promise<RunningPellet> {
    const folder = typeof files === 'string' ? files : createProject(files)
    const pellet = RunningPellet.spawn(folder, flags, env, command)
    const line = await pellet
      .logged(({ msg }) => msg.startsWith('listening on '), 60_000)
      .catch(async (error: unknown) => {
        // uvu does not say what a hook threw.
        console.error(error)
        await pellet.stop('SIGKILL')
        throw error
      })
    pellet.url = line.msg.slice('listening on '.length)
    return pellet
  }

  /** The process as it was just started: it does not listen yet, and may never. */
  static spawn(
    files: ProjectFiles | string,
    flags: string[] = [],
    env: Record<string, string> = {},
    command = 'start',
  ): RunningPellet {
    return new RunningPellet(typeof files === 'string' ? files : createProject(files), flags, env, command)
  }

  private constructor(folder: string, flags: string[], env: Record<string, string>, command: string) {
    this.folder = folder
    this.child = spawn(process.execPath, [pelletBin, command, '--port', '0', ...flags], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(this.child)
    this.child.once('exit', () => running.delete(this.child))
    for (const stream of [this.child.stdout!, this.child.stderr!])
      createInterface({ input: stream }).on('line', (line) => {
        this.log.push(toLogLine(line))
        for (const check of this.#waiting) check()
      })
    this.child.once('exit', () => {
      for (const check of this.#waiting) check()
    })
  }

  get pid(): number {
    return this.child.pid!
  }

  /** The first log line that fits, as soon as there is one. Rejects when the process ends before, or after `timeoutMs`. */
  logged(isWanted: (line: LogLine) => boolean, timeoutMs = 20_000): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        done()
      }
      const check = () => {
        const line = this.log.find(isWanted)
        if (line) settle(() => resolve(line))
        else if (this.hasEnded()) settle(() => reject(new Error(`pellet ended: ${this.text()}`)))
      }
      const timer = setTimeout(
        () => settle(() => reject(new Error(`no such log line in ${timeoutMs} ms: ${this.text()}`))),
        timeoutMs,
      )
      this.#waiting.add(check)
      check()
    })
  }

  fetch(path: string, init?: RequestInit): Promise<Response> {
    return fetch(this.url + path, init)
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}, signal?: AbortSignal): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
      ...(signal && { signal }),
    })
  }

  /** Rows of `pellet ps` by name, asked of the admin socket. */
  async ps(): Promise<Record<string, PsRow>> {
    const rows = (await this.admin('GET', '/api/ps')) as PsRow[]
    return Object.fromEntries(rows.map((row) => [row.name, row]))
  }

  /** A row of `pellet ps` that must be there. */
  async row(name: string): Promise<PsRow> {
    const row = (await this.ps())[name]
    if (!row) throw new Error(`${name}: expected a deployment of that name: ${this.text()}`)
    return row
  }

  /** Polls `pellet ps` until the row is as wanted, and returns it. */
  async rowWhen(name: string, isWanted: (row: PsRow) => boolean, timeoutMs = 20_000): Promise<PsRow> {
    let row: PsRow | undefined
    await until(
      async () => isWanted((row = await this.row(name))),
      () => `another row, found ${JSON.stringify(row)}`,
      timeoutMs,
    )
    return row!
  }

  /** Calls the admin socket. Rejects when it does not answer with 2xx. */
  admin(method: string, path: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call = request({ socketPath: join(this.folder, '.pellet/pellet.sock'), method, path, agent: false })
      call.once('error', reject)
      call.once('response', (answer) => {
        let text = ''
        answer.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
        answer.once('end', () => {
          if (Math.floor(answer.statusCode! / 100) === 2) resolve(JSON.parse(text))
          else reject(new Error(text))
        })
      })
      call.end()
    })
  }

  /** `pellet ...args` in its folder, run in this process. */
  async cli(...args: string[]): Promise<CliResult> {
    const { runHere } = await import('./cli.ts')
    return runHere(this.folder, args)
  }

  text(): string {
    return this.log.map((line) => JSON.stringify(line)).join('\n')
  }

  hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null
  }

  /** SIGTERM, and how it ended. */
  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const ended = this.ended()
    if (!this.hasEnded()) this.child.kill(signal)
    return ended
  }

  /** Exit code, once the process has ended; null when a signal ended it. */
  ended(): Promise<number | null> {
    if (this.hasEnded()) return Promise.resolve(this.child.exitCode)
    return new Promise((resolve) => this.child.once('exit', resolve))
  }
}

/** A Pellet for one test: ended when the test ends, however that does. Its children must then be gone as well. */
export async function withPellet(
  files: ProjectFiles | string,
  flags: string[],
  use: (pellet: RunningPellet) => Promise<void>,
): Promise<void> {
  const pellet = await RunningPellet.start(files, flags)
  try {
    await use(pellet)
  } catch (error) {
    console.error(pellet.text())
    throw error
  } finally {
    const children = pellet.hasEnded() ? [] : childrenOf(pellet.pid)
    await pellet.stop('SIGKILL')
    await until(
      () => !children.some(isAlive),
      () => `processes ${children.filter(isAlive).join(', ')} to be gone`,
    )
  }
}

export interface CliResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs `pellet ...args` in a folder. */
export function runCli(folder: string, args: string[], env: Record<string, string> = {}): Promise<CliResult> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [pelletBin, ...args],
      { cwd: folder, env: { ...process.env, ...env }, timeout: 30_000 },
      (error, stdout, stderr) => {
        resolve({ code: error ? ((error.code as unknown as number) ?? -1) : 0, stdout, stderr })
      },
    )
  })
}

// --- internal ---

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

function toLogLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return { level: 'text', msg: line }
  }
}
