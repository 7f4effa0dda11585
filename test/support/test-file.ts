import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { leftBehind } from './processes.ts'

/** One test file, as its source describes it. */
export interface TestFile {
  /** Source, relative to the root: `test/scheduler/eviction.test.ts`. */
  path: string
  root: string
  alone: boolean
  timeoutMs: number
  /** Suites made and `.run()` calls written in the source; a suite without its `.run()` would never run. */
  suites: number
  runs: number
  only: boolean
}

export interface TestFileResult {
  file: TestFile
  /** Why the file is red; empty when it is green. */
  reasons: string[]
  durationMs: number
  passed: number
  failed: number
  skipped: number
  output: string
}

const defaultTimeoutMs = 120_000
/** From uvu's closing block to the end of the process. */
const lingerMs = Number(process.env.PELLET_TEST_LINGER_MS ?? 10_000)
/** What a process that is being killed may take to vanish. */
const vanishMs = 1000
const maxOutputLength = 2_000_000

/** Reads what the runner must know from the source of a test file. */
export function readTestFile(root: string, path: string): TestFile {
  const source = readFileSync(join(root, path), 'utf8')
  const head = /^(?:\s*\/\/.*\n)*/.exec(source)?.[0] ?? ''
  const seconds = /@timeout\s+(\d+)s\b/.exec(head)?.[1]
  const code = source.replace(/^\s*(?:\/\/|\/?\*).*$/gm, '')
  const ownTest = /import\s*\{[^}]*\btest\b[^}]*\}\s*from\s*['"]uvu['"]/.test(code) ? 1 : 0
  return {
    path,
    root,
    alone: /@alone\b/.test(head),
    timeoutMs: seconds === undefined ? defaultTimeoutMs : Number(seconds) * 1000,
    suites: count(code, /(?<![.\w])suite\s*(?:<[^(]*>)?\(/g) + ownTest,
    runs: count(code, /\.run\(\)/g),
    only: /\.only\(/.test(code),
  }
}

const groups = new Set<number>()

/** Kills every test process that is under way, with its children. */
export function endAllGroups(): void {
  for (const group of groups) killGroup(group)
}

/**
 * Runs one compiled test file in a process group and a temporary folder of its own, and says whether all of it passed
 * and nothing was left behind.
 */
export async function runTestFile(file: TestFile, { allowOnly = false } = {}): Promise<TestFileResult> {
  const result: TestFileResult = { file, reasons: [], durationMs: 0, passed: 0, failed: 0, skipped: 0, output: '' }
  const script = join(file.root, 'dist', file.path.replace(/\.ts$/, '.js'))
  if (file.suites !== file.runs) {
    result.reasons.push(`${file.suites} suites and ${file.runs} calls of .run(): each suite needs its own .run().`)
  }
  if (file.only && !allowOnly) result.reasons.push('.only( leaves the other tests out: remove it.')
  if (!existsSync(script)) result.reasons.push(`${script} is not there: compile first (npx tsc).`)
  else await runScript(script, result)
  if (result.reasons.length > 0) result.failed = Math.max(1, result.failed)
  return result
}

// --- internal ---

async function runScript(script: string, result: TestFileResult): Promise<void> {
  const { file, reasons } = result
  // Short, because unix sockets live in there and their paths end at 107 bytes.
  const folder = mkdtempSync(join(tmpdir(), 'pt-'))
  const marker = randomUUID()
  const startedAt = performance.now()
  const child = spawn(process.execPath, ['--enable-source-maps', script], {
    cwd: file.root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A runner under test hands its own runner's marker down, so that the outer one sees what the inner one leaves.
    env: { ...process.env, TMPDIR: folder, PELLET_TEST_MARKER: `${process.env.PELLET_TEST_MARKER ?? ''} ${marker}` },
  })
  const group = child.pid ?? 0
  if (group > 0) groups.add(group)

  let ended = ''
  const end = (why: string) => {
    ended ||= why
    killGroup(group)
  }
  const timer = setTimeout(() => end(`ran longer than its ${file.timeoutMs / 1000} s and was killed.`), file.timeoutMs)
  let linger: NodeJS.Timeout | undefined
  const onText = (chunk: string) => {
    result.output = (result.output + chunk).slice(-maxOutputLength)
    if (linger === undefined && !/^ {2}Duration: /m.test(result.output.slice(-chunk.length - 200))) return
    clearTimeout(linger)
    linger = setTimeout(() => end(`did not end within ${lingerMs / 1000} s of its last test: what is open?`), lingerMs)
  }
  const closed = gather(child, onText)
  const [code, signal, error] = await exitOf(child)
  clearTimeout(timer)
  clearTimeout(linger)
  result.durationMs = performance.now() - startedAt

  const left = await leftBehind({ group, marker, waitMs: ended ? 0 : vanishMs })
  killGroup(group)
  for (const { pid } of left) tryKill(pid)
  groups.delete(group)
  await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, vanishMs).unref())])
  clearTimeout(linger)

  readSummary(result)
  if (error) reasons.push(`could not be started: ${error.message}`)
  else if (ended) reasons.push(ended)
  else if (code !== 0) reasons.push(`ended with ${signal ?? `exit code ${code}`}.`)
  if (!ended) {
    for (const { pid, command } of left) reasons.push(`left process ${pid} behind: ${command}`)
    const names = readdirSync(folder)
    if (names.length > 0 && code === 0) reasons.push(`left files behind in os.tmpdir(): ${names.join(', ')}`)
  }
  rmSync(folder, { recursive: true, force: true })
}

/** uvu's closing blocks; there is more than one when suites were registered after the first batch had begun. */
function readSummary(result: TestFileResult): void {
  const { file, reasons } = result
  // oxlint-disable-next-line no-control-regex
  const text = result.output.replace(/\u001B\[[\d;]*m/g, '')
  let total = 0
  for (const block of text.matchAll(/^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm)) {
    total += Number(block[1])
    result.passed += Number(block[2])
    result.skipped += Number(block[3])
  }
  result.failed = total - result.passed
  const ran = count(text, /\(\d+ \/ \d+\)$/gm)
  if (total + result.skipped === 0) reasons.push('ran no test at all.')
  if (result.failed > 0) {
    const hidden = !/ FAIL /.test(text)
    reasons.push(`${result.failed} of ${total} tests failed${hidden ? ' (a hook threw; uvu does not say what)' : ''}.`)
  }
  if (ran < file.suites) reasons.push(`${ran} of ${file.suites} suites ran: is a .run() behind an await?`)
}

function gather(child: ChildProcess, onText: (chunk: string) => void): Promise<unknown> {
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', onText)
  return new Promise((resolve) => child.once('close', resolve))
}

function exitOf(child: ChildProcess): Promise<[number | null, NodeJS.Signals | null, Error?]> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve([null, null, error]))
    child.once('exit', (code, signal) => resolve([code, signal]))
  })
}

function killGroup(group: number): void {
  if (group > 0) tryKill(-group)
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Already gone.
  }
}

function count(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].length
}
