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
 * @param timeoutMs For each question; a healthy device takes milliseconds, HailoRT 5 may wait twice 5 s in vain
 */
export async function askLibrary(timeoutMs = 15_000): Promise<LibraryFacts> {
  const child = fork(fileURLToPath(new URL('library-child.js', import.meta.url)), {
    execArgv: [],
    // The library writes to standard output whatever it is told.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    env: {
      ...childEnv(),
      HAILORT_LOGGER_PATH: 'NONE',
      HAILORT_CONSOLE_LOGGER_LEVEL: 'critical',
      // An answer that HailoRT 5 missed is waited for so long, and then asked for once more: both within the time below.
      HAILO_REQUEST_TIMEOUT_SECONDS: '5',
    },
  })
  let facts: LibraryFacts = { devices: [] }
  let doing: string | undefined = 'find it'
  let end = ''
  const giveUpAfter = (ms: number) =>
    setTimeout(() => {
      end = `gave no answer in ${ms / 1000} s`
      child.kill('SIGKILL')
    }, ms)
  let timer = giveUpAfter(startMs)
  child.on('message', (told: FromLibraryChild) => {
    facts = told.facts
    doing = told.next === '' ? undefined : told.next
    clearTimeout(timer)
    timer = giveUpAfter(timeoutMs)
  })
  const ended = await new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`could not be asked: ${error.message}`))
    child.once('exit', (code, signal) => resolve(`ended with ${signal ?? `exit code ${code}`}`))
  })
  clearTimeout(timer)
  return doing === undefined ? facts : { ...facts, stuckAt: { what: doing, end: end || ended, isCrash: end === '' } }
}

// --- internal ---

/** For the process to come up, on a board that is busy. */
const startMs = 20_000
