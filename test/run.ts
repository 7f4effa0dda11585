/**
 * Runs test files, each as a process of its own, and believes none of them on its exit code alone: uvu ends with 0 when
 * a `before` or `after.each` hook throws, when `.run()` is forgotten, and when a file runs its suites in two batches.
 *
 *   node dist/test/run.js [--jobs N] [--root FOLDER] [part of a path ...]
 *
 * A test file may begin with `// @alone` (nothing else runs meanwhile) and `// @timeout 120s`.
 */
import { readdirSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { projectRoot } from './support/root.ts'
import { endAllGroups, readTestFile, runTestFile } from './support/test-file.ts'
import type { TestFile, TestFileResult } from './support/test-file.ts'

const { values, positionals } = parseArgs({
  options: { jobs: { type: 'string' }, root: { type: 'string' } },
  allowPositionals: true,
})
const root = resolve(values.root ?? projectRoot)
const jobs = Number(values.jobs ?? process.env.PELLET_TEST_JOBS ?? 2 * availableParallelism())
if (!Number.isInteger(jobs) || jobs < 1) {
  console.error(`--jobs: expected a whole number of at least 1, found ${values.jobs ?? process.env.PELLET_TEST_JOBS}.`)
  process.exit(2)
}

const files = findTestFiles(join(root, 'test'))
  .map((path) => path.slice(root.length + 1))
  .filter((path) => positionals.length === 0 || positionals.some((part) => path.includes(part)))
  .map((path) => readTestFile(root, path))
  // Those that may take longest begin first, so that none of them runs on alone at the end.
  .sort((a, b) => b.timeoutMs - a.timeoutMs)

if (files.length === 0) {
  console.error(`No test file in ${join(root, 'test')} matches ${positionals.join(', ') || '**/*.test.ts'}.`)
  process.exit(1)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    endAllGroups()
    process.exit(130)
  })
}

const results: TestFileResult[] = []
await runAll(
  files.filter((file) => !file.alone),
  jobs,
)
await runAll(
  files.filter((file) => file.alone),
  1,
)
report()

// --- internal ---

function findTestFiles(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .map((name) => join(folder, name))
}

async function runAll(waiting: TestFile[], width: number): Promise<void> {
  const queue = [...waiting]
  const worker = async () => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      // A leftover `.only` is fine while one file is being worked on, and a hole when everything is run.
      const result = await runTestFile(file, { allowOnly: positionals.length > 0 })
      results.push(result)
      print(result)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, queue.length) }, worker))
}

function print({ file, reasons, durationMs, passed, failed, skipped, output }: TestFileResult): void {
  const counts = `${passed} passed${failed ? `, ${failed} failed` : ''}${skipped ? `, ${skipped} skipped` : ''}`
  const time = `${(durationMs / 1000).toFixed(1)} s`.padStart(8)
  console.log(`${reasons.length ? 'FAIL' : 'ok  '} ${time}  ${file.path}  ${counts}`)
  if (reasons.length === 0) return
  for (const reason of reasons) console.log(`     ${reason}`)
  console.log(
    output
      .trimEnd()
      .split('\n')
      .map((line) => `     | ${line}`)
      .join('\n'),
  )
}

function report(): void {
  const sum = (key: 'passed' | 'failed' | 'skipped') => results.reduce((total, result) => total + result[key], 0)
  const red = results.filter((result) => result.reasons.length > 0)
  if (red.length > 0) console.log(`\nRed: ${red.map((result) => result.file.path).join(', ')}`)
  const skipped = sum('skipped')
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped ? `, ${skipped} skipped` : ''}`)
  process.exitCode = red.length > 0 ? 1 : 0
}
