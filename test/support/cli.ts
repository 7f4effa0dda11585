import { run } from '../../runtime/cli/run.ts'
import type { CliResult } from './pellet.ts'

/**
 * A command line in this process, which costs a tenth of one of its own: for commands that end by themselves. They share
 * folder, environment and streams of the process, so each waits for the last one.
 */
export function runHere(folder: string, args: string[], env: Record<string, string> = {}): Promise<CliResult> {
  const result = last.then(() => runNow(folder, args, env))
  last = result.catch(() => {})
  return result
}

// --- internal ---

let last: Promise<unknown> = Promise.resolve()

async function runNow(folder: string, args: string[], env: Record<string, string>): Promise<CliResult> {
  const before = { cwd: process.cwd(), env: { ...process.env } }
  const [out, err] = [catchWrites(process.stdout), catchWrites(process.stderr)]
  Object.assign(process.env, env)
  process.chdir(folder)
  try {
    const code = await run(args)
    return { code, stdout: out.text(), stderr: err.text() }
  } finally {
    process.chdir(before.cwd)
    for (const name of Object.keys(env))
      if (before.env[name] === undefined) delete process.env[name]
      else process.env[name] = before.env[name]
    out.release()
    err.release()
  }
}

function catchWrites(stream: NodeJS.WriteStream): { text(): string; release(): void } {
  const { write } = stream
  const chunks: Buffer[] = []
  stream.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    chunks.push(Buffer.from(chunk as string))
    const done = rest.at(-1)
    if (typeof done === 'function') process.nextTick(done as () => void)
    return true
  }
  return { text: () => String(Buffer.concat(chunks)), release: () => void (stream.write = write) }
}
