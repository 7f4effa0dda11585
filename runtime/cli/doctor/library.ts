import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { childEnv } from '../../child-env.ts'
import type { LibraryFacts } from './facts.ts'

/** What the child tells as it goes: all that it knows so far, and what it does next. */
export interface FromLibraryChild {
  facts: LibraryFacts
  next: string
}

/**
 * Asks HailoRT's library, in a process of its own: it may hang where a device does not answer, and crash.
 * @param timeoutMs A healthy device takes less than a second; one of HailoRT 5 that others hold takes 5
 */
export async function askLibrary(timeoutMs = 20_000, entry = 'library-child.js'): Promise<LibraryFacts> {
  const child = fork(fileURLToPath(new URL(entry, import.meta.url)), {
    execArgv: [],
    // The library writes to standard output whatever it is told.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: { ...childEnv(), HAILORT_LOGGER_PATH: 'NONE', HAILORT_CONSOLE_LOGGER_LEVEL: 'critical' },
  })
  let facts: LibraryFacts = { devices: [] }
  let doing: string | undefined = 'load it'
  child.on('message', (told: FromLibraryChild) => {
    facts = told.facts
    doing = told.next === '' ? undefined : told.next
  })
  let end = ''
  const timer = setTimeout(() => {
    end = `gave no answer in ${timeoutMs / 1000} s`
    child.kill('SIGKILL')
  }, timeoutMs)
  const ended = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be asked: ${error.message}`))
    child.once('exit', (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`))
  })
  clearTimeout(timer)
  return doing === undefined ? facts : { ...facts, stuckAt: { what: doing, end: end || ended } }
}
