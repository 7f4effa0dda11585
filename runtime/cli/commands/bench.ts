import { defineCommand } from 'citty'
import { createHash } from 'node:crypto'
import { messageIn } from '../../error-body.ts'
import type { About } from '../../http/admin.ts'
import { formatDuration, parseDuration } from '../../units.ts'
import { Connection, toRequestBytes } from '../bench/connection.ts'
import { load, type LoadTarget } from '../bench/load.ts'
import { showProgress } from '../bench/progress.ts'
import { readRecord, thisMachine, toRun, type BenchRecord } from '../bench/record.ts'
import { Recorder } from '../bench/recorder.ts'
import { toComparison, toReport } from '../bench/report.ts'
import { CliError } from '../cli-error.ts'
import { callJson } from '../client.ts'
import { bodyOf, fileBody, findRoute, headersOf, requestArgs } from '../request.ts'
import { readTarget, targetArgs } from '../target.ts'
import { writeFile } from '../write-file.ts'

export default defineCommand({
  meta: {
    name: 'bench',
    description: 'Measure a function of the running Pellet: latencies, requests per second, time by phase',
  },
  args: {
    name: { type: 'positional', description: 'Name of the deployment', required: true },
    concurrency: {
      type: 'string',
      alias: 'c',
      description: 'Numbers of callers, one run each (default: 1,4,16)',
      valueHint: 'list',
      default: '1,4,16',
    },
    duration: { type: 'string', description: 'Of each run (default: 10s)', valueHint: 'time', default: '10s' },
    input: {
      type: 'string',
      alias: 'i',
      description: 'The body: JSON, a picture or any file, typed by its extension; - for standard input',
      valueHint: 'file',
    },
    ...requestArgs,
    save: { type: 'string', description: 'Write the result to a file', valueHint: 'file' },
    compare: { type: 'string', description: 'Compare with a result that --save wrote', valueHint: 'file' },
    ...targetArgs,
    json: { type: 'boolean', description: 'Print JSON' },
  },
  async run({ args, rawArgs }) {
    const concurrencies = toConcurrencies(args.concurrency)
    const durationMs = toDurationMs(args.duration)
    const { input } = args
    const headers = headersOf('bench', rawArgs)
    const body = await bodyOf('bench', rawArgs, '--input', input === undefined ? undefined : () => fileBody(input))
    const before = args.compare === undefined ? undefined : await readRecord(args.compare)
    const target = await readTarget({ ...args })
    const about = await callJson<About>(target, 'GET', '/api/about')
    const { row, method, path } = await findRoute('bench', target, args.name, args.route)
    const url = new URL(`f/${args.name}${path}`, target.url ?? `${about.address}/`)
    const sent = { ...(target.token !== undefined && { authorization: `Bearer ${target.token}` }), ...headers }
    const goal = { url, request: toRequestBytes(method, url, { ...body?.headers, ...sent }, body?.bytes) }
    const firstMs = await firstCall(args.name, goal, body === undefined)

    const record: BenchRecord = {
      format: 'pellet bench 1',
      version: about.version,
      at: new Date().toISOString(),
      machine: thisMachine(),
      deployment: args.name,
      route: `${method} ${path}`,
      revision: row.revision ?? '',
      model: row.model ?? '',
      engine: row.engine ?? '',
      request: { bytes: body?.bytes.length ?? 0, sha256: digestOf({ ...body?.headers, ...headers }, body?.bytes) },
      duration_s: durationMs / 1000,
      interrupted: false,
      runs: [],
    }
    const warmUpMs = Math.min(1000, durationMs / 5)
    console.error(
      `${args.name}: the first answer took ${formatDuration(firstMs)}; runs of ${formatDuration(durationMs)}, each after ${formatDuration(warmUpMs)} that are not counted`,
    )
    await runAll(record, goal, concurrencies, durationMs, warmUpMs)
    if (args.json) console.log(JSON.stringify(record, null, 2))
    else if (record.runs.length > 0) console.log(toReport(record))
    // JSON stays one document: who compares by program has both.
    if (before && record.runs.length > 0)
      console[args.json ? 'error' : 'log'](`\n${toComparison(record, before, args.compare!)}`)
    if (record.interrupted)
      throw new CliError(`bench: interrupted${args.save === undefined ? '' : `; ${args.save} was not written`}`)
    if (args.save !== undefined) await save(args.save, record)
    if (record.runs.every(({ answered }) => answered === 0))
      throw new CliError(`bench: ${args.name}: all requests failed`)
  },
})

// --- internal ---

/** One run after the other, until all are done or Ctrl+C is pressed. */
async function runAll(
  record: BenchRecord,
  target: LoadTarget,
  concurrencies: number[],
  durationMs: number,
  warmUpMs: number,
): Promise<void> {
  const stop = new AbortController()
  const onSignal = () => stop.abort()
  process.on('SIGINT', onSignal)
  try {
    for (const concurrency of concurrencies) {
      await load(target, { concurrency, durationMs: warmUpMs, signal: stop.signal })
      if (stop.signal.aborted) break
      const recorder = new Recorder({ isCurious: true, durationMs })
      const label = `${concurrency} caller${concurrency === 1 ? '' : 's'}`
      const hide = showProgress(label, durationMs, () => recorder.answered + recorder.failed)
      const measured = await load(target, { concurrency, durationMs, signal: stop.signal }, recorder)
      hide()
      if (measured.answered + measured.failed > 0) record.runs.push(toRun(concurrency, measured))
      if (stop.signal.aborted) break
    }
  } finally {
    process.off('SIGINT', onSignal)
  }
  record.interrupted = stop.signal.aborted
}

/**
 * Loads the model, and finds out whether the request is one at all. How long it took, in milliseconds.
 * @throws CliError where the deployment refuses the request itself: all others would be refused as well
 */
async function firstCall(name: string, { url, request }: LoadTarget, isWithoutBody: boolean): Promise<number> {
  const startedAt = performance.now()
  const connection = new Connection(url)
  const { status, body } = await connection.send(request).catch((error: Error) => {
    throw new CliError(`${url.origin}: expected an answer, found: ${error.message}`)
  })
  connection.close()
  // These may be gone with the next request; they are counted like all others.
  const isPassing = status < 400 || status === 429 || status === 503
  if (isPassing || (status >= 500 && !isWithoutBody)) return performance.now() - startedAt
  const hint = '\nGive what it takes with --input FILE, or -F name=value, as for pellet invoke.'
  throw new CliError(
    `${name}: ${messageIn(body) ?? `status ${status}`}${isWithoutBody ? hint : ''}`,
    isWithoutBody ? 2 : 1,
  )
}

function toConcurrencies(text: string): number[] {
  const numbers = text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : Number.NaN))
  if (numbers.every((number) => number >= 1 && number <= 1024)) return [...new Set(numbers)]
  throw new CliError(`bench: expected --concurrency as numbers from 1 to 1024 such as 1,4,16, found ${text}`, 2)
}

function toDurationMs(text: string): number {
  let ms = -1
  try {
    ms = parseDuration(text)
  } catch {
    // Said below.
  }
  if (ms >= 100 && ms <= 86_400_000) return ms
  throw new CliError(`bench: expected --duration from 100ms to 1d such as 10s, found ${text}`, 2)
}

function digestOf(headers: Record<string, string>, body: Uint8Array | undefined): string {
  return createHash('sha256')
    .update(JSON.stringify(headers))
    .update(body ?? new Uint8Array())
    .digest('hex')
}

async function save(file: string, record: BenchRecord): Promise<void> {
  await writeFile(file, `${JSON.stringify(record, null, 2)}\n`)
  console.error(`${file}: written`)
}
