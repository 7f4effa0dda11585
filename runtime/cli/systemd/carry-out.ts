import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { CliError } from '../cli-error.ts'
import { limitsPath, type Places } from './files.ts'
import type { Step } from './plan.ts'

/** Does what a plan says, and tells each step. @throws CliError at the first that fails */
export function carryOut(steps: readonly Step[], root: string, tell: (line: string) => void): void {
  for (const step of steps) {
    tell(formatStep(step))
    const path = join(root, step.target)
    if (step.what === 'run') runCommand(step.command!)
    else if (step.what === 'remove') remove(path, root)
    else if (step.what === 'write') {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
      writeFileSync(path, step.content!)
      // Whatever the umask of the administrator: systemd and the service must read it.
      chmodSync(path, 0o644)
    }
  }
}

export function formatStep({ what, target, why }: Step): string {
  return `  ${what.padEnd(6)}  ${target}${why === undefined ? '' : `  (${why})`}`
}

/** Why a service could not run this installation; undefined: it can. The service sees neither homes nor temporary folders. */
export function placeProblem({ node, pellet }: Places): string | undefined {
  const hidden = [node, pellet].find((path) => /^\/(home|root|run\/user|tmp|var\/tmp)\//.test(path))
  if (hidden === undefined) return undefined
  return `${hidden}: expected Node and Pellet where a service can read them, found them in a folder that is hidden from services; install both for all users (npm install --global, with a Node from the system's packages or /usr/local)`
}

// --- internal ---

function runCommand([name = '', ...args]: string[]): void {
  const { status, error, stderr } = spawnSync(name, args, { stdio: ['ignore', 'inherit', 'pipe'], encoding: 'utf8' })
  if (stderr) process.stderr.write(stderr)
  if (error) throw new CliError(`${name}: expected the program, found ${error.message}`)
  if (status !== 0) throw new CliError(`${[name, ...args].join(' ')}: expected exit code 0, found ${status}`)
}

function remove(path: string, root: string): void {
  rmSync(path, { force: true })
  if (path !== join(root, limitsPath)) return
  try {
    rmdirSync(dirname(path))
  } catch {
    // Drop-ins of one's own are in it.
  }
}
