import { format } from 'node:util'
import { run } from '../../runtime/cli/run.ts'
import type { CliResult } from './pellet.ts'

/**
 * A command line in this process, which costs a hundredth of one of its own: for commands that end without having begun
 * anything that holds a process open. One at a time.
 */
export async function runHere(folder: string, args: string[], env: Record<string, string> = {}): Promise<CliResult> {
  const before = { cwd: process.cwd(), log: console.log, error: console.error, env: { ...process.env } }
  const out = { stdout: '', stderr: '' }
  console.log = (...values) => void (out.stdout += `${format(...values)}\n`)
  console.error = (...values) => void (out.stderr += `${format(...values)}\n`)
  Object.assign(process.env, env)
  process.chdir(folder)
  try {
    return { code: await run(args), ...out }
  } finally {
    process.chdir(before.cwd)
    for (const name of Object.keys(env))
      if (before.env[name] === undefined) delete process.env[name]
      else process.env[name] = before.env[name]
    Object.assign(console, { log: before.log, error: before.error })
  }
}
