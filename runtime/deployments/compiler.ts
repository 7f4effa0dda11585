import { fork } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Config } from '../config.ts'
import type { DeploymentResult } from './deployment.ts'

/**
 * Compiles the project in a process of its own, which ends afterwards: zod, esbuild and the YAML parser would cost the
 * main process 40 MB for good. It runs while main starts up.
 * @throws Error when the process ends without an answer, or is ended by `signal`
 */
export function compileInChild(config: Config, signal: AbortSignal): Promise<DeploymentResult[]> {
  mkdirSync(config.dataFolder, { recursive: true, mode: 0o700 })
  const child = fork(fileURLToPath(new URL('compiler-child.js', import.meta.url)), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, PELLET_PARENT_PID: String(process.pid) },
  })
  const compilation = new Promise<DeploymentResult[]>((resolve, reject) => {
    child.once('message', (answer: DeploymentResult[] | { error: string }) => {
      if ('error' in answer) reject(new Error(answer.error))
      else resolve(answer)
    })
    child.once('error', reject)
    signal.addEventListener('abort', () => child.kill('SIGKILL'), { once: true })
    child.once('exit', (code, signal) =>
      reject(new Error(`the compiler ended early (${signal ?? `exit code ${code}`})`)),
    )
    child.send(config)
  })
  // Whoever started it may end before it asks for the outcome.
  compilation.catch(() => {})
  return compilation
}
