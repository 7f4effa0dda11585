import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { until } from '../support/process.ts'
import { projectRoot } from '../support/root.ts'

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

/** A machine with a real systemd, made of namespaces: see machine.sh. Linux, root, and a systemd that is installed. */
export class Machine {
  readonly #child: ChildProcess
  readonly #group: string

  static async boot(): Promise<Machine> {
    const script = join(projectRoot, 'test/service/machine.sh')
    const child = spawn(script, [projectRoot], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
    const machine = new Machine(child, line.slice('group '.length))
    await until(() => machine.#isUp(), 'a systemd that runs', 20_000)
    return machine
  }

  private constructor(child: ChildProcess, group: string) {
    this.#child = child
    this.#group = group
  }

  /** Runs a command in it. */
  run(...command: string[]): Outcome {
    const [name, args] = this.#enter(command)
    const { status, stdout, stderr } = spawnSync(name, args, { cwd: '/', encoding: 'utf8', timeout: 60_000 })
    return { code: status, stdout: stdout.trim(), stderr: stderr.trim() }
  }

  /** As `run`, and goes on meanwhile. */
  async runBeside(...command: string[]): Promise<Outcome> {
    const [name, args] = this.#enter(command)
    const child = spawn(name, args, { cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] })
    const outcome = { code: null as number | null, stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => (outcome.stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (outcome.stderr += text))
    ;[outcome.code] = (await once(child, 'close')) as [number | null]
    return outcome
  }

  /** Ends all of it. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
    await until(() => this.#removed(this.#group), 'its control group to be empty')
  }

  // --- internal ---

  #isUp(): boolean {
    if (this.#child.exitCode !== null) throw new Error('the machine did not start')
    const scope = join(this.#group, 'init.scope/cgroup.procs')
    return existsSync(scope) && ['running', 'degraded'].includes(this.run('systemctl', 'is-system-running').stdout)
  }

  #enter(command: string[]): [string, string[]] {
    const [first] = readFileSync(join(this.#group, 'init.scope/cgroup.procs'), 'utf8').split('\n')
    const spaces = ['--pid', '--mount', '--ipc', '--uts', '--net', '--cgroup', '--root']
    const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
    return ['nsenter', ['--target', first!, ...spaces, 'env', '--ignore-environment', path, ...command]]
  }

  #removed(folder: string): boolean {
    if (!existsSync(folder)) return true
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) this.#removed(join(folder, entry.name))
    try {
      rmdirSync(folder)
      return true
    } catch {
      return false
    }
  }
}
