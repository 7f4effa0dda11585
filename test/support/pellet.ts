import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
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
  ): Promise<RunningPellet> {
    const folder = typeof files === 'string' ? files : createProject(files)
    const pellet = new RunningPellet(folder, flags, env)
    const line = await pellet.logged(({ msg }) => msg.startsWith('listening on '))
    pellet.url = line.msg.slice('listening on '.length)
    return pellet
  }

  private constructor(folder: string, flags: string[], env: Record<string, string>) {
    this.folder = folder
    this.child = spawn(process.execPath, [pelletBin, 'start', '--port', '0', ...flags], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    process.once('exit', () => this.child.kill('SIGKILL'))
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
        else if (this.child.exitCode !== null || this.child.signalCode !== null)
          settle(() => reject(new Error(`pellet ended: ${this.text()}`)))
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

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return this.fetch(path, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...headers },
    })
  }

  /** Rows of `pellet ps` by name. */
  async ps(): Promise<
    Record<
      string,
      {
        pid: number | null
        state: string
        loads: number
        crashes: number
        in_flight: number
        queued: number
        memory_bytes: number
      }
    >
  > {
    const { stdout } = await this.cli('ps', '--json')
    return Object.fromEntries((JSON.parse(stdout) as { name: string }[]).map((row) => [row.name, row])) as never
  }

  cli(...args: string[]): Promise<CliResult> {
    return runCli(this.folder, args)
  }

  text(): string {
    return this.log.map((line) => JSON.stringify(line)).join('\n')
  }

  /** SIGTERM, and how it ended. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', resolve))
    this.child.kill(signal)
    return ended
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

function toLogLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return { level: 'text', msg: line }
  }
}
